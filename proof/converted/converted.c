// SPDX-License-Identifier: GPL-2.0
/*
 * converted: makes the callers run that the series converts, and looks at each call
 *
 * In:  /dev/hold (../tlb/hold.c), /dev/calls (calls.c), tracefs, /proc, /sys; at least 4 CPUs;
 *      as arguments
 *        mode=lat,churn              what to run, in this order
 *        cases=*                     patterns as of the shell
 *        holds_us=4000,16000         lat: how long the remote CPU is held
 *        reps=5                      lat: points for each case and hold
 *        lead_us=500                 lat: from the preparation to the wake-up
 *        limit_us=1000               lat: latency that fails
 *        ops=40                      churn: operations of each case
 *        hotplug=1                   churn: a CPU goes offline and comes back
 *        plug_us=8000                churn: how long it stays there, and here
 * Out: lines on standard output, as program.h says: verdicts <mode>.<case>, and
 *
 *   FIGURE,guest,cases=..                          that this kernel has
 *   # point <case>: held_ns=..,rep=..,latency_ns=..,requests=..
 *   # <case>, held for <ns>: discarded, <reason>   a try that shows nothing
 *   FIGURE,lat,case=..,held_ns=..,points=..,called=..,most_ns=..,calls=..
 *                                                  called: requests; calls: the function
 *   FIGURE,churn,case=..,operations=..,called_under_churn=..,migrations=..,hotplugs=..,wrong=..
 *
 * That a converted function has run is read from the kernel's own trace: the event
 * csd_queue_cpu says which task queued a request for which CPU, with which function. Without
 * such a request of the caller, for the function that belongs to the case, a try is a failure.
 *
 * lat: CPU 2 is held with interrupts off. Meanwhile the caller, on CPU 1, does something that
 * has to wait for CPU 2, and at a time in between, a timer on CPU 1 wakes a SCHED_FIFO thread
 * there, whose latency counts. With a clock that does not count instructions, a busy host makes
 * latencies of its own: the holds, and the limit, have to be much longer then.
 *
 * churn: the caller is moved from CPU to CPU, also while it waits, CPU 2 is held for 2 ms at a
 * time, and CPU 3 goes offline and comes back. An operation that has to wait for a CPU to go
 * offline can come after the hold, and need no request then; most must have one.
 *
 * In both, the result of each operation is looked at.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../harness/guest/program.h"
#include "calls.h"
#include "hold.h"

#define US 1000ULL
#define MS (1000 * US)

#define CALLER_CPU 1
#define HELD_CPU 2
#define HOTPLUG_CPU 3

/* Priorities under SCHED_FIFO. */
#define URGENT 20
#define URGENT_MOVER 15
#define URGENT_SLEEPER 10

#define CHURN_HOLD_NS (2 * MS)
#define SLEEPER_LATE_NS (20 * MS)	/* the sleeper's CPU has other things to do, too */

static int hold_fd = -1, calls_fd = -1;
static pid_t caller;

static char opt_mode[64] = "lat,churn", opt_cases[256] = "*", opt_holds[64] = "4000,16000";
static char opt_reps[16] = "5", opt_lead[16] = "500", opt_limit[16] = "1000";
static char opt_ops[16] = "40", opt_hotplug[16] = "1", opt_plug_us[16] = "8000";

static const struct option_text options[] = {
	{ "mode", opt_mode, sizeof(opt_mode) },
	{ "cases", opt_cases, sizeof(opt_cases) },
	{ "holds_us", opt_holds, sizeof(opt_holds) },
	{ "reps", opt_reps, sizeof(opt_reps) },
	{ "lead_us", opt_lead, sizeof(opt_lead) },
	{ "limit_us", opt_limit, sizeof(opt_limit) },
	{ "ops", opt_ops, sizeof(opt_ops) },
	{ "hotplug", opt_hotplug, sizeof(opt_hotplug) },
	{ "plug_us", opt_plug_us, sizeof(opt_plug_us) },
};

/* ---- small things ---- */

