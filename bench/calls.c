// SPDX-License-Identifier: GPL-2.0
/*
 * calls: what cross-CPU calls cost, and what they do to others
 *
 * In:  module parameters, see below.  Times are in nanoseconds of ktime_get().
 * Out: lines on the kernel console.  After a printk prefix they read
 *
 *   BENCH-INFO,cpus=..,many_pinned=..,task_bytes=..
 *   BENCH,<row>,<case>,<x>,<rep>,<value>,<per>   a point: value / per is its figure
 *   BENCH-DISCARD,<row>,<case>,<reason>          a try that shows nothing
 *   BENCH-FAIL,<reason>                          the module gives up
 *   BENCH-OK,<points>                            always the last line
 *
 *   cost      one call that finds all csds free and all other CPUs idle, for each
 *             function, by the number of targets <x>; the time until all CPUs are
 *             idle again, so on a simulator that counts the instructions of all
 *             CPUs, the work that all of them have with it
 *   kthread   a kernel thread is made and stopped, on one CPU; kthreadd should be
 *             bound to it, too (pin.c)
 *   own       own-request wait: from the end of the own request until the call
 *             returns, while a later call of the same CPU uses the same csd
 *   grace     an expedited grace period, while a task that waits in a call is
 *             preempted (behind), and without such a task (alone)
 *   hotplug   a CPU goes offline and online; offline_waiter: while a call from it
 *             still waits for another CPU, which is held for <x>
 *   starved   a CPU goes offline and online; behind: a task made a call from there, was moved
 *             to another CPU while it waited, and cannot run there, as an urgent task keeps
 *             that CPU for up to <x>; what the call asked for is done. alone: the same, with
 *             the urgent task alone
 *
 * The first point of each row is the warm-up and is not printed.  A point of cost and
 * of kthread is the mean of the middle half of some calls: now and then a tick comes
 * in between.
 *
 * The cost should be measured with nohz=off on the kernel's command line: whether an
 * idle CPU stops its tick when it goes back to sleep, which is a third of the work of
 * being called, depends on what timers it happens to have.
 *
 * many_pinned is the same as in wakeup.c: an unpatched smp_call_function_many() must
 * be called with preemption disabled.  The cost is measured with that (many), and
 * pinned on every kernel (many_pin).
 */

#define pr_fmt(fmt) fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "worker.h"

#define MAX_LIST	8
#define MAX_BATCHES	64
#define MAX_CALLS	256

static char *parts[MAX_LIST];
static unsigned int nr_parts;
module_param_array(parts, charp, &nr_parts, 0444);
MODULE_PARM_DESC(parts, "The rows to measure (a list)");

static unsigned int targets[MAX_LIST];
static unsigned int nr_targets;
module_param_array(targets, uint, &nr_targets, 0444);
MODULE_PARM_DESC(targets, "Numbers of targets for cost (a list)");

static unsigned int batches = 10;
module_param(batches, uint, 0444);
MODULE_PARM_DESC(batches, "Points for each case of cost and kthread");

static unsigned int calls = 20;
module_param(calls, uint, 0444);
MODULE_PARM_DESC(calls, "Calls in one point of cost and kthread");

static unsigned int reps = 3;
module_param(reps, uint, 0444);
MODULE_PARM_DESC(reps, "Points of each other case");

static unsigned long hold_ns = 400 * NSEC_PER_USEC;
module_param(hold_ns, ulong, 0444);
MODULE_PARM_DESC(hold_ns, "How long a CPU keeps interrupts off in own, grace, hotplug and starved");

static unsigned long late_ns = 4 * NSEC_PER_MSEC;
module_param(late_ns, ulong, 0444);
MODULE_PARM_DESC(late_ns, "own: how long the later call's function runs");

static unsigned long hog_ns = 50 * NSEC_PER_MSEC;
module_param(hog_ns, ulong, 0444);
MODULE_PARM_DESC(hog_ns, "grace: for how long the waiting task is kept off its CPU");

/*
 * Shorter than what real-time tasks may use of a period (950 ms of a second), and than what
 * the scheduler's server for ordinary tasks lets them wait for, which is 950 ms from the
 * beginning of its period, too. That period begins with an ordinary task on the CPU, if the
 * last one is over: hence a rest before each hog.
 */
#define STARVE_REST_MS	1200

