// SPDX-License-Identifier: GPL-2.0
/*
 * pin: binds a task to one CPU
 *
 * In:  argv[1] the task's number, argv[2] the CPU.
 * Out: exit value; "BENCH-FAIL,<reason>" if it could not be done.
 *
 * For kthreadd, which is 2: where it happens to make a new thread is chance otherwise.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	cpu_set_t set;

	if (argc != 3)
		return 2;
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[2]), &set);
	if (!sched_setaffinity(atoi(argv[1]), sizeof(set), &set))
		return 0;
	printf("BENCH-FAIL,task %s cannot be bound to CPU %s\n", argv[1], argv[2]);
	return 1;
}
