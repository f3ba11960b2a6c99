// SPDX-License-Identifier: GPL-2.0
/*
 * The first and only process of the demo's guest.
 *
 * In:  /wakeup.ko in the initial ramdisk; words of the kernel command line that
 *      start with "wakeup." are the module's parameters.
 * Out: on the console, "harness: build <build id of the kernel>",
 *      "WAKEUP-CLOCK,<clocksource>", then what the module prints, then "WAKEUP-INIT-FAIL,<step>: <error>" if a step failed.  The
 *      machine is reset in either case, which ends an emulator that was told
 *      not to reboot; unlike a power off, it needs nothing of the firmware.
 *
 * Build: static, for the guest's architecture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "../harness/guest/build_id.h"
#include "../harness/guest/clocksource.h"

#define PREFIX "wakeup."

/* Ends the guest; failed_step is NULL if all went well. */
static void __attribute__((noreturn)) finish(const char *failed_step)
{
	if (failed_step)
		printf("WAKEUP-INIT-FAIL,%s: %s\n", failed_step, strerror(errno));
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* Reads a small text file without its last newline. */
static void read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	if (!file || !fgets(text, (int)size, file))
		finish(path);
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

/* Keeps the words of a command line that start with PREFIX, without it. */
static void module_parameters(char *cmdline, char *params)
{
	char *word;

	*params = '\0';
	for (word = strtok(cmdline, " "); word; word = strtok(NULL, " ")) {
		if (strncmp(word, PREFIX, strlen(PREFIX)))
			continue;
		if (*params)
			strcat(params, " ");
		strcat(params, word + strlen(PREFIX));
	}
}

int main(void)
{
	char text[4096], params[4096], id[BUILD_ID_SIZE], clocksource[CLOCKSOURCE_SIZE];
	int module;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL))
		finish("mount /proc");
	if (mount("sysfs", "/sys", "sysfs", 0, NULL))
		finish("mount /sys");
	kernel_build_id(id);
	printf("harness: build %s\n", id);

	if (await_clocksource(clocksource))
		finish(CLOCKSOURCE_FILE);
	printf("WAKEUP-CLOCK,%s\n", clocksource);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);

	read_file("/proc/cmdline", text, sizeof(text));
	module_parameters(text, params);

	module = open("/wakeup.ko", O_RDONLY | O_CLOEXEC);
	if (module < 0)
		finish("open /wakeup.ko");
	if (syscall(SYS_finit_module, module, params, 0))
		finish("load /wakeup.ko");
	finish(NULL);
}