static unsigned long starve_ns = 300 * NSEC_PER_MSEC;
module_param(starve_ns, ulong, 0444);
MODULE_PARM_DESC(starve_ns, "starved: for how long at most the waiting task is kept off its CPU");

static int many_pinned = -1;
module_param(many_pinned, int, 0444);
MODULE_PARM_DESC(many_pinned, "1: disable preemption around smp_call_function_many(), 0: do not");

#define BOSS_CPU	0	/* directs; where a waiter is moved to */
#define CALLER_CPU	1
#define HELD_CPU	2
#define STARVED_CPU	3	/* starved: where a waiter is moved to */
#define SETTLE_NS	(20 * NSEC_PER_USEC)
#define SETTLE_TURNS	200

static unsigned int points;

static void point(const char *row, const char *what, u64 x, unsigned int rep, u64 value,
		  unsigned int per)
{
	if (!rep)
		return;
	pr_info("BENCH,%s,%s,%llu,%u,%llu,%u\n", row, what, x, rep, value, per);
	points++;
}

static void discard(const char *row, const char *what, const char *reason)
{
	pr_info("BENCH-DISCARD,%s,%s,%s\n", row, what, reason);
}

static void call_many(const struct cpumask *mask, smp_call_func_t func, bool pinned, bool wait)
{
	if (pinned)
		preempt_disable();
	smp_call_function_many(mask, func, NULL, wait);
	if (pinned)
		preempt_enable();
}

/* ---- cost ---- */

enum kind {
	COST_SINGLE, COST_SINGLE_NOWAIT, COST_ASYNC, COST_ANY,		/* one target */
	COST_MANY, COST_MANY_PIN, COST_MANY_NOWAIT, COST_EACH, COST_COND,
	COST_FUNCTION, COST_EACH_CPU,					/* all CPUs */
	NR_KINDS
};

static const char * const kind_names[NR_KINDS] = {
	[COST_SINGLE] = "single", [COST_SINGLE_NOWAIT] = "single_nowait",
	[COST_ASYNC] = "async", [COST_ANY] = "any", [COST_MANY] = "many",
	[COST_MANY_PIN] = "many_pin", [COST_MANY_NOWAIT] = "many_nowait",
	[COST_EACH] = "each_mask", [COST_COND] = "cond", [COST_FUNCTION] = "function",
	[COST_EACH_CPU] = "each",
};

static struct cpumask cost_mask;	/* the targets */
static struct cpumask cost_mask_self;	/* and the caller's CPU */
static atomic_t ran;

static void count_run(void *unused)
{
	atomic_inc(&ran);
}

static bool in_cost_mask(int cpu, void *unused)
{
	return cpumask_test_cpu(cpu, &cost_mask);
}

static call_single_data_t cost_csd = { .func = count_run };

static void one_call(enum kind kind, unsigned int target)
{
	int before = atomic_read(&ran);

	switch (kind) {
	case COST_SINGLE:
		smp_call_function_single(target, count_run, NULL, 1);
		break;
	case COST_SINGLE_NOWAIT:
		smp_call_function_single(target, count_run, NULL, 0);
		break;
	case COST_ASYNC:
		smp_call_function_single_async(target, &cost_csd);
		break;
	case COST_ANY:
		smp_call_function_any(&cost_mask, count_run, NULL, 1);
		break;
	case COST_MANY:
		call_many(&cost_mask, count_run, many_pinned, true);
		break;
	case COST_MANY_PIN:
		call_many(&cost_mask, count_run, true, true);
		break;
	case COST_MANY_NOWAIT:
		call_many(&cost_mask, count_run, true, false);
		break;
	case COST_EACH:
		on_each_cpu_mask(&cost_mask_self, count_run, NULL, true);
		break;
	case COST_COND:
		on_each_cpu_cond_mask(in_cost_mask, count_run, NULL, true, cpu_online_mask);
		break;
	case COST_FUNCTION:
		smp_call_function(count_run, NULL, 1);
		break;
	default:
		on_each_cpu(count_run, NULL, 1);
		break;
	}
	/* All csds are free again when the next call begins. */
	if (kind == COST_SINGLE_NOWAIT || kind == COST_ASYNC)
		while (atomic_read(&ran) == before)
			cpu_relax();
	if (kind == COST_MANY_NOWAIT)
		while (atomic_read(&ran) - before < cpumask_weight(&cost_mask))
			cpu_relax();
}

