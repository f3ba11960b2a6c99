/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A CPU goes offline while a task that began a call on it cannot run, for much longer than the
 * call takes.
 *
 * Each time, a waiter calls a CPU that is held for some ms, from CPU 1. While it waits it is moved
 * to CPU 2, where it is throttled by its quota, or starved by a busy task (a deadline task stays
 * where it is throttled). Then CPU 1 goes offline. That must not take longer than without a waiter,
 * by more than some ms. If the waiter has returned before, nothing was shown. The control: a
 * waiter that holds cpus_read_lock() during the call. That offline must take longer, so waiting
 * for a waiter would be seen.
 */
#ifndef STARVED_H
#define STARVED_H

#include "rounds.h"

#define FROM_CPU cpu_ids[1]
#define TO_CPU cpu_ids[2]
#define HELD_CPU cpu_ids[3]
#define HOLD_MS 20
#define STARVED_PERIOD_US 1000000	/* of a quota: for so long it may not run */
#define REPEATS 4
#define MARGIN_MS 30

static _Atomic bool held, hogging;

static void *holder(void *unused)
{
	(void)unused;
	if (bind_task(0, HELD_CPU))
		return cannot();
	held = true;
	return hold(HOLD_MS * MS) ? cannot() : NULL;
}

static void *starver(void *unused)
{
	(void)unused;
	if (bind_task(0, TO_CPU))
		return cannot();
	while (hogging)
		compute();
	return NULL;
}

/*
 * In a process of its own, as that is what is in a cgroup. It begins, and ends, when it can read: a
 * task that is throttled while it exits may hold up a grace period, and so every offline.
 */
static void waiter(enum kind kind, uint32_t how, int begin)
{
	char byte;

	/* A deadline task may not be bound; it stays on the CPU where it is. */
	if (bind_task(0, FROM_CPU) || join_cgroup(kind) ||
	    (kind == DEADLINE && run_anywhere()) || become_kind(kind, STARVED_PERIOD_US)) {
		cannot();
		return;
	}
	shared->ready = 1;
	if (read(begin, &byte, 1) != 1)
		return;
	shared->calls = true;
	make_calls(how, 1, HELD_CPU);
	shared->returned = true;
	if (read(begin, &byte, 1) != 1 || end_kind(kind))
		cannot();
}

static void wait_for(_Atomic bool *flag)
{
	while (!*flag && !shared->failed)
		usleep(200);
}

struct behind {
	uint64_t most;			/* that an offline took */
	unsigned int before, after;	/* times that the waiter had not returned by then */
};

static void offline_behind(struct behind *all, enum kind kind, uint32_t how)
{
	pthread_t holds, starves;
	int begin[2];
	uint64_t took;
	pid_t child;

	shared->ready = 0;
	shared->failed = 0;
	shared->calls = shared->returned = held = false;
	hogging = kind == IDLE;
	if (no_quota() || pipe(begin))
		finish("a pipe");
	child = new_process();
	if (!child) {
		if (how)
			waiter(kind, how, begin[0]);
		else
			shared->ready = 1;
		_exit(0);
	}
	while (!shared->ready && !shared->failed)
		usleep(200);
	pthread_create(&starves, NULL, starver, NULL);
	/* The waiter sleeps, so the period and the time that it may run begin here. */
	if (set_quota(STARVED_PERIOD_US))
		finish("cpu.max");
	pthread_create(&holds, NULL, holder, NULL);
	wait_for(&held);
	if (how) {
		if (write(begin[1], "", 1) != 1)
			finish("write");
		wait_for(&shared->calls);
		usleep(1000);
		if (kind != DEADLINE)
			bind_task(child, TO_CPU);
	}
	/* Who uses up its time is throttled at the next tick. Then the request is done, too. */
	pause_ms(HOLD_MS + 10);
	all->before += how && !shared->returned;
	took = timed_offline(FROM_CPU);
	all->after += how && !shared->returned;
	all->most = took > all->most ? took : all->most;
	back_online(FROM_CPU);
	hogging = false;
	no_quota();
	if (write(begin[1], "", 1) != 1)
		finish("write");
	pthread_join(holds, NULL);
	pthread_join(starves, NULL);
	waitpid(child, NULL, 0);
	close(begin[0]);
	close(begin[1]);
	if (shared->failed) {
		errno = shared->failed;
		finish("a task that waits, holds or starves");
	}
}

static struct behind repeat_behind(enum kind kind, uint32_t how)
{
	struct behind all = { 0 };
	int i;

	for (i = 0; i < REPEATS; i++)
		offline_behind(&all, kind, how);
	return all;
}

static void offline_behind_starved(const char *name, enum kind kind)
{
	const uint32_t how = STORM_EACH | STORM_WAIT | STORM_FREE;
	struct behind alone = repeat_behind(kind, 0);
	struct behind behind = repeat_behind(kind, how);
	struct behind locked = repeat_behind(kind, how | STORM_LOCKED);
	uint64_t limit = alone.most + MARGIN_MS * MS;

	figure("offline_behind",
	       "step=%s,alone_us=%llu,behind_us=%llu,control_us=%llu,inside_before=%u,inside_after=%u",
	       name, US(alone.most), US(behind.most), US(locked.most), behind.before,
	       behind.after);
	look();
	/* The kernel gives all quotas a moment when it makes new scheduling domains, after a while. */
	verdict("users", name,
		behind.before && (behind.after || kind == QUOTA) && behind.most < limit &&
		locked.most > limit && !trouble[0],
		"offline %llu us, alone %llu, control %llu; %u of %d waiters were in their call before it, %u after it%s%s",
		US(behind.most), US(alone.most), US(locked.most), behind.before, REPEATS,
		behind.after, trouble[0] ? "; " : "", trouble);
}

#endif
