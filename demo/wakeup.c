// SPDX-License-Identifier: GPL-2.0
/*
 * wakeup: how long an urgent task waits while its CPU waits for another CPU
 *
 * One CPU (the held CPU) keeps interrupts off.  On another CPU (the caller's
 * CPU) an ordinary task calls a function on the held CPU and waits for it.
 * During that wait a timer on the caller's CPU wakes a SCHED_FIFO task there.
 * The time from that wake-up until the task runs is the latency.
 *
 * In:  module parameters, see below.  Times are in nanoseconds of ktime_get().
 * Out: lines on the kernel console.  After a printk prefix they read
 *
 *   BENCH-NOTE,caller_cpu=..,held_cpu=..,cpus=..,reps=..,wake_delay_ns=..,many_pinned=..
 *   BENCH,wakeup,<entry>,<hold_ns>,<rep>,<latency_ns>,1   one line for each point
 *   BENCH-DISCARD,wakeup,<entry>,<hold_ns>,<try>,<reason> a try that shows nothing
 *   BENCH-FAIL,<reason>                                   the module gives up
 *   BENCH-OK,<points>                                     always the last line
 *
 *   <entry> is the function that is called: single, any, many, on_each or cond
 *   (on_each_cpu_cond_mask()).  The
 *   entries single_again and many_again make calls without wait before, so
 *   that all csds of the caller's CPU for that target are in use when the last
 *   call wants one (in single_again that is a call without wait, too).  In the
 *   entry third, the timer first wakes a second task, which makes the same call
 *   as many on the caller's CPU and needs the csd that the first one waits for;
 *   the urgent task, the third, is woken wake_delay_ns later.
 *   Exactly one of BENCH-OK and BENCH-FAIL is printed; loading the module
 *   fails with an error after BENCH-FAIL.
 *
 * One repetition, with CPU C the caller's and CPU H the held one:
 *
 *   holder (CPU H)            caller (CPU C)          urgent (CPU C, FIFO)
 *   interrupts off
 *   HELD ------------------>  sees HELD
 *   sees the start time <---  start time
 *                             starts a timer
 *   spins for hold_ns         calls, waits on H
 *                             .. timer: wake-up ....> runs: latency
 *   not HELD
 *   interrupts on
 *     runs the function ...>  call returns
 *
 * hold_ns counts from the start of the call, the wake-up comes wake_delay_ns
 * later.  A task that has to sit out the hold thus sees about
 * hold_ns - wake_delay_ns.
 *
 * A point counts only if its call was really waiting: at the wake-up CPU H was
 * held and the call had begun and not returned, and it ended after the end of the
 * hold.  Other tries are reported, discarded and repeated a few times.
 *
 * All threads are made before a CPU is held, because the thread that makes
 * threads may itself sit on that CPU.  Each thread runs where it is bound, the
 * caller included: a bound waiter is the worst case for the urgent task, which
 * can neither be pulled nor pushed to another CPU either.
 */

#define pr_fmt(fmt) fmt

#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/version.h>

#include "worker.h"

#define MAX_HOLDS	16
#define TRIES_PER_POINT	4

/*
 * After the boot, the scheduler's server for ordinary tasks may be about to give them their
 * share of a CPU: then it prefers the caller to the urgent task, in each kernel, until the
 * caller has run for 50 ms.
 */
#define SHARE_NS	(100 * NSEC_PER_MSEC)

static unsigned long holds_ns[MAX_HOLDS] = {
	100 * NSEC_PER_USEC, 1 * NSEC_PER_MSEC, 4 * NSEC_PER_MSEC,
	16 * NSEC_PER_MSEC, 64 * NSEC_PER_MSEC,
};

static unsigned int nr_holds = 5;
module_param_array(holds_ns, ulong, &nr_holds, 0444);
MODULE_PARM_DESC(holds_ns, "How long the held CPU keeps interrupts off (ns, a list)");

static unsigned int reps = 5;
module_param(reps, uint, 0444);
MODULE_PARM_DESC(reps, "Points for each function and hold, after one warm-up of the function");