static void sleep_on(clockid_t clock, uint64_t until)
{
	struct timespec ts = { .tv_sec = until / 1000000000ULL, .tv_nsec = until % 1000000000ULL };

	while (clock_nanosleep(clock, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* ---- the trace ---- */

#define TRACE "/sys/kernel/tracing/"

static char trace_text[1 << 18];
static int trace_fd = -1;

/* What was traced since the last time: trace_pipe forgets what was read. */
static void trace_read(void)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(trace_fd, trace_text + used, sizeof(trace_text) - 1 - used)) > 0) {
		used += got;
		if (used == sizeof(trace_text) - 1)
			finish("the trace is too long");
	}
	if (got < 0 && errno != EAGAIN)
		finish(TRACE "trace_pipe");
	trace_text[used] = '\0';
}

static void trace_begin(void)
{
	if (trace_fd < 0)
		trace_fd = open(TRACE "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (trace_fd < 0)
		finish(TRACE "trace_pipe");
	do
		trace_read();
	while (trace_text[0]);
}

/* Requests that the caller queued for a CPU, or for any (-1), with one of the functions. */
static unsigned int trace_requests(int cpu, const char *const *funcs, const char **which)
{
	char copy[512], task[32], to[32], *line, *end;
	unsigned int count = 0;

	snprintf(task, sizeof(task), "-%d ", caller);
	snprintf(to, sizeof(to), " cpu=%d ", cpu);
	for (line = trace_text; (end = strchr(line, '\n')); line = end + 1) {
		size_t len = end - line, i;

		if (len >= sizeof(copy))
			continue;
		memcpy(copy, line, len);
		copy[len] = '\0';
		if (!strstr(copy, task) || !strstr(copy, "csd_queue_cpu:") ||
		    (cpu >= 0 && !strstr(copy, to)))
			continue;
		for (i = 0; i < 2 && funcs[i]; i++) {
			char func[64];

			snprintf(func, sizeof(func), " func=%s ", funcs[i]);
			if (strstr(copy, func)) {
				*which = funcs[i];
				count++;
			}
		}
	}
	return count;
}

/* ---- cases ---- */

struct kase {
	const char *name;
	const char *funcs[2];		/* one of them is called on other CPUs */
	bool (*there)(void);		/* whether it can run here, NULL: it can */
	void (*prepare)(void);		/* may be NULL, as all but run */
	void (*run)(void);		/* by the caller, while CPU 2 is held */
	const char *(*check)(void);	/* by the caller afterwards; what is wrong */
	void (*before)(void);		/* on CPU 2, before it is held */
	const char *(*after)(void);	/* on CPU 2, after run has returned; what is wrong */
	bool locked;			/* a lock is held, so the latency is shown, no more */
};

/* The operation that is under way. */
static struct {
	uint64_t called, returned, released;
} op;

#ifndef __x86_64__
/* A place for one page, and what a thread on CPU 2 finds there. */

/* Where nothing else is. */
#define PLACES (sizeof(long) == 8 ? 1UL << 36 : 0x30000000UL)

static volatile uint32_t *page;
static size_t page_size;
static sigjmp_buf fault;
static volatile sig_atomic_t armed;

static void on_fault(int sig)
{
	if (armed) {
		armed = 0;
		siglongjmp(fault, 1);
	}
	signal(sig, SIG_DFL);
}

static bool accessible(bool write)
{
	if (sigsetjmp(fault, 1))
		return false;
	armed = 1;
	if (write)
		page[1] = 2;
	else
		(void)page[0];
	armed = 0;
	return true;
}

/*
 * A page where there was none for long: the next operation does not meet the translation that a
 * flush has left. The first place stays mapped, and keeps the page table.
 */
static void new_page(int prot)
{
	static unsigned int used;

	do {
		page = mmap((char *)PLACES + used % 256 * page_size, page_size, prot,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			finish("mmap");
	} while (!used++);
}

static void page_map(void)
{
	new_page(PROT_READ | PROT_WRITE | PROT_EXEC);
	page[0] = 1;
}

static void page_touch(void)
{
	if (!accessible(false) || !accessible(true))
		finish("a page is not there");
}

static void page_unmap(void)
{
	munmap((void *)page, page_size);
}

static const char *page_gone(void)
{
	return accessible(false) ? "an unmapped page can be read" : NULL;
}

static void page_protect(void)
{
	mprotect((void *)page, page_size, PROT_READ);
}

static const char *page_read_only(void)
{
	return accessible(true) ? "a page that is read-only was written" : NULL;
}

static const char *page_drop(void)
{
	munmap((void *)page, page_size);
	return NULL;
}

#ifndef __arm__
static void vmalloc_some(void)
{
	if (ioctl(hold_fd, HOLD_VMALLOC, 1))
		finish("HOLD_VMALLOC");
}

static void vunmap_some(void)
{
	ioctl(hold_fd, HOLD_VUNMAP);
}
#endif
#endif

#ifdef __x86_64__
#include <linux/bpf.h>
#include <linux/perf_event.h>

/* clock_settime(): a sleeper on CPU 2 has to wake up when the time is set past its end. */

static struct {
	pthread_t thread;
	_Atomic uint32_t armed, woken;
	uint64_t when;
} sleeper;

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void *sleeper_thread(void *arg)
{
	(void)arg;
	bind_task(0, HELD_CPU);
	be_urgent(URGENT_SLEEPER);
	sleeper.armed = 1;
	sleep_on(CLOCK_REALTIME, real_ns() + 500 * 1000 * MS);
	sleeper.when = now_ns();
	sleeper.woken = 1;
	return NULL;
}

static void settime_prepare(void)
{
	sleeper.armed = sleeper.woken = 0;
	if (pthread_create(&sleeper.thread, NULL, sleeper_thread, NULL))
		finish("a sleeper");
	while (!sleeper.armed)
		usleep(100);
	usleep(1000);
}

static void settime_run(void)
{
	uint64_t to = real_ns() + 1000 * 1000 * MS;
	struct timespec ts = { .tv_sec = to / 1000000000ULL, .tv_nsec = to % 1000000000ULL };

	if (clock_settime(CLOCK_REALTIME, &ts))
		finish("clock_settime");
}

static const char *settime_check(void)
{
	uint64_t due = op.released > op.called ? op.released : op.called;

	while (!sleeper.woken && now_ns() < due + 10 * SLEEPER_LATE_NS)
		usleep(1000);
	if (!sleeper.woken)
		return "the sleeper did not wake up";
	pthread_join(sleeper.thread, NULL);
	if (sleeper.when < op.called)
		return "the sleeper woke up too early";
	return sleeper.when > due + SLEEPER_LATE_NS ? "the sleeper woke up too late" : NULL;
}

/* perf: the CPU clock of CPU 2 is read, which goes on while the CPU is held. */

static int perf_fd = -1;
static uint64_t perf_last, perf_before, perf_after, perf_value;

static uint64_t perf_count(void)
{
	uint64_t count;

	if (read(perf_fd, &count, sizeof(count)) != sizeof(count))
		finish("read of a counter");
	return count;
}

static void perf_prepare(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK,
	};

	if (perf_fd < 0)
		perf_fd = syscall(SYS_perf_event_open, &attr, -1, HELD_CPU, -1, 0);
	if (perf_fd < 0)
		finish("perf_event_open");
	perf_before = now_ns();
	perf_last = perf_count();
	perf_after = now_ns();
}

static void perf_run(void)
{
	perf_value = perf_count();
}

static const char *perf_check(void)
{
	uint64_t passed = perf_value - perf_last, slack = 50 * US;

	if (perf_value < perf_last)
		return "the counter went back";
	if (passed + slack < op.called - perf_after)
		return "the counter is too low";
	return passed > op.returned - perf_before + slack ? "the counter is too high" : NULL;
}

/* bpf(2): a program that gives the number of the CPU where it runs, on CPU 2. */

static int bpf_fd = -1;
static uint32_t bpf_value;

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void bpf_prepare(void)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_smp_processor_id },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	bpf_value = 0;
	if (bpf_fd >= 0)
		return;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = 2;
	attr.license = (uintptr_t)"GPL";
	bpf_fd = bpf(BPF_PROG_LOAD, &attr);
	if (bpf_fd < 0)
		finish("BPF_PROG_LOAD");
}

