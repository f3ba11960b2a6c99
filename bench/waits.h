/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of waits.c, for the module and for preemptoff.c. */
#ifndef WAITS_H
#define WAITS_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum waits_entry {
	WAITS_SINGLE, WAITS_ANY, WAITS_MANY, WAITS_ON_EACH, WAITS_COND, WAITS_MANY_AGAIN,
	WAITS_NR_ENTRIES
};

struct waits_hold {
	__u64 until_ns;		/* in: end of the hold, CLOCK_MONOTONIC */
	__u64 flag;		/* in: address of a __u32 that becomes 1 when held */
	__u64 released_ns;	/* out: when interrupts came back */
};

struct waits_call {
	__u32 entry;		/* in: enum waits_entry */
	__u32 cpu;		/* in: the target of single and any */
	__u32 many_pinned;	/* in: 1: disable preemption around smp_call_function_many() */
	__u32 unused;
};

#define WAITS_HOLD	_IOWR('w', 1, struct waits_hold)
#define WAITS_CALL	_IOW('w', 2, struct waits_call)

#endif
