/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cross-CPU calls of the patched kernel/smp.c, with every order in which tasks, interrupt
 * handlers and CPU hotplug can take their steps. README.md says what is modelled, which
 * steps are taken together and why that loses nothing, and what is left out.
 *
 * In:  -DMENU=... (which calls there are), -DNTASK=1..3, -DHOTPLUG=0..3 (how many changes:
 *      down or up), -DNCPU=4 (with -DHOTPLUG=0..1), -DSTARVED=1 (a waiter may never run again),
 *      -DTARGET_CSD=1 (7.3 with csd-lock debugging), and at most one name of a mutant; see
 *      spin.toml.
 * Out: pan's verdict. The text of each assertion begins with the invariant that it stands for.
 *
 * Steps are taken in a total order that all see (sequential consistency): which barriers
 * make it so is the business of proof/litmus.
 */

#ifndef NCPU
#define NCPU		3		/* possible CPUs, from 0 on */
#endif
#ifndef NTASK
#define NTASK		3
#endif
#ifndef HOTPLUG
#define HOTPLUG		1
#endif
#ifndef MENU
#define MENU		1
#endif
#ifndef STARVED
#define STARVED		0
#endif
#ifndef TARGET_CSD
#define TARGET_CSD	0
#endif

#define BIT(c)		(1 << (c))
#if NCPU == 3
#define ALL		7		/* cpu_possible_mask */
#else
#define ALL		15
#endif
#define NONE		(NCPU + 1)	/* a call that has no CPU to send to */

/* cpumask_next(), counted from @c on; NCPU stands for nr_cpu_ids. */
#define NEXT(m, c)	(((c) <= 0 && ((m) & 1)) -> 0 : (((c) <= 1 && ((m) & 2)) -> 1 : \
			 (((c) <= 2 && ((m) & 4)) -> 2 : (((c) <= 3 && ((m) & 8)) -> 3 : NCPU))))

/*
 * Never set: they put the name of the invariant into the text of an assertion. An assertion
 * on the name alone stands where a guard has already found the violation.
 */
hidden byte I1, I2, I3, I4, I5, I6, I8, I9, I10, I11;

/* ---- the state that is shared ---- */

/*
 * call_single_data_t: in the call data of each CPU one for each CPU, csd_data of each CPU, one on
 * the stack of each task.
 */
#define NCFD		(NCPU * NCPU)
#define CFD(src, dst)	(1 + (src) * NCPU + (dst))
#define CSD_DATA(c)	(1 + NCFD + (c))
#define STACK(t)	(1 + NCFD + NCPU + (t))
#define NCSD		(1 + NCFD + NCPU + 3)	/* 0 is no csd */
#define IS_CFD(id)	((id) <= NCFD)
#define SRC(id)		(((id) - 1) / NCPU)

/* ->node.u_flags: the lock, the type, and from bit 2 on the number of the call. */
#define CSD_FLAG_LOCK	1
#define CSD_TYPE_ASYNC	0
#define CSD_TYPE_SYNC	2
#define CSD_TYPE(id)	(u_flags[id] & 2)
#define CSD_SEQ_SHIFT	2
byte u_flags[NCSD];
byte info[NCSD];			/* ->func and ->info: the task whose call it is */

/*
 * struct call_function_data of each CPU. An array of csds has one of two addresses, so that
 * a CPU that comes back can have it at the same one as before, or elsewhere.
 */
byte cpumask[NCPU];
byte seq[NCPU];
byte csd[NCPU] = 1;			/* ->csd, 0 is NULL */
byte mem[NCPU] = 1;			/* where the array is that is allocated, 0: there is none */
byte addr[NCPU] = 1;			/* where the last one was */

/*
 * RCU: tasks that are in a read-side critical section, which is where they look at the csds of
 * a CPU that they may have left; and those for whom the grace period still waits.
 */
byte section;
byte gp;
#ifdef LOOK_IF_PREEMPTED
byte fresh;				/* tasks that looked, and were not preempted since */
#endif
#ifdef RCU_HELD
#define starved_in_section	true	/* a reader that is preempted: rcu_read_lock() */
#define section_allows	true
#else
#define starved_in_section	false
#define section_allows	(section == 0)	/* preemption is disabled there */
#endif

/* call_single_queue: 5 bits a csd, the newest lowest. What the handler took: the oldest lowest. */
int queue[NCPU];
int work[NCPU];
byte func[NCPU];				/* 1 + task whose ASYNC function the handler is about to run */
byte in_irq;				/* CPUs that are in the handler */
byte ipi;				/* CPUs to which an IPI is under way */

byte online = ALL;			/* cpu_online_mask */
byte pinned;				/* CPUs that run a task with preemption disabled */
byte alone[NCPU];			/* 1 + task that waits there, and nobody else ran since the call */

/* ---- what only the assertions know ---- */
byte may[NTASK];				/* CPUs that the call may still send a request to */
byte must[NTASK];			/* those of them that it has to */
byte pending[NTASK];			/* CPUs that have a request, and have not run the function */
byte live[NCPU];			/* who remembers a number of this CPU's calls */
byte started;				/* tasks that have begun, see init */