/* All other CPUs come to rest: whether a call finds them idle must not depend on chance. */
static void settle(void)
{
	int i;

	for (i = 0; i < SETTLE_TURNS; i++)
		cpu_relax();
}

static u64 times[MAX_CALLS];

static int by_size(const void *one, const void *other)
{
	u64 a = *(const u64 *)one, b = *(const u64 *)other;

	return a < b ? -1 : a > b;
}

/* The middle half of the calls together, so that a coarse clock does not matter. */
static u64 middle_sum(void)
{
	unsigned int i;
	u64 sum = 0;

	sort(times, calls, sizeof(times[0]), by_size, NULL);
	for (i = calls / 4; i < calls - calls / 4; i++)
		sum += times[i];
	return sum;
}

static unsigned int middle_calls(void)
{
	return calls - 2 * (calls / 4);
}

/* The calls of one point, one after the other; KIND NR_KINDS calls nothing. */
static u64 cost_batch(enum kind kind, unsigned int target)
{
	unsigned int i;

	for (i = 0; i < calls; i++) {
		u64 start;

		settle();
		start = ktime_get_ns();
		if (kind < NR_KINDS)
			one_call(kind, target);
		/* What the targets do behind the caller's back belongs to the call, too. */
		settle();
		times[i] = ktime_get_ns() - start;
	}
	return middle_sum();
}

static void cost_of(enum kind kind, unsigned int n)
{
	static u64 costs[MAX_BATCHES + 1];
	unsigned int target = cpumask_first(&cost_mask), rep;
	u64 nothing;

	/* An idle CPU goes back to sleep by another path while it has RCU callbacks. */
	rcu_barrier();
	msleep(50);
	nothing = cost_batch(NR_KINDS, target);
	for (rep = 0; rep <= batches; rep++)
		costs[rep] = cost_batch(kind, target) - nothing;
	/* Printing could make such callbacks, and comes last. */
	for (rep = 0; rep <= batches; rep++)
		point("cost", kind_names[kind], n, rep, costs[rep], middle_calls());
}

static void cost_step(void)
{
	unsigned int self = smp_processor_id(), i, k, cpu;
	enum kind kind;

	for (i = 0; i < nr_targets; i++) {
		cpumask_clear(&cost_mask);
		for (k = 0, cpu = self; k < targets[i]; k++) {
			cpu = cpumask_next(cpu, cpu_online_mask);
			if (cpu >= nr_cpu_ids)
				cpu = cpumask_first(cpu_online_mask);
			cpumask_set_cpu(cpu, &cost_mask);
		}
		cpumask_copy(&cost_mask_self, &cost_mask);
		cpumask_set_cpu(self, &cost_mask_self);
		for (kind = 0; kind < NR_KINDS; kind++) {
			if (kind <= COST_ANY && targets[i] != 1)
				continue;
			if (kind >= COST_FUNCTION && targets[i] + 1 != num_online_cpus())
				continue;
			cost_of(kind, targets[i]);
		}
	}
}

/* ---- kthread ---- */

static int thread_fn(void *unused)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static const char *measure_kthread(void)
{
	unsigned int rep, i;

	for (rep = 0; rep <= batches; rep++) {
		for (i = 0; i < calls; i++) {
			struct task_struct *task;
			u64 start;

			/* Some grace periods: what earlier threads held is free again. */
			msleep(12);
			start = ktime_get_ns();
			task = kthread_create(thread_fn, NULL, "bench/thread");
			if (IS_ERR(task))
				return "a thread could not be made";
			kthread_bind(task, BOSS_CPU);
			wake_up_process(task);
			kthread_stop(task);
			times[i] = ktime_get_ns() - start;
		}
		point("kthread", "create_stop", 0, rep, middle_sum(), middle_calls());
	}
	return NULL;
}

/* ---- the tasks of own, grace, hotplug and starved ---- */

static struct {
	u64	hold_ns, hog_ns;
	bool	held, a_begun, a_returned, late_runs, hog_runs, stop;
	u64	a_done, a_return;
} run;

static void holder_step(void)
{
	local_irq_disable();
	WRITE_ONCE(run.held, true);
	spin_until(ktime_get_ns() + run.hold_ns);
	WRITE_ONCE(run.held, false);
	local_irq_enable();
}

