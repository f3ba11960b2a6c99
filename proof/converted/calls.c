// SPDX-License-Identifier: GPL-2.0
/*
 * calls: converted functions that nothing in a QEMU guest calls
 *
 * In:  ioctls on /dev/calls, see calls.h.
 * Out: their results; -ENOTTY for what this kernel does not have.
 *
 * CALLS_WRMSR, CALLS_RDMSR: wrmsr_on_cpus() and rdmsr_on_cpus(), on all CPUs. Their one
 * user is the EDAC driver for AMD's memory controllers. The MSR is one that a kernel
 * without 32-bit system calls does not use; each CPU gets a value of its own.
 *
 * CALLS_DS_*: reserve_ds_buffers() and release_ds_buffers(), which perf calls for the first
 * event of a CPU that has PEBS or BTS, and after the last one. The guest's CPU has neither. So
 * for as long as they run the kernel is made to believe in BTS; what they do is about memory
 * and TLBs, and an MSR of which QEMU takes no notice.
 *
 * CALLS_BL_TRACE: bL_switcher_trace_trigger(). Its file in sysfs is there only on a machine
 * that has two clusters and MCPM.
 */
#include <linux/cpumask.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "calls.h"

#ifdef CONFIG_X86
#include <asm/msr.h>
#include "perf_event.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define rdmsrq_on_cpu	rdmsrl_on_cpu
#endif

#define UNUSED_MSR	MSR_IA32_SYSENTER_ESP

static struct msr __percpu *msrs;
static unsigned long written;		/* base of what was written last */

static long calls_wrmsr(unsigned long base)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu_ptr(msrs, cpu)->q = base + cpu;
	written = base;
	wrmsr_on_cpus(cpu_online_mask, UNUSED_MSR, msrs);
	return 0;
}

static long calls_rdmsr(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu_ptr(msrs, cpu)->q = 0;
	rdmsr_on_cpus(cpu_online_mask, UNUSED_MSR, msrs);
	return 0;
}

/* What was read or written last, and what the CPU has. */
static long calls_msr_check(unsigned int cpu)
{
	u64 has;

	if (cpu >= nr_cpu_ids || rdmsrq_on_cpu(cpu, UNUSED_MSR, &has))
		return -ENXIO;
	return per_cpu_ptr(msrs, cpu)->q == written + cpu && has == written + cpu ? 0 : -EIO;
}

static struct x86_pmu *pmu;
static struct cpu_hw_events __percpu *events;
static void (*reserve)(void);
static void (*release)(void);
static u64 ds_base;			/* where CPU 0's buffer was mapped last */

static long calls_ds_reserve(void)
{
	struct debug_store *ds;

	pmu->bts = 1;
	reserve();
	ds = per_cpu_ptr(events, 0)->ds;
	if (!ds)
		return -ENOMEM;
	ds_base = ds->bts_buffer_base;
	/* What calls_ds_look() is to find. */
	*(u64 *)per_cpu_ptr(events, 0)->ds_bts_vaddr = 0x600dda7a;
	return 0;
}

static long calls_ds_release(void)
{
	release();
	pmu->bts = 0;
	pmu->bts_active = 0;
	return 0;
}

static void calls_ds_look(void *found)
{
	if (copy_from_kernel_nofault(found, (void *)ds_base, sizeof(u64)))
		*(u64 *)found = 0;
}

static long calls_ds_check(int cpu)
{
	u64 found = 0;

	if (smp_call_function_single(cpu, calls_ds_look, &found, 1))
		return -ENXIO;
	return found == 0x600dda7a;
}

/* Not exported. A probe that is never armed finds the one function that finds all others. */
static int calls_find(void)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long (*lookup)(const char *name);
	int ret = register_kprobe(&probe);

	if (ret)
		return ret;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	pmu = (void *)lookup("x86_pmu");
	events = (void __percpu *)lookup("cpu_hw_events");
	reserve = (void *)lookup("reserve_ds_buffers");
	release = (void *)lookup("release_ds_buffers");
	return pmu && events && reserve && release ? 0 : -ENOENT;
}

static int calls_begin(void)
{
	int ret = calls_find();

	if (ret)
		return ret;
	msrs = msrs_alloc();
	return msrs ? 0 : -ENOMEM;
}

static void calls_end(void)
{
	int cpu;

	/* As the kernel has set it. */
	for_each_possible_cpu(cpu)
		per_cpu_ptr(msrs, cpu)->q = 0;
	wrmsr_on_cpus(cpu_online_mask, UNUSED_MSR, msrs);
	msrs_free(msrs);
}
#else
static int calls_begin(void) { return 0; }
static void calls_end(void) { }
#endif

#ifdef CONFIG_BL_SWITCHER
#include <asm/bL_switcher.h>
#endif

static long calls_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
#ifdef CONFIG_X86
	case CALLS_WRMSR:
		return calls_wrmsr(arg);
	case CALLS_RDMSR:
		return calls_rdmsr();
	case CALLS_MSR_CHECK:
		return calls_msr_check(arg);
	case CALLS_DS_RESERVE:
		return calls_ds_reserve();
	case CALLS_DS_RELEASE:
		return calls_ds_release();
	case CALLS_DS_CHECK:
		return calls_ds_check(arg);
#endif
#ifdef CONFIG_BL_SWITCHER
	case CALLS_BL_TRACE:
		return bL_switcher_trace_trigger();
#endif
	}
	return -ENOTTY;
}

static const struct file_operations calls_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = calls_ioctl,
};

static struct miscdevice calls_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "calls",
	.fops = &calls_fops,
};

static int __init calls_init(void)
{
	int ret = calls_begin();

	if (ret)
		return ret;
	ret = misc_register(&calls_device);
	if (ret)
		calls_end();
	return ret;
}

static void __exit calls_exit(void)
{
	misc_deregister(&calls_device);
	calls_end();
}

module_init(calls_init);
module_exit(calls_exit);
MODULE_DESCRIPTION("Calls functions of the kernel, for tests");
MODULE_LICENSE("GPL");
