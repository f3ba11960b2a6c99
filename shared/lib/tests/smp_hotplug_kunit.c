// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of cross-CPU calls: CPUs go offline and come back while callers wait, and
 * waiters that do not run hold nobody up. A name like I9 is that of what has to hold, see
 * Documentation/core-api/.
 */
#include <linux/rcupdate.h>
#include "smp_scene.h"

/* The waiter's mask is used by another call meanwhile (variant), or not. */
#define USED_AGAIN(ep)	{ ep, .variant = true, .what = ", mask used again" }

static const struct smp_param five_params[] = FIVE;

static const struct smp_param offline_params[] = {
	WAIT(SINGLE), WAIT(ANY), WAIT(MANY), WAIT(FUNCTION), WAIT(EACH_COND_MASK),
	USED_AGAIN(MANY), USED_AGAIN(FUNCTION), USED_AGAIN(EACH_COND_MASK),
};

KUNIT_ARRAY_PARAM(five, five_params, smp_param_desc);
KUNIT_ARRAY_PARAM(offline, offline_params, smp_param_desc);

/*
 * Leave a waiter behind which is done but does not get a CPU: called on c, preempted by a
 * hog on @cpu, its request complete. The hog stays until its gate, gates[1], is opened.
 */
static struct actor *strand_waiter(struct kunit *test, struct scene *sc, enum entry_id ep,
				   unsigned int cpu)
{
	struct gate *held = &sc->gates[0], *hog = &sc->gates[1];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *g = actor_add(test, sc, cpu, PRIO_URGENT, act_hog);
	struct actor *a = caller_add(test, sc, PRIO_LOW, ep, true, sc->t);

	g->gate = hog;
	spinner_start(test, h);
	caller_start(test, a);
	if (cpu != sc->c)
		KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(a->task, cpumask_of(cpu)), 0);
	spinner_start(test, g);
	KUNIT_ASSERT_FALSE_MSG(test, gate_is_over(held),
			       "the caller could not be preempted while it waited");
	gate_open(held);
	KUNIT_ASSERT_TRUE(test, await_value(&a->req.slots[sc->t].runs, 1));
	actor_join(test, h);
	KUNIT_ASSERT_EQ(test, atomic_read(&a->stage), ENTERED);
	return a;
}

/* Not each CPU of each platform can go offline, and hotplug may be disabled for now. */
static void take_offline(struct kunit *test, unsigned int cpu)
{
	int ret = remove_cpu(cpu);

	if (ret == -EPERM || ret == -EOPNOTSUPP || ret == -EBUSY)
		kunit_skip(test, "CPU %u cannot go offline: %d", cpu, ret);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

/* Grace periods do not wait for a waiter which was preempted (I10). */
static void grace_period(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, NEED_PREEMPTION | NEED_RCU);
	struct actor *a = strand_waiter(test, sc, p->ep, sc->c);
	struct gate *hog = &sc->gates[1];

	synchronize_rcu_expedited();
	KUNIT_EXPECT_FALSE_MSG(test, gate_is_over(hog),
			       "the waiter held an expedited grace period up");
	synchronize_rcu();
	KUNIT_EXPECT_FALSE_MSG(test, gate_is_over(hog), "the waiter held a grace period up");
	gate_open(hog);
	actor_join(test, a);
}

/*
 * The CPU where the call was made goes offline and comes back, while the waiter, whose
 * request is done, is kept off its new CPU. Nobody waits for it to run (I9). When it does
 * run, it returns: its csds are gone, and that in the next ones a request to the same target
 * is pending does not matter (I2, I4).
 */
static void source_offline(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION | NEED_HOTPLUG | NEED_RCU);
	struct gate *hog = &sc->gates[1], *again = &sc->gates[2];
	struct actor *o = caller_add(test, sc, PRIO_LOW, EACH_MASK, true, sc->ctrl);
	struct actor *b = caller_add(test, sc, PRIO_NORMAL, EACH_MASK, true, sc->t);
	struct actor *a = strand_waiter(test, sc, p->ep, sc->d);

	a->watch = again;
	b->req.gate = again;
	b->req.slow_cpu = sc->t;
	if (p->variant) {
		actor_start(test, o);
		actor_join(test, o);
	}
	take_offline(test, sc->c);
	KUNIT_EXPECT_FALSE_MSG(test, gate_is_over(hog), "CPU %u waited for the waiter",
			       sc->c);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->stage), ENTERED);
	KUNIT_ASSERT_EQ(test, add_cpu(sc->c), 0);
	caller_start(test, b);
	KUNIT_ASSERT_TRUE(test, await_value(&again->on, 1));
	gate_open(hog);
	actor_join(test, a);
	KUNIT_EXPECT_FALSE_MSG(test, a->saw_over, "the caller waited for a later request");
	KUNIT_EXPECT_EQ(test, a->end_cpu, sc->d);
	gate_open(again);
	actor_join(test, b);
}

