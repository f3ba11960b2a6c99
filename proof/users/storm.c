// SPDX-License-Identifier: GPL-2.0
/*
 * storm: cross-CPU calls of which each request is counted
 *
 * In:  ioctls on /dev/storm, see storm.h.
 * Out: their results; nothing on the console.
 *
 * Each call has a bit for each CPU that it was sent to and for each on which its function ran.
 * A call to several CPUs is made with a condition, which is asked for each CPU: so it is known
 * which CPUs were chosen, with CPU hotplug too. What was sent to a CPU that went offline
 * meanwhile may not have been: those requests are counted apart, in "unsure".
 *
 * STORM_CALLS makes the calls from the calling task, so they can be throttled, traced and
 * moved as that can. STORM_THREADS makes them from kernel threads, which no freezer stops.
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "storm.h"

#define MAX_CPUS	64
#define MAX_THREADS	16
#define PATIENCE_MS	5000		/* with a request that nobody waits for */

static atomic64_t counts[sizeof(struct storm_counts) / sizeof(u64)];

#define COUNT(name)	(&counts[offsetof(struct storm_counts, name) / sizeof(u64)])

static atomic_t moves[MAX_CPUS];		/* times that each CPU began to go or to come */

struct request {
	struct list_head list;		/* of those without wait */
	u64 chosen;			/* CPUs, a bit for each */
	bool lose;			/* on purpose */
	atomic64_t ran;
	atomic_t twice;
	u64 online;			/* before the call */
	int moves[MAX_CPUS];		/* before the call */
	struct cpumask mask;
};

static bool choose(int cpu, void *info)
{
	struct request *req = info;

	req->chosen |= BIT_ULL(cpu);
	return !req->lose;
}

static void handler(void *info)
{
	struct request *req = info;
	u64 bit = BIT_ULL(smp_processor_id());

	if (atomic64_fetch_or(bit, &req->ran) & bit)
		atomic_inc(&req->twice);
}

static u64 online_cpus(void)
{
	return cpumask_bits(cpu_online_mask)[0];
}

static struct request *new_request(void)
{
	struct request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	int cpu;

	if (!req)
		return NULL;
	for_each_possible_cpu(cpu)
		req->moves[cpu] = atomic_read(&moves[cpu]);
	smp_mb();	/* who leaves cpu_online_mask from here on is counted */
	req->online = online_cpus();
	return req;
}

/* CPUs that were online all the time. */
static u64 stayed(struct request *req)
{
	u64 cpus = req->online & online_cpus();
	int cpu;

	smp_mb();	/* as above, the other way round */
	for_each_possible_cpu(cpu)
		if (req->moves[cpu] != atomic_read(&moves[cpu]))
			cpus &= ~BIT_ULL(cpu);
	return cpus;
}

/* CPUs that were sent a request and have not run it. */
static u64 missing(struct request *req)
{
	return req->chosen & ~atomic64_read(&req->ran) & stayed(req);
}

/* The call is over. Those who did not wait come here later. */
static void account(struct request *req, u64 left_out)
{
	u64 ran = atomic64_read(&req->ran), lost = missing(req) | left_out;

	atomic64_inc(COUNT(calls));
	atomic64_add(hweight64(req->chosen), COUNT(sent));
	atomic64_add(hweight64(ran) + atomic_read(&req->twice), COUNT(run));
	atomic64_add(hweight64(lost), COUNT(lost));
	atomic64_add(atomic_read(&req->twice), COUNT(twice));
	atomic64_add(hweight64(ran & ~req->chosen), COUNT(wrong));
	atomic64_add(hweight64(req->chosen & ~ran & ~lost), COUNT(unsure));
	/* Of one that was lost, nobody knows how long it is still used. */
	if (!lost)
		kfree(req);
}

static bool drawn(u32 how, u32 one, u32 other)
{
	return how & (one | other) ? how & one : get_random_u32_below(2);
}

static u32 draw_kind(u32 how)
{
	u32 kind;

	do
		kind = 1U << get_random_u32_below(hweight32(STORM_KINDS));
	while (how & STORM_KINDS && !(how & kind));
	return kind;
}

/* Makes the call; returns the CPUs that should have been chosen and were not. */
static u64 make_call(struct request *req, u32 how, u32 kind, int cpu, bool wait)
{
	u64 bits;

	req->lose = how & STORM_LOSE;
	if (kind == STORM_EACH) {
		if (cpu < 0)
			cpumask_copy(&req->mask, cpu_possible_mask);
		else
			cpumask_set_cpu(cpu, &req->mask);
		bits = cpumask_bits(&req->mask)[0];
		on_each_cpu_cond_mask(choose, handler, req, wait, &req->mask);
		if (how & STORM_REPEAT)
			on_each_cpu_cond_mask(choose, handler, req, wait, &req->mask);
		return bits & stayed(req) & ~req->chosen;
	}
	if (cpu < 0)
		cpu = get_random_u32_below(nr_cpu_ids);
	cpumask_set_cpu(cpu, &req->mask);
	if (kind == STORM_SINGLE) {
		if (!smp_call_function_single(cpu, handler, req, wait))
			req->chosen = BIT_ULL(cpu);
		return BIT_ULL(cpu) & stayed(req) & ~req->chosen;
	}
	/* Any of two, so always with wait: which one it was is seen where it ran. */
	cpumask_set_cpu((cpu + 1) % nr_cpu_ids, &req->mask);
	bits = cpumask_bits(&req->mask)[0];
	if (smp_call_function_any(&req->mask, handler, req, 1))
		return bits & stayed(req);
	req->chosen = atomic64_read(&req->ran) & bits;
	return hweight64(req->chosen) == 1 ? 0 : bits;
}

