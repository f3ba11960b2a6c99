// SPDX-License-Identifier: GPL-2.0
/*
 * kicktest: is an interrupt for a vCPU late because somebody else is preempted?
 *
 * In:  /dev/kvm, debugfs, 4 CPUs, the last of them isolated and without tick (nohz_full);
 *      as arguments
 *        cases=*          which cases, patterns as of the shell
 *        step_ns=100      how far apart the moments of the preemption are
 *        reps=1           how often each of them is tried
 *        hold_us=20000    for how long the requester is preempted
 *        limit_us=1000    delay of an interrupt that fails
 * Out: lines on standard output, as program.h says: verdicts kick.<what>, and
 *
 *   # exits in a while without a kick: <n>       of the vCPU
 *   # point <case>: phase_ns=..,inside=..,delay_ns=..
 *                                  phase: from the call's begin to the wake-up of the urgent task;
 *                                  inside: 1 if it then ran before the call had returned
 *   FIGURE,requests,request=..,requests=..       that made the vCPU exit
 *   FIGURE,delay,request=..,call_ns=..,points=..,inside=..,late=..,median_ns=..,worst_ns=..
 *                                  call: duration of an undisturbed one; late: points beyond the
 *                                  limit
 *
 * A vCPU spins with interrupts enabled on CPU 3, where nothing but a kick makes it exit.
 * A task on CPU 1 makes a request of it, by an ioctl that ends in kvm_make_all_cpus_request().
 * Who makes a request, or kicks a vCPU, marks it as EXITING_GUEST_MODE; who was the first to
 * do so sends an IPI, the others need not. If the first is preempted in between, an interrupt
 * that comes then waits for as long.
 *
 *   vCPU (CPU 3)       requester (CPU 1)    urgent (CPU 1, FIFO)   injector (CPU 2)
 *   spins              timer for the urgent
 *                      ioctl
 *                      : marks the vCPU
 *                      :                    wake-up: runs  ------> sends an interrupt
 *   (nobody tells it)                       : hold_us              waits
 *                      : sends the IPI      sleeps
 *   exits, enters, handler: counts -----------------------------> sees it: delay
 *
 * Nobody can tell from outside when the vCPU is marked, so the wake-up is tried at each moment
 * from before the call to after it, in small steps. That needs a clock that counts
 * instructions, else a busy host decides what is hit.
 *
 * Cases: dirty_log makes a request that it waits for (KVM_REQ_TLB_FLUSH), clock one that it
 * does not wait for (KVM_REQ_CLOCK_UPDATE).
 *
 * What would make a pass worthless is a verdict of its own: "quiet" fails if the vCPU exits
 * without a kick, as then nobody has to wait for one; CASE_request if a call does not make
 * it exit; CASE_points if the urgent task ran during too few of the calls.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../../harness/guest/program.h"

#ifndef KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE		/* older headers */
#define KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE (1 << 7)
#endif

#define PAGE 4096UL
#define US 1000ULL
#define MS (1000 * US)

#define CALLER_CPU 1
#define INJECTOR_CPU 2
#define VCPU_CPU 3

/* Under SCHED_FIFO: a fair task that is starved gets the CPU back after a while. */
#define URGENT 20
#define REQUESTER 10
#define LEAD_NS (50 * US)	/* from setting the timer to the call */
#define REST_NS (200 * US)	/* after it the vCPU is in the guest again */
#define MARGIN_NS (1 * US)	/* wake-ups before the call, and after the length of one */
#define LOST_NS (2000 * MS)	/* an interrupt that takes so long is lost */
#define CALLS 20		/* undisturbed ones, to learn what one takes */
#define MAX_POINTS 20000

/* The guest: real mode, one page of code and tables, one page that it counts in. */
#define VECTOR 0x40
#define CODE_GPA 0x1000
#define HANDLER_GPA 0x1100
#define STACK_TOP 0x8000
#define LOW_PAGES 8
#define COUNT_GPA 0x10000
#define COUNT_SLOT 1
#define APIC_GPA 0xfee00000u
#define APIC_SVR 0xf0		/* spurious vector, and the APIC's software enable */

