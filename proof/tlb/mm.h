/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of tlbtest's mode mm: more memory than a gather of pages holds, dirty pages
 * of files, huge pages, swap, and processes that fork, move memory and exit
 *
 * In, out: as those of the mode lat, whose functions they use; tlbtest.c includes this file.
 *
 * exit_threads: a process with three threads exits. Nobody runs it any more when its
 * memory goes away, but CPU 2, on which one of its threads was the last task, has its page
 * tables still. It is held by a kernel thread, which leaves that so.
 */

#define MANY_PAGES (64 * MIB / PAGE)	/* several times what is gathered before a flush */
#define HUGE_PAGE (2 * MIB)
#define LONG_LEAD_US 20000		/* some thousand pages are unmapped before the first flush */
#define MEDIUM_LEAD_US 10000		/* a kernel thread is made first */
#define SHORT_LEAD_US 3000

static uint64_t *prep_small(const struct op *op)
{
	uint64_t *p = map(op->pages, PROT_READ | PROT_WRITE);

	/* Fails where there are no huge pages; then all pages are small. */
	madvise(p, op->pages * PAGE, MADV_NOHUGEPAGE);
	fill(p, op->pages, 1);
	return p;
}

/* With less than 512 MiB they are off, and khugepaged does not run. */
static void huge_pages_on(void)
{
	write_text("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

static uint64_t *prep_huge(const struct op *op)
{
	uint64_t *p = map(op->pages, PROT_READ | PROT_WRITE);
	long before = vmstat("thp_fault_alloc");

	huge_pages_on();
	if (madvise(p, op->pages * PAGE, MADV_HUGEPAGE))
		finish("MADV_HUGEPAGE");
	fill(p, op->pages, 1);
	if (vmstat("thp_fault_alloc") - before < (long)(op->pages * PAGE / HUGE_PAGE)) {
		errno = ENOMEM;
		finish("huge pages");
	}
	return p;
}

/* Its first half; the page table of a huge page has to be made first. */
static void run_munmap_half(const struct op *op, uint64_t *p)
{
	munmap(p, op->pages * PAGE / 2);
}

static uint64_t *prep_file(const struct op *op)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint64_t *p;

	if (fd < 0 || ftruncate(fd, op->pages * PAGE))
		finish("file");
	p = mmap(map(op->pages, PROT_NONE), op->pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		finish("mmap of the file");
	close(fd);
	fill(p, op->pages, 1);
	return p;
}

/* Pages of it were paged out; those that are left are unmapped. */
static uint64_t *prep_reclaimed(const struct op *op)
{
	uint64_t *p = map(op->pages + MANY, PROT_READ | PROT_WRITE);

	fill(p, op->pages + MANY, 1);
	if (madvise((char *)p + op->pages * PAGE, MANY * PAGE, MADV_PAGEOUT))
		finish("MADV_PAGEOUT");
	return p;
}

/* All of a page table, to where there is none. */
static void run_mremap_table(const struct op *op, uint64_t *p)
{
	if (mremap(p, op->pages * PAGE, op->pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   (char *)p + 2 * op->pages * PAGE) == MAP_FAILED)
		finish("mremap");
}

/* ---- with a child ---- */

static pid_t child;

static void reap(const struct op *op)
{
	(void)op;
	kill(child, SIGKILL);
	if (waitpid(child, NULL, 0) != child)
		finish("waitpid");
}

static uint64_t *prep_forked(const struct op *op)
{
	uint64_t *p = map(op->pages, PROT_READ | PROT_WRITE);

	fill(p, op->pages, 1);
	fflush(stdout);
	child = fork();
	if (child < 0)
		finish("fork");
	if (!child)
		for (;;)
			pause();
	return p;
}

static uint64_t *prep_fork(const struct op *op)
{
	fflush(stdout);
	return prep_map(op);
}

static void run_fork(const struct op *op, uint64_t *p)
{
	(void)op;
	(void)p;
	child = fork();
	if (child < 0)
		finish("fork");
	if (!child)
		_exit(0);
}

/* ---- exit ---- */

static int to_child[2], from_child[2];

static void *child_thread(void *arg)
{
	bind_task(0, (int)(intptr_t)arg);
	if ((intptr_t)arg == HELD_CPU)
		return NULL;		/* what comes next there is a kernel thread */
	for (;;)
		pause();
}

static void be_child(const struct op *op)
{
	/* All that is left of it exits on the caller's CPU. */
	static const int cpus[] = { CALLER_CPU, CALLER_CPU, HELD_CPU };
	pthread_t thread;
	char byte = 0;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill(map(op->pages, PROT_READ | PROT_WRITE), op->pages, 1);
	for (i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, child_thread, (void *)(intptr_t)cpus[i]))
			_exit(1);
	pthread_join(thread, NULL);
	if (write(from_child[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
		_exit(1);
	_exit(0);
}

static uint64_t *prep_exit(const struct op *op)
{
	char byte;

	if (pipe(to_child) || pipe(from_child))
		finish("pipe");
	/* The threads of this process leave CPU 2 alone. */
	bind_task(holder_tid, BUSY_CPU);
	fflush(stdout);
	child = fork();
	if (child < 0)
		finish("fork");
	if (!child)
		be_child(op);
	if (read(from_child[0], &byte, 1) != 1)
		finish("the child");
	return NULL;
}

static void run_exit(const struct op *op, uint64_t *p)
{
	int status;

	(void)op;
	(void)p;
	if (write(to_child[1], "", 1) != 1 || waitpid(child, &status, 0) != child || status)
		finish("exit of the child");
}

static void cleanup_exit(const struct op *op)
{
	(void)op;
	close(to_child[0]);
	close(to_child[1]);
	close(from_child[0]);
	close(from_child[1]);
	bind_task(holder_tid, HELD_CPU);
}

static const struct op mm_ops[] = {
	{ .name = "munmap_64MiB", .prepare = prep_small, .run = run_munmap,
	  .pages = MANY_PAGES, .lead_us = LONG_LEAD_US },
	{ .name = "madvise_64MiB", .prepare = prep_small, .run = run_madvise,
	  .pages = MANY_PAGES, .lead_us = LONG_LEAD_US, .arg = MADV_DONTNEED },
	{ .name = "munmap_64MiB_huge", .prepare = prep_huge, .run = run_munmap,
	  .pages = MANY_PAGES, .lead_us = SHORT_LEAD_US },
	{ .name = "exit_threads", .prepare = prep_exit, .run = run_exit,
	  .cleanup = cleanup_exit, .pages = MANY, .lead_us = MEDIUM_LEAD_US, .lazy = true },
	{ .name = "fork", .prepare = prep_fork, .run = run_fork, .cleanup = reap,
	  .pages = MANY, .lead_us = SHORT_LEAD_US },
	{ .name = "munmap_dirty_file", .prepare = prep_file, .run = run_munmap, .pages = 1,
	  .lead_us = SHORT_LEAD_US,
	  .info = "page_mkclean() waits for the page table lock until the flush is done" },
	{ .name = "munmap_reclaimed", .prepare = prep_reclaimed, .run = run_munmap, .pages = 1,
	  .lead_us = SHORT_LEAD_US,
	  .info = "flushes with the page table lock held what was not flushed when pages were "
		  "paged out" },
	{ .name = "munmap_half_huge", .prepare = prep_huge, .run = run_munmap_half,
	  .pages = HUGE_PAGE / PAGE, .lead_us = SHORT_LEAD_US,
	  .info = "the huge page is split with the page table lock held" },
	{ .name = "cow_forked", .prepare = prep_forked, .run = run_cow, .cleanup = reap,
	  .pages = 1, .lead_us = SHORT_LEAD_US, .info = "flushes with the page table lock held" },
	{ .name = "mremap_table", .prepare = prep_small, .run = run_mremap_table,
	  .pages = HUGE_PAGE / PAGE, .lead_us = SHORT_LEAD_US,
	  .info = "flushes with the page table lock held" },
};
