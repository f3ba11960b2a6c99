/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cross-CPU calls of the patched kernel/smp.c, with every order in which tasks, interrupt
 * handlers and CPU hotplug can take their steps. README.md says what is modelled, which
 * steps are taken together and why that loses nothing, and what is left out.
 *
 * In:  -DMENU=... (which calls there are), -DNTASK=1..3, -DHOTPLUG=0..3 (how many changes:
 *      down or up), and at most one name of a mutant; see spin.toml.
 * Out: pan's verdict. The text of each assertion begins with the invariant that it stands for.
 *
 * Steps are taken in a total order that all see (sequential consistency): which barriers
 * make it so is the business of proof/litmus.
 */

#define NCPU		3		/* possible CPUs, 0 .. 2 */
#ifndef NTASK
#define NTASK		3
#endif
#ifndef HOTPLUG
#define HOTPLUG		1
#endif
#ifndef MENU
#define MENU		1
#endif

#define BIT(c)		(1 << (c))
#define ALL		7		/* cpu_possible_mask */
#define NONE		4		/* a call that has no CPU to send to */

/* cpumask_next(), counted from @c on; NCPU stands for nr_cpu_ids. */
#define NEXT(m, c)	(((c) <= 0 && ((m) & 1)) -> 0 : (((c) <= 1 && ((m) & 2)) -> 1 : \
			 (((c) <= 2 && ((m) & 4)) -> 2 : NCPU)))

/*
 * Never set: they put the name of the invariant into the text of an assertion. An assertion
 * on the name alone stands where a guard has already found the violation.
 */
hidden byte I1, I2, I3, I4, I5, I6, I8, I9, I11;

/* ---- the state that is shared ---- */

/* call_single_data_t: 9 of the call data of 3 CPUs, csd_data of 3 CPUs, 3 on the stack of tasks. */
#define CFD(src, dst)	(1 + (src) * 3 + (dst))
#define CSD_DATA(src)	(10 + (src))
#define STACK(t)	(13 + (t))
#define NCSD		16		/* 0 is no csd */
#define IS_CFD(id)	((id) < 10)
#define SRC(id)		(((id) - 1) / 3)

/* ->node.u_flags: the lock, the type, and from bit 3 on the number of the call. */
#define CSD_FLAG_LOCK	1
#define CSD_TYPE_ASYNC	0
#define CSD_TYPE_SYNC	2
#define CSD_TYPE_FIFO	4		/* CSD_TYPE_SYNC_FIFO */
#define CSD_TYPE(id)	(u_flags[id] & 6)
#define CSD_SEQ_SHIFT	3
byte u_flags[NCSD];
byte info[NCSD];			/* ->func and ->info: the task whose call it is */

/* struct call_function_data of each CPU. */
byte cpumask[NCPU];
byte users[NCPU] = 1;
byte seq[NCPU];
byte allocated = ALL;			/* CPUs whose call data is there */
byte cfd_unused;			/* the completion */

/* call_single_queue: 4 bits a csd, the newest lowest. What the handler took: the oldest lowest. */
int queue[NCPU];
int work[NCPU];
byte func[NCPU];				/* 1 + task whose ASYNC function the handler is about to run */
byte in_irq;				/* CPUs that are in the handler */
byte ipi;				/* CPUs to which an IPI is under way */

byte online = ALL;			/* cpu_online_mask */
byte pinned;				/* CPUs that run a task with preemption disabled */

/* ---- what only the assertions know ---- */
byte may[NTASK];				/* CPUs that the call may still send a request to */
byte must[NTASK];			/* those of them that it has to */
byte pending[NTASK];			/* CPUs that have a request, and have not run the function */
byte after[NTASK];			/* cpu << 2 | 1 + task: whose function must run before there */
byte live[NCPU];			/* who remembers a number of this CPU's calls */
byte started;				/* tasks that have begun, see init */

