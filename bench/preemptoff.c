// SPDX-License-Identifier: GPL-2.0
/*
 * preemptoff: for how long a CPU has preemption off while its task waits for another one
 *
 * In:  a kernel with CONFIG_PREEMPT_TRACER; /dev/hold (proof/tlb/hold.c), tracefs; at least 4
 *      CPUs; as arguments
 *        many_pinned=0|1     1: an unpatched smp_call_function_many(), see demo/wakeup.c
 *        entries=*           which cases, patterns as of the shell, separated by commas
 *        hold_us=16000       how long the other CPU is held
 *        reps=3              points for each case, after one warm-up
 *        limit_us=100        what a verdict allows
 * Out: lines on standard output, as program.h says: verdicts preemptoff.<case>, and
 *
 *   BENCH,preemptoff,<case>,<hold_ns>,<rep>,<longest_ns>,1     a point
 *   BENCH-DISCARD,preemptoff,<case>,<reason>                   a try that shows nothing
 *   FIGURE,longest,case=..,points=..,longest_us=..
 *
 * One point: a thread of the process holds CPU 2 with interrupts off. Meanwhile the caller,
 * on CPU 1, waits for it: in a call of the kernel, or in a system call that makes one.
 * In the middle of the hold an urgent task runs on CPU 1; in the case third it makes a
 * call as well, for which it needs the csd that the first one's request still has.
 * The kernel's preemptoff tracer is on from just before the caller's system call until
 * just after it, on the caller's CPU only (tracing_cpumask: where a CPU is not in it,
 * that tracer does not start). What it calls the longest section is the figure; it is
 * shown in whole microseconds. A point counts only if the call began while CPU 2 was held
 * and ended after that.
 *
 * The case alone makes no call: the caller keeps computing for as long. So it shows the
 * longest section that ticks and the urgent task make anyway, with the tracer's own work; it has no
 * verdict.
 *
 * The clock should be one that counts instructions: on a host that runs the CPUs in turn,
 * each section has the turns of the others in it.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../harness/guest/program.h"
#include "../proof/tlb/hold.h"

#define CALLER_CPU	1
#define HELD_CPU	2
#define CALLER_MASK	"2"		/* of CPU 1, hexadecimal */
#define LEAD_NS		200000ULL	/* from the order to hold until the caller goes on */
#define REST_NS		20000000	/* what the last point has left behind is done */
#define TRIES_PER_POINT	4
#define URGENT		10		/* under SCHED_FIFO */
#define PAGE		4096UL
#define TRACEFS		"/sys/kernel/tracing"

static int many_pinned, reps;
static uint64_t hold_ns, limit_us;

static int device = -1;

/* ---- the cases ---- */

enum how { ALONE, CALL, CALL_THIRD, MUNMAP, MADVISE, MEMBARRIER };

static const struct wait_case {
	const char *name;
	enum how how;
	enum hold_entry entry;
	bool judged;
} cases[] = {
	{ "alone", ALONE, 0, false },
	{ "single", CALL, ENTRY_SINGLE, true },
	{ "any", CALL, ENTRY_ANY, true },
	{ "many", CALL, ENTRY_MANY, true },
	{ "on_each", CALL, ENTRY_ON_EACH, true },
	{ "cond", CALL, ENTRY_COND, true },
	{ "many_again", CALL, ENTRY_MANY_AGAIN, true },
	{ "third", CALL_THIRD, ENTRY_MANY, true },
	{ "munmap", MUNMAP, 0, true },
	{ "madvise", MADVISE, 0, true },
	{ "membarrier", MEMBARRIER, 0, true },
};

/* ---- small things ---- */

/* The same where some instructions do not matter: short turns take such a simulator long. */
static inline void relax_seldom(void)
{
	int i;

	for (i = 0; i < 256; i++)
		__asm__ volatile("");
	relax();
}

static int open_or_fail(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		finish(path);
	return fd;
}