static unsigned long wake_delay_ns = 20 * NSEC_PER_USEC;
module_param(wake_delay_ns, ulong, 0444);
MODULE_PARM_DESC(wake_delay_ns, "From the start of the call to the wake-up (ns)");

static unsigned int caller_cpu = 1;
module_param(caller_cpu, uint, 0444);
MODULE_PARM_DESC(caller_cpu, "CPU of the waiting caller and of the urgent task");

static unsigned int held_cpu = 2;
module_param(held_cpu, uint, 0444);
MODULE_PARM_DESC(held_cpu, "CPU that keeps interrupts off");

/*
 * An unpatched smp_call_function_many() demands that its caller has preemption
 * disabled.  Nothing enforces that without lockdep, and a call without it
 * looks preemptible there although it is only wrong: the per-CPU data that it
 * waits on is no longer safe.  So the unpatched kernel is measured with
 * many_pinned=1, which is how all its users must call it.  With the series, the
 * function may be called preemptible and is measured so.  The other two entry
 * points are called bare on every kernel.
 *
 * There is no default: a forgotten parameter must not become a good figure.
 */
static int many_pinned = -1;
module_param(many_pinned, int, 0444);
MODULE_PARM_DESC(many_pinned, "1: disable preemption around smp_call_function_many(), 0: do not");

enum entry {
	ENTRY_SINGLE, ENTRY_MANY, ENTRY_ON_EACH,
	/* The request finds those of earlier calls, which nobody waits for, in its way. */
	ENTRY_SINGLE_AGAIN, ENTRY_MANY_AGAIN,
	ENTRY_ANY, ENTRY_COND,
	/* A second task wants the csds while the first one waits. */
	ENTRY_THIRD,
	NR_ENTRIES
};

static const char * const entry_names[NR_ENTRIES] = {
	[ENTRY_SINGLE]	= "single",
	[ENTRY_MANY]	= "many",
	[ENTRY_ON_EACH]	= "on_each",
	[ENTRY_SINGLE_AGAIN] = "single_again",
	[ENTRY_MANY_AGAIN] = "many_again",
	[ENTRY_ANY]	= "any",
	[ENTRY_COND]	= "cond",
	[ENTRY_THIRD]	= "third",
};

/* No default: what was measured is what was asked for. */
static char *entries[NR_ENTRIES];
static unsigned int nr_entries;
module_param_array(entries, charp, &nr_entries, 0444);
MODULE_PARM_DESC(entries, "The functions to call (names, a list)");

/* The repetition that is under way. */
static struct {
	enum entry	entry;
	u64		hold_ns;
	bool		share;		/* no repetition: the caller only runs for SHARE_NS */
	bool		abort;		/* ends the loops that wait for another thread */
	bool		held;		/* CPU H has interrupts off */
	bool		called;		/* the call begins */
	bool		returned;	/* the call has returned */
	bool		fired;		/* the timer ran ... */
	bool		waiting;	/* ... and saw a call that waits */
	bool		second_woken;	/* entry third: the timer's first run */
	bool		second_begun;
	u64		t_start;	/* the call starts; 0 until then */
	u64		t_wake;
	u64		t_run;
	u64		t_release;
	u64		t_return;
} run;

static struct hrtimer wake_timer;
static struct cpumask many_mask;

static void holder_step(void);
static void caller_step(void);
static void urgent_step(void);
static void second_step(void);

static struct worker holder = { .name = "wakeup/holder", .step = holder_step };
static struct worker caller = { .name = "wakeup/caller", .step = caller_step };
static struct worker urgent = { .name = "wakeup/urgent", .step = urgent_step };
static struct worker second = { .name = "wakeup/second", .step = second_step };
static struct worker * const workers[] = { &holder, &caller, &urgent, &second };

static void do_nothing(void *unused)
{
}

static bool not_the_caller(int cpu, void *unused)
{
	return cpu != caller_cpu;
}

static void call_many(bool wait)
{
	if (many_pinned)
		preempt_disable();
	smp_call_function_many(&many_mask, do_nothing, NULL, wait);
	if (many_pinned)
		preempt_enable();
}

