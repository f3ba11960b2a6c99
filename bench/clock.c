// SPDX-License-Identifier: GPL-2.0
/*
 * clock: waits until the kernel has its last clocksource, and says which
 *
 * In:  /sys.  The kernel replaces its first clocksource about a second after boot; a
 *      measurement must not run into that.
 * Out: "WAKEUP-CLOCK,<clocksource>"; exit value 1 if it cannot be read.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define EARLY_CLOCK "tsc-early"
#define POLLS 100
#define POLL_US 100000

int main(void)
{
	char text[64];
	int polls;

	for (polls = 0; polls < POLLS; polls++) {
		FILE *file = fopen(CLOCKSOURCE, "r");

		if (!file || !fgets(text, sizeof(text), file))
			return 1;
		fclose(file);
		text[strcspn(text, "\n")] = '\0';
		if (strcmp(text, EARLY_CLOCK))
			break;
		usleep(POLL_US);
	}
	printf("WAKEUP-CLOCK,%s\n", text);
	return 0;
}
