/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The end of a kernel while a CPU is held and a waiter is preempted: by kexec into the same
 * kernel, by a panic into a crash kernel, by a panic alone.
 *
 * The next kernel gets the initramfs of this one (retain_initrd) and its command line, with
 * users.boot=N in front; so its init runs this program again, which goes on where it was.
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <linux/kexec.h>
#include <linux/reboot.h>
#include <sys/reboot.h>

#include "starved.h"

#define KERNEL "/kernel"
#define INITRD "/sys/firmware/initrd"
#define LONG_HOLD_MS 2500	/* longer than a kernel that ends waits before it sends an NMI */

static unsigned int this_boot(void)
{
	long found = number_after("/proc/cmdline", "users.boot=");

	return found < 1 ? 1 : found;
}

static void load_next_kernel(unsigned int boot, unsigned long flags)
{
	char now[4096], line[4096];
	int kernel = open(KERNEL, O_RDONLY | O_CLOEXEC), initrd = open(INITRD, O_RDONLY | O_CLOEXEC);

	get("/proc/cmdline", now, sizeof(now));
	snprintf(line, sizeof(line), "users.boot=%u %.4000s", boot, now);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line, flags))
		finish("kexec_file_load");
	close(kernel);
	close(initrd);
}

static void *long_holder(void *cpu)
{
	if (bind_task(0, (int)(intptr_t)cpu))
		return cannot();
	held = true;
	hold(LONG_HOLD_MS * MS);
	return NULL;
}

static void *caller(void *unused)
{
	(void)unused;
	if (bind_task(0, FROM_CPU))
		return cannot();
	shared->calls = true;
	make_calls(STORM_EACH | STORM_WAIT | STORM_FREE, 1, HELD_CPU);
	shared->returned = true;
	return NULL;
}

static void *urgent(void *unused)
{
	(void)unused;
	if (bind_task(0, FROM_CPU) || become(SCHED_FIFO, 10, 0, 0))
		return cannot();
	hogging = true;
	for (;;)
		compute();
	return NULL;
}

/* This task is on CPU 0 then, the caller and who preempts it on CPU 1; the last CPUs are held. */
static void make_scene(int holders)
{
	pthread_t thread;
	int i;

	if (bind_task(0, 0))
		finish("CPU 0");
	for (i = 0; i < holders; i++) {
		held = false;
		pthread_create(&thread, NULL, long_holder, (void *)(intptr_t)cpu_ids[3 - i]);
		while (!held && !shared->failed)
			relax();
	}
	pause_ms(5);
	pthread_create(&thread, NULL, caller, NULL);
	while (!shared->calls && !shared->failed)
		relax();
	pause_ms(5);
	pthread_create(&thread, NULL, urgent, NULL);
	while (!hogging && !shared->failed)
		relax();
	if (shared->failed) {
		errno = shared->failed;
		finish("a CPU that is held, or a waiter");
	}
}

static void __attribute__((noreturn)) crash(void)
{
	/* What was said is passed on by init, which may have to move to this CPU. */
	pause_ms(100);
	put("/proc/sysrq-trigger", "c");
	finish("sysrq");
}

static void end_of_kernels(const char *name)
{
	unsigned char magic[4] = "";
	int core;

	(void)name;
	switch (this_boot()) {
	case 1:
		load_next_kernel(2, 0);
		make_scene(1);
		reboot(LINUX_REBOOT_CMD_KEXEC);
		finish("kexec");
	case 2:
		verdict("users", "kexec", true, "another kernel runs");
		load_next_kernel(3, KEXEC_FILE_ON_CRASH);
		make_scene(1);
		crash();
	default:
		core = open("/proc/vmcore", O_RDONLY | O_CLOEXEC);
		verdict("users", "kdump", read(core, magic, 4) == 4 && !memcmp(magic, "\177ELF", 4),
			"a crash kernel runs, and has the memory of the one before");
		close(core);
	}
}

/* The end is judged by others: it is expected that a panic follows, and ends the machine. */
static void end_by_panic(const char *name)
{
	make_scene(2);
	verdict("users", name, !shared->returned, "two CPUs are held, a caller is preempted");
	printf("1..%d\n", verdicts);
	crash();
}

#endif