static void bpf_run(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = bpf_fd;
	attr.test.flags = BPF_F_TEST_RUN_ON_CPU;
	attr.test.cpu = HELD_CPU;
	if (bpf(BPF_PROG_TEST_RUN, &attr))
		finish("BPF_PROG_TEST_RUN");
	bpf_value = attr.test.retval;
}

static const char *bpf_check(void)
{
	return bpf_value == HELD_CPU ? NULL : "the program ran on another CPU";
}

/* MSRs of all CPUs, by way of calls.c. */

static unsigned long msr_base = 0x10000;

static void wrmsr_run(void)
{
	msr_base += 0x100;
	ioctl(calls_fd, CALLS_WRMSR, msr_base);
}

static void rdmsr_run(void)
{
	ioctl(calls_fd, CALLS_RDMSR);
}

static const char *msr_check(void)
{
	int cpu;

	for (cpu = 0; cpu < HOTPLUG_CPU; cpu++)
		if (ioctl(calls_fd, CALLS_MSR_CHECK, cpu))
			return "a CPU has another value";
	return NULL;
}

/* The buffers of BTS, by way of calls.c. */

static void ds_reserve(void)
{
	if (ioctl(calls_fd, CALLS_DS_RESERVE))
		finish("CALLS_DS_RESERVE");
}

