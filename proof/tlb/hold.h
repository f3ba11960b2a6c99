/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of hold.c, for the module and for programs (tlbtest.c, bench/preemptoff.c). */
#ifndef HOLD_H
#define HOLD_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct hold_request {
	__u64 until_ns;		/* in: end of the hold, CLOCK_MONOTONIC */
	__u64 flag;		/* in: address of a __u32 that becomes 1 when held */
	__u64 released_ns;	/* out: when interrupts came back */
	__u64 cpu;		/* in: HOLD_LAZY: which CPU */
};

enum hold_entry {
	ENTRY_SINGLE, ENTRY_ANY, ENTRY_MANY, ENTRY_ON_EACH, ENTRY_COND, ENTRY_MANY_AGAIN
};

struct hold_call {
	__u32 entry;		/* in: enum hold_entry */
	__u32 cpu;		/* in: the target of single and any */
	__u32 many_pinned;	/* in: 1: disable preemption around smp_call_function_many() */
	__u32 unused;
};

#define HOLD_CPU	_IOWR('h', 1, struct hold_request)
#define HOLD_VMALLOC	_IO('h', 2)	/* argument: number of pages */
#define HOLD_VUNMAP	_IO('h', 3)
#define HOLD_LAZY	_IOW('h', 4, struct hold_request)	/* returns when held */
#define HOLD_LAZY_END	_IOR('h', 5, struct hold_request)	/* waits for the release */
#define HOLD_CALL	_IOW('h', 6, struct hold_call)

#endif