/* Scratch variables, alive within one step only. */
hidden byte i_, id_, src_;
hidden int q_, first_, last_;
hidden byte nfirst_, nlast_;

/* ---- functions and csds ---- */

/* The function of the call of task @t runs on CPU @c. */
inline csd_do_func(t, c)
{
	assert(I6 || (pending[t] & BIT(c)));			/* I6: once for each request */
	assert(I5 || after[t] == 0 || (after[t] >> 2) != c);	/* I5: not ahead of whom it waited behind */
	pending[t] = pending[t] & ~BIT(c);
	i_ = 0;
	do
	:: i_ < NTASK ->
		if
		:: after[i_] == ((c) << 2 | (t) + 1) -> after[i_] = 0
		:: else
		fi;
		i_++
	:: else -> break
	od
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

inline csd_lock(id, flags, t)
{
	assert(I1 || (online & BIT(this_cpu)));	/* I1: the caller holds stop_machine() off */
	assert(I5 || !csd_busy(id));		/* I5: one request at a time */
	assert(I2 || !IS_CFD(id) || (allocated & BIT(SRC(id))));	/* I2: not into freed call data */
	u_flags[id] = flags;
	info[id] = t
}

inline csd_unlock(id)
{
	u_flags[id] = 0;
	info[id] = 0
}

/* csd_lock_wait() goes on when this is so. It stays so: no number comes twice. */
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
	queue[c] = queue[c] << 4 | (id)
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
		q_ = q_ << 4 | (queue[c] & 15);
		queue[c] = queue[c] >> 4
	:: else -> break
	od;
	first_ = 0; nfirst_ = 0;
	last_ = 0; nlast_ = 0;
	do
	:: q_ != 0 ->
		id_ = q_ & 15;
		if
		:: CSD_TYPE(id_) == CSD_TYPE_SYNC -> first_ = first_ | id_ << nfirst_; nfirst_ = nfirst_ + 4
		:: else -> last_ = last_ | id_ << nlast_; nlast_ = nlast_ + 4
		fi;
		q_ = q_ >> 4
	:: else -> break
	od;
	work[c] = first_ | last_ << nfirst_;
	q_ = 0; first_ = 0; last_ = 0;
	ipi = ipi & ~BIT(c)
}

#define HEAD(c)		(work[c] & 15)

inline next_work(c)
{
	work[c] = work[c] >> 4;
	id_ = 0
}

/* SYNC and SYNC_FIFO: unlocked after the function. */
inline flush_sync(c)
{
	id_ = HEAD(c);
	assert(I2 || !IS_CFD(id_) || (allocated & BIT(SRC(id_))));	/* I2: the csd is there */
	csd_do_func(info[id_], c);
	csd_unlock(id_);
	next_work(c)
}