static void a_func(void *unused)
{
	WRITE_ONCE(run.a_done, ktime_get_ns());
}

/* Waits for the held CPU. */
static void a_step(void)
{
	WRITE_ONCE(run.a_begun, true);
	call_many(cpumask_of(HELD_CPU), a_func, many_pinned, true);
	run.a_return = ktime_get_ns();
	WRITE_ONCE(run.a_returned, true);
}

static void late_func(void *unused)
{
	WRITE_ONCE(run.late_runs, true);
	spin_until(ktime_get_ns() + late_ns);
}

static void late_step(void)
{
	call_many(cpumask_of(HELD_CPU), late_func, many_pinned, true);
}

/* Ends by itself: whoever could end it may have to wait for this CPU. */
static void hog_step(void)
{
	u64 now = ktime_get_ns();
	u64 end = now + run.hog_ns, longer = now + SHORT_TURNS_NS;

	WRITE_ONCE(run.hog_runs, true);
	/* Turns as in spin_until(). */
	for (; !READ_ONCE(run.stop) && now < end; now = ktime_get_ns()) {
		int i;

		for (i = 0; now >= longer && i < 256; i++)
			barrier();
		cpu_relax();
	}
}

static void boss_step(void);

static struct worker boss = { .name = "bench/boss", .step = boss_step };
static struct worker coster = { .name = "bench/cost", .step = cost_step };
static struct worker holder = { .name = "bench/holder", .step = holder_step };
static struct worker a = { .name = "bench/a", .step = a_step };
static struct worker late = { .name = "bench/late", .step = late_step };
static struct worker hog = { .name = "bench/hog", .step = hog_step };

static const struct {
	struct worker *worker;
	unsigned int cpu;
} workers[] = {
	{ &boss, BOSS_CPU }, { &coster, CALLER_CPU }, { &holder, HELD_CPU },
	{ &a, CALLER_CPU }, { &late, CALLER_CPU }, { &hog, CALLER_CPU },
};

#define wait_for(cond) ({					\
	u64 __end = ktime_get_ns() + NSEC_PER_SEC;		\
	bool __ok;						\
	while (!(__ok = (cond)) && ktime_get_ns() < __end)	\
		cpu_relax();					\
	__ok;							\
})

/* HELD_CPU is held, and task a waits for it in a call from CALLER_CPU. */
static const char *begin_wait(u64 hold)
{
	memset(&run, 0, sizeof(run));
	run.hold_ns = hold;
	worker_kick(&holder);
	if (!wait_for(READ_ONCE(run.held)))
		return "the CPU was not held";
	worker_kick(&a);
	if (!wait_for(READ_ONCE(run.a_begun)))
		return "the call did not begin";
	spin_until(ktime_get_ns() + SETTLE_NS);
	return READ_ONCE(run.held) ? NULL : "the hold was over too early";
}

static const char *end_wait(void)
{
	bool ok = worker_wait(&holder);

	return worker_wait(&a) && ok ? NULL : "the call did not return";
}

/*
 * Task a is moved to the boss's CPU, where it cannot run, while it waits. When its
 * request is done, another task of CALLER_CPU uses the same csd for a request that
 * takes long. Then a may look.
 */
static const char *own_once(unsigned int rep, const char **skip)
{
	const char *reason = begin_wait(hold_ns);
	bool later = false;
	u64 from = 0;

	if (reason)
		return reason;
	/* Where a is pinned, it cannot be moved: no other call can come in between. */
	if (!many_pinned) {
		set_cpus_allowed_ptr(a.task, cpumask_of(BOSS_CPU));
		if (!READ_ONCE(run.held))
			*skip = "the hold was over before the waiter was moved";
		if (!wait_for(READ_ONCE(run.a_done)))
			return "the request was not run";
		worker_kick(&late);
		later = true;
		if (!wait_for(READ_ONCE(run.late_runs)))
			return "the later request was not run";
		from = ktime_get_ns();
	}
	reason = end_wait();
	if (later && !worker_wait(&late))
		return "the later call did not return";
	set_cpus_allowed_ptr(a.task, cpumask_of(CALLER_CPU));
	if (reason || *skip)
		return reason;
	point("own", "wait", late_ns, rep, run.a_return - max(from, run.a_done), 1);
	return NULL;
}

