// SPDX-License-Identifier: GPL-2.0
/* What the KUnit tests of cross-CPU calls share, see smp_scene.h. */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include "smp_scene.h"

#define DEBUG_KERNEL	(IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_PROVE_LOCKING))

/* Below the 5 s after which csd-lock debugging complains. */
static unsigned int hold_ms = 4000;
module_param(hold_ms, uint, 0644);
MODULE_PARM_DESC(hold_ms, "Longest time in ms for which a CPU is held");

/* Set it to 0 with threadirqs or rcutree.use_softirq=0, too. */
static bool rcu_above_fifo = !IS_ENABLED(CONFIG_PREEMPT_RT);
module_param(rcu_above_fifo, bool, 0644);
MODULE_PARM_DESC(rcu_above_fifo, "RCU's threads are more urgent than SCHED_FIFO 50, as with rcutree.kthread_prio=60");

/* Time for a task which was seen to enter a call to get to its wait. */
#define SETTLE_US	(DEBUG_KERNEL ? 20000 : 5000)
/* For a task which spins with preemption enabled, long enough to offline a CPU. */
#define HOG_MS		(hold_ms + 9000)
/* No step takes that long, except on a kernel which lost a request. */
#define STEP_MS		(hold_ms * 4 + 20000)
/* Interrupts until a task which entered a call has sent its request. */
#define NR_PUSHES	20
/* A return from a call is taken to last as long at least. */
#define RETURN_US	2000

static bool passed(u64 begin, unsigned int ms)
{
	return ktime_get_mono_fast_ns() - begin >= (u64)ms * NSEC_PER_MSEC;
}

bool await_value(atomic_t *v, int want)
{
	u64 begin = ktime_get_mono_fast_ns();

	while (atomic_read_acquire(v) < want) {
		if (passed(begin, STEP_MS))
			return false;
		usleep_range(100, 200);
	}
	return true;
}

void act_nothing(void *unused)
{
}

/*
 * Let a task on @cpu that was seen to enter a call get to its wait, however little time a
 * busy host gives to that CPU of a guest: after each interrupt it executes something. And
 * each interrupt is an opportunity to preempt the task, if it can be preempted.
 */
void scene_settle(struct kunit *test, unsigned int cpu)
{
	int i;

	usleep_range(SETTLE_US, SETTLE_US + 200);
	for (i = 0; i < NR_PUSHES; i++) {
		KUNIT_ASSERT_EQ(test, smp_call_function_single(cpu, act_nothing, NULL, 1), 0);
		/* No interrupt goes to the CPU of this task. It has to sleep to give it away. */
		if (cpu == raw_smp_processor_id())
			usleep_range(100, 200);
	}
}

/*
 * Let each other CPU run what it was sent. Twice: in a batch of requests, those that
 * somebody waits for come first.
 */
void scene_flush(void)
{
	on_each_cpu(act_nothing, NULL, 1);
	on_each_cpu(act_nothing, NULL, 1);
}

/*
 * Reading the clock can be costly for all CPUs of a guest, so do it rarely. A hog has
 * preemption points, as the stopper has to get the CPU with preempt=none, too.
 */
static void gate_spin(struct gate *gate, unsigned int limit_ms, bool hog)
{
	u64 begin = ktime_get_mono_fast_ns();
	unsigned int i = 0;

	atomic_set_release(&gate->on, 1);
	while (!atomic_read_acquire(&gate->open) && (++i % 256 || !passed(begin, limit_ms))) {
		cpu_relax();
		if (hog)
			cond_resched();
	}
	atomic_set_release(&gate->over, 1);
}

void gate_open(struct gate *gate)
{
	atomic_set_release(&gate->open, 1);
}

bool gate_is_over(struct gate *gate)
{
	return atomic_read_acquire(&gate->over);
}

static void request_func(void *info)
{
	struct call_req *req = info;
	unsigned int cpu = raw_smp_processor_id();
	struct slot *slot = &req->slots[cpu];

	slot->start = atomic_inc_return(&req->sc->clock);
	if (!irqs_disabled())
		atomic_inc(&req->bad);
	if (cpu == req->slow_cpu) {
		if (req->gate)
			gate_spin(req->gate, hold_ms, false);
		mdelay(req->delay_ms);
	}
	slot->seen = req->token;
	slot->end = atomic_inc_return(&req->sc->clock);
	atomic_inc_return_release(&slot->runs);
}

