// SPDX-License-Identifier: GPL-2.0
/*
 * tlbtest: TLB flushes of a process with several threads, and membarrier(2)
 *
 * In:  /dev/hold (hold.c), /proc, /sys, /dev; at least 4 CPUs; as arguments
 *        mode=lat,stale,stat,ratio   what to run, in this order; there are mm and background, too
 *        cases=*                     lat, mm, background, stale: which cases, patterns as of
 *                                    the shell
 *        holds_us=4000,16000         lat, mm, background: how long the remote CPU is held
 *        reps=5                      lat, mm: points for each operation and hold
 *        lead_us=500                 lat, mm: from the preparation to the wake-up, at least
 *        limit_us=1000               lat, mm, background: latency that fails
 *        locked=0                    lat, mm, background: 1: also where a lock is held while the
 *                                    flush is waited for (a spinlock of PREEMPT_RT can be
 *                                    preempted), 0: what that takes is shown only
 *        busy=1                      lat, mm: other CPUs that run the process, 0: all there are
 *        seconds=5                   stale: for each case, may have a fraction
 *        least_ops=10                stale: operations without which a case shows nothing;
 *                                    it takes up to 4 times as long to get there
 *        hotplug=1                   stale: CPUs go offline and come back
 *        ops=2000                    stat, ratio: operations
 * Out: lines on standard output, as program.h says: verdicts <mode>.<what>, and
 *
 *   BENCH,tlb_wakeup,<operation>,<hold>,<rep>,<latency>,1      tlb_wakeup_locked: may be pinned
 *   BENCH-DISCARD,<operation>,<hold>,<reason>      a try that shows nothing
 *   FIGURE,guest,cpus=..,swap=..,pcid=..,...       what it has, 1 or 0
 *   FIGURE,lat,operation=..,held_ns=..,points=..,most_ns=..
 *   FIGURE,background,case=..,held_ns=..,done=..,wakeups=..,most_ns=..    done: pages, huge pages
 *   FIGURE,stale,case=..,operations=..,checked=..,faults=..,migrations=..,others=..,hotplugs=..,stale=..
 *   FIGURE,stat,operation=..,times=..,moves=..,flushes=..,received=..,local_one=..,local_all=..
 *   FIGURE,ratio,operation=..,times=..,each_ns=..
 *
 * lat: a thread H of the process holds CPU 2 with interrupts off. Meanwhile the
 * caller, on CPU 1, does something that has to flush the TLB of CPU 2, and at a
 * time in between, a timer on CPU 1 wakes a SCHED_FIFO thread there. A point
 * counts only if the operation began before the wake-up and ended after the hold.
 *
 *   H (CPU 2)             caller (CPU 1)          urgent (CPU 1, FIFO)
 *                         tells the wake-up time  sleeps until the wake-up
 *   interrupts off
 *   HELD -------------->  sees HELD
 *                         operation
 *                         : waits                 wake-up: runs, latency
 *   interrupts on         :
 *   flushes ----------->  returns
 *
 * It needs a clock that counts instructions: a host that runs the CPUs in turn makes
 * latencies of its own.
 *
 * mm: the same for what programs do with more memory, or other kinds of it (mm.h).
 *
 * background: the same for what the kernel does by itself (background.h).
 *
 * stale: readers on all CPUs use a mapping while the flusher changes it. One word
 * says what the mapping looks like: it is changed before an operation begins, and
 * after it has returned. A reader that finds the same word before and after its
 * access must have seen what the word says. The flusher goes on when enough readers
 * have looked, so that a slow host makes fewer operations, and not worthless ones.
 * Meanwhile the flusher is migrated from CPU to CPU, in the middle of its waits; an
 * urgent task of another process flushes on the flusher's CPU while it waits; other
 * threads flush the same mm, in every second block of operations only, as a flush
 * that is lost is made up for by the next one; in every fourth operation a CPU is
 * held so that the flush has to wait; CPUs go offline and come back. The first stale read ends a case.
 *
 * stat: the flushes that /proc/vmstat counts (CONFIG_DEBUG_TLBFLUSH), while the
 * caller migrates: those received must be those sent.
 *
 * ratio: the time of madvise(MADV_DONTNEED) and a touch, with 3 busy threads. To be
 * compared between kernels, with a clock that counts instructions.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../harness/guest/program.h"
#include "hold.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGE 4096UL
#define MIB (1024 * 1024UL)
#define MAX_CPUS 64
#define MANY 64				/* pages; more than a flush does one by one */
#define FULL_GATHER 10240		/* more than are gathered before a flush */
#define US 1000ULL
#define MS (1000 * US)

#define URGENT_STACK (256 * 1024UL)

#define CALLER_CPU 1
#define HELD_CPU 2
#define BUSY_CPU 3

/* Priorities under SCHED_FIFO: the flusher does not wait for readers to give way. */
#define URGENT 20
#define URGENT_OTHER 10
#define URGENT_FLUSHER 5

static int hold_fd = -1;
static int nr_cpus;
static bool have_swap;

/* ---- options ---- */

static char opt_mode[128] = "lat,stale,stat,ratio", opt_cases[256] = "*";
static char opt_holds[128] = "4000,16000";
static char opt_reps[16] = "5", opt_lead[16] = "500", opt_limit[16] = "1000";
static char opt_locked[16] = "0";
static char opt_seconds[16] = "5", opt_least_ops[16] = "10", opt_hotplug[16] = "1";
static char opt_ops[16] = "2000", opt_busy[16] = "1";