static int vm_fd, vcpu_fd, timer_fd;
static struct kvm_run *run;
static volatile uint32_t *count;	/* the guest's */
static char exits_path[256];

static atomic_int started;		/* threads that are on their CPUs */

/* Of one point. */
static atomic_int in_call, began, acked;	/* began, acked: number of the point */
static bool inside;
static uint64_t delay_ns;

/* ---- options ---- */

static char opt_cases[256] = "*", opt_step[16] = "100", opt_reps[16] = "1";
static char opt_hold[16] = "20000", opt_limit[16] = "1000";

static const struct option_text options[] = {
	{ "cases", opt_cases, sizeof(opt_cases) },
	{ "step_ns", opt_step, sizeof(opt_step) },
	{ "reps", opt_reps, sizeof(opt_reps) },
	{ "hold_us", opt_hold, sizeof(opt_hold) },
	{ "limit_us", opt_limit, sizeof(opt_limit) },
};

static uint64_t hold_ns, limit_ns;

/* ---- time and threads ---- */

/* The less often it gives the turn to others, the faster is the emulator. */
static void spin(int rounds)
{
	volatile int i;

	for (i = 0; i < rounds; i++)
		;
	relax();
}

static void rest(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / (1000 * MS), .tv_nsec = ns % (1000 * MS) };

	nanosleep(&ts, NULL);
}

static void start(void *(*function)(void *))
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, function, NULL);
	if (errno)
		finish("pthread_create");
}

/* ---- the virtual machine ---- */

static const uint8_t guest_code[] = {
	0xfb,				/*	sti */
	0xf3, 0x90,			/* 1:	pause */
	0xb9, 0x32, 0x00,		/*	mov $50, %cx */
	0x49,				/* 2:	dec %cx */
	0x75, 0xfd,			/*	jnz 2b */
	0xeb, 0xf6,			/*	jmp 1b */
};

static const uint8_t guest_handler[] = {
	0x66, 0xff, 0x06, 0x00, 0x00,	/*	incl %ds:0 */
	0x64, 0x66, 0xc7, 0x06, 0xb0,	/*	movl $0, %fs:0xb0: end of interrupt */
	0x00, 0x00, 0x00, 0x00, 0x00,
	0xcf,				/*	iret */
};

static int must(int ret, const char *step)
{
	if (ret < 0)
		finish(step);
	return ret;
}

static uint8_t *memory(uint32_t slot, uint64_t gpa, size_t pages, uint32_t flags)
{
	uint8_t *host = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = pages * PAGE, .userspace_addr = (uintptr_t)host,
	};

	if (host == MAP_FAILED)
		finish("mmap of guest memory");
	must(ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	return host;
}

static void segment(struct kvm_segment *seg, uint32_t base)
{
	seg->base = base;
	seg->selector = base >> 4;
	seg->limit = 0xffff;
}

