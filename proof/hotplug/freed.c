// SPDX-License-Identifier: GPL-2.0
/*
 * freed: what a CPU's call data needs is freed when the CPU goes offline
 *
 * In:  debugfs, root; CONFIG_PERCPU_STATS, CONFIG_SLUB_DEBUG and CONFIG_STACKDEPOT;
 *      booted with slab_debug=U,CACHE for the cache of the CPU masks; as arguments
 *        cycles=8              times that each CPU is taken offline and online again
 *        cache=kmalloc-8       of a mask: a bit for each possible CPU, with CPUMASK_OFFSTACK
 * Out: lines on standard output, as program.h says: verdicts freed.<what>, and allocations there are
 *
 *   FIGURE,allocations,what=..,before=..,offline=..,after=..,cycles=..
 *
 *   csds      per-CPU allocations of the whole kernel (nr_cur_alloc of debugfs' percpu_stats).
 *             What is allocated once, on a CPU's first way down or up, is there before.
 *   masks     objects of the cache that smpcfd_prepare_cpu() allocated (debugfs' alloc_traces)
 *
 * Each must be as many after all cycles as before them. With the last CPU offline there must
 * be fewer masks: a count that stays 0 shows nothing.
 *
 * Build: static.
 */
#define _GNU_SOURCE
#include <sys/mount.h>

#include "../../harness/guest/program.h"

static void set_online(int cpu, int online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	if (!write_text(path, online ? "1" : "0"))
		finish(path);
}

/* What is freed after a grace period is freed a little later. */
static void let_pass(void)
{
	usleep(300000);
}

static long percpu_allocations(void)
{
	FILE *file = fopen("/sys/kernel/debug/percpu_stats", "r");
	char line[256];
	long value = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_cur_alloc : %ld", &value) == 1)
			break;
	if (!file || value < 0)
		finish("percpu_stats");
	fclose(file);
	return value;
}

/* A line with a number is followed by the stack of those allocations. */
static long masks(const char *cache)
{
	char path[128], line[512];
	long count = 0, sum = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/slab/%s/alloc_traces", cache);
	file = fopen(path, "r");
	if (!file)
		finish(path);
	while (fgets(line, sizeof(line), file)) {
		long number;
		char word;

		if (sscanf(line, " %ld %c", &number, &word) == 2)
			count = number;
		if (strstr(line, "smpcfd_prepare_cpu")) {
			sum += count;
			count = 0;
		}
	}
	fclose(file);
	return sum;
}

static void cycle(int cpus)
{
	int cpu;

	for (cpu = 1; cpu < cpus; cpu++) {
		set_online(cpu, 0);
		set_online(cpu, 1);
	}
}

static void judge(const char *what, long before, long offline, long after, int cycles, int less)
{
	int good = after == before && before > 0 && (!less || offline < before);

	figure("allocations", "what=%s,before=%ld,offline=%ld,after=%ld,cycles=%d", what, before,
	       offline, after, cycles);
	verdict("freed", what, good, "%ld before and %ld after %d cycles", before, after, cycles);
}

int main(int argc, char **argv)
{
	char count[16] = "8", cache[64] = "kmalloc-8";
	const struct option_text options[] = {
		{ "cycles", count, sizeof(count) }, { "cache", cache, sizeof(cache) },
	};
	long csds[3], mask[3];
	int cycles, cpus, i;

	begin_verdicts();
	take_options(options, 2, argc, argv);
	cycles = atoi(count);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);	/* may be there already */

	cycle(cpus);
	cycle(cpus);
	let_pass();
	csds[0] = percpu_allocations();
	mask[0] = masks(cache);
	for (i = 0; i < cycles; i++)
		cycle(cpus);
	set_online(cpus - 1, 0);
	let_pass();
	csds[1] = percpu_allocations();
	mask[1] = masks(cache);
	set_online(cpus - 1, 1);
	let_pass();
	csds[2] = percpu_allocations();
	mask[2] = masks(cache);
	judge("csds", csds[0], csds[1], csds[2], cycles, 0);
	judge("masks", mask[0], mask[1], mask[2], cycles, 1);
	finish(NULL);
}