static void ds_release(void)
{
	ioctl(calls_fd, CALLS_DS_RELEASE);
}

static const char *ds_mapped(void)
{
	bool mapped = ioctl(calls_fd, CALLS_DS_CHECK, HELD_CPU) == 1;

	ds_release();
	return mapped ? NULL : "the buffer is not mapped on the other CPU";
}

/* The other CPU has it in its TLB. */
static void ds_used(void)
{
	ds_reserve();
	if (ioctl(calls_fd, CALLS_DS_CHECK, HELD_CPU) != 1)
		finish("the buffer is not mapped");
}

static const char *ds_gone(void)
{
	return ioctl(calls_fd, CALLS_DS_CHECK, HELD_CPU) ?
		"the buffer is still mapped on the other CPU" : NULL;
}

/* cpufreq: the scratch register that pstates.asl names has what was written last. */

#define POLICY "/sys/devices/system/cpu/cpufreq/policy0/"
#define SCRATCH 0x3ff

static const struct {
	const char *khz;
	uint8_t control;
} pstates[] = { { "1000000", 0x10 }, { "2000000", 0x20 }, { "1500000", 0x15 } };

static unsigned int pstate;

static bool cpufreq_there(void)
{
	return !access(POLICY "scaling_setspeed", W_OK);
}

static void cpufreq_run(void)
{
	pstate = (pstate + 1) % 3;
	if (!write_text(POLICY "scaling_setspeed", pstates[pstate].khz))
		finish("scaling_setspeed");
}

static const char *cpufreq_check(void)
{
	int fd = open("/dev/port", O_RDONLY | O_CLOEXEC);
	uint8_t has = 0;

	if (fd < 0 || pread(fd, &has, 1, SCRATCH) != 1)
		finish("/dev/port");
	close(fd);
	return has == pstates[pstate].control ? NULL : "the register has another value";
}
#endif

