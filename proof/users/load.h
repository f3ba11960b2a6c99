/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that make calls, each kind in a cgroup of its own, and what is in their way.
 *
 * plain, quota, idle, deadline: threads that munmap(), membarrier(2) and make counted calls.
 * hog: a busy thread for each CPU, beside which threads with SCHED_IDLE hardly run.
 * trouble: a CPU is held with interrupts off, and another is taken by a real-time thread, each
 * for a moment: so calls have to wait, and who waits is preempted.
 */
#ifndef LOAD_H
#define LOAD_H

#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hold.h"
#include "say.h"
#include "storm.h"

#define CGROUPS "/cg"
#define PAGE 4096
#define PAGES 16
#define THREADS 4		/* of a process that makes calls */
#define QUOTA_US 1000		/* of CPU time, for all threads, in each of the next */
#define PERIOD_US 100000

enum kind { PLAIN, QUOTA, IDLE, DEADLINE, HOG, TROUBLE, KINDS };

static const char *const kind_names[] = { "plain", "quota", "idle", "deadline", "hog", "trouble" };

#define A(kind) (1U << (kind))

static struct shared {
	_Atomic uint32_t stop;		/* kinds that are to end */
	_Atomic uint32_t ready;		/* threads that have begun */
	_Atomic int failed;		/* errno of a thread that could not */
	_Atomic int threads[KINDS][THREADS];	/* thread ids */
	_Atomic uint64_t unmapped, barriers, preempted, holds;
	_Atomic bool calls, returned;	/* of a waiter, see starved.h */
} *shared;

static pid_t processes[KINDS];
static int storm_fd, hold_fd, cpus;
static int cpu_ids[64];			/* of the CPUs that are online at first: that many */
static char cpu_list[256];		/* the same, for a cpuset */

static bool stopping(enum kind kind)
{
	return shared->stop & A(kind);
}

/* A thread cannot do what the test is about. */
static void *cannot(void)
{
	shared->failed = errno ? errno : EINVAL;
	return NULL;
}

struct sched_attr_v0 {		/* glibc has none */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int become(unsigned int policy, unsigned int priority, uint64_t runtime, uint64_t period)
{
	struct sched_attr_v0 attr = {
		.size = sizeof(attr), .policy = policy, .priority = priority,
		.runtime = runtime, .deadline = period, .period = period,
	};

