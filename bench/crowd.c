// SPDX-License-Identifier: GPL-2.0
/*
 * crowd: how much a process gets done that has more threads than there are CPUs
 *
 * In:  argv[1] points, argv[2] milliseconds of each, argv[3] numbers of threads for each CPU,
 *      separated by commas; then what to do: <operation>:<thousands of turns of a loop>, which
 *      a thread computes after each operation.
 * Out: "BENCH,crowd,<operation>,<threads for each CPU>,<rep>,<ns>,<operations>" for each
 *      point: in <ns> (argv[2], always the same), all threads together made so many
 *      operations; the first point is the warm-up and is not printed. "BENCH-FAIL,<step>" if a
 *      step failed.
 *
 * All threads do the same, as often as they can: each operation needs all CPUs that run the
 * process, to flush their TLBs or for a barrier. Whether the one that waits for them gives its
 * CPU to another thread meanwhile is what this is about. Each CPU has as many threads as the
 * others, which are bound to it: where the scheduler moves them to is chance otherwise.
 *
 * With little to compute in between, all of them are at a lock of the kernel's most of the
 * time (mmap_lock, membarrier's mutex), and who gets that next is chance: the points of one
 * kernel are then up to a tenth apart, with munmap more than with the others.
 *
 *   munmap       a page is mapped, written to and unmapped
 *   madvise      a page is written to and given back (MADV_DONTNEED)
 *   membarrier   membarrier(2), private expedited
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../harness/guest/program.h"

#define PAGE 4096UL
#define MAX_THREADS 256
#define START_NS 20000000	/* all threads have come to rest before they begin */

static char *map(size_t pages)
{
	char *area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		fail("mmap");
	return area;
}

static void do_munmap(char *unused)
{
	char *page = map(1);

	(void)unused;
	*(volatile char *)page = 1;
	if (munmap(page, PAGE))
		fail("munmap");
}

static void do_madvise(char *own)
{
	*(volatile char *)own = 1;
	if (madvise(own, PAGE, MADV_DONTNEED))
		fail("madvise");
}

static void do_membarrier(char *unused)
{
	(void)unused;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		fail("membarrier");
}

static const struct operation {
	const char *name;
	void (*make)(char *own);
} operations[] = {
	{ "munmap", do_munmap }, { "madvise", do_madvise }, { "membarrier", do_membarrier },
};

static struct {
	pthread_barrier_t begin, end;
	const struct operation *op;	/* NULL: it is over */
	uint64_t from, until;
	unsigned long turns;
	_Atomic uint64_t made;
} run;

static void compute(unsigned long turns)
{
	unsigned long i;

	for (i = 0; i < turns; i++)
		__asm__ volatile("");
}

static void bind_to(int cpu)
{
	if (bind_task(0, cpu))
		fail("sched_setaffinity");
}

static void *member(void *cpu)
{
	char *own = map(2);

	bind_to((int)(intptr_t)cpu);
	own[PAGE] = 1;
	for (;;) {
		uint64_t made = 0;

		pthread_barrier_wait(&run.begin);
		if (!run.op)
			return NULL;
		sleep_until(run.from);
		for (; now_ns() < run.until; made++) {
			run.op->make(own);
			compute(run.turns);
		}
		atomic_fetch_add(&run.made, made);
		pthread_barrier_wait(&run.end);
	}
}

static uint64_t one_point(uint64_t length)
{
	run.made = 0;
	run.from = now_ns() + START_NS;
	run.until = run.from + length;
	pthread_barrier_wait(&run.begin);
	pthread_barrier_wait(&run.end);
	return run.made;
}

/* "munmap:40": sets what the threads are to do. */
static void choose(const char *word)
{
	const char *colon = strchr(word, ':');
	size_t i;

	run.op = NULL;
	for (i = 0; colon && i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strlen(operations[i].name) == (size_t)(colon - word) &&
		    !strncmp(operations[i].name, word, colon - word))
			run.op = &operations[i];
	if (!run.op)
		fail("an operation is not known");
	run.turns = 1000 * atol(colon + 1);
}

static void measure(int each, long cpus, int points, uint64_t length, char **words)
{
	static pthread_t threads[MAX_THREADS];
	int count = each * cpus, i, rep;

	if (count < 1 || count > MAX_THREADS)
		fail("too many threads, or none");
	/* The thread that directs them is one more. */
	if (pthread_barrier_init(&run.begin, NULL, count + 1) ||
	    pthread_barrier_init(&run.end, NULL, count + 1))
		fail("pthread_barrier_init");
	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, member, (void *)(intptr_t)(i % cpus)))
			fail("pthread_create");
	for (; *words; words++) {
		choose(*words);
		for (rep = 0; rep <= points; rep++) {
			uint64_t made = one_point(length);

			if (!made)
				fail("nothing was done");
			if (rep)
				printf("BENCH,crowd,%s,%d,%d,%llu,%llu\n", run.op->name, each, rep,
				       (unsigned long long)length, (unsigned long long)made);
		}
	}
	run.op = NULL;
	pthread_barrier_wait(&run.begin);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&run.begin);
	pthread_barrier_destroy(&run.end);
}

int main(int argc, char **argv)
{
	int points = argc > 1 ? atoi(argv[1]) : 0, length_ms = argc > 2 ? atoi(argv[2]) : 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char *each, *rest;

	if (points < 1 || length_ms < 1 || argc < 5)
		fail("points or milliseconds out of range, or nothing to do");
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		fail("membarrier");
	for (each = strtok_r(argv[3], ",", &rest); each; each = strtok_r(NULL, ",", &rest))
		measure(atoi(each), cpus, points, length_ms * 1000000ULL, &argv[4]);
	return 0;
}
