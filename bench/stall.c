// SPDX-License-Identifier: GPL-2.0
/*
 * stall: keeps one CPU with interrupts off for a while, again and again
 *
 * In:  module parameters, see below.
 * Out: lines on the kernel console.  After a printk prefix they read
 *
 *   STALL-INFO,cpu=..,hold_ms=..,gap_ms=..
 *   STALL-FAIL,<reason>
 *   STALL-END,longest_us=..,put_off=..  when it is unloaded
 *
 * The hold is in an interrupt handler, whatever task that CPU is running: calls that
 * go only to CPUs where a process runs must find it held, too.  It stands for a
 * driver, a firmware or a hypervisor that does so.  A machine on which this module is
 * loaded is slow; do not load it where somebody works.
 *
 * A task that is interrupted with preemption disabled may hold a spinlock, for which
 * other CPUs then spin as long as the hold, in every kernel.  Such a hold is put off for
 * a millisecond, again and again, unless locks=1.  (PREEMPT_RT's spinlocks do not
 * disable preemption, and nobody spins for them.)
 */

#define pr_fmt(fmt) fmt

#include <linux/delay.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/time64.h>

#include "worker.h"

#define MAX_HOLD_MS	1000	/* far below what the kernel reports as a stall */

static unsigned int hold_ms;
module_param(hold_ms, uint, 0444);
MODULE_PARM_DESC(hold_ms, "How long the CPU keeps interrupts off");

static unsigned int gap_ms = 100;
module_param(gap_ms, uint, 0444);
MODULE_PARM_DESC(gap_ms, "From the end of a hold to the next one");

static int cpu = -1;
module_param(cpu, int, 0444);
MODULE_PARM_DESC(cpu, "The CPU (the last one)");

static bool locks;
module_param(locks, bool, 0444);
MODULE_PARM_DESC(locks, "Hold the CPU also where the interrupted task has preemption disabled");

static unsigned int holds;
module_param(holds, uint, 0444);
MODULE_PARM_DESC(holds, "To be read: how often it did so");

static unsigned int put_off;
module_param(put_off, uint, 0444);
MODULE_PARM_DESC(put_off, "To be read: how often it tried again a millisecond later");

static bool stop;
static u64 longest_ns;
static struct completion over;

static void hold(void *unused)
{
	u64 start = ktime_get_ns();

	/* The idle task always has preemption disabled. */
	if (locks || preempt_count() == HARDIRQ_OFFSET || is_idle_task(current)) {
		spin_until(start + (u64)hold_ms * NSEC_PER_MSEC);
		longest_ns = max(longest_ns, ktime_get_ns() - start);
		holds++;
	} else {
		put_off++;
	}
	complete(&over);
}

static call_single_data_t csd = { .func = hold };

static void stall_step(void)
{
	while (!READ_ONCE(stop)) {
		unsigned int before = put_off;

		/* A call without wait; it fails while the CPU is offline. */
		if (!smp_call_function_single_async(cpu, &csd))
			wait_for_completion(&over);
		msleep(put_off == before ? gap_ms : 1);
	}
}

static struct worker staller = { .name = "bench/stall", .step = stall_step };

static const char *bad_parameter(void)
{
	if (!hold_ms || hold_ms > MAX_HOLD_MS)
		return "hold_ms must be from 1 to 1000";
	if (!gap_ms)
		return "gap_ms must be 1 or more";
	if (cpu < 0)
		cpu = cpumask_last(cpu_online_mask);
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return "cpu is not online";
	if (num_online_cpus() < 2)
		return "only one CPU is online";
	return NULL;
}

static int __init stall_init(void)
{
	const char *reason = bad_parameter();

	init_completion(&over);
	if (!reason && worker_start(&staller, cpumask_first(cpu_online_mask)))
		reason = "a thread could not be made";
	if (reason) {
		pr_err("STALL-FAIL,%s\n", reason);
		return -EINVAL;
	}
	/* It must come through in spite of the load: a hold that is late is a shorter test. */
	sched_set_fifo(staller.task);
	pr_info("STALL-INFO,cpu=%d,hold_ms=%u,gap_ms=%u\n", cpu, hold_ms, gap_ms);
	worker_kick(&staller);
	return 0;
}

static void __exit stall_exit(void)
{
	WRITE_ONCE(stop, true);
	worker_wait(&staller);
	worker_stop(&staller);
	/* The handler may not have left this module's code yet. */
	synchronize_rcu();
	pr_info("STALL-END,longest_us=%llu,put_off=%u\n",
		div_u64(longest_ns, NSEC_PER_USEC), put_off);
}

module_init(stall_init);
module_exit(stall_exit);
MODULE_DESCRIPTION("Keeps one CPU with interrupts off, again and again");
MODULE_LICENSE("GPL");