static void make_vm(void)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rsp = STACK_TOP, .rflags = 2 };
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	glob_t found = { 0 };
	char pattern[128];
	uint8_t *low;
	int kvm, size;

	kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm_fd = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	must(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	low = memory(0, 0, LOW_PAGES, 0);
	count = (volatile uint32_t *)memory(COUNT_SLOT, COUNT_GPA, 1, KVM_MEM_LOG_DIRTY_PAGES);
	memcpy(low + CODE_GPA, guest_code, sizeof(guest_code));
	memcpy(low + HANDLER_GPA, guest_handler, sizeof(guest_handler));
	low[4 * VECTOR] = HANDLER_GPA & 0xff;
	low[4 * VECTOR + 1] = HANDLER_GPA >> 8;

	vcpu_fd = must(ioctl(vm_fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	size = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
	if (run == MAP_FAILED)
		finish("mmap of the vCPU");
	must(ioctl(vcpu_fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	segment(&sregs.cs, 0);
	segment(&sregs.ss, 0);
	segment(&sregs.ds, COUNT_GPA);
	segment(&sregs.fs, APIC_GPA);
	must(ioctl(vcpu_fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu_fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	must(ioctl(vcpu_fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	*(uint32_t *)(lapic.regs + APIC_SVR) = 0x1ff;
	must(ioctl(vcpu_fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");

	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/kvm/%d-%d/exits",
		 getpid(), vm_fd);
	if (glob(pattern, 0, NULL, &found) || strlen(found.gl_pathv[0]) >= sizeof(exits_path))
		finish(pattern);
	strcpy(exits_path, found.gl_pathv[0]);
	globfree(&found);
}

static void *vcpu_thread(void *unused)
{
	char step[64];

	(void)unused;
	be_bound(VCPU_CPU);
	started++;
	for (;;) {
		if (ioctl(vcpu_fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				finish("KVM_RUN");
			continue;
		}
		snprintf(step, sizeof(step), "the guest exits with reason %u", run->exit_reason);
		errno = EIO;
		finish(step);
	}
	return NULL;
}

static long exits(void)
{
	FILE *file = fopen(exits_path, "r");
	long value;

	if (!file || fscanf(file, "%ld", &value) != 1)
		finish(exits_path);
	fclose(file);
	return value;
}

/* Sends an interrupt; returns how long it was until the guest counted it. */
static uint64_t interrupt(void)
{
	struct kvm_msi msi = { .address_lo = APIC_GPA, .data = VECTOR };
	uint32_t before = *count;
	uint64_t from = now_ns();

	if (ioctl(vm_fd, KVM_SIGNAL_MSI, &msi) != 1)
		finish("KVM_SIGNAL_MSI");
	while (*count == before) {
		relax();
		if (now_ns() > from + LOST_NS) {
			errno = ETIMEDOUT;
			finish("an interrupt is lost");
		}
	}
	return now_ns() - from;
}

/* ---- the cases ---- */

static void call_dirty_log(void)
{
	uint64_t bitmap = 0;
	struct kvm_dirty_log log = { .slot = COUNT_SLOT, .dirty_bitmap = &bitmap };

	must(ioctl(vm_fd, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
}

static void call_clock(void)
{
	static struct kvm_xen_hvm_config config;

	/* Each change of it makes all vCPUs look at their clock. */
	config.flags ^= KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE;
	must(ioctl(vm_fd, KVM_XEN_HVM_CONFIG, &config), "KVM_XEN_HVM_CONFIG");
}

static const struct {
	const char *name;
	void (*call)(void);
} cases[] = {
	{ "dirty_log", call_dirty_log },
	{ "clock", call_clock },
};

static void *urgent_thread(void *unused)
{
	uint64_t times, end;
	int number;

	(void)unused;
	be_bound(CALLER_CPU);
	be_urgent(URGENT);
	started++;
	for (number = 1;; number++) {
		if (read(timer_fd, &times, sizeof(times)) != sizeof(times))
			finish("read of the timer");
		end = now_ns() + hold_ns;
		inside = in_call;
		began = number;
		while (now_ns() < end)
			spin(acked == number ? 5000 : 100);
	}
	return NULL;
}

static void *injector_thread(void *unused)
{
	int number;

	(void)unused;
	be_bound(INJECTOR_CPU);
	started++;
	for (number = 1;; number++) {
		while (began != number)
			relax();
		delay_ns = interrupt();
		acked = number;
	}
	return NULL;
}

/* The guest has written to its page since the last request, and goes on spinning. */
static void prepare(void)
{
	interrupt();
	rest(REST_NS);
}

static uint64_t one_point(void (*call)(void), int64_t phase)
{
	static int number;
	struct itimerspec when = { 0 };
	uint64_t from, wake;

	number++;
	prepare();
	from = now_ns() + LEAD_NS;
	wake = from + phase;
	when.it_value.tv_sec = wake / (1000 * MS);
	when.it_value.tv_nsec = wake % (1000 * MS);
	must(timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL), "timerfd_settime");
	while (now_ns() < from)		/* no turn for others, which would take from the phase */
		;
	in_call = 1;
	call();
	in_call = 0;
	while (acked != number)
		rest(REST_NS);
	return delay_ns;
}

/* What an undisturbed call takes; whether each of them made the vCPU exit. */
static uint64_t learn(const char *name, void (*call)(void))
{
	uint64_t took[CALLS];
	char what[64];
	int i, kicked = 0;

	for (i = 0; i < CALLS; i++) {
		long before;

		prepare();
		before = exits();
		took[i] = now_ns();
		call();
		took[i] = now_ns() - took[i];
		rest(REST_NS);
		kicked += exits() > before;
	}
	snprintf(what, sizeof(what), "%s_request", name);
	figure("requests", "request=%s,requests=%d", name, kicked);
	verdict("kick", what, kicked == CALLS, "%d of %d calls made the vCPU exit", kicked, CALLS);
	qsort(took, CALLS, sizeof(*took), by_size);
	return took[CALLS / 2];
}

static void one_case(const char *name, void (*call)(void))
{
	static uint64_t delays[MAX_POINTS];
	int64_t step = atoi(opt_step), phase, last;
	int reps = atoi(opt_reps), points = 0, insides = 0, late = 0, rep, wanted;
	char what[64];
	uint64_t took = learn(name, call);

	last = took + MARGIN_NS;
	for (rep = 0; rep < reps; rep++) {
		/* Between the steps of the repetition before. */
		for (phase = -(int64_t)MARGIN_NS + rep * step / reps;
		     phase < last && points < MAX_POINTS; phase += step) {
			delays[points] = one_point(call, phase);
			printf("# point %s: phase_ns=%lld,inside=%d,delay_ns=%llu\n", name,
			       (long long)phase, inside, (unsigned long long)delays[points]);
			insides += inside;
			late += delays[points] > limit_ns;
			points++;
		}
	}
	if (!points)
		finish("no points");
	qsort(delays, points, sizeof(*delays), by_size);
	figure("delay", "request=%s,call_ns=%llu,points=%d,inside=%d,late=%d,median_ns=%llu,worst_ns=%llu",
	       name, (unsigned long long)took, points, insides, late,
	       (unsigned long long)delays[points / 2], (unsigned long long)delays[points - 1]);

	/* Few are lost at both ends, and some where preemption is off for long at the end. */
	wanted = reps * (took / step) * 2 / 3;
	snprintf(what, sizeof(what), "%s_points", name);
	verdict("kick", what, insides >= wanted, "preempted in %d calls of %d, %d are wanted", insides,
		points, wanted);
	verdict("kick", name, !late, "%d of %d interrupts later than %s us, worst %llu us", late,
		points, opt_limit, (unsigned long long)(delays[points - 1] / US));
}

/* Whether the vCPU stays in the guest when nobody wants anything of it. */
static void quiet(void)
{
	int i, counted = 0, still = 0;

	/* It takes the kernel some ticks to stop the tick: count from the first quiet time on. */
	for (i = 0; i < 50 && counted < 10; i++) {
		long before;

		prepare();
		before = exits();
		rest(hold_ns);
		before = exits() - before;
		printf("# exits in a while without a kick: %ld\n", before);
		still += !before;
		counted += still > 0;
	}
	verdict("kick", "quiet", still >= 8, "no exit in %d of %d times %s us, after %d others", still,
		counted, opt_hold, i - counted);
}

int main(int argc, char **argv)
{
	size_t i;
	int ran = 0;

	begin_verdicts();
	take_options(options, sizeof(options) / sizeof(*options), argc, argv);
	hold_ns = strtoull(opt_hold, NULL, 10) * US;
	limit_ns = strtoull(opt_limit, NULL, 10) * US;
	if (atoi(opt_step) < 1 || !limit_ns || hold_ns <= 2 * limit_ns) {
		errno = EINVAL;
		finish("step_ns, hold_us and limit_us");
	}
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4) {
		errno = ENODEV;
		finish("4 CPUs");
	}
	make_vm();
	timer_fd = must(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
	be_bound(CALLER_CPU);
	start(vcpu_thread);
	start(urgent_thread);
	start(injector_thread);
	while (started < 3)
		rest(REST_NS);
	be_urgent(REQUESTER);
	quiet();
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (fnmatch(opt_cases, cases[i].name, 0))
			continue;
		one_case(cases[i].name, cases[i].call);
		ran++;
	}
	if (!ran)
		finish("no case is chosen");
	finish(NULL);
}