/* ASYNC: unlocked before the function. */
inline flush_async(c)
{
	id_ = HEAD(c);
	assert(I2 || !IS_CFD(id_) || (allocated & BIT(SRC(id_))));	/* I2: the csd is there */
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

#define waits		(call & WAIT)
#define mine(nr)	(CSD_FLAG_LOCK | (waits -> SYNC_TYPE : CSD_TYPE_ASYNC) | (nr) << CSD_SEQ_SHIFT)
#ifdef SYNC_TYPE_LOST
#define SYNC_TYPE	CSD_TYPE_ASYNC
#else
#define SYNC_TYPE	CSD_TYPE_SYNC
#endif
#ifdef SPARE_SYNC
#define SPARE_TYPE	CSD_TYPE_SYNC
#else
#define SPARE_TYPE	CSD_TYPE_FIFO
#endif
#define spare_mine	(CSD_FLAG_LOCK | (waits -> SPARE_TYPE : CSD_TYPE_ASYNC))
#define single_mine	(CSD_FLAG_LOCK | (waits -> SYNC_TYPE : CSD_TYPE_ASYNC))

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

inline preempt_disable(c)
{
	this_cpu = c;
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

inline cfd_get(c)
{
#ifndef NO_GET
	users[c]++
#else
	skip
#endif
}

inline cfd_put(c)
{
#ifndef NO_GET
	users[c]--;
	if
#ifdef NO_DEC_TEST
	:: true -> cfd_unused++
#else
	:: users[c] == 0 -> cfd_unused++
	:: else
#endif
	fi
#else
	skip
#endif
}

/* The end of the wait for call number @nr of @c. */
inline cfd_wait_end(c)
{
#ifdef FIRST_NO_REF
	if
	:: last
	:: else -> cfd_put(c)
	fi;
#elif !defined(NO_PUT)
	cfd_put(c);
#endif
	live[c]--;
	forget(c)
}

inline cfd_next_seq()
{
	assert(I2 || (allocated & BIT(this_cpu)));
#ifdef SEQ_NOT_ADVANCED
	if
	:: waits -> seq[this_cpu]++
	:: else
	fi;
#elif !defined(MASK_BEFORE_SEQ)
	seq[this_cpu]++;
#endif
#ifdef MASK_BEFORE_SEQ
	nr = seq[this_cpu] + 1;
#else
	nr = seq[this_cpu];
#endif
	live[this_cpu]++
}

/* A call to several CPUs begins, on CPU @c. */
inline many_begin(c)
{
	started = started | BIT(t);
	preempt_disable(c);
	local_cpu = c;
	may[t] = mask & ~BIT(c) | ((call & LOCAL) -> (mask & BIT(c)) : 0);
	must[t] = may[t] & online;
	cfd_next_seq();
	if
	:: mask & online & ~BIT(c) -> cpu = 0
	:: else -> cpu = NONE
	fi
}

inline smp_run_local()
{
	if
	:: (call & LOCAL) && (mask & BIT(local_cpu)) ->
		select_cpu(t, local_cpu);
		csd_do_func(t, local_cpu)
	:: else
	fi
}

/* The end of the pinned part: the IPIs, what runs locally, and a reference for the wait. */
inline send_end()
{
	send_ipis();
	if
	:: busy
	:: else -> smp_run_local()
	fi;
	src = this_cpu;
	if
	:: waits ->
#ifndef GET_LATE
		cfd_get(this_cpu)
#endif
	:: else -> live[this_cpu]--
	fi;
	if
	:: cpu == NCPU ->
		all_selected(t);
		mask = 0;
		local_cpu = ((call & ATOMIC) -> local_cpu : 0)
	:: else
	fi;
	sent = 1;
	preempt_enable()
}

/* The first csd that is busy. What was sent so far is waited for last. */
inline many_busy_begin()
{
	send_ipis();
	smp_run_local();
	first_cpu = this_cpu;
	first_nr = nr;
	busy = 1;
	if
#ifdef FIRST_NO_REF
	:: waits
#else
	:: waits -> cfd_get(this_cpu)
#endif
	:: else -> live[this_cpu]--
	fi
}

/* cfd_choose(): cpumask_and(), and the local CPU taken out. */
inline cfd_send_mask()
{
	assert(I2 || (allocated & BIT(this_cpu)));
#ifdef PREEMPT_EARLY
	pinned = pinned & ~BIT(this_cpu);
#endif
#ifdef LOCAL_TWICE
	cpumask[this_cpu] = mask & online & ~BIT(this_cpu);
#else
	cpumask[this_cpu] = mask & online & ~BIT(local_cpu);
#endif
	cpu = NEXT(cpumask[this_cpu], cpu);
	if
	:: cpu == NCPU -> send_end()
	:: else
	fi
}

inline cfd_send_next()
{
#ifdef MASK_BEFORE_SEQ
	seq[this_cpu] = nr;
#endif
	cpu = NEXT(cpumask[this_cpu], cpu + 1);
	if
	:: cpu == NCPU -> send_end()
	:: else
	fi
}

/* Begins a turn of smp_call_function_many_busy(). */
inline many_turn(c)
{
	preempt_disable(c);
	cfd_next_seq();
#ifdef RESTART_AT_0
	cpu = 0
#endif
}

/* The first look into the mask, with preemption enabled. */
inline cfd_wait_begin()
{
#ifdef GET_LATE
	cfd_get(src);
#endif
	assert(I2 || (allocated & BIT(src)));
	wcpu = NEXT(cpumask[src], 0)
}

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

/* smp_queue_single() with csd @id, generic_exec_single(), preempt_enable(). */
inline generic_exec_single(id)
{
	csd_lock(id, single_mine, t);
	if
	:: cpu == this_cpu ->
		csd_unlock(id);
		select_cpu(t, cpu);
		csd_do_func(t, cpu)
	:: cpu != this_cpu && (cpu == NCPU || !(online & BIT(cpu))) ->
		csd_unlock(id);
		/* I6: -ENXIO only if no CPU of the mask was online */
		assert(I6 || !(call & ANY) || cpu == NCPU)
	:: else ->
		llist_add(cpu, id, t);
		send_ipis()
	fi;
	all_selected(t);
	preempt_enable()
}

/* I8: a caller with preemption disabled still has its CPU. */
inline still_pinned()
{
	assert(I8 || !(call & ATOMIC) || (this_cpu == local_cpu && (pinned & BIT(this_cpu))))
}

/* A call that does not wait returns; a task that came with preemption disabled enables it. */
inline return_nowait()
{
	assert(I2 || !csd_busy(STACK(t)));	/* I2: nobody uses the stack any more */
	still_pinned();
	pinned = pinned & ((call & ATOMIC) -> ~BIT(this_cpu) : ALL);
	call = call & ~ATOMIC;
	forget(this_cpu)
}

/* The number was taken and the mask written for nothing. */
inline nothing_to_send()
{
	cpumask[this_cpu] = 0;
	smp_run_local();
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
	call = 0; mask = 0; same = 0; this_cpu = 0; local_cpu = 0; cpu = 0; nr = 0; wcpu = 0;
	src = 0; first_cpu = 0; first_nr = 0; busy = 0; last = 0
}

proctype task(byte t; byte call; byte mask; bit same)
{
	byte this_cpu;		/* smp_processor_id() while pinned */
	byte local_cpu;		/* where the call began */
	byte cpu;		/* how far the visit of the CPUs came; or the one target */
	byte wcpu;		/* the CPU whose csd is polled */
	byte nr;		/* the number of the call, or of this turn */
	byte src;		/* whose call data is waited in */
	byte first_cpu;		/* first_cfd */
	byte first_nr;		/* first_seq */
	byte ipis;		/* cpumask_ipi */
	bit busy;		/* in smp_call_function_many_busy() */
	bit last;		/* its wait for the first batch */
	bit sent;		/* between the pinned part and the wait */

#ifdef NO_SEQ_CHECK
#define own_mask	1
#else
#define own_mask	(seq[src] == nr)
#endif
/*
 * The mask was the own one, or else each csd there is was asked. Both stay so, hence it is
 * one step.
 */
#define cfd_wait_over	(wcpu == NCPU && (own_mask || ((allocated & BIT(src)) && \
				csd_done(CFD(src, 0), mine(nr)) && \
				csd_done(CFD(src, 1), mine(nr)) && \
				csd_done(CFD(src, 2), mine(nr)))))