static void write_file(const char *path, const char *text)
{
	if (!write_text(path, text))
		finish(path);
}

static uint64_t read_number(const char *path)
{
	char text[32] = "";
	int fd = open_or_fail(path, O_RDONLY);

	if (read(fd, text, sizeof(text) - 1) <= 0)
		finish(path);
	close(fd);
	return strtoull(text, NULL, 10);
}

/* ---- the threads ---- */

enum { IDLE, GO, DONE, QUIT };

static struct {
	_Atomic uint32_t held;		/* the kernel writes it */
	_Atomic uint32_t holder, urgent;
	const struct wait_case *it;
	uint64_t until, released;
} run;

static void call(enum hold_entry entry)
{
	struct hold_call req = { .entry = entry, .cpu = HELD_CPU, .many_pinned = many_pinned };

	if (ioctl(device, HOLD_CALL, &req))
		finish("HOLD_CALL");
}

/* Runs on its CPU all the time, so that the process has it in its mask. */
static void *holder_thread(void *unused)
{
	(void)unused;
	be_bound(HELD_CPU);
	while (run.holder != QUIT) {
		struct hold_request req = { .flag = (uintptr_t)&run.held };

		if (run.holder != GO) {
			relax_seldom();
			continue;
		}
		req.until_ns = run.until;
		if (ioctl(device, HOLD_CPU, &req))
			finish("HOLD_CPU");
		run.released = req.released_ns;
		run.holder = DONE;
	}
	return NULL;
}

static void *urgent_thread(void *unused)
{
	(void)unused;
	be_bound(CALLER_CPU);
	be_urgent(URGENT);
	while (run.urgent != QUIT) {
		if (run.urgent != GO) {
			usleep(1000);
			continue;
		}
		sleep_until(run.until - hold_ns / 2);
		if (run.it->how == CALL_THIRD)
			call(run.it->entry);
		run.urgent = DONE;
	}
	return NULL;
}

/* ---- a point ---- */

static void keep_computing(uint64_t until)
{
	while (now_ns() < until)
		relax_seldom();
}

static void wait_in(const struct wait_case *it, char *page)
{
	switch (it->how) {
	case ALONE:
		keep_computing(run.until);
		break;
	case CALL:
	case CALL_THIRD:
		call(it->entry);
		break;
	case MUNMAP:
		if (munmap(page, PAGE))
			finish("munmap");
		break;
	case MADVISE:
		if (madvise(page, PAGE, MADV_DONTNEED))
			finish("madvise");
		break;
	case MEMBARRIER:
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			finish("membarrier");
		break;
	}
}

/* Returns NULL and the longest section in us, or why it is no point. */
static const char *measure(const struct wait_case *it, int tracing_on, uint64_t *longest_us)
{
	struct timespec rest = { 0, REST_NS };
	uint64_t begin, end;
	char *page;

	/* Two pages, so that no page table is left empty. */
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		finish("mmap");
	page[0] = page[PAGE] = 1;
	nanosleep(&rest, NULL);
	write_file(TRACEFS "/tracing_max_latency", "0");

	run.it = it;
	run.held = 0;
	run.until = now_ns() + LEAD_NS + 2000000 + hold_ns;
	run.urgent = GO;
	/* The urgent task looks once in a millisecond. */
	sleep_until(now_ns() + 2000000);
	run.holder = GO;
	while (!run.held)
		relax();
	if (write(tracing_on, "1", 1) != 1)
		finish("tracing_on");
	begin = now_ns();
	wait_in(it, page);
	end = now_ns();
	if (write(tracing_on, "0", 1) != 1)
		finish("tracing_on");

	while (run.holder != DONE || run.urgent != DONE)
		sleep_until(now_ns() + 1000000);
	run.holder = run.urgent = IDLE;
	munmap(page, 2 * PAGE);
	*longest_us = read_number(TRACEFS "/tracing_max_latency");
	if (begin + hold_ns / 2 >= run.until)
		return "the call began too late";
	if (end < run.released && it->how != ALONE)
		return "the call did not wait for the held CPU";
	return NULL;
}

