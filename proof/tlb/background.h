/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tlbtest's mode background: what the kernel flushes for by itself
 *
 * In:  the options holds_us, limit_us, locked, cases; /proc, /sys/kernel/mm; for numa: two nodes.
 * Out: figures background, and verdicts. Where the kernel has not done enough meanwhile, the case
 *      shows nothing, and fails.
 *
 * Nobody can say when the kernel comes to it. So CPU 2 is held again and again, with pauses,
 * by a thread of this process; the kernel thread, or the task whose faults migrate pages,
 * is on CPU 1; and there an urgent thread wakes up each millisecond. The greatest latency
 * counts.
 */

#define PAUSE_NS (4 * MS)
#define PERIOD_NS (1 * MS)
#define PATIENCE_NS (8000 * MS)		/* for the kernel to have done enough */

static struct {
	_Atomic uint32_t quit;
	uint64_t hold_ns, max, wakeups;
} bg;

static void *bg_holder(void *arg)
{
	(void)arg;
	bind_task(0, HELD_CPU);
	while (!bg.quit) {
		uint64_t until = now_ns() + PAUSE_NS;

		while (now_ns() < until)
			relax();
		hold(now_ns() + bg.hold_ns, &lat.held, NULL);
	}
	return NULL;
}

static void *bg_urgent(void *arg)
{
	uint64_t next = now_ns(), late;

	(void)arg;
	bind_task(0, CALLER_CPU);
	be_urgent(URGENT);
	while (!bg.quit) {
		struct timespec ts;

		next += PERIOD_NS;
		ts.tv_sec = next / 1000000000ULL;
		ts.tv_nsec = next % 1000000000ULL;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		late = now_ns() - next;
		bg.wakeups++;
		if (late > bg.max)
			bg.max = late;
		/* What it has missed it does not make up for. */
		next += late / PERIOD_NS * PERIOD_NS;
	}
	return NULL;
}

/* The kernel thread of that name goes to CPU 1. */
static void bind_kthread(const char *name)
{
	pid_t pid;

	for (pid = 2; pid < 1000; pid++) {
		char path[64], comm[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(file);
		if (strcmp(comm, name))
			continue;
		bind_task(pid, CALLER_CPU);
		return;
	}
	errno = ESRCH;
	finish(name);
}

static long read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (file && fscanf(file, "%ld", &value) != 1)
		value = -1;
	if (file)
		fclose(file);
	return value;
}

#define KSM "/sys/kernel/mm/ksm/"
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define NUMA_PAGES 1024

/* Pages with the same contents. */
static void begin_ksm(void)
{
	uint64_t *p = map(2 * MANY, PROT_READ | PROT_WRITE);

	madvise(p, 2 * MANY * PAGE, MADV_NOHUGEPAGE);
	fill(p, 2 * MANY, 1);
	if (madvise(p, 2 * MANY * PAGE, MADV_MERGEABLE))
		finish("MADV_MERGEABLE");
	write_text(KSM "pages_to_scan", "1000");
	write_text(KSM "sleep_millisecs", "5");
	write_text(KSM "run", "1");
	bind_kthread("ksmd");
}

static long done_ksm(void)
{
	return read_number(KSM "pages_sharing");
}

static void end_ksm(void)
{
	/* Stops it, and gives each page its own copy again. */
	write_text(KSM "run", "2");
}

/* Small pages where there may be huge ones. */
static void begin_collapse(void)
{
	uint64_t *p = map(8 * HUGE_PAGE / PAGE, PROT_READ | PROT_WRITE);

	huge_pages_on();
	madvise(p, 8 * HUGE_PAGE, MADV_NOHUGEPAGE);
	fill(p, 8 * HUGE_PAGE / PAGE, 1);
	write_text(KHUGEPAGED "scan_sleep_millisecs", "5");
	write_text(KHUGEPAGED "alloc_sleep_millisecs", "5");
	if (madvise(p, 8 * HUGE_PAGE, MADV_HUGEPAGE))
		finish("MADV_HUGEPAGE");
	bind_kthread("khugepaged");
}

