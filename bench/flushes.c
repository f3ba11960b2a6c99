// SPDX-License-Identifier: GPL-2.0
/*
 * flushes: what a system call costs that has to flush the TLBs of other CPUs
 *
 * In:  argv[1] points, argv[2] operations in each, then numbers of busy threads (in
 *      ascending order, each less than the number of CPUs).
 * Out: "BENCH,tlb_cost,<operation>,<threads>,<rep>,<ns>,<n>" for each point, <n>
 *      operations (the middle half) together; the first one is the warm-up and is not printed.
 *      "BENCH-FAIL,<step>" if a step failed.
 *
 * The caller is on CPU 0, the busy threads of the process are on CPUs 1, 2, ...: with
 * none, the flush is local. Only the system call is timed; the pages that it is about
 * were written before.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "../harness/guest/program.h"

#define PAGE 4096UL
#define MANY 64			/* above this, x86 flushes everything, or nearly */
#define MAX_OPS 1000
#define MAX_THREADS 63
#define REST_NS 20000000	/* new threads get to their CPUs */

static _Atomic bool quit;

static void bind(int cpu)
{
	if (bind_task(0, cpu))
		fail("sched_setaffinity");
}

static void *busy(void *arg)
{
	bind((int)(intptr_t)arg);
	while (!atomic_load(&quit))
		relax();
	return NULL;
}

static void touch(char *area, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		((volatile char *)area)[i * PAGE] = 1;
}

static int do_madvise(char *area, size_t length)
{
	return madvise(area, length, MADV_DONTNEED);
}

static int do_mprotect(char *area, size_t length)
{
	return mprotect(area, length, PROT_READ);
}

static int do_munmap(char *area, size_t length)
{
	return munmap(area, length);
}

static const struct {
	const char *name;
	int (*op)(char *area, size_t length);
	size_t pages;
} cases[] = {
	{ "madvise_1", do_madvise, 1 }, { "madvise_64", do_madvise, MANY },
	{ "mprotect_1", do_mprotect, 1 }, { "mprotect_64", do_mprotect, MANY },
	{ "munmap_1", do_munmap, 1 }, { "munmap_64", do_munmap, MANY },
};

static uint64_t once(unsigned int which)
{
	size_t length = cases[which].pages * PAGE;
	char *area = mmap(NULL, length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start, end;

	if (area == MAP_FAILED)
		fail("mmap");
	touch(area, cases[which].pages);
	start = now_ns();
	if (cases[which].op(area, length))
		fail(cases[which].name);
	end = now_ns();
	if (cases[which].op != do_munmap)
		munmap(area, length);
	return end - start;
}

int main(int argc, char **argv)
{
	int points = argc > 1 ? atoi(argv[1]) : 0, ops = argc > 2 ? atoi(argv[2]) : 0;
	struct timespec rest = { 0, REST_NS };
	static uint64_t times[MAX_OPS];
	pthread_t threads[MAX_THREADS];
	int started = 0, arg, rep, i;
	unsigned int which;

	if (points < 1 || ops < 1 || ops > MAX_OPS || argc < 4)
		fail("points or operations out of range, or no number of threads");
	bind(0);
	for (arg = 3; arg < argc; arg++) {
		int wanted = atoi(argv[arg]);

		if (wanted > MAX_THREADS)
			fail("too many threads");
		for (; started < wanted; started++)
			if (pthread_create(&threads[started], NULL, busy,
					   (void *)(intptr_t)(started + 1)))
				fail("pthread_create");
		nanosleep(&rest, NULL);
		for (which = 0; which < sizeof(cases) / sizeof(cases[0]); which++) {
			for (rep = 0; rep <= points; rep++) {
				for (i = 0; i < ops; i++)
					times[i] = once(which);
				if (rep)
					printf("BENCH,tlb_cost,%s,%d,%d,%llu,%d\n",
					       cases[which].name, wanted, rep,
					       (unsigned long long)middle_sum(times, ops),
					       ops - 2 * (ops / 4));
			}
		}
	}
	atomic_store(&quit, true);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
