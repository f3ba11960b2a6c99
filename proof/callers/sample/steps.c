/* The call is made by a function that is called, or by one that this one calls. */

static void makes_call(void)
{
	on_each_cpu(func, NULL, 1);
}

static void one_step(void)
{
	makes_call();
}

void everywhere(void)
{
	on_each_cpu(func, NULL, 1);
}

#define in_a_macro(x) \
	do { \
		makes_call(); \
		other(x); \
	} while (0)

static void hit_preempt_one_step(void)
{
	preempt_disable();
	makes_call();
	preempt_enable();
}

static void hit_preempt_two_steps(void)
{
	preempt_disable();
	one_step();
	preempt_enable();
}

static void hit_preempt_macro(void)
{
	preempt_disable();
	in_a_macro(1);
	preempt_enable();
}

static void miss_pointer(void)
{
	preempt_disable();
	ops->one_step();
	preempt_enable();
}

static void miss_two_steps(void)
{
	preempt_disable();
	preempt_enable();
	one_step();
}