#ifdef __powerpc__
/* A page with no other near it: its page table goes with it, and that is flushed on its own. */
static void lone_map(void)
{
	page = mmap((void *)(1UL << 40), page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (page == MAP_FAILED)
		finish("mmap");
	page[0] = 1;
}

/* A first write where the zero page was read: the other CPU must see the new page. */

static void cow_map(void)
{
	new_page(PROT_READ | PROT_WRITE);
	(void)page[0];
}

static void cow_read(void)
{
	if (page[0])
		finish("a new page is not zero");
}

static void cow_run(void)
{
	page[0] = 1;
}

static const char *cow_seen(void)
{
	return page[0] == 1 ? NULL : "the other CPU has the old page";
}
#endif

#ifdef __riscv
/* New instructions for CPU 2: a function that returns a number, with another number. */

static unsigned int number = 100;

static void icache_write(void)
{
	page[0] = 0x00000513 | number << 20;	/* li a0, number */
	page[1] = 0x00008067;			/* ret */
}

static void icache_prepare(void)
{
	page_map();
	icache_write();
	__builtin___clear_cache((char *)page, (char *)page + 8);
}

static const char *icache_execute(void)
{
	return ((unsigned int (*)(void))(uintptr_t)page)() == number ? NULL :
		"the other CPU executes old instructions";
}

static void icache_before(void)
{
	if (icache_execute())
		finish("a function is not there");
}

static void icache_run(void)
{
	number = number % 1000 + 1;
	icache_write();
	if (syscall(SYS_riscv_flush_icache, (uintptr_t)page, (uintptr_t)page + 8, 0))
		finish("riscv_flush_icache");
}
#endif

#ifdef __arm__
static bool bl_there(void)
{
	return !ioctl(calls_fd, CALLS_BL_TRACE);
}

static void bl_run(void)
{
	if (ioctl(calls_fd, CALLS_BL_TRACE))
		finish("CALLS_BL_TRACE");
}

/* One event of each CPU; one of them may be offline. */
static const char *bl_check(void)
{
	int events = 0;
	const char *at;

	for (at = trace_text; (at = strstr(at, "cpu_migrate_current:")); at++)
		events++;
	return events >= HOTPLUG_CPU && events <= sysconf(_SC_NPROCESSORS_CONF) ? NULL :
		"not each CPU has made one event";
}
#endif

static const struct kase cases[] = {
#ifdef __x86_64__
	{ "clock_settime", { "retrigger_next_event" },
	  .prepare = settime_prepare, .run = settime_run, .check = settime_check },
	{ "perf_read", { "__perf_event_read" },
	  .prepare = perf_prepare, .run = perf_run, .check = perf_check },
	{ "wrmsr_on_cpus", { "__wrmsr_on_cpu" }, .run = wrmsr_run, .check = msr_check },
	{ "rdmsr_on_cpus", { "__rdmsr_on_cpu" },
	  .prepare = wrmsr_run, .run = rdmsr_run, .check = msr_check },
	{ "ds_update_cea", { "do_kernel_range_flush", "do_flush_tlb_all" },
	  .run = ds_reserve, .check = ds_mapped },
	{ "ds_clear_cea", { "do_kernel_range_flush", "do_flush_tlb_all" },
	  .prepare = ds_used, .run = ds_release, .check = ds_gone },
	{ "cpufreq", { "do_drv_write" }, .there = cpufreq_there,
	  .run = cpufreq_run, .check = cpufreq_check },
	{ "bpf_test_run", { "__bpf_prog_test_run_raw_tp" },
	  .prepare = bpf_prepare, .run = bpf_run, .check = bpf_check },
#else
#if defined(__riscv)
#define FLUSH_MM { "__ipi_flush_tlb_range_asid" }
#define FLUSH_KERNEL FLUSH_MM
#elif defined(__powerpc__)
#define FLUSH_MM { "do_flush_tlb_mm_ipi" }
#define FLUSH_KERNEL FLUSH_MM
#else
#define FLUSH_MM { "ipi_flush_tlb_a15_erratum" }
#endif
	{ "munmap", FLUSH_MM, .prepare = page_map, .before = page_touch, .run = page_unmap,
	  .after = page_gone },
	{ "mprotect", FLUSH_MM, .prepare = page_map, .before = page_touch, .run = page_protect,
	  .after = page_read_only, .check = page_drop },
#ifdef FLUSH_KERNEL
	{ "vunmap", FLUSH_KERNEL, .prepare = vmalloc_some, .run = vunmap_some },
#endif
#endif
#ifdef __powerpc__
	{ "munmap_table", { "do_flush_tlb_page_ipi" }, .prepare = lone_map, .before = page_touch,
	  .run = page_unmap, .after = page_gone },
	{ "cow", { "do_flush_tlb_page_ipi" }, .prepare = cow_map, .before = cow_read,
	  .run = cow_run, .after = cow_seen, .check = page_drop, .locked = true },
#endif
#ifdef __riscv
	{ "icache", { "ipi_remote_fence_i" }, .prepare = icache_prepare, .before = icache_before,
	  .run = icache_run, .after = icache_execute, .check = page_drop },
#endif
#ifdef __arm__
	{ "bL_switcher_trace", { "bL_switcher_trace_trigger_cpu" }, .there = bl_there,
	  .run = bl_run, .check = bl_check },
#endif
};

#define NR_CASES (sizeof(cases) / sizeof(*cases))

/* ---- the held CPU ---- */

enum { STEP_IDLE, STEP_GO, STEP_READY, STEP_HOLD, STEP_HELD, STEP_LOOK, STEP_DONE, STEP_QUIT };

static struct {
	_Atomic uint32_t step, flag;
	const struct kase *kase;
	uint64_t until;
	const char *wrong;
} holder;

static void await(_Atomic uint32_t *step, uint32_t value)
{
	while (*step != value)
		relax();
}

static void *holder_thread(void *arg)
{
	(void)arg;
	bind_task(0, HELD_CPU);
	for (;;) {
		struct hold_request req;

		while (holder.step != STEP_GO) {
			if (holder.step == STEP_QUIT)
				return NULL;
			relax();
		}
		if (holder.kase->before)
			holder.kase->before();
		holder.step = STEP_READY;
		await(&holder.step, STEP_HOLD);
		req.until_ns = holder.until;
		req.flag = (uintptr_t)&holder.flag;
		if (ioctl(hold_fd, HOLD_CPU, &req))
			finish("HOLD_CPU");
		op.released = req.released_ns;
		holder.step = STEP_HELD;
		await(&holder.step, STEP_LOOK);
		holder.wrong = holder.kase->after ? holder.kase->after() : NULL;
		holder.step = STEP_DONE;
	}
}

/* One operation while CPU 2 is held. Returns what is wrong with its result. */
static const char *operate(const struct kase *kase, void (*armed_at)(uint64_t wake),
			   uint64_t lead_ns, uint64_t hold_ns, int *from, int *to)
{
	const char *wrong = NULL;
	uint64_t wake;

	if (kase->prepare)
		kase->prepare();
	holder.kase = kase;
	holder.flag = 0;
	holder.step = STEP_GO;
	await(&holder.step, STEP_READY);
	trace_begin();
	wake = now_ns() + lead_ns;
	holder.until = wake + hold_ns;
	if (armed_at)
		armed_at(wake);
	holder.step = STEP_HOLD;
	await(&holder.flag, 1);
	*from = sched_getcpu();
	op.called = now_ns();
	kase->run();
	op.returned = now_ns();
	*to = sched_getcpu();
	await(&holder.step, STEP_HELD);
	/* At once: whatever else CPU 2 does may drop a translation that should not be there. */
	holder.step = STEP_LOOK;
	await(&holder.step, STEP_DONE);
	trace_read();
	if (kase->check)
		wrong = kase->check();
	return wrong ? wrong : holder.wrong;
}

/* ---- lat ---- */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool go, quit;
	_Atomic uint32_t done;
	uint64_t wake, ran;
} urgent = { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };

static void *urgent_thread(void *arg)
{
	(void)arg;
	bind_task(0, CALLER_CPU);
	be_urgent(URGENT);
	for (;;) {
		pthread_mutex_lock(&urgent.lock);
		while (!urgent.go && !urgent.quit)
			pthread_cond_wait(&urgent.told, &urgent.lock);
		urgent.go = false;
		pthread_mutex_unlock(&urgent.lock);
		if (urgent.quit)
			return NULL;
		sleep_on(CLOCK_MONOTONIC, urgent.wake);
		urgent.ran = now_ns();
		urgent.done = 1;
	}
}

/* More urgent than the caller: it has set up its timer when this returns. */
static void urgent_arm(uint64_t wake)
{
	pthread_mutex_lock(&urgent.lock);
	urgent.wake = wake;
	urgent.done = 0;
	urgent.go = true;
	pthread_mutex_unlock(&urgent.lock);
	pthread_cond_signal(&urgent.told);
}

static void lat_case(const struct kase *kase, uint64_t hold_ns)
{
	int reps = atoi(opt_reps), points = 0, tries, from, to;
	uint64_t max = 0, limit = atoi(opt_limit) * US;
	unsigned int requests, called = 0, uncalled = 0;
	const char *wrong = NULL, *which = "none";
	bool good;

	/* The first is a warm-up. */
	for (tries = 0; points <= reps && tries < 4 * (reps + 1) && !wrong; tries++) {
		const char *useless = NULL;
		uint64_t latency;

		wrong = operate(kase, urgent_arm, atoi(opt_lead) * US, hold_ns, &from, &to);
		while (!urgent.done)
			usleep(100);
		latency = urgent.ran - urgent.wake;
		requests = trace_requests(HELD_CPU, kase->funcs, &which);
		if (op.called > urgent.wake)
			useless = "the operation began after the wake-up";
		else if (op.returned < urgent.wake)
			useless = "the operation ended before the wake-up";
		else if (op.returned < op.released)
			useless = "the operation ended before the hold";
		if (useless) {
			printf("# %s, held for %llu ns: discarded, %s\n", kase->name,
			       (unsigned long long)hold_ns, useless);
			continue;
		}
		if (!points++)
			continue;
		printf("# point %s: held_ns=%llu,rep=%d,latency_ns=%llu,requests=%u\n", kase->name,
		       (unsigned long long)hold_ns, points - 1, (unsigned long long)latency,
		       requests);
		called += requests;
		uncalled += !requests;
		if (latency > max)
			max = latency;
	}
	points = points ? points - 1 : 0;
	figure("lat", "case=%s,held_ns=%llu,points=%d,called=%u,most_ns=%llu,calls=%s", kase->name,
	       (unsigned long long)hold_ns, points, called, (unsigned long long)max, which);
	good = points == reps && !uncalled && !wrong && (max <= limit || kase->locked);
	verdict("lat", kase->name, good,
		"%d points of %d; %u of them without a request; at most %llu ns, %s %llu; result: %s",
		points, reps, uncalled, (unsigned long long)max,
		kase->locked ? "with a lock held, so not limited to" : "the limit is",
		(unsigned long long)limit, wrong ? wrong : "right");
}