/* Calls the function under test: on CPU C, in a preemptible task. */
static void make_call(enum entry entry)
{
	int i;

	switch (entry) {
	case ENTRY_SINGLE:
		smp_call_function_single(held_cpu, do_nothing, NULL, 1);
		break;
	case ENTRY_ANY:
		smp_call_function_any(cpumask_of(held_cpu), do_nothing, NULL, 1);
		break;
	case ENTRY_MANY:
	case ENTRY_THIRD:
		call_many(true);
		break;
	case ENTRY_COND:
		on_each_cpu_cond_mask(not_the_caller, do_nothing, NULL, true, cpu_online_mask);
		break;
	case ENTRY_SINGLE_AGAIN:
		for (i = 0; i < 3; i++)
			smp_call_function_single(held_cpu, do_nothing, NULL, 0);
		break;
	case ENTRY_MANY_AGAIN:
		call_many(false);
		call_many(true);
		break;
	default:
		on_each_cpu(do_nothing, NULL, 1);
		break;
	}
}

static void holder_step(void)
{
	local_irq_disable();
	WRITE_ONCE(run.held, true);
	while (!READ_ONCE(run.t_start) && !READ_ONCE(run.abort))
		cpu_relax();

	spin_until(READ_ONCE(run.t_start) + run.hold_ns);

	run.t_release = ktime_get_ns();
	WRITE_ONCE(run.held, false);
	local_irq_enable();
}

static void caller_step(void)
{
	if (run.share) {
		spin_until(ktime_get_ns() + SHARE_NS);
		return;
	}
	while (!READ_ONCE(run.held)) {
		if (READ_ONCE(run.abort))
			return;
		cpu_relax();
	}

	/*
	 * The hold has begun when the timer runs, however early: whom it wakes may wait for
	 * the held CPU, and keep this task from running.
	 */
	WRITE_ONCE(run.t_start, ktime_get_ns());
	hrtimer_start(&wake_timer, ns_to_ktime(wake_delay_ns),
		      HRTIMER_MODE_REL_PINNED_HARD);
	WRITE_ONCE(run.called, true);
	make_call(run.entry);
	run.t_return = ktime_get_ns();
	WRITE_ONCE(run.returned, true);

	/* A timer that is still to come has missed the call. */
	hrtimer_cancel(&wake_timer);
}

static enum hrtimer_restart wake_timer_fn(struct hrtimer *timer)
{
	if (run.entry == ENTRY_THIRD && !run.second_woken) {
		run.second_woken = true;
		worker_kick(&second);
		hrtimer_forward_now(timer, ns_to_ktime(wake_delay_ns));
		return HRTIMER_RESTART;
	}
	run.waiting = READ_ONCE(run.held) && READ_ONCE(run.called) && !READ_ONCE(run.returned);
	run.fired = true;
	run.t_wake = ktime_get_ns();
	worker_kick(&urgent);
	return HRTIMER_NORESTART;
}

static void urgent_step(void)
{
	run.t_run = ktime_get_ns();
}

/* Where the caller keeps its CPU, this begins only after the hold. */
static void second_step(void)
{
	if (READ_ONCE(run.held))
		WRITE_ONCE(run.second_begun, true);
	call_many(true);
}

/*
 * One repetition.  Returns NULL if run holds a point, otherwise the reason why
 * it does not; *fatal says that going on makes no sense.
 */
static const char *measure(enum entry entry, u64 hold_ns, bool *fatal)
{
	memset(&run, 0, sizeof(run));
	run.entry = entry;
	run.hold_ns = hold_ns;

	*fatal = true;
	worker_kick(&holder);
	worker_kick(&caller);
	if (!worker_wait(&caller)) {
		WRITE_ONCE(run.abort, true);
		return "the call did not return";
	}
	if (!worker_wait(&holder))
		return "the held CPU did not come back";
	if (run.fired && !worker_wait(&urgent))
		return "the urgent task did not run";
	if (run.second_woken && !worker_wait(&second))
		return "the second call did not return";

	*fatal = false;
	if (!run.fired)
		return "the call returned before the wake-up";
	if (!run.waiting)
		return "the call was not waiting at the wake-up";
	if (run.t_return < run.t_release)
		return "the call returned before the end of the hold";
	if (entry == ENTRY_THIRD && !run.second_begun && run.t_run < run.t_release)
		return "the second call had not begun";
	return NULL;
}