/* Scratch variables, alive within one step only. */
hidden byte i_, id_;
hidden int q_, first_, last_;
hidden byte nfirst_, nlast_;

/* ---- functions and csds ---- */

/* The function of the call of task @t runs on CPU @c. */
inline csd_do_func(t, c)
{
	assert(I6 || (pending[t] & BIT(c)));			/* I6: once for each request */
	pending[t] = pending[t] & ~BIT(c)
}

/* The call selects CPU @c, for a request or to run the function there directly. */
inline select_cpu(t, c)
{
	assert(I6 || (may[t] & BIT(c)));	/* I6: in the mask, and only once */
	may[t] = may[t] & ~BIT(c);
	must[t] = must[t] & ~BIT(c);
	pending[t] = pending[t] | BIT(c)
}

/* All CPUs were visited. */
inline all_selected(t)
{
	assert(I6 || must[t] == 0);		/* I6: none was left out */
	may[t] = 0
}

#define csd_busy(id)	(u_flags[id] & CSD_FLAG_LOCK)

/* What the caller makes of it. */
#ifdef CSD_LOCK_NO_WAIT
#define csd_free(id)	true
#else
#define csd_free(id)	(!csd_busy(id))
#endif

/* The array is there that @csds points to. */
#define csds_there(c)	(mem[c] != 0 && mem[c] == csds)

inline csd_lock(id, flags, t)
{
	assert(I1 || (online & BIT(this_cpu)));	/* I1: the caller holds stop_machine() off */
	assert(I5 || !csd_busy(id));		/* I5: one request at a time */
	assert(I2 || !IS_CFD(id) || (csd[SRC(id)] && mem[SRC(id)]));	/* I2: not into freed csds */
	u_flags[id] = flags;
	info[id] = t
}

inline csd_unlock(id)
{
	u_flags[id] = 0;
	info[id] = 0
}

/* csd_poll() is true when this is so. It stays so: no number comes twice. */
#ifdef NO_OWN_CHECK
#define csd_done(id, flags)	(!csd_busy(id))
#else
#define csd_done(id, flags)	(u_flags[id] != (flags))
#endif
/* I4: who does not go on, waits for a request of its own. */
#define csd_others(id, flags, t)	(!csd_done(id, flags) && info[id] != (t))

/* llist_add(). */
inline llist_add(c, id, t)
{
	assert(I1 || (online & BIT(c)));	/* I1: the dying flush has not been */
	select_cpu(t, c);
	if
	:: queue[c] == 0 -> ipis = ipis | BIT(c)
	:: else
	fi;
	queue[c] = queue[c] << 5 | (id)
}

/* arch_send_call_function_*ipi*(). An IPI that finds an empty queue is not modelled. */
inline send_ipis()
{
#ifndef NO_IPI
	i_ = 0;
	do
	:: i_ < NCPU ->
		if
		:: (ipis & BIT(i_)) && queue[i_] != 0 -> ipi = ipi | BIT(i_)
		:: else
		fi;
		i_++
	:: else -> break
	od;
#endif
	ipis = 0
}

/* ---- the target ---- */

/*
 * llist_del_all(), llist_reverse_order(), and the order of the two passes: first all SYNC, then
 * the others. A type does not change while its csd is queued.
 */
inline llist_del_all(c)
{
	q_ = 0;
	do
	:: queue[c] != 0 ->
		q_ = q_ << 5 | (queue[c] & 31);
		queue[c] = queue[c] >> 5
	:: else -> break
	od;
	first_ = 0; nfirst_ = 0;
	last_ = 0; nlast_ = 0;
	do
	:: q_ != 0 ->
		id_ = q_ & 31;
		if
		:: CSD_TYPE(id_) == CSD_TYPE_SYNC -> first_ = first_ | id_ << nfirst_; nfirst_ = nfirst_ + 5
		:: else -> last_ = last_ | id_ << nlast_; nlast_ = nlast_ + 5
		fi;
		q_ = q_ >> 5
	:: else -> break
	od;
	work[c] = first_ | last_ << nfirst_;
	q_ = 0; first_ = 0; last_ = 0;
	ipi = ipi & ~BIT(c)
}

#define HEAD(c)		(work[c] & 31)

inline next_work(c)
{
	work[c] = work[c] >> 5;
	id_ = 0
}

/* SYNC: unlocked after the function. */
inline flush_sync(c)
{
	id_ = HEAD(c);
	assert(I2 || !IS_CFD(id_) || mem[SRC(id_)]);	/* I2: the csd is there */
	csd_do_func(info[id_], c);
	csd_unlock(id_);
	next_work(c)
}

/* ASYNC: unlocked before the function. */
inline flush_async(c)
{
	id_ = HEAD(c);
	assert(I2 || !IS_CFD(id_) || mem[SRC(id_)]);	/* I2: the csd is there */
	func[c] = info[id_] + 1;
	csd_unlock(id_);
	next_work(c)
}