#ifdef NO_SPARE
#define spare_free	false
#else
#define spare_free	(!csd_busy(STACK(t)))
#endif
#ifdef SPARE_NOT_WAITED
#define spare_done	true
#else
#define spare_done	csd_done(STACK(t), spare_mine)
#endif
#define turn		(!same || (started & BIT(t - 1)))

	if
	/* smp_call_function_many_cond(): get_cpu(), cfd_next_seq(), is there anybody to call? */
	:: d_step { (call & MANY) && turn && can_pin(0) -> many_begin(0) } goto cfd_send
	:: d_step { (call & MANY) && turn && can_pin(1) -> many_begin(1) } goto cfd_send
	:: d_step { (call & MANY) && turn && can_pin(2) -> many_begin(2) } goto cfd_send
#ifdef ANY_UNPINNED
	:: d_step { (call & ANY) && turn && (online & 1) -> choose_any(0) } goto single_pin
	:: d_step { (call & ANY) && turn && (online & 2) -> choose_any(1) } goto single_pin
	:: d_step { (call & ANY) && turn && (online & 4) -> choose_any(2) } goto single_pin
	:: d_step { !(call & (MANY|ANY)) && turn -> skip } goto single_pin
#else
	:: d_step { !(call & MANY) && turn && can_pin(0) -> single_begin(0) } goto smp_queue_single
	:: d_step { !(call & MANY) && turn && can_pin(1) -> single_begin(1) } goto smp_queue_single
	:: d_step { !(call & MANY) && turn && can_pin(2) -> single_begin(2) } goto smp_queue_single
