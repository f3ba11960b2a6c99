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
#include "../harness/guest/program.h"

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	if (!bind_task(atoi(argv[1]), atoi(argv[2])))
		return 0;
	printf("BENCH-FAIL,task %s cannot be bound to CPU %s\n", argv[1], argv[2]);
	return 1;
}