inline flush_async_func(c)
{
	csd_do_func(func[c] - 1, c);
	func[c] = 0
}

inline irq_exit(c)
{
	if
	:: work[c] == 0 && func[c] == 0 -> in_irq = in_irq & ~BIT(c)
	:: else
	fi
}

/*
 * The interrupts of one CPU: __flush_smp_call_function_queue() at any time from the sending of
 * the IPI on. It may also come before, for an earlier IPI or from the idle task, while the
 * sender is still pinned. That interrupts are disabled for long, is no more than that the next
 * step is taken late.
 */
proctype __flush_smp_call_function_queue(byte c)
{
end:	do
	:: d_step {
		queue[c] != 0 && !(in_irq & BIT(c)) && ((ipi & BIT(c)) || pinned) ->
		in_irq = in_irq | BIT(c);
		llist_del_all(c)
	   }
	:: d_step {
		work[c] != 0 && func[c] == 0 && CSD_TYPE(HEAD(c)) != CSD_TYPE_ASYNC ->
		flush_sync(c);
		irq_exit(c)
	   }
	:: d_step {
		work[c] != 0 && func[c] == 0 && CSD_TYPE(HEAD(c)) == CSD_TYPE_ASYNC ->
		flush_async(c)
	   }
	:: d_step {
		func[c] != 0 ->
		flush_async_func(c);
		irq_exit(c)
	   }
	od
}

/* ---- the caller ---- */

/* The bits of a task's parameter: what it calls, and how. */
#define MANY		1	/* smp_call_function_many_cond(), else one CPU */
#define WAIT		2	/* SCF_WAIT */
#define LOCAL		4	/* SCF_RUN_LOCAL: on_each_cpu*() */
#define ATOMIC		8	/* called with preemption disabled */
#define ANY		16	/* smp_call_function_any() */
#define REST		32	/* not its parameter: a later turn of the call */

#define waits		(call & WAIT)
#ifdef SYNC_TYPE_LOST
#define SYNC_TYPE	CSD_TYPE_ASYNC
#else
#define SYNC_TYPE	CSD_TYPE_SYNC
#endif
#define csd_flags	(CSD_FLAG_LOCK | (waits -> SYNC_TYPE : CSD_TYPE_ASYNC))
#define mine		(csd_flags | nr << CSD_SEQ_SHIFT)

/* A task can be pinned to @c: it runs there, or (if it is not pinned) may get there. */
#define can_pin(c)	((online & BIT(c)) && !(pinned & BIT(c)) && !(in_irq & BIT(c)))
/* The task, which is pinned, is not interrupted. */
#define running		(!(in_irq & BIT(this_cpu)))

/* What nobody can read any more is forgotten, so that states which differ in it only are one. */
inline forget(c)
{
	if
	:: live[c] == 0 && !(pinned & BIT(c)) -> seq[c] = 0; cpumask[c] = 0
	:: else
	fi
}

/* Whoever waits there was preempted: ->nivcsw. */
inline preempt_disable(c)
{
	this_cpu = c;
	alone[c] = 0;
	pinned = pinned | BIT(c)
}

inline preempt_enable()
{
	if
#ifdef ENABLE_TWICE
	:: true ->
#else
	:: call & ATOMIC
	:: else ->
#endif
		pinned = pinned & ~BIT(this_cpu);
		forget(this_cpu);
		this_cpu = 0
	fi
}

/*
 * A turn of a call to several CPUs begins, on CPU @c: the mask is made, and the turn gets a
 * number. Nobody else reads the mask: who was preempted on @c does not any more. So this is
 * one step.
 */
inline many_turn(c)
{
	preempt_disable(c);
	assert(I2 || (csd[c] && mem[c]));	/* I2: the masks are there */
	cpumask[c] = mask & online & ~BIT(c);
#ifndef NUMBER_KEPT
	seq[c]++;
#endif
	nr = seq[c];
	live[c]++;
	if
	:: cpumask[c] -> cpu = NEXT(cpumask[c], 0)
	:: else -> cpu = NONE
	fi;
#ifdef PREEMPT_EARLY
	pinned = pinned & ~BIT(c)
#endif
}

/* The first turn. */
inline many_begin(c)
{
	started = started | BIT(t);
	local_cpu = c;
	may[t] = mask & ~BIT(c) | ((call & LOCAL) -> (mask & BIT(c)) : 0);
	must[t] = may[t] & online;
	many_turn(c)
}

/*
 * What runs here: on request in the first turn, and for any CPU of the rest. If that is behind
 * the busy one, it is part of the next turn.
 */
#ifdef LOCAL_TWICE
#define local_now	true
#else
#define local_now	(!busy || this_cpu < cpu)
#endif
inline run_local()
{
	if
	:: ((call & REST) -> local_now : (call & LOCAL)) && (mask & BIT(this_cpu)) ->
		select_cpu(t, this_cpu);
		csd_do_func(t, this_cpu)
	:: else
	fi
}

