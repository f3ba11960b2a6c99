// SPDX-License-Identifier: GPL-2.0
/*
 * forks: what fork, exit and wait cost
 *
 * In:  argv[1] points, argv[2] children in each.
 * Out: "BENCH,fork,fork_exit_wait,0,<rep>,<ns>,<children>" for each point; the first
 *      one is the warm-up and is not printed. "BENCH-FAIL,<step>" if a step failed.
 *
 * The program is static and small, so that a child has little to copy.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	int points = argc > 1 ? atoi(argv[1]) : 10, children = argc > 2 ? atoi(argv[2]) : 20;
	int rep, i;

	for (rep = 0; rep <= points; rep++) {
		uint64_t start = now_ns(), end;

		for (i = 0; i < children; i++) {
			pid_t child = fork();

			if (!child)
				_exit(0);
			if (child < 0 || waitpid(child, NULL, 0) != child) {
				printf("BENCH-FAIL,fork or waitpid\n");
				return 1;
			}
		}
		end = now_ns();
		if (rep)
			printf("BENCH,fork,fork_exit_wait,0,%d,%llu,%d\n", rep,
			       (unsigned long long)(end - start), children);
	}
	return 0;
}
