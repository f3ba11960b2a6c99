// SPDX-License-Identifier: GPL-2.0
/*
 * waits: cross-CPU calls, and a CPU that is held, for a program that asks for them
 *
 * In:  ioctls on /dev/waits, see waits.h.
 * Out: their results; nothing on the console.
 *
 * WAITS_HOLD keeps interrupts off on the CPU of the calling task, in the task's own
 * context: a TLB flush of its process, or a membarrier(2), has to wait for it, too. It
 * ends by itself.
 *
 * WAITS_CALL makes a call from the calling task, with preemption enabled unless it is
 * asked for, and waits.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "spin.h"
#include "waits.h"

#define HOLD_LIMIT_NS	(1000ULL * 1000 * 1000)

static void do_nothing(void *unused)
{
}

static bool not_this_one(int cpu, void *caller)
{
	return cpu != (long)caller;
}

static void call_many(bool pinned, bool wait)
{
	if (pinned)
		preempt_disable();
	/* The CPU that it runs on is left out. */
	smp_call_function_many(cpu_online_mask, do_nothing, NULL, wait);
	if (pinned)
		preempt_enable();
}

static long waits_call(const struct waits_call __user *user)
{
	struct waits_call req;

	if (copy_from_user(&req, user, sizeof(req)))
		return -EFAULT;
	if (req.cpu >= nr_cpu_ids)
		return -EINVAL;

	switch (req.entry) {
	case WAITS_SINGLE:
		return smp_call_function_single(req.cpu, do_nothing, NULL, 1);
	case WAITS_ANY:
		return smp_call_function_any(cpumask_of(req.cpu), do_nothing, NULL, 1);
	case WAITS_MANY_AGAIN:
		/* The csds that the second call wants are those of the first. */
		call_many(req.many_pinned, false);
		fallthrough;
	case WAITS_MANY:
		call_many(req.many_pinned, true);
		return 0;
	case WAITS_ON_EACH:
		on_each_cpu(do_nothing, NULL, 1);
		return 0;
	case WAITS_COND:
		on_each_cpu_cond_mask(not_this_one, do_nothing, (void *)(long)raw_smp_processor_id(),
				      true, cpu_online_mask);
		return 0;
	}
	return -EINVAL;
}

static long waits_hold(struct waits_hold __user *user)
{
	struct waits_hold req;
	u32 __user *flag;
	u32 one = 1;

	if (copy_from_user(&req, user, sizeof(req)))
		return -EFAULT;
	flag = (u32 __user *)(unsigned long)req.flag;

	local_irq_disable();
	/* The page is there: the caller has written to it. */
	if (copy_to_user_nofault(flag, &one, sizeof(one))) {
		local_irq_enable();
		return -EFAULT;
	}
	spin_until(min(req.until_ns, ktime_get_ns() + HOLD_LIMIT_NS));
	req.released_ns = ktime_get_ns();
	local_irq_enable();

	return copy_to_user(user, &req, sizeof(req)) ? -EFAULT : 0;
}

static long waits_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case WAITS_HOLD:
		return waits_hold((struct waits_hold __user *)arg);
	case WAITS_CALL:
		return waits_call((const struct waits_call __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_operations waits_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = waits_ioctl,
};

static struct miscdevice waits_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "waits",
	.fops = &waits_fops,
};

module_misc_device(waits_device);
MODULE_DESCRIPTION("Makes cross-CPU calls and holds a CPU, for a program that asks for it");
MODULE_LICENSE("GPL");