static bool request_cond(int cpu, void *info)
{
	struct call_req *req = info;

	atomic_inc(&req->slots[cpu].asked);
	return cpumask_test_cpu(cpu, &req->mask);
}

const struct entry smp_entries[] = {
	[SINGLE]	 = { "single", EP_ONE | EP_LOCAL },
	[ANY]		 = { "any", EP_ANY | EP_LOCAL },
	[MANY]		 = { "many", 0 },
	[FUNCTION]	 = { "function", EP_ALL },
	[EACH]		 = { "on_each_cpu", EP_ALL | EP_LOCAL },
	[EACH_MASK]	 = { "on_each_cpu_mask", EP_LOCAL },
	[EACH_COND]	 = { "on_each_cpu_cond", EP_LOCAL },
	[EACH_COND_MASK] = { "on_each_cpu_cond_mask", EP_LOCAL },
};

int actor_call(struct actor *me, struct call_req *req, bool wait)
{
	switch (me->ep - smp_entries) {
	case SINGLE:
		return smp_call_function_single(cpumask_first(&req->mask), request_func,
						req, wait);
	case ANY:
		return smp_call_function_any(&req->mask, request_func, req, wait);
	case MANY:
		smp_call_function_many(&req->mask, request_func, req, wait);
		break;
	case FUNCTION:
		smp_call_function(request_func, req, wait);
		break;
	case EACH:
		on_each_cpu(request_func, req, wait);
		break;
	case EACH_MASK:
		on_each_cpu_mask(&req->mask, request_func, req, wait);
		break;
	case EACH_COND:
		on_each_cpu_cond(request_cond, request_func, req, wait);
		break;
	case EACH_COND_MASK:
		on_each_cpu_cond_mask(request_cond, request_func, req, wait, &req->mask);
		break;
	}
	return 0;
}

void smp_param_desc(const struct smp_param *p, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s", smp_entries[p->ep].name, p->what ?: "");
}

/*
 * How often does the function run on @cpu, when called on @local? With EP_ANY only if the
 * mask has one CPU.
 */
int expected_runs(const struct entry *ep, const struct call_req *req, unsigned int cpu,
		  unsigned int local)
{
	if (!cpu_online(cpu))
		return 0;
	if (ep->flags & EP_ONE)
		return cpu == cpumask_first(&req->mask);
	if (cpu == local && !(ep->flags & EP_LOCAL))
		return 0;
	return (ep->flags & EP_ALL) || cpumask_test_cpu(cpu, &req->mask);
}

int total_runs(const struct call_req *req)
{
	unsigned int cpu;
	int sum = 0;

	for_each_possible_cpu(cpu)
		sum += atomic_read(&req->slots[cpu].runs);
	return sum;
}

void request_reset(struct call_req *req)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		atomic_set(&req->slots[cpu].runs, 0);
		atomic_set(&req->slots[cpu].asked, 0);
	}
}

/* @actor has called @times on @local, and no CPU that has to answer is held. */
void expect_runs(struct kunit *test, struct actor *actor, int times, unsigned int local)
{
	struct call_req *req = &actor->req;
	unsigned int cpu;

	for_each_online_cpu(cpu)
		await_value(&req->slots[cpu].runs,
			    times * expected_runs(actor->ep, req, cpu, local));
	/* A request that was sent twice has run the second time when later ones have run. */
	scene_flush();
	for_each_possible_cpu(cpu)
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&req->slots[cpu].runs),
				    times * expected_runs(actor->ep, req, cpu, local),
				    "%s, called on CPU %u: runs on CPU %u",
				    actor->ep->name, local, cpu);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&req->bad), 0,
			    "%s: the function ran with interrupts on", actor->ep->name);
}

static void scene_free(void *data)
{
	struct scene *sc = data;
	struct actor *actor, *next;
	bool lost = false;
	unsigned int cpu;
	int i;

	atomic_set(&sc->stop, 1);
	for (i = 0; i < NR_GATES; i++)
		gate_open(&sc->gates[i]);
	list_for_each_entry(actor, &sc->actors, node) {
		if (!actor->task)
			continue;
		WRITE_ONCE(actor->cancelled, true);
		complete(&actor->go);
		if (await_value(&actor->stage, RETURNED))
			kthread_stop_put(actor->task);
		else
			lost = true;
	}
	for_each_cpu(cpu, &sc->online)
		if (!cpu_online(cpu))
			add_cpu(cpu);
	/* A thread whose request was lost waits for ever. It keeps what it uses. */
	if (lost) {
		pr_err("smp_kunit: a thread does not end, its memory is leaked\n");
		__module_get(THIS_MODULE);
		return;
	}
	/* Requests without wait may still be about to run. */
	scene_flush();

	list_for_each_entry_safe(actor, next, &sc->actors, node) {
		kfree(actor->req.slots);
		kfree(actor);
	}
	kfree(sc);
}