static const struct option_text options[] = {
	{ "mode", opt_mode, sizeof(opt_mode) },
	{ "cases", opt_cases, sizeof(opt_cases) },
	{ "holds_us", opt_holds, sizeof(opt_holds) },
	{ "reps", opt_reps, sizeof(opt_reps) },
	{ "lead_us", opt_lead, sizeof(opt_lead) },
	{ "limit_us", opt_limit, sizeof(opt_limit) },
	{ "locked", opt_locked, sizeof(opt_locked) },
	{ "busy", opt_busy, sizeof(opt_busy) },
	{ "seconds", opt_seconds, sizeof(opt_seconds) },
	{ "least_ops", opt_least_ops, sizeof(opt_least_ops) },
	{ "hotplug", opt_hotplug, sizeof(opt_hotplug) },
	{ "ops", opt_ops, sizeof(opt_ops) },
};

/* ---- small things ---- */

static void unbind(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

static void hold(uint64_t until_ns, _Atomic uint32_t *flag, uint64_t *released)
{
	struct hold_request req = { .until_ns = until_ns, .flag = (uintptr_t)flag };

	if (ioctl(hold_fd, HOLD_CPU, &req))
		finish("HOLD_CPU");
	if (released)
		*released = req.released_ns;
}

static long vmstat(const char *name)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char line[128];
	long value = -1;
	size_t len = strlen(name);

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = atol(line + len);
	if (file)
		fclose(file);
	return value;
}

