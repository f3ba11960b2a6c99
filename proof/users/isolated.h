/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The IPIs that an isolated CPU gets, for a fixed number of operations.
 *
 * The last CPU has nohz_full and computes, so that it is never idle: each request that it is sent
 * takes an IPI. What other CPUs do is not to interrupt it, and what it has to take part in
 * interrupts it once. So the number is known; the unpatched kernel must have the same.
 */
#ifndef ISOLATED_H
#define ISOLATED_H

#include "rounds.h"

#define OPERATIONS 100
#define CALLER_CPU 0
#define PARTNER_CPU 2			/* with CPU 1, that is more than one to interrupt */

static int isolated_cpu;
static _Atomic bool computing;

static void *compute_on(void *cpu)
{
	if (bind_task(0, (int)(intptr_t)cpu))
		return cannot();
	while (computing)
		compute();
	return NULL;
}

/* Interrupts of a CPU so far that others ask for: calls, among which are flushes of its TLB. */
static long ipis(int cpu)
{
	char line[1024], *at;
	FILE *file = fopen("/proc/interrupts", "re");
	long value = -1;
	int column;

	while (file && value < 0 && fgets(line, sizeof(line), file)) {
		at = strstr(line, "CAL:");
		/* All CPUs are online, so a column is a CPU. */
		for (at = at ? at + 4 : NULL, column = 0; at && column <= cpu; column++)
			value = strtol(at, &at, 10);
	}
	if (value < 0)
		finish("/proc/interrupts");
	fclose(file);
	return value;
}

static void do_nothing(void)
{
	usleep(1000);
}

static void call_all(void)
{
	make_calls(STORM_EACH | STORM_WAIT | STORM_FREE, 1, -1);
}

static void call_partner(void)
{
	make_calls(STORM_EACH | STORM_WAIT | STORM_FREE, 1, PARTNER_CPU);
}

static void call_single(void)
{
	make_calls(STORM_SINGLE | STORM_WAIT | STORM_FREE, 1, isolated_cpu);
}

static void unmap(void)
{
	map_and_unmap();
}

static void barriers(void)
{
	barrier();
}

static void unmap_kernel(void)
{
	if (ioctl(hold_fd, HOLD_VMALLOC, 1) || ioctl(hold_fd, HOLD_VUNMAP, 0))
		cannot();
}

/* Where the threads of the calling process compute. */
enum where { PARTNER, ISOLATED };

static const struct {
	const char *name;
	void (*operation)(void);
	enum where where;
	unsigned int expected;		/* IPIs of each */
} operations[] = {
	{ "nothing", do_nothing, PARTNER, 0 },
	{ "call_other_cpu", call_partner, PARTNER, 0 },
	{ "munmap_elsewhere", unmap, PARTNER, 0 },
	{ "membarrier_elsewhere", barriers, PARTNER, 0 },
	{ "call_single", call_single, PARTNER, 1 },
	{ "call_all", call_all, PARTNER, 1 },
	{ "munmap", unmap, ISOLATED, 1 },
	{ "membarrier", barriers, ISOLATED, 1 },
	{ "vfree", unmap_kernel, PARTNER, 1 },
};

static void isolated(const char *name)
{
	pthread_t partners[2], other;
	size_t i;
	pid_t busy;

	isolated_cpu = cpus - 1;
	errno = EINVAL;
	if (isolated_cpu <= PARTNER_CPU || bind_task(0, CALLER_CPU) ||
	    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		finish("the isolated CPU");
	computing = true;
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		long before, got;
		int turn;

		computing = true;
		/* A process of its own keeps the isolated CPU busy, or a thread of this one does. */
		busy = operations[i].where == ISOLATED ? 0 : new_process();
		if (!busy && operations[i].where == PARTNER) {
			compute_on((void *)(intptr_t)isolated_cpu);
			_exit(0);
		}
		pthread_create(&partners[0], NULL, compute_on, (void *)1);
		pthread_create(&partners[1], NULL, compute_on, (void *)PARTNER_CPU);
		if (operations[i].where == ISOLATED)
			pthread_create(&other, NULL, compute_on, (void *)(intptr_t)isolated_cpu);
		/* Until the tick is off there. */
		pause_ms(100);
		before = ipis(isolated_cpu);
		for (turn = 0; turn < OPERATIONS; turn++)
			operations[i].operation();
		got = ipis(isolated_cpu) - before;
		computing = false;
		pthread_join(partners[0], NULL);
		pthread_join(partners[1], NULL);
		if (operations[i].where == ISOLATED) {
			pthread_join(other, NULL);
		} else {
			kill(busy, SIGKILL);
			waitpid(busy, NULL, 0);
		}
		figure("isolated", "operation=%s,times=%d,ipis=%ld", operations[i].name, OPERATIONS, got);
		if (got != (long)operations[i].expected * OPERATIONS)
			wrong("%s: %ld IPIs, not %u", operations[i].name, got,
			      operations[i].expected * OPERATIONS);
	}
	look();
	verdict("users", name, !trouble[0] && !total.lost && !total.twice && !total.wrong, "%s",
		trouble[0] ? trouble : "as many as requests to the isolated CPU");
}

#endif
