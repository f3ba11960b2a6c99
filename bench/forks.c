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
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CHILDREN 1000
#define HOME_CPU 0
#define REST_US 12000	/* a few grace periods: what earlier children held is free again */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int by_size(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

/* The middle half together: without ticks, and so that a coarse clock does not matter. */
static uint64_t middle_sum(uint64_t *times, int count)
{
	uint64_t sum = 0;
	int i;

	qsort(times, count, sizeof(times[0]), by_size);
	for (i = count / 4; i < count - count / 4; i++)
		sum += times[i];
	return sum;
}

int main(int argc, char **argv)
{
	int points = argc > 1 ? atoi(argv[1]) : 10, children = argc > 2 ? atoi(argv[2]) : 20;
	static uint64_t times[MAX_CHILDREN];
	cpu_set_t home;
	int rep, i;

	CPU_ZERO(&home);
	CPU_SET(HOME_CPU, &home);
	if (sched_setaffinity(0, sizeof(home), &home)) {
		printf("BENCH-FAIL,sched_setaffinity\n");
		return 1;
	}
	if (points < 1 || children < 1 || children > MAX_CHILDREN) {
		printf("BENCH-FAIL,points or children out of range\n");
		return 1;
	}
	for (rep = 0; rep <= points; rep++) {
		for (i = 0; i < children; i++) {
			uint64_t start;
			pid_t child;

			usleep(REST_US);
			start = now_ns();
			child = fork();
			if (!child)
				_exit(0);
			if (child < 0 || waitpid(child, NULL, 0) != child) {
				printf("BENCH-FAIL,fork or waitpid\n");
				return 1;
			}
			times[i] = now_ns() - start;
		}
		if (rep)
			printf("BENCH,fork,fork_exit_wait,0,%d,%llu,%d\n", rep,
			       (unsigned long long)middle_sum(times, children),
			       children - 2 * (children / 4));
	}
	return 0;
}
