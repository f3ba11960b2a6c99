// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of cross-CPU calls: several tasks call from the same CPU, use its csds and
 * mask again, and meet csds that are busy. A name like I7 is that of what has to hold, see
 * Documentation/core-api/.
 */
#include "smp_scene.h"

/* The first call waits or not, the second one does or does not (variant). */
#define WW(ep)	{ ep, true, true, ", wait then wait" }
#define WN(ep)	{ ep, true, false, ", wait then nowait" }
#define NN(ep)	{ ep, false, false, ", nowait then nowait" }

static const struct smp_param five_params[] = FIVE;
static const struct smp_param multi_params[] = { WAIT(MANY), WAIT(FUNCTION), WAIT(EACH_COND_MASK) };

static const struct smp_param both_params[] = {
	W(SINGLE), N(SINGLE), W(ANY), N(ANY), W(MANY), N(MANY), W(FUNCTION), N(FUNCTION),
	W(EACH_COND_MASK), N(EACH_COND_MASK),
};

static const struct smp_param again_params[] = {
	WW(MANY), WN(MANY), WW(FUNCTION), WN(FUNCTION), WW(EACH_COND_MASK), WN(EACH_COND_MASK),
};

/* Without wait before with wait is missing: what is waited for is run first. */
static const struct smp_param order_params[] = {
	NN(SINGLE), NN(ANY), WW(MANY), WN(MANY), NN(MANY), WW(FUNCTION), WN(FUNCTION),
	NN(FUNCTION), WW(EACH_COND_MASK), WN(EACH_COND_MASK), NN(EACH_COND_MASK),
};

/* Not all CPUs: who is sent to is up to the mask. */
static const struct smp_param targets_params[] = {
	NOWAIT(SINGLE), NOWAIT(ANY), NOWAIT(MANY), NOWAIT(EACH_COND_MASK),
};

KUNIT_ARRAY_PARAM(five, five_params, smp_param_desc);
KUNIT_ARRAY_PARAM(multi, multi_params, smp_param_desc);
KUNIT_ARRAY_PARAM(both, both_params, smp_param_desc);
KUNIT_ARRAY_PARAM(order, order_params, smp_param_desc);
KUNIT_ARRAY_PARAM(again, again_params, smp_param_desc);
KUNIT_ARRAY_PARAM(targets, targets_params, smp_param_desc);

/*
 * A uses the csds, held by the slow target. B wants to use them again. The third, more
 * urgent task must get the CPU nevertheless (I11).
 */
static void third_task(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, p->wait, sc->t);
	struct actor *b = caller_add(test, sc, PRIO_LOW, p->ep, p->wait, sc->t);

	urgent_add(test, sc, held);
	spinner_start(test, h);
	caller_start(test, a);
	caller_start(test, b);
	KUNIT_EXPECT_TRUE_MSG(test, urgent_tasks_run(test, sc),
			      "a FIFO task had to wait for the second caller");
	gate_open(held);
	actor_join(test, a);
	actor_join(test, b);
	expect_runs(test, a, 1, sc->c);
	expect_runs(test, b, 1, sc->c);
}

/* The second request of a CPU to another starts after the first one's end (I5). */
static void order_is_kept(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, p->wait ? NEED_PREEMPTION : 0);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_LOW, p->ep, p->wait, sc->t);
	struct actor *b = caller_add(test, sc, PRIO_URGENT, p->ep, p->variant, sc->t);

	spinner_start(test, h);
	caller_start(test, a);
	caller_start(test, b);
	gate_open(held);
	actor_join(test, a);
	actor_join(test, b);
	expect_runs(test, a, 1, sc->c);
	expect_runs(test, b, 1, sc->c);
	KUNIT_EXPECT_LT_MSG(test, a->req.slots[sc->t].end, b->req.slots[sc->t].start,
			    "the second request overtook the first one");
}

/*
 * The calls to several CPUs are numbered, see kernel/smp.c. After that many, a number must
 * not look like the old one.
 */