#endif
	fi;

cfd_send:
	if
	:: d_step { running && cpu != NONE -> cfd_send_mask() }
	:: d_step { running && cpu == NONE -> nothing_to_send() } goto finish
	fi;

cfd_send_next_cpu:
	if
	/* Free: it stays so until it is locked. */
	:: d_step {
		!sent && running && !(busy && cpu == this_cpu) && csd_free(CFD(this_cpu, cpu)) ->
		csd_lock(CFD(this_cpu, cpu), mine(nr), t);
		llist_add(cpu, CFD(this_cpu, cpu), t);
		cfd_send_next()
	   }
	   goto cfd_send_next_cpu
#ifdef SPIN_PINNED
	/* I11: a caller that is not preemptible because of us waits for a csd. */
	:: !sent && running && csd_busy(CFD(this_cpu, cpu)) && !(call & ATOMIC) -> assert(I11)
#else
	/* Busy, and no spare csd: the visit ends here. caller_is_pinned() waits instead. */
	:: d_step {
		!sent && running && !busy && !(call & ATOMIC) && csd_busy(CFD(this_cpu, cpu)) ->
		many_busy_begin()
	   }
	   goto smp_call_function_many_busy
#endif
	/* Busy, there is a spare one. */
	:: !sent && running && busy && cpu != this_cpu && csd_busy(CFD(this_cpu, cpu)) ->
	   goto cfd_send_spare
	/* It goes on on a CPU that has not been visited: run_here. */
	:: d_step {
		!sent && running && busy && cpu == this_cpu ->
#ifndef NOT_RUN_HERE
		select_cpu(t, cpu);
		csd_do_func(t, cpu);
#endif
		cfd_send_next()
	   }
	   goto cfd_send_next_cpu
	/* All are sent that can be, and preemption is enabled: cfd_wait(). */
	:: d_step { sent && waits -> sent = 0; cfd_wait_begin() } goto csd_lock_wait
	:: d_step { sent && !waits && !busy -> sent = 0; return_nowait() } goto finish
	:: d_step { sent && !waits && busy -> sent = 0 } goto csd_lock_wait_spare
	fi;

cfd_send_spare:
	if
	:: d_step {
		running && spare_free ->
		if
		:: csd_busy(CFD(this_cpu, cpu)) -> after[t] = cpu << 2 | info[CFD(this_cpu, cpu)] + 1
		:: else
		fi;
		csd_lock(STACK(t), spare_mine, t);
		llist_add(cpu, STACK(t), t);
		cfd_send_next()
	   }
	   goto cfd_send_next_cpu
	/* It is in use: the turn ends here. */
	:: d_step { running && !spare_free -> send_end() } goto cfd_send_next_cpu
	fi;

smp_call_function_many_busy:
	/* The first turn. The caller is pinned still. */
	if
	:: d_step { running -> many_turn(this_cpu) } goto cfd_send
	fi;