/* Calls to a CPU which is offline (I1, I6). */
static void offline_target(struct kunit *test)
{
	struct scene *sc = scene_get(test, 3, NEED_HOTPLUG);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, SINGLE, true, sc->t);
	struct call_req *req = &a->req;
	int ret;

	take_offline(test, sc->t);
	KUNIT_EXPECT_EQ(test, actor_call(a, req, true), -ENXIO);
	KUNIT_EXPECT_EQ(test, actor_call(a, req, false), -ENXIO);
	/* Had the last one left the csd locked, this would spin: it must not use another one. */
	preempt_disable();
	ret = actor_call(a, req, false);
	preempt_enable();
	KUNIT_EXPECT_EQ(test, ret, -ENXIO);
	KUNIT_EXPECT_EQ(test, smp_call_function_single(nr_cpu_ids, act_nothing, NULL, 1), -ENXIO);
	a->ep = &smp_entries[ANY];
	KUNIT_EXPECT_EQ(test, actor_call(a, req, true), -ENXIO);
	KUNIT_EXPECT_EQ(test, total_runs(req), 0);

	cpumask_set_cpu(sc->c, &req->mask);
	KUNIT_EXPECT_EQ(test, actor_call(a, req, true), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&req->slots[sc->c].runs), 1);
	for (a->ep = &smp_entries[MANY]; a->ep <= &smp_entries[EACH_COND_MASK]; a->ep++) {
		request_reset(req);
		actor_call(a, req, true);
		expect_runs(test, a, 1, sc->ctrl);
	}
	KUNIT_EXPECT_EQ(test, add_cpu(sc->t), 0);
}

static void act_call_repeatedly(struct actor *me)
{
	struct call_req *req = &me->req;
	unsigned int cpu;
	int ret;

	while (!atomic_read(&me->sc->stop)) {
		request_reset(req);
		ret = actor_call(me, req, true);
		if (!ret != !!total_runs(req))
			actor_error(me, "ran though the call failed, or did not run");
		if (ret && (me->ep->flags & EP_ANY))
			actor_error(me, "failed though a CPU was online");
		for_each_possible_cpu(cpu)
			if (atomic_read(&req->slots[cpu].runs) > 1)
				actor_error(me, "ran more than once");
		atomic_inc(&me->calls);
		cond_resched();
	}
}

/* Does the caller come back from the call in which it is now? */
static bool calls_go_on(struct actor *actor)
{
	return await_value(&actor->calls, atomic_read(&actor->calls) + 1);
}

/*
 * The target comes and goes while calls are sent to it, without end. What was sent to it
 * before it went has run: nobody waits for it to come back (I1, I6).
 */
static void target_offline(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_HOTPLUG);
	struct actor *callers[] = {
		caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t),
		caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t),
	};
	int i, j;

	for (i = 0; i < 2; i++) {
		callers[i]->fn = act_call_repeatedly;
		/* t is preferred, being the first one, and another always there. */
		if (p->ep == ANY)
			cpumask_set_cpu(sc->d, &callers[i]->req.mask);
		else if (p->ep != SINGLE)
			cpumask_copy(&callers[i]->req.mask, cpu_online_mask);
		actor_start(test, callers[i]);
	}
	for (j = 0; j < 4; j++) {
		if (j % 2)
			KUNIT_EXPECT_EQ(test, add_cpu(sc->t), 0);
		else
			take_offline(test, sc->t);
		for (i = 0; i < 2; i++)
			KUNIT_EXPECT_TRUE_MSG(test, calls_go_on(callers[i]),
					      "a caller waits for CPU %u", sc->t);
	}
	atomic_set(&sc->stop, 1);
	for (i = 0; i < 2; i++)
		actor_join(test, callers[i]);
}

static struct kunit_case hotplug_cases[] = {
	KUNIT_CASE_PARAM(grace_period, five_gen_params),
	KUNIT_CASE_PARAM(source_offline, offline_gen_params),
	KUNIT_CASE(offline_target),
	KUNIT_CASE_PARAM(target_offline, five_gen_params),
	{}
};

static struct kunit_suite hotplug_suite = {
	.name = "smp_hotplug",
	.test_cases = hotplug_cases,
};

kunit_test_suite(hotplug_suite);