/* The first CPU of the next turn: that behind the one whose csd is busy. */
#ifdef REST_FROM_0
#define start		0
#elif defined(REST_SKIPS)
#define start		(cpu + 2)
#else
#define start		(cpu + 1)
#endif

/* What the next turns are for. The CPU where the call began had its turn. */
inline rest()
{
	mask = mask & ~(BIT(start) - 1);
#ifndef REST_LOCAL
	mask = mask & ~BIT(local_cpu);
#endif
#ifndef REST_MIGRATED
	call = call | REST;
#endif
	local_cpu = 0
}

/* The end of the pinned part: the IPIs, and what runs locally. Then it waits, or does not. */
inline send_end()
{
	send_ipis();
	run_local();
	if
	:: busy -> rest()
	:: else -> all_selected(t); mask = 0; cpu = 0
	fi;
	if
	:: waits ->
		src = this_cpu;
		csds = csd[src];
		wcpu = NEXT(cpumask[src], 0);
		if
		:: call & ATOMIC
		:: else ->
			alone[src] = t + 1;
#ifdef RCU_HELD
			section = section | BIT(t)
#endif
		fi
	:: else -> live[this_cpu]--; nr = 0
	fi;
	sent = 1;
	preempt_enable()
}

inline send_next()
{
	cpu = NEXT(cpumask[this_cpu], cpu + 1);
	if
	:: cpu == NCPU -> send_end()
	:: else
	fi
}

/* ---- cfd_wait() ---- */

/* The mask that the waiter goes through: its own, or once it was preempted that of all CPUs. */
#ifdef MASK_AFTER_BREAK
#define wmask		cpumask[src]
#else
#define wmask		(switched -> ALL : cpumask[src])
#endif
#ifdef SWITCH_MISSED
#define never_left	(!switched)
#else
#define never_left	(!switched && alone[src] == t + 1)
#endif
#define waits_at(c, m)	(wcpu <= (c) && ((m) & BIT(c)) && !csd_done(CFD(src, c), mine))
/* From the CPU on that it has come to, all are done. */
#define all_done(m)	(!waits_at(0, m) && !waits_at(1, m) && !waits_at(2, m) && !waits_at(3, m))
#define one_done	csd_done(CFD(src, wcpu), mine)
/* When a waiter looks at the pointer: until one more csd is done, it makes no difference. */
#ifdef LOOK_IF_PREEMPTED
#define looks		(!(fresh & BIT(t)))
#elif defined(BREAK_SKIPS)
#define looks		true
#else
#define looks		one_done
#endif

/* csd_poll(), until one is not done. */
inline csd_polls(m)
{
	assert(I2 || csds_there(src));		/* I2: polls csds that are there */
	do
	:: wcpu < NCPU && one_done -> wcpu = NEXT(m, wcpu + 1)
	:: else -> break
	od;
	id_ = 0
}

/* preempt_break() says that somebody else had the CPU: look whether the csds are still there. */
inline preempted()
{
	if
	:: alone[src] == t + 1 -> alone[src] = 0
	:: else
	fi;
#ifdef BREAK_SKIPS
	if
	:: !switched -> wcpu++
	:: else
	fi;
#endif
	switched = 1;
	section = section | BIT(t)
}

/* preempt_enable(): the end of a look at the csds. */
inline preempt_enable_look()
{
#ifdef LOOK_IF_PREEMPTED
	fresh = fresh | BIT(t);
#endif
	section = section & ~BIT(t);
	gp = gp & ~BIT(t)
}

inline cfd_wait_end()
{
	assert(I3 || pending[t] == 0);		/* I3: finished wherever it was sent to */
	preempt_enable_look();
	if
	:: alone[src] == t + 1 -> alone[src] = 0
	:: else
	fi;
	live[src]--;
	forget(src);
	src = 0; csds = 0; wcpu = 0; nr = 0; switched = 0; sent = 0
}

/* ---- calls to one CPU, also of a call to several that comes to a busy csd ---- */

/* smp_call_function_any() */
inline choose_any(c)
{
	if
	:: mask & BIT(c) -> cpu = c
	:: else -> cpu = NEXT(mask & online, 0)
	fi
}

/* A call to one CPU begins, on CPU @c. */
inline single_begin(c)
{
	started = started | BIT(t);
	preempt_disable(c);
	local_cpu = c;
	if
#ifndef ANY_UNPINNED
	:: call & ANY -> choose_any(c)
#endif
	:: !(call & ANY) -> cpu = NEXT(mask, 0)
	:: else
	fi;
	may[t] = ((cpu < NCPU) -> BIT(cpu) : 0)
}

#ifdef ONLINE_UNCHECKED
#define offline(c)	((c) == NCPU)
#elif defined(BUSY_LEFT_OUT)
#define offline(c)	((c) == NCPU || !(online & BIT(c)) || busy)
#else
#define offline(c)	((c) == NCPU || !(online & BIT(c)))
#endif

/* csd_data of this CPU; with csd-lock debugging, 7.3 takes that of the target. */
#if TARGET_CSD
#define nowait_csd	CSD_DATA((cpu < NCPU) * cpu + (cpu == NCPU) * this_cpu)
#else
#define nowait_csd	CSD_DATA(this_cpu)
#endif

