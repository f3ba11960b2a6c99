// SPDX-License-Identifier: GPL-2.0
/*
 * forks: what fork, exit and wait cost
 *
 * In:  argv[1] points, argv[2] children in each.
 * Out: "BENCH,fork,fork_exit_wait,0,<rep>,<ns>,<n>" for each point, <n> children (the
 *      middle half) together; the first one is the warm-up and is not printed. "BENCH-FAIL,<step>"
 *      if a step failed.
 *
 * The program is static and small, so that a child has little to copy; it and its
 * children stay on one CPU, because where a child goes to is chance otherwise.
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "../harness/guest/program.h"

#define MAX_CHILDREN 1000
#define HOME_CPU 0
#define REST_US 12000	/* a few grace periods: what earlier children held is free again */

int main(int argc, char **argv)
{
	int points = argc > 1 ? atoi(argv[1]) : 10, children = argc > 2 ? atoi(argv[2]) : 20;
	static uint64_t times[MAX_CHILDREN];
	int rep, i;

	if (bind_task(0, HOME_CPU))
		fail("sched_setaffinity");
	if (points < 1 || children < 1 || children > MAX_CHILDREN)
		fail("points or children out of range");
	for (rep = 0; rep <= points; rep++) {
		for (i = 0; i < children; i++) {
			uint64_t start;
			pid_t child;

			usleep(REST_US);
			start = now_ns();
			child = fork();
			if (!child)
				_exit(0);
			if (child < 0 || waitpid(child, NULL, 0) != child)
				fail("fork or waitpid");
			times[i] = now_ns() - start;
		}
		if (rep)
			printf("BENCH,fork,fork_exit_wait,0,%d,%llu,%d\n", rep,
			       (unsigned long long)middle_sum(times, children),
			       children - 2 * (children / 4));
	}
	return 0;
}