/* All points of one function and hold. Returns the reason of a failure. */
static const char *measure_all(enum entry entry, u64 hold_ns, bool warm,
			       unsigned int *points)
{
	unsigned int tries, rep = warm;

	/* The first good one, rep 0, is the warm-up. */
	for (tries = 0; rep <= reps; tries++) {
		const char *reason;
		bool fatal;

		if (tries >= TRIES_PER_POINT * (reps + 1))
			return "too many tries were discarded";

		reason = measure(entry, hold_ns, &fatal);
		if (reason && fatal)
			return reason;
		if (reason) {
			pr_info("BENCH-DISCARD,wakeup,%s,%llu,%u,%s\n",
				entry_names[entry], hold_ns, tries, reason);
			continue;
		}
		if (rep) {
			pr_info("BENCH,wakeup,%s,%llu,%u,%llu,1\n", entry_names[entry],
				hold_ns, rep, run.t_run - run.t_wake);
			++*points;
		}
		rep++;
	}
	return NULL;
}

static const char *bad_parameter(void)
{
	unsigned int i;

	if (many_pinned != 0 && many_pinned != 1)
		return "many_pinned must be 1 (unpatched kernel) or 0";
	if (caller_cpu == held_cpu)
		return "caller_cpu and held_cpu must differ";
	if (caller_cpu >= nr_cpu_ids || !cpu_online(caller_cpu))
		return "caller_cpu is not online";
	if (held_cpu >= nr_cpu_ids || !cpu_online(held_cpu))
		return "held_cpu is not online";
	if (!reps || !nr_holds || !nr_entries)
		return "reps, holds_ns and entries must not be empty";
	for (i = 0; i < nr_entries; i++)
		if (match_string(entry_names, NR_ENTRIES, entries[i]) < 0)
			return "entries has a name that is not known";
	for (i = 0; i < nr_holds; i++)
		if (holds_ns[i] <= wake_delay_ns)
			return "each of holds_ns must be longer than wake_delay_ns";
	return NULL;
}

static int __init wakeup_init(void)
{
	unsigned int e, i, points = 0;
	const char *reason;
	int entry;

	cpus_read_lock();
	reason = bad_parameter();
	if (reason)
		goto out;

	pr_info("BENCH-NOTE,caller_cpu=%u,held_cpu=%u,cpus=%u,reps=%u,wake_delay_ns=%lu,many_pinned=%d\n",
		caller_cpu, held_cpu, num_online_cpus(), reps, wake_delay_ns,
		many_pinned);

	cpumask_copy(&many_mask, cpu_online_mask);
	cpumask_clear_cpu(caller_cpu, &many_mask);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(&wake_timer, wake_timer_fn, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
#else
	hrtimer_init(&wake_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	wake_timer.function = wake_timer_fn;
#endif
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		if (worker_start(workers[i], workers[i] == &holder ?
				 held_cpu : caller_cpu)) {
			reason = "a thread could not be made";
			goto stop;
		}
	}
	sched_set_fifo(urgent.task);
	sched_set_fifo_low(second.task);

	run.share = true;
	worker_kick(&caller);
	if (!worker_wait(&caller))
		reason = "the caller did not run";
	for (e = 0; e < nr_entries && !reason; e++) {
		entry = match_string(entry_names, NR_ENTRIES, entries[e]);
		for (i = 0; i < nr_holds && !reason; i++)
			reason = measure_all(entry, holds_ns[i], i, &points);
	}
stop:
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		worker_stop(workers[i]);
out:
	cpus_read_unlock();

	if (reason) {
		pr_err("BENCH-FAIL,%s\n", reason);
		return -EINVAL;
	}
	pr_info("BENCH-OK,%u\n", points);
	return 0;
}

static void __exit wakeup_exit(void)
{
}

module_init(wakeup_init);
module_exit(wakeup_exit);
MODULE_DESCRIPTION("Wake-up latency of an urgent task while its CPU waits for a cross-CPU call");
MODULE_LICENSE("GPL");
