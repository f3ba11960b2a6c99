/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of storm.c, for the module and for users.c. */
#ifndef STORM_H
#define STORM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Kinds of calls. Bits; with more than one, each call is of one that is drawn. */
#define STORM_SINGLE	(1U << 0)	/* smp_call_function_single() */
#define STORM_ANY	(1U << 1)	/* smp_call_function_any() */
#define STORM_EACH	(1U << 2)	/* on_each_cpu_cond_mask() */
#define STORM_KINDS	7U
/* How: both ways are drawn if neither bit of a pair is there. */
#define STORM_WAIT	(1U << 4)
#define STORM_NOWAIT	(1U << 5)
#define STORM_FREE	(1U << 6)	/* with preemption enabled */
#define STORM_PINNED	(1U << 7)	/* with preemption disabled */
#define STORM_LOCKED	(1U << 8)	/* in cpus_read_lock(): no CPU goes offline meanwhile */
/* To see that it is noticed, with STORM_EACH: a request is not made, or made again. */
#define STORM_LOSE	(1U << 9)
#define STORM_REPEAT	(1U << 10)

struct storm_calls {
	__u32 how;		/* in: kinds, and how */
	__u32 calls;		/* in: how many, at most STORM_BATCH */
	__s32 cpu;		/* in: to this CPU; -1: each call to one that is drawn, or to all */
};

#define STORM_BATCH	64

/* What all calls did since this was read last. */
struct storm_counts {
	__u64 calls;
	__u64 sent;		/* requests */
	__u64 run;		/* times that the function ran for one of these */
	__u64 lost;		/* requests that did not run, or were not made, with the CPU online */
	__u64 twice;		/* requests that ran again */
	__u64 wrong;		/* that ran on a CPU which was not chosen */
	__u64 unsure;		/* not run, but the CPU went offline meanwhile */
	__u64 preempted;	/* calls with wait whose caller was preempted in them, or at their end */
	__u64 migrated;		/* and that returned on another CPU */
	__u64 longest_ns;	/* call */
};

#define STORM_CALLS	_IOW('s', 1, struct storm_calls)
#define STORM_COUNTS	_IOR('s', 2, struct storm_counts)
#define STORM_THREADS	_IO('s', 3)	/* argument: kernel threads that make calls from now on */
#define STORM_WAKE	_IO('s', 4)	/* argument: an interrupt that wakes from suspend to idle */

#endif