/* smp_send_single() with csd @id, generic_exec_single(), put_cpu(). */
inline generic_exec_single(id)
{
	csd_lock(id, csd_flags, t);
	if
	:: cpu == this_cpu ->
		csd_unlock(id);
		select_cpu(t, cpu);
		csd_do_func(t, cpu)
	:: cpu != this_cpu && offline(cpu) ->
		csd_unlock(id);
		/* I6: -ENXIO only if no CPU of the mask was online */
		assert(I6 || !(call & ANY) || cpu == NCPU)
	:: else ->
		llist_add(cpu, id, t);
		send_ipis()
	fi;
	if
	:: busy -> cpu = 0
	:: else -> all_selected(t)
	fi;
	preempt_enable()
}

/* After a busy csd: a turn for which no CPU is left would do nothing. */
#define turn_left	(busy && (mask & online))

/* The next turn, on any CPU @c. */
inline many_again(c)
{
	assert(I2 || !csd_busy(STACK(t)));	/* I2: nobody uses the stack any more */
	assert(I3 || !waits || pending[t] == 0);	/* I3: what was sent so far is finished */
	busy = 0;
	many_turn(c)
}

/* I8: a caller with preemption disabled still has its CPU. */
inline still_pinned()
{
	assert(I8 || !(call & ATOMIC) || (this_cpu == local_cpu && (pinned & BIT(this_cpu))))
}

/*
 * A call returns that does not wait, or has nothing to wait for. A task that came with preemption
 * disabled enables it.
 */
inline return_nowait()
{
	assert(I2 || !csd_busy(STACK(t)));	/* I2: nobody uses the stack any more */
	assert(I6 || may[t] == 0);		/* I6: all CPUs were visited */
	still_pinned();
	pinned = pinned & ((call & ATOMIC) -> ~BIT(this_cpu) : ALL);
	call = call & ~ATOMIC;
	forget(this_cpu);
	this_cpu = 0; local_cpu = 0; cpu = 0; mask = 0; nr = 0; busy = 0; sent = 0
}

/* There is no CPU to send to. */
inline nothing_to_send()
{
	live[this_cpu]--;
	run_local();
	all_selected(t);
	preempt_enable();
	return_nowait()
}

/* The call is over, all that it left behind is looked at. */
inline done()
{
	assert(I3 || pending[t] == 0);		/* I3: finished wherever it was sent to */
	assert(I6 || may[t] == 0);		/* I6: all CPUs were visited */
	assert(I2 || !csd_busy(STACK(t)));	/* I2: nobody uses the stack any more */
	still_pinned();
	if
	:: call & ATOMIC -> pinned = pinned & ~BIT(this_cpu); forget(this_cpu)
	:: else
	fi;
	call = 0; mask = 0; same = 0; this_cpu = 0; local_cpu = 0; cpu = 0; busy = 0; sent = 0
}