csd_lock_wait:
	if
	/* Done: it stays so, hence the next look into the mask is the same step. */
	:: d_step {
		wcpu < NCPU && (allocated & BIT(src)) && csd_done(CFD(src, wcpu), mine(nr)) ->
		wcpu = NEXT(cpumask[src], wcpu + 1)
	   }
	   goto csd_lock_wait
	/* Waited for all: the call is over, */
	:: d_step { cfd_wait_over && (!busy || last) -> cfd_wait_end(src); done() } goto returned
	/* or one turn is. */
	:: d_step { cfd_wait_over && busy && !last -> cfd_wait_end(src); wcpu = 0; src = 0; nr = 0 }
	   goto csd_lock_wait_spare
	:: (wcpu < NCPU || !own_mask) && !(allocated & BIT(src)) ->
		assert(I2)		/* I2: polls freed call data */
	:: wcpu < NCPU && csd_others(CFD(src, wcpu), mine(nr), t) ->
		assert(I4)		/* I4: waits for another's request */
	:: wcpu == NCPU && !own_mask && (csd_others(CFD(src, 0), mine(nr), t) ||
					 csd_others(CFD(src, 1), mine(nr), t) ||
					 csd_others(CFD(src, 2), mine(nr), t)) ->
		assert(I4)		/* I4: waits for another's request */
	fi;

csd_lock_wait_spare:
	if
	:: d_step { spare_done && cpu < NCPU && can_pin(0) -> many_turn(0) } goto cfd_send
	:: d_step { spare_done && cpu < NCPU && can_pin(1) -> many_turn(1) } goto cfd_send
	:: d_step { spare_done && cpu < NCPU && can_pin(2) -> many_turn(2) } goto cfd_send
	:: d_step { spare_done && cpu == NCPU && !waits -> return_nowait() } goto finish
#ifdef FIRST_NOT_WAITED
	:: d_step { spare_done && cpu == NCPU && waits -> cfd_wait_end(first_cpu); done() } goto returned
#else
	/* What was sent first is waited for last. */
	:: d_step {
		spare_done && cpu == NCPU && waits ->
		last = 1;
		src = first_cpu;
		nr = first_nr;
		first_cpu = 0;
		first_nr = 0;
		cfd_wait_begin()
	   }
	   goto csd_lock_wait
#endif
	fi;

#ifdef ANY_UNPINNED
single_pin:
	if
	:: d_step { can_pin(0) -> single_begin(0) } goto smp_queue_single
	:: d_step { can_pin(1) -> single_begin(1) } goto smp_queue_single
	:: d_step { can_pin(2) -> single_begin(2) } goto smp_queue_single
	fi;
#endif

smp_queue_single:
	if
	:: d_step { running && waits -> generic_exec_single(STACK(t)) } goto single_wait
	/* csd_nowait() */
	:: d_step { running && !waits && !csd_busy(CSD_DATA(this_cpu)) ->
		generic_exec_single(CSD_DATA(this_cpu)) } goto single_wait
	:: running && !waits && csd_busy(CSD_DATA(this_cpu)) -> goto csd_nowait
	fi;

csd_nowait:
	if
	:: d_step {
		running && cpu < NCPU && (online & BIT(cpu)) && !csd_busy(CFD(this_cpu, cpu)) ->
		generic_exec_single(CFD(this_cpu, cpu))
	   }
	   goto single_wait
	:: d_step {
		running && (cpu == NCPU || !(online & BIT(cpu))) ->
		generic_exec_single(STACK(t))
	   }
	   goto single_wait
	:: running && cpu < NCPU && (online & BIT(cpu)) && csd_busy(CFD(this_cpu, cpu)) -> skip
	fi;

	if
	:: d_step { running && !(call & ATOMIC) -> generic_exec_single(STACK(t)) }
	/* csd_wait_if_pinned() */
	:: d_step { running && (call & ATOMIC) && !csd_busy(CSD_DATA(this_cpu)) ->
		generic_exec_single(CSD_DATA(this_cpu)) }
	fi;

