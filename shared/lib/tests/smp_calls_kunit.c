// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of cross-CPU calls: what each of them does, and that waiting does not need
 * the CPU. A name like I7 is that of what has to hold, see Documentation/core-api/.
 */
#include <linux/module.h>
#include "smp_scene.h"

#define PREEMPT_OFF(ep)	{ ep, .what = ", preemption off" }
#define IRQS_OFF(ep)	{ ep, .variant = true, .what = ", interrupts off" }

static const struct smp_param both_params[] = {
	W(SINGLE), N(SINGLE), W(ANY), N(ANY), W(MANY), N(MANY), W(FUNCTION), N(FUNCTION),
	W(EACH), N(EACH), W(EACH_MASK), N(EACH_MASK), W(EACH_COND), N(EACH_COND),
	W(EACH_COND_MASK), N(EACH_COND_MASK),
};

static const struct smp_param five_params[] = FIVE;

static const struct smp_param pinned_params[] = {
	PREEMPT_OFF(SINGLE), IRQS_OFF(SINGLE), PREEMPT_OFF(ANY), IRQS_OFF(ANY),
	PREEMPT_OFF(MANY), IRQS_OFF(MANY), PREEMPT_OFF(FUNCTION), IRQS_OFF(FUNCTION),
	PREEMPT_OFF(EACH_COND_MASK), IRQS_OFF(EACH_COND_MASK),
};

KUNIT_ARRAY_PARAM(both, both_params, smp_param_desc);
KUNIT_ARRAY_PARAM(five, five_params, smp_param_desc);
KUNIT_ARRAY_PARAM(pinned, pinned_params, smp_param_desc);

#define NR_REPEAT	50

/*
 * Each CPU runs the function once per call. When a waiting call has returned, what was
 * plainly written by the functions can be plainly read.
 */
static void call_and_expect(struct kunit *test, struct actor *a, int times)
{
	struct call_req *req = &a->req;
	unsigned int cpu, missed = 0;
	int i;

	request_reset(req);
	for (i = 0; i < times; i++) {
		/*
		 * Who returns when the function has begun is too early if it is slow. Without
		 * wait, the functions of earlier calls may still be reading both.
		 */
		if (a->wait) {
			req->delay_ms = i % 10 ? 0 : 5;
			req->token++;
		}
		KUNIT_EXPECT_EQ(test, actor_call(a, req, a->wait), 0);
		for_each_online_cpu(cpu)
			if (a->wait && expected_runs(a->ep, req, cpu, a->sc->ctrl))
				missed += req->slots[cpu].seen != req->token;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, missed, 0);
	expect_runs(test, a, times, a->sc->ctrl);
}

/* The right CPUs, each exactly once per call, and effects are visible (I3, I6). */
static void right_cpus(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 2, 0);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, p->wait, sc->c);
	struct cpumask *mask = &a->req.mask;
	unsigned int cpu, i = 0;

	a->req.slow_cpu = sc->c;
	call_and_expect(test, a, NR_REPEAT);
	for_each_online_cpu(cpu) {
		cpumask_clear(mask);
		cpumask_set_cpu(cpu, mask);
		call_and_expect(test, a, 1);
	}
	if (a->ep->flags & (EP_ONE | EP_ANY))
		return;

	cpumask_clear(mask);
	call_and_expect(test, a, 1);
	for_each_online_cpu(cpu)
		if (i++ % 2)
			cpumask_set_cpu(cpu, mask);
	call_and_expect(test, a, NR_REPEAT);
	cpumask_copy(mask, cpu_online_mask);
	call_and_expect(test, a, NR_REPEAT);
}

/* smp_call_function_any() takes one CPU, the local one if it can (I6). */
static void any_takes_one(struct kunit *test)
{
	struct scene *sc = scene_get(test, 3, 0);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, ANY, false, sc->c);
	struct call_req *req = &a->req;

	/* From a CPU that is not the first one of the mask. */
	cpumask_copy(&req->mask, cpu_online_mask);
	actor_start(test, a);
	actor_join(test, a);
	on_each_cpu(act_nothing, NULL, 1);
	KUNIT_EXPECT_EQ(test, total_runs(req), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&req->slots[sc->c].runs), 1);

	request_reset(req);
	cpumask_clear_cpu(sc->ctrl, &req->mask);
	KUNIT_EXPECT_EQ(test, actor_call(a, req, true), 0);
	KUNIT_EXPECT_EQ(test, total_runs(req), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&req->slots[sc->ctrl].runs), 0);
}

/* Each CPU of the call is asked for once, and left alone if the answer is no (I6). */
static void cond_is_honoured(struct kunit *test)
{
	struct scene *sc = scene_get(test, 3, 0);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, EACH_COND, true, sc->c);
	struct actor *b = caller_add(test, sc, PRIO_NORMAL, EACH_COND_MASK, true, sc->t);
	unsigned int cpu;

	cpumask_set_cpu(sc->ctrl, &a->req.mask);
	call_and_expect(test, a, 1);
	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_EQ(test, atomic_read(&a->req.slots[cpu].asked),
				cpu_online(cpu));

	/* CPUs that are not in the mask of the call are not asked for. */
	call_and_expect(test, b, 1);
	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_EQ(test, atomic_read(&b->req.slots[cpu].asked), cpu == sc->t);
}