static void one_call(const struct storm_calls *asked, struct list_head *unwaited)
{
	u32 kind = draw_kind(asked->how);
	bool wait = drawn(asked->how, STORM_WAIT, STORM_NOWAIT) || kind == STORM_ANY;
	bool pinned = drawn(asked->how, STORM_PINNED, STORM_FREE);
	struct request *req = new_request();
	unsigned long switches;
	u64 start, took, left_out, longest;
	int from;

	if (!req)
		return;
	if (asked->how & STORM_LOCKED)
		cpus_read_lock();
	if (pinned)
		preempt_disable();
	switches = current->nivcsw;
	from = raw_smp_processor_id();
	start = ktime_get_ns();
	left_out = make_call(req, asked->how, kind, asked->cpu, wait);
	took = ktime_get_ns() - start;
	if (wait && current->nivcsw != switches)
		atomic64_inc(COUNT(preempted));
	if (wait && raw_smp_processor_id() != from)
		atomic64_inc(COUNT(migrated));
	if (pinned)
		preempt_enable();
	if (asked->how & STORM_LOCKED)
		cpus_read_unlock();
	/* Two may write at a time: then it is one of the two. */
	longest = atomic64_read(COUNT(longest_ns));
	if (took > longest)
		atomic64_set(COUNT(longest_ns), took);
	if (wait || left_out)
		account(req, left_out);
	else
		list_add(&req->list, unwaited);
}

static void make_calls(const struct storm_calls *asked)
{
	struct request *req, *next;
	LIST_HEAD(unwaited);
	u32 call;

	for (call = 0; call < asked->calls; call++)
		one_call(asked, &unwaited);
	list_for_each_entry_safe(req, next, &unwaited, list) {
		unsigned long end = jiffies + msecs_to_jiffies(PATIENCE_MS);

		/* A CPU that goes offline still runs it on its way, and reads it. */
		while (req->chosen & ~atomic64_read(&req->ran) && time_before(jiffies, end))
			msleep(1);
		account(req, 0);
	}
}

static long storm_calls(const struct storm_calls __user *user)
{
	struct storm_calls asked;

	if (copy_from_user(&asked, user, sizeof(asked)))
		return -EFAULT;
	if (asked.calls > STORM_BATCH || asked.cpu >= (int)nr_cpu_ids)
		return -EINVAL;
	make_calls(&asked);
	return 0;
}

static long storm_counts(u64 __user *user)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (put_user(atomic64_xchg(&counts[i], 0), user + i))
			return -EFAULT;
	return 0;
}

static struct task_struct *threads[MAX_THREADS];
static DEFINE_MUTEX(threads_lock);

static int caller(void *unused)
{
	const struct storm_calls asked = { .calls = 8, .cpu = -1 };

	while (!kthread_should_stop()) {
		make_calls(&asked);
		schedule_timeout_idle(1);
	}
	return 0;
}

static long storm_threads(unsigned long wanted)
{
	long ret = 0;
	unsigned int i;

	if (wanted > MAX_THREADS)
		return -EINVAL;
	mutex_lock(&threads_lock);
	for (i = 0; i < MAX_THREADS; i++) {
		if (i >= wanted && threads[i]) {
			kthread_stop(threads[i]);
			threads[i] = NULL;
		} else if (i < wanted && !threads[i]) {
			struct task_struct *task = kthread_run(caller, NULL, "storm/%u", i);

			if (IS_ERR(task)) {
				ret = PTR_ERR(task);
				break;
			}
			threads[i] = task;
		}
	}
	mutex_unlock(&threads_lock);
	return ret;
}

static long storm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case STORM_CALLS:
		return storm_calls((const struct storm_calls __user *)arg);
	case STORM_COUNTS:
		return storm_counts((u64 __user *)arg);
	case STORM_THREADS:
		return storm_threads(arg);
	case STORM_WAKE:
		return arg ? enable_irq_wake(arg) : -EINVAL;
	}
	return -ENOTTY;
}

static const struct file_operations storm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = storm_ioctl,
};

static struct miscdevice storm_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "storm",
	.fops = &storm_fops,
};

/* Before the CPU leaves cpu_online_mask, and before it comes into it. */
static int moving(unsigned int cpu)
{
	atomic_inc(&moves[cpu]);
	smp_mb__after_atomic();
	return 0;
}

/* A step can be made to fail if it can be taken both ways. */
static int nothing(unsigned int cpu)
{
	return 0;
}

static int online_step, prepare_step;

static int __init storm_init(void)
{
	int ret;

	if (nr_cpu_ids > MAX_CPUS)
		return -E2BIG;
	online_step = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "storm:online", nothing,
						moving);
	if (online_step < 0)
		return online_step;
	prepare_step = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "storm:prepare", moving,
						 nothing);
	ret = prepare_step < 0 ? prepare_step : misc_register(&storm_device);
	if (!ret)
		return 0;
	if (prepare_step >= 0)
		cpuhp_remove_state_nocalls(prepare_step);
	cpuhp_remove_state_nocalls(online_step);
	return ret;
}

static void __exit storm_exit(void)
{
	storm_threads(0);
	misc_deregister(&storm_device);
	cpuhp_remove_state_nocalls(prepare_step);
	cpuhp_remove_state_nocalls(online_step);
}

module_init(storm_init);
module_exit(storm_exit);
MODULE_DESCRIPTION("Makes cross-CPU calls and counts their requests, for tests");
MODULE_LICENSE("GPL");