/* A random number for a choice; each thread has its own. */
static uint32_t rnd(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/*
 * Where nobody else maps anything: a hole is not filled by somebody else, and page
 * tables have no other user.
 */
#define AREA ((void *)(1UL << 40))
#define AREA_PAGES (128 * MIB / PAGE)

static uint64_t *map(size_t pages, int prot)
{
	void *p;

	munmap(AREA, AREA_PAGES * PAGE);
	p = mmap(AREA, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		finish("mmap");
	return p;
}

static void fill(volatile uint64_t *p, size_t pages, uint64_t value)
{
	size_t i;

	for (i = 0; i < pages; i++)
		p[i * PAGE / 8] = value;
}

/* ---- lat ---- */

enum { STEP_IDLE, STEP_GO, STEP_DONE, STEP_QUIT };

static struct {
	_Atomic uint32_t held;		/* written by the kernel, own cache line not needed */
	_Atomic uint32_t holder_step;
	_Atomic uint32_t urgent_step;	/* futex */
	_Atomic uint32_t quit;
	uint64_t t_wake, t_release_at;
	uint64_t released, t_run;
} __attribute__((aligned(PAGE))) lat;	/* in pages of its own: see share_lat() */

static pid_t holder_tid;

/*
 * While fork() waits, the pages of the process are write-protected, and mmap_lock is
 * held: a thread that writes to one of them waits for that, and not for its CPU. So
 * what the urgent thread writes to is shared memory, which fork() leaves alone.
 */
static void *share(void *where, size_t size)
{
	void *p = mmap(where, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		finish("shared memory");
	return p;
}

static void share_lat(void)
{
	share(&lat, sizeof(lat));
}

static void *lat_holder(void *arg)
{
	(void)arg;
	bind_task(0, HELD_CPU);
	holder_tid = gettid();
	while (!lat.quit) {
		if (lat.holder_step != STEP_GO) {
			relax();
			continue;
		}
		hold(lat.t_release_at, &lat.held, &lat.released);
		lat.holder_step = STEP_DONE;
	}
	return NULL;
}

static void *busy(void *arg)
{
	bind_task(0, (int)(intptr_t)arg);
	while (!lat.quit)
		relax();
	return NULL;
}

static void *lat_urgent(void *arg)
{
	struct timespec ts;

	(void)arg;
	bind_task(0, CALLER_CPU);
	be_urgent(URGENT);
	for (;;) {
		uint32_t step;

		while ((step = lat.urgent_step) != STEP_GO) {
			if (step == STEP_QUIT)
				return NULL;
			syscall(SYS_futex, &lat.urgent_step, FUTEX_WAIT_PRIVATE, step,
				NULL, NULL, 0);
		}
		ts.tv_sec = lat.t_wake / 1000000000ULL;
		ts.tv_nsec = lat.t_wake % 1000000000ULL;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		lat.t_run = now_ns();
		lat.urgent_step = STEP_DONE;
	}
}

static void urgent_tell(uint32_t step)
{
	lat.urgent_step = step;
	syscall(SYS_futex, &lat.urgent_step, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

struct op {
	const char *name;
	size_t pages;
	uint64_t *(*prepare)(const struct op *op);
	void (*run)(const struct op *op, uint64_t *p);
	int arg;
	/* If not NULL, why the wait may be pinned: the latency is shown, no more. */
	const char *info;
	/* From the preparation to the wake-up, if it takes longer to get to the flush. */
	uint64_t lead_us;
	void (*cleanup)(const struct op *op);
	bool lazy;		/* CPU 2 is held by a kernel thread */
};

/* One page more at the end, so that no page table is left empty. */
static uint64_t *prep_map(const struct op *op)
{
	uint64_t *p = map(op->pages + 1, PROT_READ | PROT_WRITE);

	fill(p, op->pages + 1, 1);
	return p;
}

/* Its page tables become empty, and are freed. */
static uint64_t *prep_map_alone(const struct op *op)
{
	uint64_t *p = map(op->pages, PROT_READ | PROT_WRITE);

	fill(p, op->pages, 1);
	return p;
}

static void run_munmap(const struct op *op, uint64_t *p)
{
	munmap(p, op->pages * PAGE);
}

static void run_mprotect(const struct op *op, uint64_t *p)
{
	mprotect(p, op->pages * PAGE, PROT_READ);
}

static void run_madvise(const struct op *op, uint64_t *p)
{
	madvise(p, op->pages * PAGE, op->arg);
}

static void run_mremap(const struct op *op, uint64_t *p)
{
	mremap(p, op->pages * PAGE, op->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	       (char *)p + 256 * PAGE);
}

static uint64_t *prep_mremap(const struct op *op)
{
	uint64_t *p = map(256 + MANY, PROT_READ | PROT_WRITE);

	fill(p, op->pages, 1);
	munmap((char *)p + 256 * PAGE, MANY * PAGE);
	return p;
}

static uint64_t *prep_cow(const struct op *op)
{
	volatile uint64_t *p = map(op->pages, PROT_READ | PROT_WRITE);

	(void)*p;	/* the zero page */
	return (uint64_t *)p;
}

static void run_cow(const struct op *op, uint64_t *p)
{
	fill(p, op->pages, 1);
}

static uint64_t *prep_vunmap(const struct op *op)
{
	if (ioctl(hold_fd, HOLD_VMALLOC, op->pages))
		finish("HOLD_VMALLOC");
	return NULL;
}

static void run_vunmap(const struct op *op, uint64_t *p)
{
	(void)op;
	(void)p;
	ioctl(hold_fd, HOLD_VUNMAP);
}

/*
 * All commands, before there is another thread: Linux 6.12 does not tell a CPU that
 * is idle, has the address space still, and runs a thread of the process next, that
 * the process is registered for the global command.
 */
static void membarrier_register(void)
{
	static const int cmds[] = {
		MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
	};
	long there = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	size_t i;

	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		if (there > 0 && (there & cmds[i]) && syscall(SYS_membarrier, cmds[i], 0, 0))
			finish("membarrier registration");
}

static uint64_t *prep_membarrier(const struct op *op)
{
	(void)op;
	return NULL;
}

static bool membarrier_is_there(const struct op *op)
{
	long cmds = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	return cmds >= 0 && (cmds & op->arg);
}

static void run_membarrier(const struct op *op, uint64_t *p)
{
	(void)p;
	if (syscall(SYS_membarrier, op->arg, 0, 0))
		finish("membarrier");
}

static void run_membarrier_cpu(const struct op *op, uint64_t *p)
{
	(void)p;
	if (syscall(SYS_membarrier, op->arg, MEMBARRIER_CMD_FLAG_CPU, HELD_CPU))
		finish("membarrier on one CPU");
}

static const struct op ops[] = {
	{ .name = "munmap_1", .prepare = prep_map, .run = run_munmap, .pages = 1 },
	{ .name = "munmap_64", .prepare = prep_map, .run = run_munmap, .pages = MANY },
	{ .name = "munmap_tables", .prepare = prep_map_alone, .run = run_munmap, .pages = 1 },
	{ .name = "mprotect_1", .prepare = prep_map, .run = run_mprotect, .pages = 1 },
	{ .name = "mprotect_64", .prepare = prep_map, .run = run_mprotect, .pages = MANY },
	{ .name = "madvise_1", .prepare = prep_map, .run = run_madvise, .pages = 1,
	  .arg = MADV_DONTNEED },
	{ .name = "madvise_64", .prepare = prep_map, .run = run_madvise, .pages = MANY,
	  .arg = MADV_DONTNEED },
	{ .name = "pageout_64", .prepare = prep_map, .run = run_madvise, .pages = MANY,
	  .arg = MADV_PAGEOUT },
	{ .name = "vunmap_1", .prepare = prep_vunmap, .run = run_vunmap, .pages = 1 },
	{ .name = "vunmap_64", .prepare = prep_vunmap, .run = run_vunmap, .pages = MANY },
	{ .name = "membarrier_global_expedited", .prepare = prep_membarrier, .run = run_membarrier,
	  .arg = MEMBARRIER_CMD_GLOBAL_EXPEDITED },
	{ .name = "membarrier_private_expedited", .prepare = prep_membarrier, .run = run_membarrier,
	  .arg = MEMBARRIER_CMD_PRIVATE_EXPEDITED },
	{ .name = "membarrier_private_sync_core", .prepare = prep_membarrier, .run = run_membarrier,
	  .arg = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE },
	{ .name = "membarrier_private_rseq", .prepare = prep_membarrier, .run = run_membarrier,
	  .arg = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ },
	{ .name = "membarrier_private_rseq_cpu", .prepare = prep_membarrier, .run = run_membarrier_cpu,
	  .arg = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ },
	{ .name = "mremap_64", .prepare = prep_mremap, .run = run_mremap, .pages = MANY,
	  .info = "flushes with the page table lock held" },
	{ .name = "cow_fault", .prepare = prep_cow, .run = run_cow, .pages = 1,
	  .info = "flushes with the page table lock held" },
};

static void lat_hold(const struct op *op)
{
	struct hold_request req = { .until_ns = lat.t_release_at, .cpu = HELD_CPU };

	if (op->lazy) {
		if (ioctl(hold_fd, HOLD_LAZY, &req))
			finish("HOLD_LAZY");
		return;
	}
	lat.holder_step = STEP_GO;
	while (!lat.held)
		relax();
}

static void lat_release(const struct op *op)
{
	struct hold_request req;

	if (op->lazy) {
		if (ioctl(hold_fd, HOLD_LAZY_END, &req))
			finish("HOLD_LAZY_END");
		lat.released = req.released_ns;
		return;
	}
	while (lat.holder_step != STEP_DONE)
		relax();
	lat.holder_step = STEP_IDLE;
}

/* Returns why the try shows nothing, or NULL. */
static const char *lat_try(const struct op *op, uint64_t hold_ns, uint64_t *latency)
{
	uint64_t *p = op->prepare(op);
	uint64_t t_call, t_return, lead_us = atoi(opt_lead);
	const char *reason = NULL;

	if (lead_us < op->lead_us)
		lead_us = op->lead_us;
	lat.t_wake = now_ns() + lead_us * US;
	lat.t_release_at = lat.t_wake + hold_ns;
	lat.held = 0;
	/* More urgent than this one: it has set up its timer when this returns. */
	urgent_tell(STEP_GO);
	lat_hold(op);
	t_call = now_ns();
	op->run(op, p);
	t_return = now_ns();

	lat_release(op);
	while (lat.urgent_step != STEP_DONE)
		relax();
	if (op->cleanup)
		op->cleanup(op);
	if (p)
		munmap(AREA, AREA_PAGES * PAGE);

	if (t_call > lat.t_wake)
		reason = "the operation began after the wake-up";
	else if (t_return < lat.t_wake)
		reason = "the operation ended before the wake-up";
	else if (t_return < lat.released)
		reason = "the operation ended before the hold";
	*latency = lat.t_run - lat.t_wake;
	return reason;
}

/* Is a row shown only, as its flush may be pinned? info: of its op or bg_case, NULL if not. */
static bool shown_only(const char *info)
{
	return info && !atoi(opt_locked);
}

static void lat_op(const struct op *op, uint64_t hold_ns)
{
	int reps = atoi(opt_reps), points = 0, tries;
	uint64_t latency, max = 0, limit = atoi(opt_limit) * US;

	for (tries = 0; points <= reps && tries < 4 * (reps + 1); tries++) {
		const char *why = lat_try(op, hold_ns, &latency);

		if (why) {
			printf("BENCH-DISCARD,%s,%llu,%s\n", op->name,
			       (unsigned long long)hold_ns, why);
			continue;
		}
		/* The first is a warm-up. */
		if (points++) {
			printf("BENCH,tlb_wakeup%s,%s,%llu,%d,%llu,1\n",
			       op->info ? "_locked" : "", op->name,
			       (unsigned long long)hold_ns, points - 1,
			       (unsigned long long)latency);
			if (latency > max)
				max = latency;
		}
	}
	points = points ? points - 1 : 0;
	figure("lat", "operation=%s,held_ns=%llu,points=%d,most_ns=%llu", op->name,
	       (unsigned long long)hold_ns, points, (unsigned long long)max);
	if (shown_only(op->info))
		printf("# %s %s: no limit\n", op->name, op->info);
	else
		verdict("lat", op->name, points == reps && max <= limit,
			"%d points of %d; at most %llu ns, the limit is %llu", points, reps,
			(unsigned long long)max, (unsigned long long)limit);
}

#include "mm.h"

static void mode_lat(const struct op *list, size_t count)
{
	pthread_t urgent, holder, filler[MAX_CPUS];
	pthread_attr_t attr;
	char holds[sizeof(opt_holds)], *hold_us;
	int most = nr_cpus < MAX_CPUS ? nr_cpus : MAX_CPUS, wanted = atoi(opt_busy), cpu;
	size_t i;

	memset(&lat, 0, sizeof(lat));
	bind_task(0, CALLER_CPU);
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, share(NULL, URGENT_STACK), URGENT_STACK);
	pthread_create(&urgent, &attr, lat_urgent, NULL);
	pthread_create(&holder, NULL, lat_holder, NULL);
	/* From BUSY_CPU on, as CPU 0 has other things to do, too. */
	if (wanted <= 0 || wanted > most - BUSY_CPU)
		wanted = most - BUSY_CPU;
	for (cpu = BUSY_CPU; cpu < BUSY_CPU + wanted; cpu++)
		pthread_create(&filler[cpu], NULL, busy, (void *)(intptr_t)cpu);

	strcpy(holds, opt_holds);
	for (hold_us = strtok(holds, ","); hold_us; hold_us = strtok(NULL, ","))
		for (i = 0; i < count; i++) {
			const struct op *op = &list[i];

			if (!listed(opt_cases, op->name))
				continue;
			if ((op->run == run_madvise && op->arg == MADV_PAGEOUT && !have_swap) ||
			    (op->prepare == prep_reclaimed && !have_swap) ||
			    (op->prepare == prep_membarrier && !membarrier_is_there(op))) {
				skip("lat", op->name, "not in this guest");
				continue;
			}
			lat_op(op, strtoull(hold_us, NULL, 10) * US);
		}

	lat.quit = 1;
	urgent_tell(STEP_QUIT);
	pthread_join(urgent, NULL);
	pthread_join(holder, NULL);
	for (cpu = BUSY_CPU; cpu < BUSY_CPU + wanted; cpu++)
		pthread_join(filler[cpu], NULL);
}

#include "background.h"

/* ---- stale ---- */

enum {
	TRANS,		/* being changed */
	GOING,		/* being unmapped: an access faults, or a read gives the generation */
	LIVE,		/* readable and writable, each page holds the generation */
	ZERO,		/* reads zero */
	GONE,		/* an access faults */
	RONLY,		/* a write faults, a read gives the generation */
	FOREIGN,	/* as LIVE, but readers must not write */
};

#define SHIFT 3
#define MAX_READERS 16
#define LINGER_NS (20 * MS)
#define HOLD_NS (2 * MS)
#define HOLD_OPS 4		/* with one of so many, a CPU is held */
#define NOISE_OPS 8		/* in a block of operations with, and one without, noise */

static struct {
	_Atomic uint64_t state __attribute__((aligned(128)));	/* generation, state */
	_Atomic uint32_t quit __attribute__((aligned(128)));
	_Atomic uint32_t started;	/* threads */
	_Atomic uint32_t held;
	_Atomic uint32_t hold_wanted;
	_Atomic uint32_t stale;		/* a reader has seen something stale */
	_Atomic uint32_t noisy;		/* other threads flush the same mm */
	volatile uint64_t *area;
	size_t pages;
	pid_t flusher;
	uint64_t ops, migrations, hotplugs;
} st;

/* Shared with the other process. */
static struct other {
	_Atomic uint32_t active, quit;
	_Atomic uint32_t cpu;		/* where the flusher is, or was a moment ago */
	_Atomic uint64_t flushes;
} *other;

static struct reader {
	pthread_t thread;
	int number;
	sigjmp_buf fault;
	volatile sig_atomic_t armed;
	_Atomic uint64_t looked;	/* the last state that it has checked an access in */
	uint64_t checked, faults, stale;
	uint64_t first_state, first_value;
	int first_kind;
} readers[MAX_READERS];

static __thread struct reader *self;

static void on_fault(int sig)
{
	if (self && self->armed) {
		self->armed = 0;
		siglongjmp(self->fault, 1);
	}
	signal(sig, SIG_DFL);
}

/* Word 0 of a page belongs to the flusher, each reader writes to one of its own. */
static __attribute__((noinline))
bool access_page(struct reader *r, volatile uint64_t *page, bool write, uint64_t *value)
{
	if (sigsetjmp(r->fault, 0))
		return false;
	r->armed = 1;
	if (write)
		page[8 + r->number] = 1;
	else
		*value = page[0];
	r->armed = 0;
	return true;
}

static void *stale_reader(void *arg)
{
	struct reader *r = arg;
	uint32_t seed = 1 + r->number;
	unsigned int turn = 0;

	self = r;
	bind_task(0, r->number);
	st.started++;
	while (!st.quit) {
		uint64_t before, after, value = 0, gen;
		volatile uint64_t *page;
		bool ok, write, bad = false;

		if (!(++turn & 0xfff))
			bind_task(0, rnd(&seed) % nr_cpus);
		/* Lets other CPUs run where one thread emulates all of them. */
		if (!(turn & 0xf))
			relax();
		before = atomic_load(&st.state);
		write = (before & 7) == RONLY && (turn & 1);
		page = st.area + (st.pages > 1 ? rnd(&seed) % st.pages : 0) * PAGE / 8;
		ok = access_page(r, page, write, &value);
		after = atomic_load(&st.state);
		r->faults += !ok;
		if (before != after || (before & 7) == TRANS)
			continue;
		gen = before >> SHIFT;
		switch (before & 7) {
		case LIVE:
		case FOREIGN:
			bad = !ok || value != gen;
			break;
		case ZERO:
			bad = !ok || value;
			break;
		case GOING:
			bad = ok && value != gen;
			break;
		case GONE:
			bad = ok;
			break;
		case RONLY:
			bad = write ? ok : !ok || value != gen;
			break;
		}
		r->checked++;
		if (bad && !r->stale++) {
			r->first_state = before;
			r->first_value = value;
			r->first_kind = ok + 2 * write;
			st.stale = 1;
		}
		atomic_store_explicit(&r->looked, before, memory_order_relaxed);
	}
	self = NULL;
	return NULL;
}

/*
 * Moves the flusher about, but to a CPU that is offline. In a process of its own it would not use
 * the mm.
 */
static void *stale_mover(void *arg)
{
	uint32_t seed = 77;

	(void)arg;
	be_urgent(URGENT);
	st.started++;
	while (!st.quit) {
		struct timespec ts = { .tv_nsec = 20 * US + rnd(&seed) % (500 * US) };

		bind_task(st.flusher, rnd(&seed) % nr_cpus);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

/* Holds a CPU when the flusher asks for it. */
static void *stale_holder(void *arg)
{
	uint32_t seed = 99;

	(void)arg;
	be_urgent(URGENT);
	st.started++;
	while (!st.quit) {
		int cpu = rnd(&seed) % nr_cpus;

		if (!st.hold_wanted || cpu == (int)other->cpu) {
			usleep(50);
			continue;
		}
		st.hold_wanted = 0;
		bind_task(0, cpu);
		hold(now_ns() + HOLD_NS, &st.held, NULL);
	}
	return NULL;
}

/*
 * Flushes of the same mm from everywhere, also from the flusher's CPU while that
 * waits: other ranges, other generations, the same csds.
 */
#define NOISE ((char *)(1UL << 41))

static void *stale_noise(void *arg)
{
	uint32_t seed = 40 + (uint32_t)(uintptr_t)arg;
	char *p = NOISE + (uintptr_t)arg * MANY * PAGE;
	unsigned int turn = 0;

	if (mmap(p, MANY * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		finish("mmap of the noise");
	st.started++;
	while (!st.quit) {
		size_t pages = rnd(&seed) & 1 ? 1 : MANY;

		if (!st.noisy) {
			usleep(200);
			continue;
		}
		if (!(++turn & 7))
			bind_task(0, rnd(&seed) % nr_cpus);
		fill((volatile uint64_t *)p, pages, turn);
		madvise(p, pages * PAGE, MADV_DONTNEED);
	}
	return NULL;
}

static void *stale_hotplug(void *arg)
{
	uint32_t seed = 55;
	char path[80];

	(void)arg;
	st.started++;
	while (!st.quit) {
		struct timespec ts = { .tv_nsec = 10 * MS + rnd(&seed) % (30 * MS) };
		int cpu = 1 + rnd(&seed) % (nr_cpus - 1);

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		write_text(path, "0");
		nanosleep(&ts, NULL);
		write_text(path, "1");
		nanosleep(&ts, NULL);
		st.hotplugs++;
	}
	return NULL;
}

/*
 * The other process: two urgent threads that flush on the CPU of the flusher, and so
 * again and again while that waits for other CPUs.
 */
static void *other_flusher(void *arg)
{
	uint32_t seed = 20 + (uint32_t)(uintptr_t)arg;
	volatile uint64_t *p;

	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		finish("mmap in the other process");
	be_urgent(URGENT_OTHER);
	while (!other->quit) {
		struct timespec ts = { .tv_nsec = 300 * US + rnd(&seed) % (3 * MS) };

		nanosleep(&ts, NULL);
		if (!other->active)
			continue;
		/* Now and then elsewhere: only a process of several CPUs has to send flushes. */
		bind_task(0, rnd(&seed) % 8 ? other->cpu : rnd(&seed) % nr_cpus);
		*p = 1;
		madvise((void *)p, PAGE, MADV_DONTNEED);
		other->flushes++;
	}
	return NULL;
}

static pid_t start_other(void)
{
	pthread_t thread;
	pid_t pid;

	other = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (other == MAP_FAILED)
		finish("mmap for the other process");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		finish("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pthread_create(&thread, NULL, other_flusher, (void *)1))
			_exit(1);
		other_flusher(NULL);
		_exit(0);
	}
	return pid;
}

static void stop_other(pid_t pid)
{
	int status;

	other->quit = 1;
	if (waitpid(pid, &status, 0) != pid || status) {
		errno = ECHILD;
		finish("the other process");
	}
	munmap(other, PAGE);
}

static uint64_t generation;

static void publish(int kind)
{
	atomic_store(&st.state, generation << SHIFT | kind);
}

/*
 * Lets readers look at the state that was published: half of them, as one may be on
 * the flusher's CPU, one on a CPU that is held, one on its way to another.
 */
static void linger(void)
{
	uint64_t state = atomic_load(&st.state), end = now_ns() + LINGER_NS;
	int n = nr_cpus < MAX_READERS ? nr_cpus : MAX_READERS, looked, k;

	do {
		for (k = 0; k < 100; k++)
			relax();
		for (looked = k = 0; k < n; k++)
			looked += atomic_load(&readers[k].looked) == state;
	} while (2 * looked < n && now_ns() < end);
}

/*
 * Comes just before the flush. If a CPU is held, the flush has to wait so long that the
 * other process gets to flush on the CPU that it was sent from.
 */
static void brace(void)
{
	uint64_t end = now_ns() + LINGER_NS;

	if (st.ops % HOLD_OPS == 0) {
		st.held = 0;
		st.hold_wanted = 1;
		while (!st.held && now_ns() < end)
			relax();
	}
	other->cpu = sched_getcpu();
}

/* Leaves the pages in that state. */
static void live_until(int kind)
{
	generation++;
	fill(st.area, st.pages, generation);
	publish(LIVE);
	linger();
	publish(kind);
	brace();
}

static void live(void)
{
	live_until(TRANS);
}

/* With init_on_free=1, GOING also shows that no page is freed before the flush. */
static void case_munmap(void)
{
	live_until(GOING);
	munmap((void *)st.area, st.pages * PAGE);
	publish(GONE);
	linger();
	publish(TRANS);
	if (mmap((void *)st.area, st.pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		finish("mmap again");
}

static void case_mprotect(void)
{
	live();
	mprotect((void *)st.area, st.pages * PAGE, PROT_READ);
	publish(RONLY);
	linger();
	publish(TRANS);
	mprotect((void *)st.area, st.pages * PAGE, PROT_NONE);
	publish(GONE);
	linger();
	publish(TRANS);
	mprotect((void *)st.area, st.pages * PAGE, PROT_READ | PROT_WRITE);
}

/* After this, reads get the zero page, until the flusher writes again: COW. */
static void case_madvise(void)
{
	live();
	madvise((void *)st.area, st.pages * PAGE, MADV_DONTNEED);
	publish(ZERO);
	linger();
	publish(TRANS);
}

#define RING 16
static int ring_fd = -1;

/* Another file page at the same address; the old ones keep their contents. */
static void case_remap(void)
{
	uint64_t slot, i;

	generation++;
	slot = generation % RING * st.pages;
	for (i = 0; i < st.pages; i++)
		if (pwrite(ring_fd, &generation, 8, (slot + i) * PAGE) != 8)
			finish("write of the ring");
	brace();
	if (mmap((void *)st.area, st.pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, ring_fd, slot * PAGE) == MAP_FAILED)
		finish("mmap of the ring");
	publish(FOREIGN);
	linger();
	publish(TRANS);
}

/* The page goes to swap, and comes back somewhere else. */
static void case_pageout(void)
{
	live();
	madvise((void *)st.area, st.pages * PAGE, MADV_PAGEOUT);
	generation++;
	fill(st.area, st.pages, generation);
	publish(LIVE);
	linger();
	publish(TRANS);
}

static const struct {
	const char *name;
	void (*step)(void);
	size_t more;		/* also with so many pages */
} cases[] = {
	{ "munmap", case_munmap, FULL_GATHER },
	{ "mprotect", case_mprotect, 0 },
	{ "madvise", case_madvise, 0 },
	{ "remap", case_remap, 0 },
	{ "pageout", case_pageout, 0 },
};

static void stale_case(size_t i, size_t pages)
{
	uint64_t length = atof(opt_seconds) * 1e9, least = strtoull(opt_least_ops, NULL, 10);
	uint64_t flushes = other->flushes, end;
	uint64_t checked = 0, faults = 0, stale = 0, useful = 0;
	pthread_t mover, holder, hotplug, noise[2];
	bool plug = atoi(opt_hotplug);
	char name[64];
	int n = nr_cpus < MAX_READERS ? nr_cpus : MAX_READERS, k;

	snprintf(name, sizeof(name), "%s_%zu", cases[i].name, pages);
	if (!listed(opt_cases, name))
		return;
	/* It takes long to fill so many. */
	if (pages > MANY)
		least = (least + 3) / 4;
	memset(&st, 0, sizeof(st));
	memset(readers, 0, sizeof(readers));
	st.pages = pages;
	st.area = map(pages, PROT_READ | PROT_WRITE);
	st.flusher = gettid();
	publish(TRANS);
	/* The threads begin where this one is, which was last moved to some CPU. */
	unbind();
	for (k = 0; k < n; k++) {
		readers[k].number = k;
		pthread_create(&readers[k].thread, NULL, stale_reader, &readers[k]);
	}
	pthread_create(&mover, NULL, stale_mover, NULL);
	pthread_create(&holder, NULL, stale_holder, NULL);
	for (k = 0; k < 2; k++)
		pthread_create(&noise[k], NULL, stale_noise, (void *)(intptr_t)k);
	if (plug)
		pthread_create(&hotplug, NULL, stale_hotplug, NULL);

	/* Once this one is urgent, who is on the same CPU may not get to run. */
	while (st.started < n + 4u + plug)
		usleep(100);
	other->active = 1;
	be_urgent(URGENT_FLUSHER);
	end = now_ns() + length;
	/* A host that has other work to do makes it longer, up to a point. */
	while (!st.stale && (now_ns() < end || (st.ops < least && now_ns() < end + 3 * length))) {
		int cpu = sched_getcpu();

		st.noisy = st.ops / NOISE_OPS & 1;
		cases[i].step();
		st.ops++;
		st.migrations += cpu != sched_getcpu();
	}

	be_urgent(0);
	other->active = 0;
	flushes = other->flushes - flushes;
	st.quit = 1;
	for (k = 0; k < n; k++)
		pthread_join(readers[k].thread, NULL);
	pthread_join(mover, NULL);
	pthread_join(holder, NULL);
	for (k = 0; k < 2; k++)
		pthread_join(noise[k], NULL);
	if (plug)
		pthread_join(hotplug, NULL);
	munmap((void *)st.area, pages * PAGE);

	for (k = 0; k < n; k++) {
		checked += readers[k].checked;
		faults += readers[k].faults;
		stale += readers[k].stale;
		useful += !!readers[k].checked;
		if (readers[k].stale)
			printf("# stale reader %d: state %llu of generation %llu, kind %d value %llu\n",
			       k, (unsigned long long)readers[k].first_state & 7,
			       (unsigned long long)readers[k].first_state >> SHIFT,
			       readers[k].first_kind,
			       (unsigned long long)readers[k].first_value);
	}
	figure("stale", "case=%s,operations=%llu,checked=%llu,faults=%llu,migrations=%llu,"
	       "others=%llu,hotplugs=%llu,stale=%llu", name, (unsigned long long)st.ops, (unsigned long long)checked,
	       (unsigned long long)faults, (unsigned long long)st.migrations,
	       (unsigned long long)flushes, (unsigned long long)st.hotplugs,
	       (unsigned long long)stale);
	verdict("stale", name, !stale, "%llu stale of %llu by %llu readers, %llu operations",
		(unsigned long long)stale, (unsigned long long)checked,
		(unsigned long long)useful, (unsigned long long)st.ops);
	if (stale)
		return;
	/* What hardly did anything shows nothing. */
	verdict("enough", name, st.ops >= least && checked >= 20 * st.ops && useful > 1 &&
		st.migrations && flushes && (!plug || st.hotplugs),
		"%llu operations and 20 checks for each are wanted", (unsigned long long)least);
}

static void mode_stale(void)
{
	struct sigaction act = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	pid_t pid = start_other();
	size_t i;
	int cpu;

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char one[64], many[64], more[64];

		snprintf(one, sizeof(one), "%s_1", cases[i].name);
		snprintf(many, sizeof(many), "%s_%d", cases[i].name, MANY);
		snprintf(more, sizeof(more), "%s_%zu", cases[i].name, cases[i].more);
		if (!listed(opt_cases, one) && !listed(opt_cases, many) && !listed(opt_cases, more))
			continue;
		if (cases[i].step == case_pageout && !have_swap) {
			skip("stale", "pageout", "no swap in this guest");
			continue;
		}
		if (cases[i].step == case_remap) {
			ring_fd = memfd_create("ring", MFD_CLOEXEC);
			if (ring_fd < 0)
				ring_fd = open("/ring", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			if (ring_fd < 0 || ftruncate(ring_fd, RING * MANY * PAGE))
				finish("file of the ring");
		}
		stale_case(i, 1);
		stale_case(i, MANY);
		if (cases[i].more)
			stale_case(i, cases[i].more);
	}
	stop_other(pid);
	for (cpu = 1; cpu < nr_cpus; cpu++) {
		char path[80];

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		write_text(path, "1");
	}
}

/* ---- stat ---- */

struct vm_counts {
	long remote, received, one, all;
};

static struct vm_counts count_flushes(void)
{
	struct vm_counts c = {
		vmstat("nr_tlb_remote_flush"), vmstat("nr_tlb_remote_flush_received"),
		vmstat("nr_tlb_local_flush_one"), vmstat("nr_tlb_local_flush_all"),
	};

	return c;
}

static pid_t stat_flusher;

/*
 * Of the process, but on the CPU of another thread of it: that CPU runs the mm also
 * while this one sleeps.
 */
static void *stat_mover(void *arg)
{
	uint32_t seed = 3;

	(void)arg;
	bind_task(0, BUSY_CPU);
	while (!lat.quit) {
		uint64_t until = now_ns() + 50 * US;

		bind_task(stat_flusher, rnd(&seed) & 1);
		while (now_ns() < until)
			relax();
	}
	return NULL;
}

static void mode_stat(void)
{
	struct vm_counts before, after;
	int n = atoi(opt_ops), i, cpu, last = -1, moves = 0;
	pthread_t filler, filler2, mover;
	volatile uint64_t *p;
	long remote, received, local;

	if (vmstat("nr_tlb_remote_flush") < 0) {
		skip("stat", "madvise_1", "the kernel has no CONFIG_DEBUG_TLBFLUSH");
		return;
	}
	p = map(2, PROT_READ | PROT_WRITE);
	lat.quit = 0;
	stat_flusher = gettid();
	bind_task(0, 0);
	pthread_create(&filler, NULL, busy, (void *)HELD_CPU);
	pthread_create(&filler2, NULL, busy, (void *)BUSY_CPU);
	pthread_create(&mover, NULL, stat_mover, NULL);
	usleep(100000);
	before = count_flushes();
	for (i = 0; i < n; i++) {
		*p = 1;
		madvise((void *)p, PAGE, MADV_DONTNEED);
		cpu = sched_getcpu();
		moves += cpu != last;
		last = cpu;
	}
	after = count_flushes();
	lat.quit = 1;
	pthread_join(filler, NULL);
	pthread_join(filler2, NULL);
	pthread_join(mover, NULL);

	remote = after.remote - before.remote;
	received = after.received - before.received;
	local = after.one - before.one + after.all - before.all;
	figure("stat", "operation=madvise_1,times=%d,moves=%d,flushes=%ld,received=%ld,"
	       "local_one=%ld,local_all=%ld", n, moves, remote, received,
	       after.one - before.one, after.all - before.all);
	/*
	 * Two busy threads are on CPUs of their own: two flushes are received for
	 * each that is sent, and the own one is not. A CPU may now and then run
	 * something else than them, or have caught up by a switch of mm.
	 */
	verdict("stat", "madvise_1", moves > 10 && remote >= n && received <= 2 * remote &&
		received >= 2 * remote - remote / 10 && local <= remote + remote / 10 &&
		local >= remote - remote / 5, "%ld sent, %ld received by 2 CPUs, %ld local, %d moves",
		remote, received, local, moves);
}

/* ---- ratio ---- */

static void ratio_op(const char *name, size_t pages, bool one_by_one)
{
	volatile uint64_t *p = map(pages, PROT_READ | PROT_WRITE);
	int n = atoi(opt_ops), i;
	uint64_t start = 0;
	size_t k;

	for (i = -n / 10; i < n; i++) {
		if (!i)
			start = now_ns();
		fill(p, pages, i);
		if (one_by_one)
			for (k = 0; k < pages; k++)
				madvise((char *)p + k * PAGE, PAGE, MADV_DONTNEED);
		else
			madvise((void *)p, pages * PAGE, MADV_DONTNEED);
	}
	figure("ratio", "operation=%s,times=%d,each_ns=%llu", name, n,
	       (unsigned long long)((now_ns() - start) / n));
	munmap((void *)p, pages * PAGE);
}

static void mode_ratio(void)
{
	pthread_t threads[3];
	int i;

	lat.quit = 0;
	bind_task(0, 0);
	/* No other thread: the flush is local. */
	ratio_op("madvise_1_alone", 1, false);
	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, busy, (void *)(intptr_t)(i + 1));
	usleep(100000);
	ratio_op("madvise_1", 1, false);
	ratio_op("madvise_8", 8, false);
	ratio_op("madvise_64", MANY, false);
	ratio_op("madvise_1", 1, false);
	lat.quit = 1;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	usleep(100000);
	ratio_op("madvise_1_alone", 1, false);
}

/* ---- start ---- */

/* A RAM disk as swap: its header says 1 for the version and the last page. */
static void swap_on(void)
{
	static uint32_t header[PAGE / 4];
	int fd = open("/dev/ram0", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	header[256] = 1;
	header[257] = 1000;
	memcpy((char *)header + PAGE - 10, "SWAPSPACE2", 10);
	if (write(fd, header, sizeof(header)) == (ssize_t)sizeof(header))
		have_swap = !swapon("/dev/ram0", 0);
	close(fd);
}

static void say_guest(void)
{
	static const char * const names[] = { "pcid", "invpcid", "pti", "pge", "hypervisor" };
	FILE *file = fopen("/proc/cpuinfo", "r");
	static char line[8192];
	char row[128] = "", word[32];
	size_t i;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5))
			continue;
		line[strcspn(line, "\n")] = ' ';
		for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
			snprintf(word, sizeof(word), " %s ", names[i]);
			snprintf(row + strlen(row), sizeof(row) - strlen(row), ",%s=%d", names[i],
				 !!strstr(line, word));
		}
		break;
	}
	if (file)
		fclose(file);
	figure("guest", "cpus=%d,swap=%d%s", nr_cpus, have_swap, row);
}

int main(int argc, char **argv)
{
	char modes[sizeof(opt_mode)], *mode;

	begin_verdicts();
	take_options(options, sizeof(options) / sizeof(*options), argc, argv);
	share_lat();
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	membarrier_register();
	if (nr_cpus < 4)
		finish("fewer than 4 CPUs");
	hold_fd = open("/dev/hold", O_RDWR | O_CLOEXEC);
	if (hold_fd < 0)
		finish("/dev/hold");
	swap_on();
	say_guest();

	strcpy(modes, opt_mode);
	for (mode = modes; *mode; mode += strcspn(mode, ","), mode += *mode == ',') {
		size_t len = strcspn(mode, ",");

		if (len == 3 && !strncmp(mode, "lat", len))
			mode_lat(ops, sizeof(ops) / sizeof(*ops));
		else if (len == 2 && !strncmp(mode, "mm", len))
			mode_lat(mm_ops, sizeof(mm_ops) / sizeof(*mm_ops));
		else if (len == 10 && !strncmp(mode, "background", len))
			mode_background();
		else if (len == 5 && !strncmp(mode, "stale", len))
			mode_stale();
		else if (len == 4 && !strncmp(mode, "stat", len))
			mode_stat();
		else if (len == 5 && !strncmp(mode, "ratio", len))
			mode_ratio();
		else
			finish("a mode is not known");
	}
	finish(NULL);
}
