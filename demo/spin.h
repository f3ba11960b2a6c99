/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the measuring modules keep a CPU: also those that need no threads (worker.h).
 */
#ifndef SPIN_H
#define SPIN_H

#include <linux/ktime.h>

/*
 * Keeps the CPU until then.
 *
 * A simulator that counts instructions may run the CPUs in turn and lets each go on
 * up to its next cpu_relax() or timer.  A hold without any would come in between
 * the wake-up and the run of an urgent task now and then, as if the other CPU had
 * stopped for milliseconds.  At first, when an urgent task is to wake up, the turns
 * are short; if they all were, the simulator would take very long.
 */
#define SHORT_TURNS_NS	NSEC_PER_MSEC

/* What ends the turn of a CPU. */
static inline void spin_relax(void)
{
#ifdef CONFIG_RISCV
	/* QEMU's pause does not. It goes on when an interrupt is pending, enabled or not. */
	__asm__ volatile("wfi" : : : "memory");
#else
	cpu_relax();
#endif
}

static void spin_until(u64 end)
{
	u64 now = ktime_get_ns();
	u64 longer = now + SHORT_TURNS_NS;

	for (; now < end; now = ktime_get_ns()) {
		int i;

		for (i = 0; now >= longer && i < 256; i++)
			barrier();
		spin_relax();
	}
}

#endif