/* ---- churn ---- */

static struct {
	pthread_t mover, plugger;
	_Atomic uint32_t quit, hotplugs;
} churn;

static void *mover_thread(void *arg)
{
	static const int cpus[] = { 0, CALLER_CPU, HOTPLUG_CPU };
	unsigned int next = 0;

	(void)arg;
	bind_task(0, 0);
	be_urgent(URGENT_MOVER);
	while (!churn.quit) {
		/* Fails for a CPU that is offline, then the caller stays where it is. */
		bind_task(caller, cpus[next++ % 3]);
		usleep(300);
	}
	return NULL;
}

static void *plugger_thread(void *arg)
{
	char path[64];

	(void)arg;
	bind_task(0, 0);
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", HOTPLUG_CPU);
	while (!churn.quit && atoi(opt_hotplug)) {
		if (!write_text(path, "0")) {
			usleep(1000);
			continue;
		}
		usleep(atoi(opt_plug_us));
		if (!write_text(path, "1"))
			finish("a CPU does not come back");
		churn.hotplugs++;
		usleep(atoi(opt_plug_us));
	}
	return NULL;
}

static void churn_case(const struct kase *kase)
{
	unsigned int ops, done = 0, wrongs = 0, requests = 0, uncalled = 0, moved = 0, before;
	const char *first = "right", *which = "none";

	before = churn.hotplugs;
	for (ops = atoi(opt_ops); done < ops; done++) {
		int from, to;
		const char *wrong = operate(kase, NULL, 0, CHURN_HOLD_NS, &from, &to);
		unsigned int found = trace_requests(-1, kase->funcs, &which);

		moved += from != to;
		requests += found;
		uncalled += !found;
		if (wrong && !wrongs++)
			first = wrong;
	}
	figure("churn", "case=%s,operations=%u,called_under_churn=%u,migrations=%u,hotplugs=%u,wrong=%u",
	       kase->name, done, requests, moved, churn.hotplugs - before, wrongs);
	verdict("churn", kase->name, !wrongs && 2 * uncalled <= done,
		"%u operations; %u of them without a request; result: %s", done, uncalled, first);
}