/* More urgent tasks get the caller's CPU while the target is held (I7). */
static void preempted_while_waiting(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);

	urgent_add(test, sc, held);
	spinner_start(test, h);
	caller_start(test, a);
	KUNIT_EXPECT_TRUE_MSG(test, urgent_tasks_run(test, sc),
			      "a FIFO task had to wait for the caller");
	gate_open(held);
	actor_join(test, a);
	expect_runs(test, a, 1, sc->c);
}

/* A waiter can be migrated, and returns on its new CPU (I7). */
static void migrated_while_waiting(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 4, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);

	spinner_start(test, h);
	caller_start(test, a);
	KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(a->task, cpumask_of(sc->d)), 0);
	KUNIT_EXPECT_FALSE_MSG(test, gate_is_over(held),
			       "the caller could not be migrated while it waited");
	gate_open(held);
	actor_join(test, a);
	expect_runs(test, a, 1, sc->c);
	KUNIT_EXPECT_EQ(test, a->end_cpu, sc->d);
}

/*
 * With preemption disabled: without wait while the target is held, so that the csd is busy
 * for the second call, then with wait for a function that takes a while.
 */
static void act_call_pinned(struct actor *me)
{
	unsigned int cpu = get_cpu();

	atomic_set_release(&me->stage, ENTERED);
	actor_call(me, &me->req, false);
	actor_call(me, &me->req, false);
	actor_call(me, &me->req, true);
	actor_call(me, &me->req, true);
	if (atomic_read(&me->other->stage) == RETURNED || raw_smp_processor_id() != cpu)
		actor_error(me, "was preempted though it had disabled preemption");
	put_cpu();
}

/* A caller with preemption disabled keeps its CPU, also when the csds are busy (I8). */
static void pinned_caller_stays(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, NEED_PREEMPTION);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, true, sc->t);
	struct actor *u = actor_add(test, sc, sc->c, PRIO_URGENT, act_observe);

	a->fn = act_call_pinned;
	a->other = u;
	a->req.slow_cpu = sc->t;
	a->req.delay_ms = 5;
	u->watch = held;
	spinner_start(test, h);
	caller_start(test, a);
	actor_start(test, u);
	/* Each of these interrupts would let the urgent task have the CPU, if it could. */
	scene_settle(test, sc->c);
	gate_open(held);
	actor_join(test, a);
	actor_join(test, u);
	expect_runs(test, a, 4, sc->c);
}

/* With interrupts off, calls are for a kernel that is about to die. */
static void act_send_pinned(struct actor *me)
{
	if (me->irqs_off) {
		local_irq_disable();
		oops_in_progress++;
	} else {
		preempt_disable();
	}
	atomic_set_release(&me->stage, ENTERED);
	actor_call(me, &me->req, false);
	actor_call(me, &me->req, false);
	me->saw_over = gate_is_over(me->req.gate);
	if (me->irqs_off) {
		oops_in_progress--;
		local_irq_enable();
	} else {
		preempt_enable();
	}
	gate_open(me->req.gate);
}

/*
 * With preemption or interrupts disabled, a call without wait that finds the csd busy waits
 * until the target has taken the earlier request, and not until its function has returned:
 * that one may be waiting for the caller, as it is here (I8).
 */
static void pinned_call_goes_on(struct kunit *test)
{
	const struct smp_param *p = test->param_value;
	struct scene *sc = scene_get(test, 3, 0);
	struct gate *held = &sc->gates[0];
	struct actor *h = holder_add(test, sc, sc->t, held);
	struct actor *a = caller_add(test, sc, PRIO_NORMAL, p->ep, false, sc->t);

	a->fn = act_send_pinned;
	a->irqs_off = p->variant;
	a->req.slow_cpu = sc->t;
	a->req.gate = &sc->gates[1];
	spinner_start(test, h);
	actor_start(test, a);
	KUNIT_ASSERT_TRUE(test, await_value(&a->stage, ENTERED));
	if (a->irqs_off)
		usleep_range(20000, 20200);	/* It takes no interrupts. */
	else
		scene_settle(test, sc->c);
	gate_open(held);
	actor_join(test, a);
	KUNIT_EXPECT_FALSE_MSG(test, a->saw_over,
			       "a call waited for the function of an earlier one");
	expect_runs(test, a, 2, sc->c);
}

static struct kunit_case smp_cases[] = {
	KUNIT_CASE_PARAM(right_cpus, both_gen_params),
	KUNIT_CASE(any_takes_one),
	KUNIT_CASE(cond_is_honoured),
	KUNIT_CASE_PARAM(preempted_while_waiting, five_gen_params),
	KUNIT_CASE_PARAM(migrated_while_waiting, five_gen_params),
	KUNIT_CASE_PARAM(pinned_caller_stays, five_gen_params),
	KUNIT_CASE_PARAM(pinned_call_goes_on, pinned_gen_params),
	{}
};

static struct kunit_suite smp_suite = {
	.name = "smp",
	.test_cases = smp_cases,
};

kunit_test_suite(smp_suite);

MODULE_DESCRIPTION("KUnit tests of cross-CPU calls");
MODULE_LICENSE("GPL");