static const char *grace_once(unsigned int rep, bool waiter)
{
	const char *reason;
	u64 start;

	if (waiter) {
		reason = begin_wait(hold_ns);
		if (reason)
			return reason;
	} else {
		memset(&run, 0, sizeof(run));
	}
	run.hog_ns = hog_ns;
	worker_kick(&hog);
	if (!wait_for(READ_ONCE(run.hog_runs)))
		return "the hog did not run";
	if (waiter && !worker_wait(&holder))
		return "the held CPU did not come back";
	start = ktime_get_ns();
	synchronize_rcu_expedited();
	point("grace", waiter ? "behind" : "alone", hog_ns, rep, ktime_get_ns() - start, 1);
	WRITE_ONCE(run.stop, true);
	if (!worker_wait(&hog) || (waiter && !worker_wait(&a)))
		return "the call did not return";
	return NULL;
}

/* The threads of a CPU that was offline are bound to it again. */
static void bind_to_caller_cpu(void)
{
	set_cpus_allowed_ptr(a.task, cpumask_of(CALLER_CPU));
	set_cpus_allowed_ptr(late.task, cpumask_of(CALLER_CPU));
	set_cpus_allowed_ptr(hog.task, cpumask_of(CALLER_CPU));
	set_cpus_allowed_ptr(coster.task, cpumask_of(CALLER_CPU));
}

static const char *hotplug_once(unsigned int rep)
{
	u64 t0, t1, t2;
	const char *reason;

	t0 = ktime_get_ns();
	if (remove_cpu(HELD_CPU))
		return "the CPU did not go offline";
	t1 = ktime_get_ns();
	if (add_cpu(HELD_CPU))
		return "the CPU did not come online";
	t2 = ktime_get_ns();
	/* The holder was bound to it. */
	set_cpus_allowed_ptr(holder.task, cpumask_of(HELD_CPU));
	point("hotplug", "offline", 0, rep, t1 - t0, 1);
	point("hotplug", "online", 0, rep, t2 - t1, 1);

	reason = begin_wait(hold_ns);
	if (reason)
		return reason;
	/* It may go on elsewhere. */
	set_cpus_allowed_ptr(a.task, cpu_possible_mask);
	t0 = ktime_get_ns();
	if (remove_cpu(CALLER_CPU))
		return "the waiter's CPU did not go offline";
	t1 = ktime_get_ns();
	reason = end_wait();
	if (add_cpu(CALLER_CPU))
		return "the waiter's CPU did not come online";
	bind_to_caller_cpu();
	point("hotplug", "offline_waiter", hold_ns, rep, t1 - t0, 1);
	return reason;
}

/*
 * The hog has the STARVED_CPU before task a comes there, so a cannot run again once it was
 * moved. *skip: a was not in its call any more when it came there.
 */
static const char *starved_once(unsigned int rep, bool waiter, const char **skip)
{
	const char *reason = NULL;
	u64 t0, t1, t2, t3;

	set_cpus_allowed_ptr(hog.task, cpumask_of(STARVED_CPU));
	msleep(STARVE_REST_MS);
	memset(&run, 0, sizeof(run));
	run.hog_ns = starve_ns;
	worker_kick(&hog);
	if (!wait_for(READ_ONCE(run.hog_runs)))
		return "the hog did not run";
	if (waiter) {
		reason = begin_wait(hold_ns);
		if (reason)
			return reason;
		set_cpus_allowed_ptr(a.task, cpumask_of(STARVED_CPU));
		if (!READ_ONCE(run.held) || READ_ONCE(run.a_returned))
			*skip = "the hold was over before the waiter was moved";
		if (!wait_for(READ_ONCE(run.a_done)))
			return "the request was not run";
		if (!worker_wait(&holder))
			return "the held CPU did not come back";
	}

	t0 = ktime_get_ns();
	if (remove_cpu(CALLER_CPU))
		return "the waiter's CPU did not go offline";
	t1 = ktime_get_ns();
	if (waiter && !*skip && READ_ONCE(run.a_returned) && t1 - t0 < starve_ns / 2)
		*skip = "the waiter was not starved";
	t2 = ktime_get_ns();
	if (add_cpu(CALLER_CPU))
		return "the waiter's CPU did not come online";
	t3 = ktime_get_ns();

	WRITE_ONCE(run.stop, true);
	if (!worker_wait(&hog))
		reason = "the hog did not end";
	else if (waiter && !worker_wait(&a))
		reason = "the call did not return";
	bind_to_caller_cpu();
	if (reason || *skip)
		return reason;
	point("starved", waiter ? "offline_behind" : "offline_alone", starve_ns, rep, t1 - t0, 1);
	point("starved", waiter ? "online_behind" : "online_alone", starve_ns, rep, t3 - t2, 1);
	return NULL;
}

