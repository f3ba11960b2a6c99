// SPDX-License-Identifier: GPL-2.0
/*
 * hold: holds a CPU, and makes cross-CPU calls, for programs that ask for it
 *
 * In:  ioctls on /dev/hold, see hold.h.
 * Out: their results; nothing on the console.
 *
 * HOLD_CPU keeps interrupts off on the CPU of the calling task, in the task's own
 * context: the CPU runs the task's mm, and a flush of that mm has to wait for it.
 * A kernel thread would not do, its CPU is in lazy TLB mode and is left out.
 *
 * HOLD_LAZY does that on another CPU, in a kernel thread: there the CPU keeps the mm of
 * the task before, which may be one that has exited. HOLD_LAZY_END waits for its end.
 *
 * HOLD_VMALLOC and HOLD_VUNMAP: a flush of kernel addresses.
 *
 * HOLD_CALL makes a call from the calling task, with preemption enabled unless it is
 * asked for, and waits.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "hold.h"
#include "spin.h"

/* Longer than a kernel that ends waits for other CPUs, far below what it reports as a stall. */
#define HOLD_LIMIT_NS	(3000ULL * 1000 * 1000)
#define HOLD_TRIES	10

static void *area;

static long hold_cpu(struct hold_request __user *user)
{
	struct hold_request req;
	u32 __user *flag;
	unsigned int tries = 0;
	u32 one = 1;
	u64 start;

	if (copy_from_user(&req, user, sizeof(req)))
		return -EFAULT;
	flag = (u32 __user *)(unsigned long)req.flag;

	for (;;) {
		/* NUMA balancing may have taken the page away for a moment: get it back. */
		if (put_user(0, flag))
			return -EFAULT;
		local_irq_disable();
		start = ktime_get_ns();
		if (!copy_to_user_nofault(flag, &one, sizeof(one)))
			break;
		local_irq_enable();
		if (++tries == HOLD_TRIES)
			return -EFAULT;
	}
	spin_until(min(req.until_ns, start + HOLD_LIMIT_NS));
	req.released_ns = ktime_get_ns();
	local_irq_enable();

	return copy_to_user(user, &req, sizeof(req)) ? -EFAULT : 0;
}

static struct {
	struct task_struct *task;
	u64 until_ns, released_ns;
	struct completion held, done;
} lazy;

static int lazy_thread(void *unused)
{
	local_irq_disable();
	complete(&lazy.held);
	spin_until(min(lazy.until_ns, ktime_get_ns() + HOLD_LIMIT_NS));
	lazy.released_ns = ktime_get_ns();
	local_irq_enable();
	/* The module may go away as soon as that is seen. */
	kthread_complete_and_exit(&lazy.done, 0);
}

static long hold_lazy(struct hold_request __user *user)
{
	struct hold_request req;

	if (copy_from_user(&req, user, sizeof(req)))
		return -EFAULT;
	if (lazy.task || req.cpu >= nr_cpu_ids || !cpu_online(req.cpu))
		return -EINVAL;
	init_completion(&lazy.held);
	init_completion(&lazy.done);
	lazy.until_ns = req.until_ns;
	lazy.task = kthread_create_on_cpu(lazy_thread, NULL, req.cpu, "hold/%u");
	if (IS_ERR(lazy.task)) {
		long error = PTR_ERR(lazy.task);

		lazy.task = NULL;
		return error;
	}
	wake_up_process(lazy.task);
	wait_for_completion(&lazy.held);
	return 0;
}

static long hold_lazy_end(struct hold_request __user *user)
{
	struct hold_request req = {};

	if (!lazy.task)
		return -EINVAL;
	wait_for_completion(&lazy.done);
	lazy.task = NULL;
	req.released_ns = lazy.released_ns;
	return copy_to_user(user, &req, sizeof(req)) ? -EFAULT : 0;
}

static long hold_vmalloc(unsigned long pages)
{
	/* Nothing of others is left to make the range of the flush longer. */
	vm_unmap_aliases();
	if (area || !pages || pages > 4096)
		return -EINVAL;
	area = vmalloc(pages << PAGE_SHIFT);
	if (!area)
		return -ENOMEM;
	memset(area, 1, pages << PAGE_SHIFT);
	return 0;
}

static long hold_vunmap(void)
{
	vfree(area);
	area = NULL;
	vm_unmap_aliases();
	return 0;
}

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

static long hold_call(const struct hold_call __user *user)
{
	struct hold_call req;

	if (copy_from_user(&req, user, sizeof(req)))
		return -EFAULT;
	if (req.cpu >= nr_cpu_ids)
		return -EINVAL;

	switch (req.entry) {
	case ENTRY_SINGLE:
		return smp_call_function_single(req.cpu, do_nothing, NULL, 1);
	case ENTRY_ANY:
		return smp_call_function_any(cpumask_of(req.cpu), do_nothing, NULL, 1);
	case ENTRY_MANY_AGAIN:
		/* The csds that the second call wants are those of the first. */
		call_many(req.many_pinned, false);
		fallthrough;
	case ENTRY_MANY:
		call_many(req.many_pinned, true);
		return 0;
	case ENTRY_ON_EACH:
		on_each_cpu(do_nothing, NULL, 1);
		return 0;
	case ENTRY_COND:
		on_each_cpu_cond_mask(not_this_one, do_nothing, (void *)(long)raw_smp_processor_id(),
				      true, cpu_online_mask);
		return 0;
	}
	return -EINVAL;
}

static long hold_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case HOLD_CPU:
		return hold_cpu((struct hold_request __user *)arg);
	case HOLD_LAZY:
		return hold_lazy((struct hold_request __user *)arg);
	case HOLD_LAZY_END:
		return hold_lazy_end((struct hold_request __user *)arg);
	case HOLD_VMALLOC:
		return hold_vmalloc(arg);
	case HOLD_VUNMAP:
		return hold_vunmap();
	case HOLD_CALL:
		return hold_call((const struct hold_call __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_operations hold_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = hold_ioctl,
};

static struct miscdevice hold_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hold",
	.fops = &hold_fops,
};

module_misc_device(hold_device);
MODULE_DESCRIPTION("Holds a CPU and makes cross-CPU calls, for programs that ask for it");
MODULE_LICENSE("GPL");