proctype task(byte t; byte call; byte mask; bit same)
{
	byte this_cpu;		/* smp_processor_id() while pinned */
	byte local_cpu;		/* where the call began */
	byte cpu;		/* how far the visit of the CPUs came; or the one target */
	byte nr;		/* the number of the call */
	byte src;		/* cfd_wait(): whose call data it is */
	byte csds;		/* cfd_wait(): the array that it began with */
	byte wcpu;		/* cfd_wait(): the CPU whose csd is polled */
	bit switched;		/* cfd_wait(): somebody else had the CPU */
	byte ipis;		/* cpumask_ipi */
	bit busy;		/* csd_lock() gave up at @cpu */
	bit sent;		/* all is sent that could be */

/* In cfd_wait(), and preemption is enabled between two looks. */
#define waiting		(sent && waits && !(call & ATOMIC))
#define turn		(!same || (started & BIT(t - 1)))
#ifdef STACK_NOT_WAITED
#define stack_done	true
#else
#define stack_done	csd_done(STACK(t), csd_flags)
#endif

	if
	/* smp_call_function_many_cond(): get_cpu(), the mask, the number */
	:: d_step { (call & MANY) && turn && can_pin(0) -> many_begin(0) } goto send
	:: d_step { (call & MANY) && turn && can_pin(1) -> many_begin(1) } goto send
	:: d_step { (call & MANY) && turn && can_pin(2) -> many_begin(2) } goto send
#if NCPU > 3
	:: d_step { (call & MANY) && turn && can_pin(3) -> many_begin(3) } goto send
#endif
#ifdef ANY_UNPINNED
	:: d_step { (call & ANY) && turn && (online & 1) -> choose_any(0) } goto single_pin
	:: d_step { (call & ANY) && turn && (online & 2) -> choose_any(1) } goto single_pin
	:: d_step { (call & ANY) && turn && (online & 4) -> choose_any(2) } goto single_pin
	:: d_step { !(call & (MANY|ANY)) && turn -> skip } goto single_pin
#else
	:: d_step { !(call & MANY) && turn && can_pin(0) -> single_begin(0) } goto smp_send_single
	:: d_step { !(call & MANY) && turn && can_pin(1) -> single_begin(1) } goto smp_send_single
	:: d_step { !(call & MANY) && turn && can_pin(2) -> single_begin(2) } goto smp_send_single
#if NCPU > 3
	:: d_step { !(call & MANY) && turn && can_pin(3) -> single_begin(3) } goto smp_send_single
#endif
#endif
	fi;

send:
	if
	:: d_step { !sent && running && cpu == NONE -> nothing_to_send() } goto finish
	/* Free: it stays so until it is locked. */
	:: d_step {
		!sent && running && cpu < NCPU && csd_free(CFD(this_cpu, cpu)) ->
		csd_lock(CFD(this_cpu, cpu), mine, t);
		llist_add(cpu, CFD(this_cpu, cpu), t);
		send_next()
	   }
	   goto send
#ifdef SPIN_PINNED
	/* I11: a caller that is not preemptible because of us waits for a csd. */
	:: !sent && running && cpu < NCPU && csd_busy(CFD(this_cpu, cpu)) && !(call & ATOMIC) ->
		assert(I11)
#elif defined(BUSY_RETRIED)
	/* It lets others have the CPU, and tries again. */
	:: d_step {
		!sent && running && cpu < NCPU && !(call & ATOMIC) && csd_busy(CFD(this_cpu, cpu)) ->
		pinned = pinned & ~BIT(this_cpu)
	   }
	   d_step { can_pin(this_cpu) -> pinned = pinned | BIT(this_cpu) } goto send
#else
	/* csd_lock_busy(): busy for long, or somebody else wants the CPU. Others wait for it. */
	:: d_step {
		!sent && running && cpu < NCPU && !(call & ATOMIC) && csd_busy(CFD(this_cpu, cpu)) ->
		busy = 1;
		send_end()
	   }
	   goto send
#endif
	:: d_step { sent && !waits && !busy -> return_nowait() } goto finish
	:: d_step { sent && !waits && busy -> sent = 0 } goto put_cpu
	/* cfd_wait(), with preemption disabled all the time */
#ifdef FIRST_NOT_WAITED
	:: d_step {
		waiting && busy ->
		live[src]--; alone[src] = ((alone[src] == t + 1) -> 0 : alone[src]);
		src = 0; csds = 0; wcpu = 0; nr = 0; sent = 0
	   }
	   goto put_cpu
#endif
	:: d_step {
		sent && waits && (call & ATOMIC) && running && all_done(cpumask[src]) ->
		csd_polls(cpumask[src]);
		cfd_wait_end();
		done()
	   }
	   goto returned
	/* Nobody else had the CPU so far: no need to look whether the csds are there. */
	:: d_step {
		waiting && never_left && !(in_irq & BIT(src)) && all_done(cpumask[src]) ->
		csd_polls(cpumask[src]);
		cfd_wait_end()
	   }
	   goto put_cpu
	:: d_step {
		waiting && never_left && !(in_irq & BIT(src)) && one_done &&
		!all_done(cpumask[src]) ->
		csd_polls(cpumask[src])
	   }
	   goto send
	/* preempt_break() is over, on any CPU: are the csds there? */
#ifdef NO_LOOK
	:: d_step { waiting && !(section & BIT(t)) && (one_done || !csds_there(src)) -> preempted() }
	   goto send
#else
	:: d_step { waiting && !(section & BIT(t)) && csd[src] == csds && looks -> preempted() }
	   goto send
#ifdef LOOK_IF_PREEMPTED
	/* The csds were there at the last look, and nobody had the CPU since. */
	:: d_step {
		waiting && switched && (fresh & BIT(t)) && one_done && !(section & BIT(t)) ->
		csd_polls(ALL)
	   }
	   goto send
#endif
	/* NULL, or the next array: the requests are done. */
	:: d_step { waiting && !(section & BIT(t)) && csd[src] != csds -> cfd_wait_end() }
	   goto put_cpu
#endif
	/* They were: poll, until the next preempt_break(). */
	:: d_step {
		(section & BIT(t)) && all_done(wmask) ->
		csd_polls(wmask);
		cfd_wait_end()
	   }
	   goto put_cpu
#ifndef RCU_HELD
	:: d_step {
		(section & BIT(t)) && !all_done(wmask) ->
		csd_polls(wmask);
		preempt_enable_look()
	   }
	   goto send
#endif
	:: sent && waits && csds_there(src) && wcpu < NCPU && csd_others(CFD(src, wcpu), mine, t) ->
		assert(I4)		/* I4: waits for another's request */
#if STARVED
	/* Others have all CPUs from now on. */
	:: d_step {
		waiting && (!(section & BIT(t)) || starved_in_section) ->
		alone[src] = ((alone[src] == t + 1) -> 0 : alone[src])
	   }
	   goto end_starved
#endif
	fi;

put_cpu:
	if
	:: d_step { !busy -> done() } goto returned
	/* The CPU whose csd is busy: smp_call_function_single(), on any CPU */
	:: d_step { busy && can_pin(0) -> preempt_disable(0) } goto smp_send_single
	:: d_step { busy && can_pin(1) -> preempt_disable(1) } goto smp_send_single
	:: d_step { busy && can_pin(2) -> preempt_disable(2) } goto smp_send_single
#if NCPU > 3
	:: d_step { busy && can_pin(3) -> preempt_disable(3) } goto smp_send_single
#endif
	fi;

#ifdef ANY_UNPINNED
single_pin:
	if
	:: d_step { can_pin(0) -> single_begin(0) } goto smp_send_single
	:: d_step { can_pin(1) -> single_begin(1) } goto smp_send_single
	:: d_step { can_pin(2) -> single_begin(2) } goto smp_send_single
	fi;
#endif

smp_send_single:
	if
	:: d_step { running && waits -> generic_exec_single(STACK(t)) }
#ifdef LOOK_THEN_LOCK
	:: d_step { running && !waits && csd_free(nowait_csd) -> skip }
	   d_step { running -> generic_exec_single(nowait_csd) }
#else
	:: d_step { running && !waits && csd_free(nowait_csd) -> generic_exec_single(nowait_csd) }
#endif
	/* csd_data is busy: a caller with preemption disabled waits for it, others do not. */
	:: d_step { running && !waits && csd_busy(nowait_csd) && !(call & ATOMIC) ->
		generic_exec_single(STACK(t)) }
	fi;

	/* csd_lock_wait() */
	if
	:: d_step { stack_done && turn_left && can_pin(0) -> many_again(0) } goto send
	:: d_step { stack_done && turn_left && can_pin(1) -> many_again(1) } goto send
	:: d_step { stack_done && turn_left && can_pin(2) -> many_again(2) } goto send
#if NCPU > 3
	:: d_step { stack_done && turn_left && can_pin(3) -> many_again(3) } goto send
#endif
	:: d_step { stack_done && !turn_left && waits -> all_selected(t); done() } goto returned
	:: d_step { stack_done && !turn_left && !waits -> all_selected(t); return_nowait() }
	fi;

finish:
	if	/* Nobody waits for the function, but it has to run. */
	:: d_step { pending[t] == 0 -> done() } goto returned
	fi;

#if STARVED
end_starved:
	false;
#endif

returned:
	skip
}