#define NR_NUMBERS	256

/* The last of NR_NUMBERS calls is the one that holds the target. */
static void act_hog_then_call(struct actor *me)
{
	bool numbered = !(me->ep->flags & (EP_ONE | EP_ANY));
	int i;

	act_hog(me);
	for (i = 1; numbered && i < NR_NUMBERS; i++)
		on_each_cpu_mask(cpumask_of(me->sc->ctrl), act_nothing, NULL, true);
	act_call(me);
}

/*
 * A waits and is kept off its CPU by B, while A's request gets done. Then B uses the same
 * csds for a request that holds the target, and makes room for A (I4).
 */
static void own_request_only(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0], *hog = &sc->gates[1], *again = &sc->gates[2];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_LOW, p->ep, true, sc->t);
	struct actor *b = caller_add(test, sc, PRIO_URGENT, p->ep, true, sc->t);

	a->watch = again;
	b->fn = act_hog_then_call;
	b->gate = hog;
	b->req.gate = again;
	b->req.slow_cpu = sc->t;
	spinner_start(test, h);
	caller_start(test, a);
	spinner_start(test, b);
	KUNIT_ASSERT_FALSE_MSG(test, gate_is_over(held),
			       "the caller could not be preempted while it waited");
	gate_open(held);
	KUNIT_ASSERT_TRUE(test, await_value(&a->req.slots[sc->t].runs, 1));
	/* B keeps A from returning until here. */
	KUNIT_ASSERT_EQ(test, atomic_read(&a->stage), ENTERED);
	gate_open(hog);
	KUNIT_ASSERT_TRUE(test, await_value(&again->on, 1));
	sched_set_normal(b->task, 0);
	actor_join(test, a);
	KUNIT_EXPECT_FALSE_MSG(test, a->saw_over, "the caller waited for somebody else's request");
	gate_open(again);
	actor_join(test, b);
}

/*
 * A waits for two CPUs. B calls another set of CPUs from A's CPU. A must wait for both of
 * its own, the second one released long after the first (I2, I3).
 */
static void mask_used_again(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0], *held2 = &sc->gates[1];
	struct actor *probe = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *h2 = holder_add(test, sc, sc->d, held2);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);
	struct actor *b = caller_add(test, sc, PRIO_LOW, EACH_COND_MASK, p->variant, sc->ctrl);
	unsigned int us = time_to_return(test, probe);

	cpumask_set_cpu(sc->d, &a->req.mask);
	b->watch = held;
	spinner_start(test, h);
	spinner_start(test, h2);
	caller_start(test, a);
	actor_start(test, b);
	actor_join(test, b);
	KUNIT_EXPECT_FALSE_MSG(test, b->saw_over,
			       "the caller could not be preempted while it waited");
	gate_open(held);
	KUNIT_EXPECT_TRUE(test, await_value(&a->req.slots[sc->t].runs, 1));
	usleep_range(10 * us, 10 * us + 100);
	KUNIT_EXPECT_FALSE(test, gate_is_over(held2));
	gate_open(held2);
	/* A says how many targets had not finished when its call returned. */
	actor_join(test, a);
	expect_runs(test, a, 1, sc->c);
	expect_runs(test, b, 1, sc->c);
}

/*
 * The csds for two targets are busy when B calls all CPUs, and B is moved to another CPU in
 * the middle of its call, where a csd is busy, too. Each CPU once, and the local CPU is
 * still the one on which the call began (I6, I11).
 */
