// SPDX-License-Identifier: GPL-2.0
/*
 * clock: waits until the kernel has its last clocksource, and says which
 *
 * In:  /sys.  The kernel replaces its first clocksource about a second after boot; a
 *      measurement must not run into that.
 * Out: "BENCH-CLOCK,<clocksource>"; exit value 1 if it cannot be read.
 */
#include <stdio.h>

#include "../harness/guest/clocksource.h"

int main(void)
{
	char text[CLOCKSOURCE_SIZE];

	if (await_clocksource(text))
		return 1;
	printf("BENCH-CLOCK,%s\n", text);
	return 0;
}