/* ---- CPU hotplug ---- */

inline smpcfd_dying_cpu(c)
{
#ifdef NO_FLUSH
	skip
#else
	llist_del_all(c);
	do
	:: work[c] != 0 && CSD_TYPE(HEAD(c)) != CSD_TYPE_ASYNC -> flush_sync(c)
	:: work[c] != 0 && CSD_TYPE(HEAD(c)) == CSD_TYPE_ASYNC -> flush_async(c); flush_async_func(c)
	:: else -> break
	od
#endif
}

/*
 * stop_machine(): nobody is pinned, no interrupt handler is in progress, one step for all. The
 * stopper threads preempt whoever waits.
 */
inline take_cpu_down(c)
{
	online = online & ~BIT(c);
	smpcfd_dying_cpu(c);
	assert(I1 || queue[c] == 0);		/* I1: nothing is left behind */
	i_ = 0;
	do
	:: i_ < NTASK -> must[i_] = must[i_] & ~BIT(c); i_++
	:: else -> break
	od;
	alone[0] = 0; alone[1] = 0; alone[2] = 0;
#if NCPU > 3
	alone[3] = 0;
#endif
#ifdef LOOK_IF_PREEMPTED
	fresh = 0;
#endif
	dying = c
}

/* A request of CPU @c is still under way. */
#define sends(c)	(csd_busy(CFD(c, 0)) || csd_busy(CFD(c, 1)) || csd_busy(CFD(c, 2)) || \
			 csd_busy(CFD(c, NCPU - 1)))
#ifdef OWN_NOT_WAITED
#define may_unpublish	true
#define may_free	(gp == 0)
#elif defined(NULL_EARLY)
#define may_unpublish	true
#define may_free	(gp == 0 && !sends(dying))
#elif defined(OFFLINE_WAITS)
#define may_unpublish	(!sends(dying) && live[dying] == 0)
#define may_free	(gp == 0)
#else
#define may_unpublish	(!sends(dying))
#define may_free	(gp == 0)
#endif

/* The grace period begins with the NULL: it waits for who is in a section now. */
inline unpublish(c)
{
	csd[c] = 0;
#ifndef NO_GP
	gp = section
#endif
}

inline free_csds(c)
{
	/* I2: a target has one still */
	assert(I2 || !sends(c));
	mem[c] = 0
}

/* The array is at address @a. */
inline smpcfd_prepare_cpu(c, a)
{
	addr[c] = a;
	mem[c] = a;
	csd[c] = a;
#ifdef NUMBER_RESET
	seq[c] = 0;
#endif
	dying = c
}

proctype hotplug()
{
	byte dying;
	byte left = HOTPLUG;

#define can_die(c)	(left && pinned == 0 && in_irq == 0 && section_allows && \
			 (online & BIT(c)) && online != BIT(c))