static long done_collapse(void)
{
	return vmstat("thp_collapse_alloc");
}

static volatile uint64_t *numa_area;

/* Pages of the other node, which this task uses. */
static void begin_numa(void)
{
	unsigned long node1 = 2;

	/* Off at boot, so that it does not interfere with other cases. */
	write_text("/proc/sys/kernel/numa_balancing", "1");
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node1, 8 * sizeof(node1)))
		finish("MPOL_BIND to node 1");
	numa_area = map(NUMA_PAGES, PROT_READ | PROT_WRITE);
	madvise((void *)numa_area, NUMA_PAGES * PAGE, MADV_NOHUGEPAGE);
	fill(numa_area, NUMA_PAGES, 1);
	if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0))
		finish("MPOL_DEFAULT");
}

static void use_numa(void)
{
	fill(numa_area, NUMA_PAGES, 2);
}

static void end_numa(void)
{
	write_text("/proc/sys/kernel/numa_balancing", "0");
}

static long done_numa(void)
{
	return vmstat("numa_pages_migrated");
}

static const struct bg_case {
	const char *name;
	void (*begin)(void);
	void (*use)(void);	/* what this task does meanwhile; NULL: it sleeps */
	long (*done)(void);	/* counts what the kernel has done */
	void (*end)(void);
	long enough;
	const char *info;	/* as in struct op */
} bg_cases[] = {
	{ "ksm", begin_ksm, NULL, done_ksm, end_ksm, MANY,
	  "flushes with the page table lock held" },
	{ "khugepaged", begin_collapse, NULL, done_collapse, NULL, 4,
	  "flushes with the page table lock held" },
	{ "numa_balancing", begin_numa, use_numa, done_numa, end_numa, NUMA_PAGES / 4,
	  "flushes with the page table lock held what was not flushed when pages were migrated" },
};

static void background_case(const struct bg_case *c, uint64_t hold_ns)
{
	uint64_t end, limit = atoi(opt_limit) * US;
	pthread_t holder, urgent;
	long before, done;

	bind_task(0, CALLER_CPU);
	before = c->done();
	c->begin();
	memset(&bg, 0, sizeof(bg));
	lat.held = 0;		/* its page is there when CPU 2 is held */
	bg.hold_ns = hold_ns;
	pthread_create(&holder, NULL, bg_holder, NULL);
	pthread_create(&urgent, NULL, bg_urgent, NULL);
	end = now_ns() + PATIENCE_NS;
	do {
		if (c->use)
			c->use();
		else
			usleep(10000);
		done = c->done() - before;
	} while (done < c->enough && now_ns() < end);
	bg.quit = 1;
	pthread_join(urgent, NULL);
	pthread_join(holder, NULL);
	if (c->end)
		c->end();
	munmap(AREA, AREA_PAGES * PAGE);

	figure("background", "case=%s,held_ns=%llu,done=%ld,wakeups=%llu,most_ns=%llu", c->name,
	       (unsigned long long)hold_ns, done, (unsigned long long)bg.wakeups,
	       (unsigned long long)bg.max);
	if (done >= c->enough && shown_only(c->info))
		printf("# %s %s: no limit\n", c->name, c->info);
	else
		verdict("background", c->name, done >= c->enough && bg.max <= limit,
			"%ld done of %ld; at most %llu ns, the limit is %llu", done, c->enough,
			(unsigned long long)bg.max, (unsigned long long)limit);
}

static void mode_background(void)
{
	char holds[sizeof(opt_holds)], *hold_us;
	size_t i;

	strcpy(holds, opt_holds);
	for (hold_us = strtok(holds, ","); hold_us; hold_us = strtok(NULL, ","))
		for (i = 0; i < sizeof(bg_cases) / sizeof(*bg_cases); i++)
			if (listed(opt_cases, bg_cases[i].name))
				background_case(&bg_cases[i], strtoull(hold_us, NULL, 10) * US);
}