	return syscall(SYS_sched_setattr, 0, &attr, 0);
}

/* The kind of a thread, as far as it is no matter of its cgroup. */
static int become_kind(enum kind kind, int period_us)
{
	switch (kind) {
	case IDLE:
		return become(SCHED_IDLE, 0, 0, 0);
	case DEADLINE:
		return become(SCHED_DEADLINE, 0, QUOTA_US * 1000ULL, period_us * 1000ULL);
	default:
		return 0;
	}
}

/*
 * What a deadline task leaves behind when it exits, for some periods, makes 6.12 divide by zero if
 * the CPU on which it was goes offline meanwhile (inactive_task_timer()). The first CPU stays.
 */
static int end_kind(enum kind kind)
{
	if (kind != DEADLINE)
		return 0;
	return become(SCHED_OTHER, 0, 0, 0) || bind_task(0, cpu_ids[0]);
}

static int make_calls(uint32_t how, uint32_t calls, int cpu)
{
	struct storm_calls asked = { .how = how, .calls = calls, .cpu = cpu };

	return ioctl(storm_fd, STORM_CALLS, &asked);
}

static int map_and_unmap(void)
{
	char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	int i;

	if (area == MAP_FAILED)
		return -1;
	for (i = 0; i < PAGES; i++)
		area[i * PAGE] = 1;
	shared->unmapped++;
	return munmap(area, PAGES * PAGE);
}

static int barrier(void)
{
	shared->barriers++;
	return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

struct thread {
	enum kind kind;
	int number;
};

static void *call_thread(void *arg)
{
	struct thread *self = arg;

	shared->threads[self->kind][self->number] = syscall(SYS_gettid);
	if (become_kind(self->kind, PERIOD_US))
		return cannot();
	shared->ready++;
	while (!stopping(self->kind)) {
		if (map_and_unmap() || barrier() || make_calls(0, 4, -1))
			return cannot();
		if (self->kind == PLAIN)
			usleep(500);	/* others are to come on as well */
	}
	return end_kind(self->kind) ? cannot() : NULL;
}

static void *hog_thread(void *arg)
{
	struct thread *self = arg;

	shared->ready++;
	while (!stopping(self->kind))
		compute();
	return NULL;
}

/* Keeps the CPU of the thread with interrupts off. */
static int hold(uint64_t ns)
{
	uint32_t flag = 0;
	struct hold_request req = { .until_ns = now_ns() + ns, .flag = (uintptr_t)&flag };

	return ioctl(hold_fd, HOLD_CPU, &req);
}

static void *trouble_thread(void *arg)
{
	struct thread *self = arg;

	if (self->number && become(SCHED_FIFO, 10, 0, 0))
		return cannot();
	shared->ready++;
	while (!stopping(self->kind)) {
		uint64_t end;

		/* Fails if that CPU is offline. */
		if (bind_task(0, cpu_ids[draw(cpus)]))
			continue;
		if (self->number) {
			for (end = now_ns() + draw(200000); now_ns() < end;)
				relax();
			shared->preempted++;
			usleep(1000);
		} else {
			if (hold(draw(2 * MS)))
				return cannot();
			shared->holds++;
			usleep(4000);
		}
	}
	return NULL;
}

static void process(enum kind kind)
{
	void *(*const body)(void *) = kind == HOG ? hog_thread :
				      kind == TROUBLE ? trouble_thread : call_thread;
	int count = kind == HOG ? cpus : kind == TROUBLE ? 2 : THREADS, i;
	struct thread self[64];
	pthread_t threads[64];

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		cannot();
	for (i = 0; i < count; i++) {
		self[i] = (struct thread){ kind, i };
		if (pthread_create(&threads[i], NULL, body, &self[i])) {
			cannot();
			break;
		}
	}
	while (i-- > 0)
		pthread_join(threads[i], NULL);
}

/* The first task stays on the first CPU; those that it makes do not. */
static int run_anywhere(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	return sched_setaffinity(0, sizeof(set), &set);
}

static int join_cgroup(enum kind kind)
{
	char path[64];

	snprintf(path, sizeof(path), CGROUPS "/%s/cgroup.procs", kind_names[kind]);
	return put(path, "%d", getpid());
}

static int set_quota(int period_us)
{
	return put(CGROUPS "/quota/cpu.max", "%d %d", QUOTA_US, period_us);
}

static int no_quota(void)
{
	return put(CGROUPS "/quota/cpu.max", "max");
}

static long throttled(void)
{
	return number_after(CGROUPS "/quota/cpu.stat", "nr_throttled");
}

static void make_cgroups(void)
{
	char path[64];
	int kind;

	mkdir(CGROUPS, 0755);
	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		finish("cgroup2");
	if (put(CGROUPS "/cgroup.subtree_control", "+cpu +cpuset"))
		finish("the controllers of cgroup2");
	for (kind = 0; kind < KINDS; kind++) {
		snprintf(path, sizeof(path), CGROUPS "/%s", kind_names[kind]);
		if (mkdir(path, 0755) && errno != EEXIST)
			finish(path);
	}
	/* Between groups, only this counts. */
	if (put(CGROUPS "/idle/cpu.idle", "1"))
		finish("cpu.idle");
}

/* As fork(): it has nothing to print, and ends with this one. */
static pid_t new_process(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		finish("fork");
	if (!child && prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(1);
	return child;
}

static void start(uint32_t kinds)
{
	unsigned int expected = 0;
	int kind;

	shared->stop = 0;
	shared->ready = 0;
	shared->failed = 0;
	shared->unmapped = shared->barriers = shared->preempted = shared->holds = 0;
	if (set_quota(PERIOD_US))
		finish("cpu.max");
	for (kind = 0; kind < KINDS; kind++) {
		if (!(kinds & A(kind)))
			continue;
		expected += kind == HOG ? cpus : kind == TROUBLE ? 2 : THREADS;
		processes[kind] = new_process();
		if (!processes[kind]) {
			if (run_anywhere() || join_cgroup(kind))
				cannot();
			else
				process(kind);
			_exit(0);
		}
	}
	while (shared->ready < expected && !shared->failed)
		pause_ms(1);
}

static void stop(void)
{
	int kind;

	shared->stop = ~0U;
	no_quota();
	for (kind = 0; kind < KINDS; kind++)
		if (processes[kind] > 0)
			waitpid(processes[kind], NULL, 0);
	memset(processes, 0, sizeof(processes));
	if (shared->failed) {
		errno = shared->failed;
		finish("a thread that makes calls");
	}
}

/* What was counted since the last look, and all of it since this was emptied. */
static struct storm_counts total;

static struct storm_counts look(void)
{
	struct storm_counts counts;
	uint64_t *sum = (uint64_t *)&total, *more = (uint64_t *)&counts, longest;
	size_t i;

	if (ioctl(storm_fd, STORM_COUNTS, &counts))
		finish("STORM_COUNTS");
	longest = total.longest_ns > counts.longest_ns ? total.longest_ns : counts.longest_ns;
	for (i = 0; i < sizeof(counts) / sizeof(*more); i++)
		sum[i] += more[i];
	total.longest_ns = longest;
	return counts;
}

#endif