struct scene *scene_get(struct kunit *test, unsigned int cpus, unsigned int needs)
{
	static bool settled;
	struct scene *sc;

	if (num_online_cpus() < cpus)
		kunit_skip(test, "needs %u online CPUs, there are %u", cpus, num_online_cpus());
	if ((needs & NEED_HOTPLUG) && !IS_ENABLED(CONFIG_HOTPLUG_CPU))
		kunit_skip(test, "needs CONFIG_HOTPLUG_CPU");
	if ((needs & NEED_PREEMPTION) && !IS_ENABLED(CONFIG_PREEMPTION))
		kunit_skip(test, "needs CONFIG_PREEMPTION");
	if ((needs & NEED_RCU) && !(IS_ENABLED(CONFIG_PREEMPT_RCU) && rcu_above_fifo))
		kunit_skip(test, "a task that spins holds up grace periods, see rcu_above_fifo");

	/*
	 * Some time after boot, x86 changes its clocksource with stop_machine(), which
	 * keeps all CPUs busy until a held one answers. Let that pass.
	 */
	if (system_state < SYSTEM_RUNNING && !settled)
		msleep(3000);
	settled = true;

	sc = kzalloc(sizeof(*sc), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sc);
	INIT_LIST_HEAD(&sc->actors);
	cpumask_copy(&sc->online, cpu_online_mask);
	sc->ctrl = cpumask_first(&sc->online);
	sc->c = cpumask_nth(1, &sc->online);
	sc->t = cpumask_nth(2, &sc->online);
	sc->d = cpumask_nth(3, &sc->online);
	sc->e = cpumask_nth(4, &sc->online);
	if (sc->e >= nr_cpu_ids)
		sc->e = sc->ctrl;
	/* For as long as the test runs: it has a task of its own. */
	set_cpus_allowed_ptr(current, cpumask_of(sc->ctrl));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, scene_free, sc), 0);
	return sc;
}

static int actor_main(void *arg)
{
	struct actor *me = arg;

	/* Not before the first wake-up, which can set the CPUs of a kthread. */
	if (set_cpus_allowed_ptr(current, cpumask_of(me->cpu)))
		actor_error(me, "could not be bound to its CPU");
	atomic_set_release(&me->stage, READY);
	wait_for_completion(&me->go);
	if (!READ_ONCE(me->cancelled) && !me->errors)
		me->fn(me);
	atomic_set_release(&me->stage, RETURNED);
	return 0;
}

/* No PF_NO_SETAFFINITY as from kthread_bind(): some of them get migrated. */
struct actor *actor_add(struct kunit *test, struct scene *sc, unsigned int cpu,
			enum prio urgency, void (*fn)(struct actor *me))
{
	struct actor *actor = kzalloc(sizeof(*actor), GFP_KERNEL);
	struct task_struct *task;

	KUNIT_ASSERT_NOT_NULL(test, actor);
	list_add_tail(&actor->node, &sc->actors);
	actor->sc = sc;
	actor->cpu = cpu;
	actor->fn = fn;
	init_completion(&actor->go);
	actor->req.sc = sc;
	actor->req.slots = kcalloc(nr_cpu_ids, sizeof(*actor->req.slots), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, actor->req.slots);

	task = kthread_create(actor_main, actor, "smp_kunit/%u", cpu);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	actor->task = get_task_struct(task);
	if (urgency == PRIO_LOW)
		sched_set_fifo_low(task);
	else if (urgency == PRIO_URGENT)
		sched_set_fifo(task);
	wake_up_process(task);
	return actor;
}

/* Keep the CPU with interrupts off. */
static void act_hold(struct actor *me)
{
	local_irq_disable();
	gate_spin(me->gate, hold_ms, false);
	local_irq_enable();
}

/* Keep less urgent tasks off the CPU, but no interrupts and no stopper. */
void act_hog(struct actor *me)
{
	gate_spin(me->gate, HOG_MS, true);
}

void act_observe(struct actor *me)
{
	me->saw_over = gate_is_over(me->watch);
}

