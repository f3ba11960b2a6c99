// Cross-CPU calls that can be reached with the caller pinned to its CPU. One line for
// each: file, function, what pins, call, line of the one, line of the other.
//
// ./run prove puts the names of calls.toml in the place of FAMILY, and these and the
// functions that make such calls themselves in the place of CALLS.
//
// One rule for each kind of pinning, as each has to be ended by its own kind: an unlock
// between preempt_disable() and the call changes nothing.

@in_preempt exists@
position p, q;
identifier pin = { preempt_disable, preempt_disable_notrace, get_cpu, get_cpu_ptr, get_cpu_var,
	migrate_disable, kmap_atomic, kernel_fpu_begin, kernel_neon_begin };
identifier unpin = { preempt_enable, preempt_enable_notrace, preempt_enable_no_resched,
	put_cpu, put_cpu_ptr, put_cpu_var, migrate_enable, kunmap_atomic, kernel_fpu_end,
	kernel_neon_end };
identifier call = { CALLS };
@@
 pin@p(...)
 ... when != unpin(...)
 call@q(...)

@script:python@
p << in_preempt.p;
q << in_preempt.q;
pin << in_preempt.pin;
call << in_preempt.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))

@in_irq exists@
position p, q;
identifier pin = { local_irq_disable, local_irq_save, raw_local_irq_disable,
	raw_local_irq_save, local_bh_disable };
identifier unpin = { local_irq_enable, local_irq_restore, raw_local_irq_enable,
	raw_local_irq_restore, local_bh_enable };
identifier call = { CALLS };
@@
 pin@p(...)
 ... when != unpin(...)
 call@q(...)

@script:python@
p << in_irq.p;
q << in_irq.q;
pin << in_irq.pin;
call << in_irq.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))

// Pins without CONFIG_PREEMPT_RCU.
@in_rcu exists@
position p, q;
identifier pin = { rcu_read_lock, rcu_read_lock_sched, rcu_read_lock_bh };
identifier unpin = { rcu_read_unlock, rcu_read_unlock_sched, rcu_read_unlock_bh };
identifier call = { CALLS };
@@
 pin@p(...)
 ... when != unpin(...)
 call@q(...)

@script:python@
p << in_rcu.p;
q << in_rcu.q;
pin << in_rcu.pin;
call << in_rcu.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))

// The unlock of another lock does not end it.
@in_lock exists@
position p, q;
expression lock;
identifier pin = { spin_lock, spin_lock_bh, spin_lock_irq, spin_lock_irqsave, spin_lock_nested,
	raw_spin_lock, raw_spin_lock_bh, raw_spin_lock_irq, raw_spin_lock_irqsave,
	read_lock, read_lock_bh, read_lock_irq, read_lock_irqsave,
	write_lock, write_lock_bh, write_lock_irq, write_lock_irqsave,
	write_seqlock, write_seqlock_bh, write_seqlock_irq, write_seqlock_irqsave,
	spin_trylock, spin_trylock_bh, spin_trylock_irq, spin_trylock_irqsave, raw_spin_trylock,
	local_lock, local_lock_irq, local_lock_irqsave, task_lock, arch_spin_lock };
identifier unpin = { spin_unlock, spin_unlock_bh, spin_unlock_irq, spin_unlock_irqrestore,
	raw_spin_unlock, raw_spin_unlock_bh, raw_spin_unlock_irq, raw_spin_unlock_irqrestore,
	read_unlock, read_unlock_bh, read_unlock_irq, read_unlock_irqrestore,
	write_unlock, write_unlock_bh, write_unlock_irq, write_unlock_irqrestore,
	write_sequnlock, write_sequnlock_bh, write_sequnlock_irq, write_sequnlock_irqrestore,
	local_unlock, local_unlock_irq, local_unlock_irqrestore, task_unlock, arch_spin_unlock };
identifier call = { CALLS };
@@
 pin@p(lock, ...)
 ... when != unpin(lock, ...)
 call@q(...)

@script:python@
p << in_lock.p;
q << in_lock.q;
pin << in_lock.pin;
call << in_lock.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))

// guard() ends with its scope, which this does not see: each call after it counts.
@in_guard exists@
position p, q;
identifier call = { CALLS };
identifier pin = { preempt, preempt_notrace, migrate, irq, irqsave, rcu, raw_spinlock,
	raw_spinlock_irq, raw_spinlock_irqsave, spinlock, spinlock_irq, spinlock_irqsave,
	read_lock, write_lock };
@@
 guard@p(pin)(...)
 ...
 call@q(...)

@script:python@
p << in_guard.p;
q << in_guard.q;
pin << in_guard.pin;
call << in_guard.call;
@@
print("\t".join((q[0].file, q[0].current_element, "guard " + pin, call, p[0].line, q[0].line)))

@in_scoped_guard@
iterator name scoped_guard;
position p, q;
identifier call = { CALLS };
identifier pin = { preempt, preempt_notrace, migrate, irq, irqsave, rcu, raw_spinlock,
	raw_spinlock_irq, raw_spinlock_irqsave, spinlock, spinlock_irq, spinlock_irqsave,
	read_lock, write_lock };
@@
 scoped_guard(pin@p, ...) { <+... call@q(...) ...+> }

@script:python@
p << in_scoped_guard.p;
q << in_scoped_guard.q;
pin << in_scoped_guard.pin;
call << in_scoped_guard.call;
@@
print("\t".join((q[0].file, q[0].current_element, "guard " + pin, call, p[0].line, q[0].line)))

// What belongs to this CPU, or its number, taken before the call and perhaps used after
// it, or passed to it. Only calls of the family itself: functions that make such calls
// do more than that.
@with_percpu exists@
position p, q;
identifier pin = { this_cpu_ptr, raw_cpu_ptr, smp_processor_id, raw_smp_processor_id };
identifier call = { FAMILY };
@@
 pin@p(...)
 ...
 call@q(...)

@script:python@
p << with_percpu.p;
q << with_percpu.q;
pin << with_percpu.pin;
call << with_percpu.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))

@percpu_argument@
position p, q;
identifier pin = { this_cpu_ptr, raw_cpu_ptr, smp_processor_id, raw_smp_processor_id };
identifier call = { FAMILY };
@@
 call@q(..., <+... pin@p(...) ...+>, ...)

@script:python@
p << percpu_argument.p;
q << percpu_argument.q;
pin << percpu_argument.pin;
call << percpu_argument.call;
@@
print("\t".join((q[0].file, q[0].current_element, pin, call, p[0].line, q[0].line)))