single_wait:
	if
	:: d_step { csd_done(STACK(t), single_mine) && waits -> done() } goto returned
	:: d_step { csd_done(STACK(t), single_mine) && !waits -> return_nowait() }
	fi;

finish:
	if	/* Nobody waits for the function, but it has to run. */
	:: d_step { pending[t] == 0 -> done() }
	fi;

returned:
	skip
}

/* ---- CPU hotplug ---- */

/* A request of @c that nobody waits for, and nobody has a reference for, is still queued. */
#define async(id)	(csd_busy(id) && CSD_TYPE(id) == CSD_TYPE_ASYNC)
#define asyncs(c)	(async(CFD(c, 0)) || async(CFD(c, 1)) || async(CFD(c, 2)))

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

/* stop_machine(): nobody is pinned, no interrupt handler is in progress, one step for all. */
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
	dying = c;
	/*
	 * The begin of smpcfd_dead_cpu(): it lets others go on, and may come early for that reason.
	 */
	users[c]--;
	if
	:: users[c] == 0 -> cfd_unused++
	:: else
	fi
}

inline smpcfd_prepare_cpu(c)
{
	assert(I9 || users[c] == 0);
	users[c] = 1;
	allocated = allocated | BIT(c)
}

inline free_cfd(c)
{
#ifndef FREE_EARLY
	cfd_unused--;
	assert(I9 || cfd_unused == 0);		/* I9: one completion for each offline */
	assert(I2 || users[c] == 0);		/* I2: nobody has a reference */
#endif
	/* I2: a target has one still */
	assert(I2 || !(csd_busy(CFD(c, 0)) || csd_busy(CFD(c, 1)) || csd_busy(CFD(c, 2))));
	allocated = allocated & ~BIT(c)
}

/* The completion; and the IPIs of requests without wait have arrived, see README.md. */
#ifdef FREE_EARLY
#define dead_may_free	(!asyncs(dying))
#else
#define dead_may_free	(cfd_unused > 0 && !asyncs(dying))
#endif

proctype hotplug()
{
	byte dying;
	byte left = HOTPLUG;

#define can_die(c)	(left && pinned == 0 && in_irq == 0 && (online & BIT(c)) && online != BIT(c))
#define can_come(c)	(left && !(online & BIT(c)) && !(allocated & BIT(c)))

end:	if
	:: d_step { can_die(0) -> take_cpu_down(0) }
	:: d_step { can_die(1) -> take_cpu_down(1) }
	:: d_step { can_die(2) -> take_cpu_down(2) }
	:: d_step { can_come(0) -> smpcfd_prepare_cpu(0); dying = 0 } goto bringup_cpu
	:: d_step { can_come(1) -> smpcfd_prepare_cpu(1); dying = 1 } goto bringup_cpu
	:: d_step { can_come(2) -> smpcfd_prepare_cpu(2); dying = 2 } goto bringup_cpu
	fi;

	if	/* smpcfd_dead_cpu() */
	:: d_step { dead_may_free -> free_cfd(dying); dying = 0; left-- } goto end
#ifndef FREE_EARLY
	:: cfd_unused == 0 && live[dying] == 0 ->
		assert(I9)	/* I9: waits for nobody */
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
#endif
	fi
}

init {
	byte m, before, call, mask, t;

	atomic {
		run __flush_smp_call_function_queue(0);
		run __flush_smp_call_function_queue(1);
		run __flush_smp_call_function_queue(2);
#if HOTPLUG
		run hotplug();
#endif
		/*
		 * Tasks do not differ but in what they call: who calls what is in the order of
		 * the menu, and those that call the same begin in their own order.
		 */
		do
		:: t < NTASK ->
			do
			:: m < CHOICES - 1 -> m++
			:: break
			od;
			choose(m, call, mask);
			run task(t, call, mask, t > 0 && m == before);
			before = m;
			t++
		:: else -> break
		od;
		m = 0; before = 0; call = 0; mask = 0; t = 0
	}
}