static void measure_case(const struct wait_case *it, int tracing_on)
{
	uint64_t longest_us, most = 0;
	int rep = 0, tries;

	for (tries = 0; rep <= reps; tries++) {
		const char *reason = measure(it, tracing_on, &longest_us);

		if (tries > TRIES_PER_POINT * reps) {
			errno = ETIME;
			finish("too many tries were discarded");
		}
		if (reason) {
			printf("BENCH-DISCARD,preemptoff,%s,%s\n", it->name, reason);
			continue;
		}
		/* The first one is the warm-up. */
		if (rep) {
			printf("BENCH,preemptoff,%s,%llu,%d,%llu,1\n", it->name,
			       (unsigned long long)hold_ns, rep,
			       (unsigned long long)longest_us * 1000);
			if (longest_us > most)
				most = longest_us;
		}
		rep++;
	}
	figure("longest", "case=%s,points=%d,longest_us=%llu", it->name, reps,
	       (unsigned long long)most);
	if (it->judged)
		verdict("preemptoff", it->name, most <= limit_us, "longest %llu us, the limit is %llu",
			(unsigned long long)most, (unsigned long long)limit_us);
}

/* ---- the program ---- */

static void set_up_tracer(void)
{
	if (mount("tracefs", TRACEFS, "tracefs", 0, NULL) && errno != EBUSY)
		finish("mount " TRACEFS);
	write_file(TRACEFS "/tracing_on", "0");
	write_file(TRACEFS "/tracing_cpumask", CALLER_MASK);
	write_file(TRACEFS "/current_tracer", "preemptoff");
}

int main(int argc, char **argv)
{
	char pinned_text[16] = "-1", entries[256] = "*", hold_text[16] = "16000";
	char reps_text[16] = "3", limit_text[16] = "100";
	const struct option_text options[] = {
		{ "many_pinned", pinned_text, sizeof(pinned_text) },
		{ "entries", entries, sizeof(entries) },
		{ "hold_us", hold_text, sizeof(hold_text) },
		{ "reps", reps_text, sizeof(reps_text) },
		{ "limit_us", limit_text, sizeof(limit_text) },
	};
	pthread_t holder, urgent;
	size_t which;
	int tracing_on;

	begin_verdicts();
	take_options(options, sizeof(options) / sizeof(*options), argc, argv);
	many_pinned = atoi(pinned_text);
	hold_ns = strtoull(hold_text, NULL, 10) * 1000;
	reps = atoi(reps_text);
	limit_us = strtoull(limit_text, NULL, 10);
	errno = EINVAL;
	if (many_pinned != 0 && many_pinned != 1)
		finish("many_pinned must be 0 or 1");
	if (reps < 1 || hold_ns < 1000000 || hold_ns > 500000000)
		finish("reps or hold_us is out of range");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		finish("fewer than 4 CPUs are online");

	device = open_or_fail("/dev/hold", O_RDWR);
	set_up_tracer();
	tracing_on = open_or_fail(TRACEFS "/tracing_on", O_WRONLY);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		finish("membarrier");
	be_bound(CALLER_CPU);
	if (pthread_create(&holder, NULL, holder_thread, NULL) ||
	    pthread_create(&urgent, NULL, urgent_thread, NULL))
		finish("pthread_create");

	for (which = 0; which < sizeof(cases) / sizeof(cases[0]); which++)
		if (listed(entries, cases[which].name))
			measure_case(&cases[which], tracing_on);

	run.holder = run.urgent = QUIT;
	pthread_join(holder, NULL);
	pthread_join(urgent, NULL);
	write_file(TRACEFS "/current_tracer", "nop");
	finish(NULL);
}