static void resumed_call(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0], *held2 = &sc->gates[1];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *h2 = holder_add(test, sc, sc->d, held2);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, EACH_MASK, true, sc->t);
	struct actor *a2 = caller_add(test, sc, PRIO_NORMAL, EACH_MASK, true, sc->d);
	struct actor *b = caller_add(test, sc, PRIO_LOW, p->ep, true, sc->t);

	KUNIT_ASSERT_TRUE(test, await_value(&a2->stage, READY));
	a2->cpu = sc->e;
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(a2->task, cpumask_of(sc->e)), 0);
	cpumask_set_cpu(sc->d, &a->req.mask);
	cpumask_copy(&b->req.mask, cpu_online_mask);
	spinner_start(test, h);
	spinner_start(test, h2);
	caller_start(test, a);
	caller_start(test, a2);
	caller_start(test, b);
	sched_set_normal(b->task, 0);
	KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(b->task, cpumask_of(sc->e)), 0);
	KUNIT_EXPECT_FALSE_MSG(test, gate_is_over(held) || gate_is_over(held2),
			       "the second caller could not be migrated");
	scene_settle(test, sc->e);
	gate_open(held);
	KUNIT_EXPECT_TRUE(test, await_value(&b->req.slots[sc->t].runs, 1));
	scene_settle(test, sc->e);
	gate_open(held2);
	actor_join(test, a);
	actor_join(test, a2);
	actor_join(test, b);
	KUNIT_EXPECT_EQ(test, b->end_cpu, sc->e);
	expect_runs(test, a, 1, sc->c);
	expect_runs(test, a2, 1, sc->e);
	expect_runs(test, b, 1, sc->c);
	KUNIT_EXPECT_LE(test, atomic_read(&b->req.slots[sc->t].asked), 1);
}

/*
 * The csd for B's second target is busy. The first one is released last: B must wait for
 * what it sent before it came to the busy csd, too (I3).
 */
static void first_sent_last_done(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0], *held2 = &sc->gates[1];
	struct actor *probe = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *h2 = holder_add(test, sc, sc->d, held2);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, EACH_MASK, true, sc->d);
	struct actor *b = caller_add(test, sc, PRIO_LOW, p->ep, true, sc->t);
	unsigned int us = time_to_return(test, probe);

	cpumask_set_cpu(sc->d, &b->req.mask);
	spinner_start(test, h);
	spinner_start(test, h2);
	caller_start(test, a);
	caller_start(test, b);
	/* The second target answers from now on, the first one does not. */
	sched_set_normal(b->task, 0);
	gate_open(held2);
	actor_join(test, a);
	usleep_range(10 * us, 10 * us + 100);
	KUNIT_EXPECT_FALSE(test, gate_is_over(held));
	gate_open(held);
	/* B says how many targets had not finished when its call returned. */
	actor_join(test, b);
	expect_runs(test, a, 1, sc->c);
	expect_runs(test, b, 1, sc->c);
}

/* Two targets, one after the other. */
static void act_call_both(struct actor *me)
{
	actor_call(me, &me->other->req, me->wait);
	act_call(me);
}

/*
 * A call without wait to a CPU that answers does not have to wait for another one that does
 * not, because a request to that one is still pending (I11).
 */
static void other_target(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, false, sc->d);

	a->fn = act_call_both;
	a->watch = held;
	a->other = caller_add(test, sc, PRIO_NORMAL, p->ep, false, sc->t);
	spinner_start(test, h);
	actor_start(test, a);
	actor_join(test, a);
	KUNIT_EXPECT_FALSE_MSG(test, a->saw_over, "a call waited for another target");
	gate_open(held);
	expect_runs(test, a->other, 1, sc->c);
	expect_runs(test, a, 1, sc->c);
}

static struct kunit_case contention_cases[] = {
	KUNIT_CASE_PARAM(third_task, both_gen_params),
	KUNIT_CASE_PARAM(order_is_kept, order_gen_params),
	KUNIT_CASE_PARAM(own_request_only, five_gen_params),
	KUNIT_CASE_PARAM(mask_used_again, again_gen_params),
	KUNIT_CASE_PARAM(resumed_call, multi_gen_params),
	KUNIT_CASE_PARAM(first_sent_last_done, multi_gen_params),
	KUNIT_CASE_PARAM(other_target, targets_gen_params),
	{}
};

static struct kunit_suite contention_suite = {
	.name = "smp_contention",
	.test_cases = contention_cases,
};

kunit_test_suite(contention_suite);