/* ---- all ---- */

static bool can_run(const struct kase *kase)
{
	return listed(opt_cases, kase->name) && (!kase->there || kase->there());
}

static void run_mode(const char *mode)
{
	char holds[sizeof(opt_holds)], *hold_us, *rest;
	bool lat = !strcmp(mode, "lat");
	size_t i;

	bind_task(0, CALLER_CPU);
	for (i = 0; i < NR_CASES; i++)
		if (listed(opt_cases, cases[i].name) && !can_run(&cases[i]))
			skip(mode, cases[i].name, "not in this guest");
	strcpy(holds, lat ? opt_holds : "0");
	for (hold_us = strtok_r(holds, ",", &rest); hold_us; hold_us = strtok_r(NULL, ",", &rest))
		for (i = 0; i < NR_CASES; i++) {
			if (!can_run(&cases[i]))
				continue;
			if (lat)
				lat_case(&cases[i], strtoull(hold_us, NULL, 10) * US);
			else
				churn_case(&cases[i]);
		}
}

int main(int argc, char **argv)
{
	unsigned int here = 0;
	pthread_t held;
	size_t i;

	begin_verdicts();
	take_options(options, sizeof(options) / sizeof(*options), argc, argv);
	caller = getpid();
	if (mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL) && errno != EBUSY)
		finish("tracefs");
	hold_fd = open("/dev/hold", O_RDWR | O_CLOEXEC);
	calls_fd = open("/dev/calls", O_RDWR | O_CLOEXEC);
	if (hold_fd < 0 || calls_fd < 0)
		finish("/dev/hold or /dev/calls");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		finish("4 CPUs");
	if (!write_text(TRACE "events/csd/csd_queue_cpu/enable", "1"))
		finish("the event csd_queue_cpu");
#ifdef __arm__
	if (bl_there() && !write_text(TRACE "events/power/cpu_migrate_current/enable", "1"))
		finish("the event cpu_migrate_current");
#endif
#ifndef __x86_64__
	page_size = sysconf(_SC_PAGESIZE);
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
#endif
	for (i = 0; i < NR_CASES; i++)
		here += can_run(&cases[i]);
	figure("guest", "cases=%u", here);

	if (pthread_create(&held, NULL, holder_thread, NULL))
		finish("a thread");
	if (listed(opt_mode, "lat")) {
		if (pthread_create(&urgent.thread, NULL, urgent_thread, NULL))
			finish("a thread");
		run_mode("lat");
		pthread_mutex_lock(&urgent.lock);
		urgent.quit = true;
		pthread_mutex_unlock(&urgent.lock);
		pthread_cond_signal(&urgent.told);
		pthread_join(urgent.thread, NULL);
	}
	if (listed(opt_mode, "churn")) {
		if (pthread_create(&churn.mover, NULL, mover_thread, NULL) ||
		    pthread_create(&churn.plugger, NULL, plugger_thread, NULL))
			finish("a thread");
		run_mode("churn");
		churn.quit = 1;
		pthread_join(churn.mover, NULL);
		pthread_join(churn.plugger, NULL);
	}
	holder.step = STEP_QUIT;
	pthread_join(held, NULL);
	finish(NULL);
}