static const char *measure_starved(void)
{
	unsigned int rep, discards = 0;
	const char *reason = NULL, *skip;

	for (rep = 0; rep <= reps && !reason; rep++) {
		skip = NULL;
		/* Where a is pinned, it cannot be moved. */
		if (!many_pinned)
			reason = starved_once(rep, true, &skip);
		if (!reason && !skip)
			reason = starved_once(rep, false, &skip);
		if (!skip)
			continue;
		discard("starved", "behind", skip);
		if (++discards > 2 * reps)
			return "too many tries were discarded";
		rep--;
	}
	return reason;
}

static const char *boss_result;
static const char *part;

static void boss_step(void)
{
	const char *reason = NULL, *skip;
	unsigned int rep, discards = 0;

	if (!strcmp(part, "kthread"))
		reason = measure_kthread();
	else if (!strcmp(part, "own")) {
		/* Whoever is moved to this CPU must not run. */
		sched_set_fifo(current);
		for (rep = 0; rep <= reps && !reason; rep++) {
			skip = NULL;
			reason = own_once(rep, &skip);
			if (!skip)
				continue;
			discard("own", "wait", skip);
			if (++discards > 4 * reps)
				reason = "too many tries were discarded";
			rep--;
		}
		sched_set_normal(current, 0);
	} else if (!strcmp(part, "grace")) {
		for (rep = 0; rep <= reps && !reason; rep++) {
			reason = grace_once(rep, false);
			if (!reason)
				reason = grace_once(rep, true);
		}
	} else if (!strcmp(part, "hotplug")) {
		for (rep = 0; rep <= reps && !reason; rep++)
			reason = hotplug_once(rep);
	} else if (!strcmp(part, "starved")) {
		reason = measure_starved();
	} else {
		reason = "parts has a name that is not known";
	}
	boss_result = reason;
}

static const char *measure(const char *name)
{
	struct worker *w = strcmp(name, "cost") ? &boss : &coster;

	boss_result = NULL;
	part = name;
	worker_kick(w);
	/* Each wait inside has a limit of its own. */
	wait_for_completion(&w->done);
	return boss_result;
}

static const char *bad_parameter(void)
{
	unsigned int i;

	if (many_pinned != 0 && many_pinned != 1)
		return "many_pinned must be 1 (unpatched kernel) or 0";
	if (num_online_cpus() < 4)
		return "fewer than 4 CPUs are online";
	if (!nr_parts || !batches || !calls || !reps)
		return "parts, batches, calls and reps must not be empty";
	if (batches > MAX_BATCHES)
		return "batches is too large";
	if (calls > MAX_CALLS)
		return "calls is too large";
	for (i = 0; i < nr_targets; i++)
		if (!targets[i] || targets[i] >= num_online_cpus())
			return "targets has a number that is not from 1 to CPUs - 1";
	if (hold_ns <= 2 * SETTLE_NS)
		return "hold_ns is too short";
	return NULL;
}

static int __init calls_init(void)
{
	const char *reason = bad_parameter();
	unsigned int i;

	if (reason)
		goto out;
	pr_info("BENCH-INFO,cpus=%u,many_pinned=%d,task_bytes=%zu\n", num_online_cpus(),
		many_pinned, sizeof(struct task_struct));
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		if (worker_start(workers[i].worker, workers[i].cpu)) {
			reason = "a thread could not be made";
			goto stop;
		}
	}
	sched_set_fifo(hog.task);
	for (i = 0; i < nr_parts && !reason; i++)
		reason = measure(parts[i]);
stop:
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		worker_stop(workers[i].worker);
out:
	if (reason) {
		pr_err("BENCH-FAIL,%s\n", reason);
		return -EINVAL;
	}
	pr_info("BENCH-OK,%u\n", points);
	return 0;
}

static void __exit calls_exit(void)
{
}

module_init(calls_init);
module_exit(calls_exit);
MODULE_DESCRIPTION("Cost of cross-CPU calls, and what they do to others");
MODULE_LICENSE("GPL");
