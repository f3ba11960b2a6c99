/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waits until the kernel has its last clocksource. It replaces its first one about a second after
 * boot, and the switch stops all CPUs: it must not come into a measurement, or while a test holds
 * a CPU.
 *
 * In:  /sys.
 * Out: await_clocksource(TEXT) puts the name into TEXT; -1 if it cannot be read.
 */
#ifndef CLOCKSOURCE_H
#define CLOCKSOURCE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLOCKSOURCE_FILE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define CLOCKSOURCE_SIZE 64
#define CLOCKSOURCE_EARLY "tsc-early"
#define CLOCKSOURCE_POLLS 100
#define CLOCKSOURCE_POLL_US 100000

static inline int await_clocksource(char text[CLOCKSOURCE_SIZE])
{
	int polls;

	for (polls = 0; polls < CLOCKSOURCE_POLLS; polls++) {
		FILE *file = fopen(CLOCKSOURCE_FILE, "r");
		char *got = file ? fgets(text, CLOCKSOURCE_SIZE, file) : NULL;

		if (file)
			fclose(file);
		if (!got)
			return -1;
		text[strcspn(text, "\n")] = '\0';
		if (strcmp(text, CLOCKSOURCE_EARLY))
			break;
		usleep(CLOCKSOURCE_POLL_US);
	}
	return 0;
}

#endif