#define can_come(c)	(left && !(online & BIT(c)) && mem[c] == 0)
/* If nobody knows where the last array was, it is all the same. */
#define elsewhere(c)	(live[c] != 0)

end:	if
	:: d_step { can_die(0) -> take_cpu_down(0) }
	:: d_step { can_die(1) -> take_cpu_down(1) }
	:: d_step { can_die(2) -> take_cpu_down(2) }
#if NCPU > 3
	:: d_step { can_die(3) -> take_cpu_down(3) }
#endif
	:: d_step { can_come(0) -> smpcfd_prepare_cpu(0, addr[0]) } goto bringup_cpu
	:: d_step { can_come(1) -> smpcfd_prepare_cpu(1, addr[1]) } goto bringup_cpu
	:: d_step { can_come(2) -> smpcfd_prepare_cpu(2, addr[2]) } goto bringup_cpu
	:: d_step { can_come(0) && elsewhere(0) -> smpcfd_prepare_cpu(0, 3 - addr[0]) } goto bringup_cpu
	:: d_step { can_come(1) && elsewhere(1) -> smpcfd_prepare_cpu(1, 3 - addr[1]) } goto bringup_cpu
	:: d_step { can_come(2) && elsewhere(2) -> smpcfd_prepare_cpu(2, 3 - addr[2]) } goto bringup_cpu
	fi;

	if	/* smpcfd_dead_cpu(): the requests of the CPU are done */
	:: d_step { may_unpublish -> unpublish(dying) }
#if STARVED
	:: timeout -> assert(I9)	/* I9: waits for a waiter */
#endif
	fi;

	if	/* synchronize_rcu_expedited(), and then it is freed */
	:: d_step { may_free -> free_csds(dying); dying = 0; left-- } goto end
#if STARVED
	:: timeout -> assert(I10)	/* I10: a waiter holds the grace period up */
#endif
	fi;

bringup_cpu:
	if
	:: d_step { online = online | BIT(dying); dying = 0; left-- } goto end
	fi
}

/* ---- which calls ---- */

/* Entry @m of the menu. */
inline choose(m, call, mask)
{
	if
#if MENU == 1	/* one that waits, and one that does not and has another mask */
	:: m == 0 -> call = MANY|WAIT; mask = ALL
	:: m == 1 -> call = MANY; mask = BIT(0)|BIT(2)
#define CHOICES 2
#elif MENU == 2	/* all kinds of calls */
	:: m == 0 -> call = MANY|WAIT; mask = ALL
	:: m == 1 -> call = MANY|WAIT|LOCAL; mask = BIT(0)|BIT(1)
	:: m == 2 -> call = MANY|WAIT|ATOMIC; mask = BIT(1)|BIT(2)
	:: m == 3 -> call = MANY; mask = ALL
	:: m == 4 -> call = MANY|LOCAL|ATOMIC; mask = ALL
	:: m == 5 -> call = WAIT; mask = BIT(1)
	:: m == 6 -> call = 0; mask = BIT(1)
	:: m == 7 -> call = ATOMIC; mask = BIT(2)
	:: m == 8 -> call = ANY|WAIT; mask = BIT(1)|BIT(2)
	:: m == 9 -> call = ANY; mask = BIT(0)|BIT(1)
#define CHOICES 10
#elif MENU == 3	/* calls to one CPU, next to one to several */
	:: m == 0 -> call = MANY|WAIT; mask = ALL
	:: m == 1 -> call = 0; mask = BIT(2)
	:: m == 2 -> call = ANY|WAIT; mask = BIT(1)|BIT(2)
#define CHOICES 3
#elif MENU == 4	/* without wait: csds and the spare one are in use for long */
	:: m == 0 -> call = MANY; mask = ALL
	:: m == 1 -> call = 0; mask = BIT(1)
#define CHOICES 2
#elif MENU == 5	/* one of each: a call that waits, and two that it may find csds busy with */
	:: m == 0 -> call = MANY|WAIT; mask = ALL
	:: m == 1 -> call = MANY; mask = BIT(0)
	:: m == 2 -> call = MANY; mask = BIT(1)
#endif
	fi
}

init {
	byte m, before, call, mask, t;

	atomic {
		run __flush_smp_call_function_queue(0);
		run __flush_smp_call_function_queue(1);
		run __flush_smp_call_function_queue(2);
#if NCPU > 3
		run __flush_smp_call_function_queue(3);
#endif
#if HOTPLUG
		run hotplug();
#endif
		/*
		 * Tasks do not differ but in what they call: who calls what is in the order of
		 * the menu, and those that call the same begin in their own order.
		 */
		do
		:: t < NTASK ->
#if MENU == 5
			m = t;
#else
			do
			:: m < CHOICES - 1 -> m++
			:: break
			od;
#endif
			choose(m, call, mask);
			run task(t, call, mask, t > 0 && m == before);
			before = m;
			t++
		:: else -> break
		od;
		m = 0; before = 0; call = 0; mask = 0; t = 0
	}
}