void act_call(struct actor *me)
{
	unsigned int cpu;

	atomic_set_release(&me->stage, ENTERED);
	actor_call(me, &me->req, me->wait);
	me->end_cpu = raw_smp_processor_id();
	if (me->watch)
		me->saw_over = gate_is_over(me->watch);
	if (!me->wait)
		return;
	for_each_online_cpu(cpu)
		if (atomic_read(&me->req.slots[cpu].runs) <
		    expected_runs(me->ep, &me->req, cpu, me->cpu))
			actor_error(me, "a target had not finished upon return");
}

void actor_error(struct actor *me, const char *error)
{
	if (!me->errors++)
		me->error = error;
}

struct actor *holder_add(struct kunit *test, struct scene *sc, unsigned int cpu,
			 struct gate *gate)
{
	struct actor *actor = actor_add(test, sc, cpu, PRIO_URGENT, act_hold);

	actor->gate = gate;
	return actor;
}

struct actor *caller_add(struct kunit *test, struct scene *sc, enum prio urgency,
			 enum entry_id ep, bool wait, unsigned int target)
{
	struct actor *actor = actor_add(test, sc, sc->c, urgency, act_call);

	actor->ep = &smp_entries[ep];
	actor->wait = wait;
	cpumask_set_cpu(target, &actor->req.mask);
	return actor;
}

void urgent_add(struct kunit *test, struct scene *sc, struct gate *watch)
{
	int i;

	for (i = 0; i < NR_URGENT; i++) {
		sc->urgent[i] = actor_add(test, sc, sc->c, PRIO_URGENT, act_observe);
		sc->urgent[i]->watch = watch;
	}
}

void actor_start(struct kunit *test, struct actor *actor)
{
	struct scene *sc = actor->sc;
	struct actor *other;

	if (!sc->ready)
		list_for_each_entry(other, &sc->actors, node)
			KUNIT_ASSERT_TRUE(test, await_value(&other->stage, READY));
	sc->ready = true;
	complete(&actor->go);
}

void spinner_start(struct kunit *test, struct actor *actor)
{
	actor_start(test, actor);
	KUNIT_ASSERT_TRUE(test, await_value(&actor->gate->on, 1));
}

/* Upon return, the task is in its wait. */
void caller_start(struct kunit *test, struct actor *actor)
{
	actor_start(test, actor);
	KUNIT_ASSERT_TRUE(test, await_value(&actor->stage, ENTERED));
	scene_settle(test, actor->cpu);
}

void actor_join(struct kunit *test, struct actor *actor)
{
	KUNIT_ASSERT_TRUE_MSG(test, await_value(&actor->stage, RETURNED),
			      "a thread on CPU %u does not come to its end", actor->cpu);
	KUNIT_EXPECT_EQ_MSG(test, actor->errors, 0, "%s on CPU %u: %s",
			    actor->ep ? actor->ep->name : "", actor->cpu, actor->error);
}

/*
 * Do urgent tasks run to their end before the gate that they watch is over? Each of them
 * leaves the CPU to the caller again, so that a caller which is late is met in its wait,
 * too.
 */
bool urgent_tasks_run(struct kunit *test, struct scene *sc)
{
	int i;

	for (i = 0; i < NR_URGENT; i++) {
		actor_start(test, sc->urgent[i]);
		if (!await_value(&sc->urgent[i]->stage, RETURNED) || sc->urgent[i]->saw_over)
			return false;
		scene_settle(test, sc->c);
	}
	return true;
}

/*
 * How long does it take @probe, a caller on the CPU of the others, to return from its call
 * once its target answers, in us? Who has not returned after ten times as long does not
 * return. To be measured when nobody else uses the CPU. Limited, so that ten times as long
 * is well within a hold.
 */
unsigned int time_to_return(struct kunit *test, struct actor *probe)
{
	struct gate *gate = &probe->sc->gates[NR_GATES - 1];
	u64 begin, us;

	probe->req.gate = gate;
	probe->req.slow_cpu = cpumask_first(&probe->req.mask);
	caller_start(test, probe);
	KUNIT_ASSERT_TRUE(test, await_value(&gate->on, 1));
	begin = ktime_get_mono_fast_ns();
	gate_open(gate);
	actor_join(test, probe);
	us = div_u64(ktime_get_mono_fast_ns() - begin, NSEC_PER_USEC);
	return clamp_t(u64, us, RETURN_US, max(RETURN_US, hold_ms * USEC_PER_MSEC / 40));
}
