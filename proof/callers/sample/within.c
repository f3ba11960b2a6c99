/*
 * What the audit must find (hit_*) and what it must not (miss_*). ./run prove audits this
 * folder, as if it were a kernel, before the kernel: a script or a list that finds nothing is
 * noticed. Never compiled.
 *
 * A function hit_KIND*() is pinned by that kind of ../pins.toml.
 *
 * What is in a macro hidden_CALL is not seen by Coccinelle, and has to be reported as that.
 */

static void hit_preempt(void)
{
	preempt_disable();
	other();
	smp_call_function(func, NULL, 1);
	preempt_enable();
}

static void hit_preempt_in_declaration(int cpu)
{
	int me = get_cpu();

	if (cpu != me)
		smp_call_function_single(cpu, func, NULL, 1);
	put_cpu();
}

static void hit_preempt_in_condition(int cpu)
{
	get_cpu();
	if (smp_call_function_single(cpu, func, NULL, 1))
		other();
	put_cpu();
}

static void hit_preempt_with_cleanup(void)
{
	cpumask_var_t __free(free_cpumask_var) mask = CPUMASK_VAR_NULL;

	preempt_disable();
	on_each_cpu_mask(mask, func, NULL, 1);
	preempt_enable();
}

static void hit_preempt_after_unlock(void)
{
	preempt_disable();
	spin_lock(&lock);
	spin_unlock(&lock);
	on_each_cpu(func, NULL, 1);
	preempt_enable();
}

static void hit_preempt_on_one_path(int wait)
{
	preempt_disable();
	if (wait)
		preempt_enable();
	on_each_cpu(func, NULL, 1);
	if (!wait)
		preempt_enable();
}

static void hit_irq_in_loop(const struct cpumask *mask)
{
	unsigned long flags;
	int cpu;

	local_irq_save(flags);
	for_each_cpu(cpu, mask)
		smp_call_function_single(cpu, func, NULL, 0);
	local_irq_restore(flags);
}

static void hit_bh(void)
{
	local_bh_disable();
	on_each_cpu(func, NULL, 1);
	local_bh_enable();
}

static void hit_lock(void)
{
	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	on_each_cpu(func, NULL, 1);
	spin_unlock(&a);
}

static void hit_rcu(void)
{
	rcu_read_lock();
	on_each_cpu_mask(mask, func, NULL, true);
	rcu_read_unlock();
}

static void hit_rcu_sched(void)
{
	rcu_read_lock_sched();
	on_each_cpu_mask(mask, func, NULL, true);
	rcu_read_unlock_sched();
}

static void hit_asserted(void)
{
	lockdep_assert_preemption_disabled();
	on_each_cpu(func, NULL, true);
}

static void hit_guard(void)
{
	guard(preempt)();
	on_each_cpu_cond(cond, func, NULL, true);
}

static void hit_guard_of_lock(void)
{
	guard(raw_spinlock)(&lock);
	on_each_cpu(func, NULL, true);
}

static void hit_scoped_guard(void)
{
	scoped_guard(preempt) {
		on_each_cpu(func, NULL, true);
	}
}

static void hit_percpu(void)
{
	struct data *data = this_cpu_ptr(&percpu_data);

	smp_call_function_any(mask, func, NULL, 1);
	data->count++;
}

static void hit_percpu_argument(void)
{
	smp_call_function_many(&masks[smp_processor_id()], func, NULL, 1);
}

static void hit_percpu_that_wants_to_be_pinned(void)
{
	__this_cpu_inc(calls);
	smp_call_function_single(cpu, func, NULL, 1);
}

static void miss_plain(void)
{
	smp_call_function(func, NULL, 1);
}

static void miss_before_and_after(void)
{
	preempt_disable();
	preempt_enable();
	on_each_cpu(func, NULL, 1);
	preempt_disable();
	preempt_enable();
}

static void miss_after_unlock(void)
{
	unsigned long flags;

	spin_lock_irqsave(&a, flags);
	if (other()) {
		spin_unlock_irqrestore(&a, flags);
		return;
	}
	spin_unlock_irqrestore(&a, flags);
	on_each_cpu(func, NULL, 1);
}

static void miss_irqs_on_again(void)
{
	local_irq_disable();
	local_irq_enable();
	on_each_cpu(func, NULL, 1);
}

static void miss_mutex(void)
{
	mutex_lock(&mutex);
	guard(mutex)(&another);
	on_each_cpu(func, NULL, 1);
	mutex_unlock(&mutex);
}

static void miss_scope_is_over(void)
{
	scoped_guard(preempt) {
		other();
	}
	on_each_cpu(func, NULL, 1);
}

static void miss_other_function(void)
{
	preempt_disable();
	smp_call_function_x(func, NULL, 1);
	preempt_enable();
}

#define hidden_on_each_cpu(name) \
static void name##_func(void *unused) \
{ \
	other(); \
} \
static void name##_everywhere(void) \
{ \
	preempt_disable(); \
	on_each_cpu(name##_func, NULL, 1); \
	preempt_enable(); \
}
hidden_on_each_cpu(other)
