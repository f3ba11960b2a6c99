/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that do one step each time they are told to: for the measuring modules.
 *
 * All threads are made before a CPU is held, because the thread that makes threads
 * may itself sit on that CPU.
 */
#ifndef WORKER_H
#define WORKER_H

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "spin.h"

#define STEP_TIMEOUT	(30 * HZ)

struct worker {
	const char		*name;
	void			(*step)(void);
	struct task_struct	*task;
	struct completion	done;
	bool			go;
};

static int worker_fn(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(w->go)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		WRITE_ONCE(w->go, false);
		w->step();
		complete(&w->done);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* The thread runs on the CPU only, until set_cpus_allowed_ptr() says otherwise. */
static int worker_start(struct worker *w, unsigned int cpu)
{
	struct task_struct *task;

	init_completion(&w->done);
	WRITE_ONCE(w->go, false);
	task = kthread_create(worker_fn, w, "%s", w->name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	w->task = task;
	return 0;
}

static void worker_stop(struct worker *w)
{
	if (w->task)
		kthread_stop(w->task);
	w->task = NULL;
}

/* Also called from a timer. */
static void worker_kick(struct worker *w)
{
	WRITE_ONCE(w->go, true);
	wake_up_process(w->task);
}

static bool worker_wait(struct worker *w)
{
	return wait_for_completion_timeout(&w->done, STEP_TIMEOUT);
}

#endif
