/* Another file: functions with the names of static ones in steps.c are not those. */

void hit_lock_around_a_global_function(void)
{
	spin_lock(&lock);
	everywhere();
	spin_unlock(&lock);
}

void miss_static_of_another_file(void)
{
	spin_lock(&lock);
	makes_call();
	one_step();
	spin_unlock(&lock);
}
