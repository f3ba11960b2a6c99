/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests of cross-CPU calls share: the calls, the threads that make
 * them, and CPUs that do not answer for a while.
 *
 * The first online CPU, "ctrl", runs the test itself and stays online. The next ones:
 *
 *	c	source: the callers and the more urgent tasks run here
 *	t	target, held with interrupts off
 *	d	second target, or the CPU that a waiter is moved to
 *	e	one more; with four CPUs it is ctrl
 *
 * All threads of a case are created before a CPU is held, as kthreadd might sit on that
 * one. They record what they see, the test's own task judges. It sleeps by hrtimers: a
 * timer of the timer wheel might wait for the held CPU.
 *
 * No verdict depends on something being fast. A CPU is held until a gate is opened, and
 * the test opens it after the observation: "the task ran while t was held" is a fact
 * about order. Where the observation cannot be made, the hold ends after hold_ms, a
 * parameter of the module.
 */
#ifndef _SMP_SCENE_H
#define _SMP_SCENE_H

#include <kunit/test.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/sched.h>
#include <linux/smp.h>

/* Somebody spins here until it is opened, or a limit has passed; @over is set then. */
struct gate {
	atomic_t	on;
	atomic_t	open;
	atomic_t	over;
};

/* What a request left behind on one CPU. */
struct slot {
	atomic_t	runs;
	atomic_t	asked;		/* how often cond_func was */
	int		start;		/* in ticks of the scene's clock */
	int		end;
	unsigned long	seen;		/* the token */
};

/* A request, and all that its function needs. */
struct call_req {
	struct scene	*sc;
	struct cpumask	mask;
	struct slot	*slots;		/* nr_cpu_ids of them */
	unsigned int	slow_cpu;	/* the next two are for this CPU */
	struct gate	*gate;		/* spin here, if not NULL */
	unsigned int	delay_ms;
	unsigned long	token;		/* plain: handed over by the call itself */
	atomic_t	bad;		/* runs with interrupts on */
};

enum entry_id { SINGLE, ANY, MANY, FUNCTION, EACH, EACH_MASK, EACH_COND, EACH_COND_MASK };

#define EP_ONE		BIT(0)		/* one CPU, the first of the mask */
#define EP_ANY		BIT(1)		/* one CPU, any of the mask */
#define EP_ALL		BIT(2)		/* all online CPUs, whatever the mask */
#define EP_LOCAL	BIT(3)		/* runs on the local CPU, too */

struct entry {
	const char	*name;
	unsigned int	flags;
};

extern const struct entry smp_entries[];

/* Parameter of a case; @variant is what the case makes of it, @what its name. */
struct smp_param {
	enum entry_id	ep;
	bool		wait;
	bool		variant;
	const char	*what;
};

enum stage { CREATED, READY, ENTERED, RETURNED };
enum prio { PRIO_NORMAL, PRIO_LOW, PRIO_URGENT };	/* the last two are SCHED_FIFO */

/* A thread that waits for its start, runs @fn on @cpu, and is stopped with its scene. */
struct actor {
	struct list_head	node;
	struct scene		*sc;
	struct task_struct	*task;
	void			(*fn)(struct actor *me);
	unsigned int		cpu;
	struct completion	go;
	bool			cancelled;
	atomic_t		stage;

	struct gate		*gate;		/* to spin at */
	struct gate		*watch;		/* is it over when @fn is done? */
	bool			saw_over;

	const struct entry	*ep;
	struct call_req		req;
	bool			wait;
	bool			irqs_off;
	struct actor		*other;
	unsigned int		end_cpu;	/* where the call returned */
	int			errors;
	const char		*error;		/* the first one */
	atomic_t		calls;
};

#define NR_GATES	4
#define NR_URGENT	3

struct scene {
	struct list_head	actors;
	struct cpumask		online;
	unsigned int		ctrl, c, t, d, e;
	struct gate		gates[NR_GATES];
	struct actor		*urgent[NR_URGENT];
	bool			ready;
	atomic_t		clock;
	atomic_t		stop;
};

#define NEED_PREEMPTION	BIT(0)
#define NEED_HOTPLUG	BIT(1)
#define NEED_RCU	BIT(2)

struct scene *scene_get(struct kunit *test, unsigned int cpus, unsigned int needs);

/* Threads: to be created before a CPU is held. */
struct actor *actor_add(struct kunit *test, struct scene *sc, unsigned int cpu,
			enum prio urgency, void (*fn)(struct actor *me));
struct actor *holder_add(struct kunit *test, struct scene *sc, unsigned int cpu,
			 struct gate *gate);
struct actor *caller_add(struct kunit *test, struct scene *sc, enum prio urgency,
			 enum entry_id ep, bool wait, unsigned int target);
void urgent_add(struct kunit *test, struct scene *sc, struct gate *watch);
/* Start one; wait until it has its CPU, has entered its call, has come to its end. */
void actor_start(struct kunit *test, struct actor *actor);
void spinner_start(struct kunit *test, struct actor *actor);
void caller_start(struct kunit *test, struct actor *actor);
void actor_join(struct kunit *test, struct actor *actor);
/* What threads do. */
int actor_call(struct actor *me, struct call_req *req, bool wait);
void act_call(struct actor *me);
void act_observe(struct actor *me);
void act_hog(struct actor *me);
void actor_error(struct actor *me, const char *error);
void act_nothing(void *unused);
/* Time and gates. */
bool await_value(atomic_t *v, int want);
void scene_settle(struct kunit *test, unsigned int cpu);
unsigned int time_to_return(struct kunit *test, struct actor *probe);
void scene_flush(void);
void gate_open(struct gate *gate);
bool gate_is_over(struct gate *gate);
/* Requests. */
int expected_runs(const struct entry *ep, const struct call_req *req, unsigned int cpu,
		  unsigned int local);
void request_reset(struct call_req *req);
int total_runs(const struct call_req *req);
void expect_runs(struct kunit *test, struct actor *actor, int times, unsigned int local);
bool urgent_tasks_run(struct kunit *test, struct scene *sc);

void smp_param_desc(const struct smp_param *p, char *desc);
#define WAIT(ep)	{ ep, true }
#define NOWAIT(ep)	{ ep, false }
/* The entry points that differ in more than their arguments. */
#define FIVE	{ WAIT(SINGLE), WAIT(ANY), WAIT(MANY), WAIT(FUNCTION), WAIT(EACH_COND_MASK) }
/* The same where both are there. */
#define W(ep)		{ ep, true, .what = ", wait" }
#define N(ep)		{ ep, false, .what = ", nowait" }

#endif /* _SMP_SCENE_H */
