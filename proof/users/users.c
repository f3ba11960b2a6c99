// SPDX-License-Identifier: GPL-2.0
/*
 * users: what users do to a machine, while tasks of many kinds make cross-CPU calls
 *
 * In:  root; storm.ko and hold.ko are loaded; a kernel with the options of the lane x86_64-users; as
 *      arguments
 *        steps=PATTERN,...    which of the steps below (all)
 *        seconds=60           of the step everything
 *        swap=2:5             meanwhile the first of these CPUs is offline, and the second online
 * Out: KTAP, see program.h; figures of each step.
 *
 * Each request of a call is counted where it is sent and where it runs (storm.c). A step passes if
 * none was lost, none ran twice or on a wrong CPU, enough calls were made, and what the step does
 * worked each time; stalls, locking errors and the like are on the console, which is judged, too.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include "isolated.h"
#include "kernels.h"

struct step {
	const char *name;
	uint32_t kinds;			/* processes that run meanwhile */
	void (*round)(void);
	int rounds;			/* 0: each step of the hotplug machinery */
	unsigned int threads;		/* of the kernel that make calls, too */
	unsigned int least_calls;
	unsigned int offline_ms;	/* that a CPU may take to go offline */
	void (*more)(const char *name);	/* figures, and what else must be so */
};

static unsigned int seconds = 60;

static void after_quota(const char *name)
{
	long times = throttled();

	figure("throttled", "step=%s,times=%ld", name, times);
	if (times < 10)
		wrong("the group was throttled %ld times", times);
}

static void after_fail(const char *name)
{
	(void)name;
	figure("failed", "steps=%d,failed_up=%u,failed_down=%u,refused=%u,not_there=%u",
	       hotplug_step_count, failed_up, failed_down, refused, not_there);
	if (failed_up < 30 || failed_down < 10)
		wrong("%u steps failed up and %u down", failed_up, failed_down);
}

static void after_sleep(const char *name)
{
	figure("sleeps", "step=%s,times=%u", name, sleeps);
}

static void after_models(const char *name)
{
	int i;

	(void)name;
	for (i = 0; i < 3; i++) {
		figure("models", "model=%s,preempted_calls=%llu", models[i],
		       N(preempted_in[i]));
		if (!preempted_in[i])
			wrong("with preempt=%s no call was preempted", models[i]);
	}
	set_model("full");
}

static void after_tracing(const char *name)
{
	(void)name;
	figure("tracing", "probe_hits=%u,bpf_runs=%u", probe_hits, bpf_runs);
	if (!probe_hits || !bpf_runs)
		wrong("%u probes and %u bpf programs ran", probe_hits, bpf_runs);
}

static void everything(void)
{
	static void (*const all[])(void) = {
		churn, churn, fail_steps, suspend_test, next_model, patch_code, grace_periods,
		move_threads,
	};

	all[draw(sizeof(all) / sizeof(all[0]))]();
}

/* A task that is throttled in rcu_read_lock() holds up an offline for some periods of its quota. */
static const struct step steps[] = {
	{ "plain", A(PLAIN) | A(TROUBLE), churn, 12, 2, 500, 500, NULL },
	{ "quota", A(QUOTA) | A(TROUBLE), churn, 24, 0, 100, 3000, after_quota },
	{ "idle", A(IDLE) | A(HOG) | A(TROUBLE), churn, 12, 0, 50, 1000, NULL },
	{ "deadline", A(DEADLINE) | A(TROUBLE), churn, 12, 0, 50, 1000, NULL },
	{ "moved", A(PLAIN) | A(QUOTA) | A(TROUBLE), move_threads, 12, 0, 500, 3000, NULL },
	{ "fail", A(PLAIN) | A(TROUBLE), fail_steps, 0, 4, 500, 1000, after_fail },
	{ "suspend", A(PLAIN) | A(TROUBLE), suspend_test, 10, 4, 500, 0, after_sleep },
	{ "hibernate", A(PLAIN) | A(TROUBLE), hibernate_test, 3, 4, 100, 0, after_sleep },
	{ "hibernate_image", A(PLAIN) | A(TROUBLE), hibernate_image, 1, 4, 100, 0, after_sleep },
	{ "suspend_to_idle", A(PLAIN) | A(TROUBLE), suspend_to_idle, 10, 4, 500, 0, after_sleep },
	{ "models", A(PLAIN) | A(TROUBLE), next_model, 3, 4, 500, 0, after_models },
	{ "tracing", A(PLAIN) | A(TROUBLE), patch_code, 12, 2, 500, 10000, after_tracing },
	{ "grace_periods", A(PLAIN) | A(TROUBLE), grace_periods, 12, 2, 500, 1000, NULL },
	{ "everything", A(PLAIN) | A(QUOTA) | A(IDLE) | A(DEADLINE) | A(HOG) | A(TROUBLE),
	  everything, -1, 4, 500, 30000, NULL },
};

static void begin(void)
{
	memset(&total, 0, sizeof(total));
	look();
	memset(&total, 0, sizeof(total));
	offlines = 0;
	trouble[0] = '\0';
	sleeps = 0;
}

static void run_rounds(const struct step *step)
{
	uint64_t end = now_ns() + seconds * 1000 * MS;
	int round;

	if (step->rounds < 0) {
		while (now_ns() < end)
			step->round();
		return;
	}
	read_hotplug_steps();
	for (round = 0; round < (step->rounds ? step->rounds : hotplug_step_count); round++) {
		step->round();
		pause_ms(10);
	}
}

static void run_step(const struct step *step)
{
	bool good;

	begin();
	start(step->kinds);
	if (ioctl(storm_fd, STORM_THREADS, step->threads))
		finish("STORM_THREADS");
	run_rounds(step);
	if (step->more)
		step->more(step->name);
	stop();
	if (ioctl(storm_fd, STORM_THREADS, 0))
		finish("STORM_THREADS");
	look();
	qsort(offline_ns, offlines, sizeof(offline_ns[0]), by_size);
	if (offlines && offline_ns[offlines - 1] > step->offline_ms * MS)
		wrong("an offline took more than %u ms", step->offline_ms);
	figure("calls", "step=%s,calls=%llu,requests=%llu,unsure=%llu,preempted=%llu,migrated=%llu,longest_us=%llu,unmapped=%llu,barriers=%llu,offlines=%d,offline_median_us=%llu,offline_most_us=%llu",
	       step->name, N(total.calls), N(total.sent), N(total.unsure), N(total.preempted),
	       N(total.migrated), US(total.longest_ns), N(shared->unmapped), N(shared->barriers),
	       offlines, offlines ? US(offline_ns[offlines / 2]) : 0,
	       offlines ? US(offline_ns[offlines - 1]) : 0);
	good = !total.lost && !total.twice && !total.wrong && total.calls >= step->least_calls &&
	       total.run + total.unsure == total.sent && !trouble[0];
	verdict("users", step->name, good,
		"%llu calls (%u wanted), %llu requests, %llu ran, %llu lost, %llu twice, %llu on a wrong CPU%s%s",
		N(total.calls), step->least_calls, N(total.sent), N(total.run), N(total.lost),
		N(total.twice), N(total.wrong), trouble[0] ? "; " : "", trouble);
}

/* What is lost, or runs twice, is seen. */
static void control(const char *name)
{
	make_calls(STORM_EACH | STORM_WAIT | STORM_LOSE, 1, 1);
	make_calls(STORM_EACH | STORM_WAIT | STORM_REPEAT, 1, 1);
	look();
	verdict("users", name, total.lost == 1 && total.twice == 1,
		"%llu lost, %llu twice, of one each", N(total.lost), N(total.twice));
}

static void offline_quota(const char *name)
{
	offline_behind_starved(name, QUOTA);
}

static void offline_idle(const char *name)
{
	offline_behind_starved(name, IDLE);
}

static void offline_deadline(const char *name)
{
	offline_behind_starved(name, DEADLINE);
}

/* What is no load with rounds; those that end the kernel come last. */
static const struct {
	const char *name;
	void (*run)(const char *name);
	bool on_demand;			/* only if its name is given as it is */
} others[] = {
	{ "control", control, false },
	{ "offline_quota", offline_quota, false },
	{ "offline_idle", offline_idle, false },
	{ "offline_deadline", offline_deadline, false },
	{ "isolated", isolated, true },
	{ "kernels", end_of_kernels, true },
	{ "panic", end_by_panic, true },
};

/* Also those that are isolated, so it is not those where this may run. */
static void find_cpus(void)
{
	char path[64], online[2];
	int cpu, length = 0;

	for (cpu = 0; cpu < 64; cpu++) {
		snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", cpu);
		/* The first CPU cannot go, and has no such file. */
		if (cpu && strcmp(get(path, online, sizeof(online)), "1"))
			continue;
		cpu_ids[cpus++] = cpu;
		length += snprintf(cpu_list + length, sizeof(cpu_list) - length, "%d,", cpu);
	}
}

/* A name that is no step's would go unnoticed. */
static void check_names(const char *wanted)
{
	char names[256], *name, *rest;
	size_t i;

	snprintf(names, sizeof(names), "%s", wanted);
	for (name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		bool found = false;

		for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			found = found || listed(name, others[i].name);
		for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			found = found || listed(name, steps[i].name);
		if (!found) {
			errno = EINVAL;
			finish(name);
		}
	}
}

static void swap_cpus(int out, int in)
{
	if (cpu_online(in, 1) || cpu_online(out, 0))
		finish("swap");
}

int main(int argc, char **argv)
{
	char wanted[256] = "*", length[16] = "60", swap[16] = "";
	const struct option_text options[] = {
		{ "steps", wanted, sizeof(wanted) }, { "seconds", length, sizeof(length) },
		{ "swap", swap, sizeof(swap) },
	};
	int out = 0, in = 0;
	size_t i;

	/* Another kernel goes on with what the one before has begun: the second has no verdict yet. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (this_boot() == 1)
		begin_verdicts();
	else
		verdicts = this_boot() - 2;
	take_options(options, 3, argc, argv);
	check_names(wanted);
	seconds = atoi(length);
	if (sscanf(swap, "%d:%d", &out, &in) == 2)
		swap_cpus(out, in);
	find_cpus();
	bind_task(0, cpu_ids[0]);
	storm_fd = open("/dev/storm", O_RDWR | O_CLOEXEC);
	hold_fd = open("/dev/hold", O_RDWR | O_CLOEXEC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (storm_fd < 0 || hold_fd < 0 || shared == MAP_FAILED)
		finish("/dev/storm, /dev/hold");
	if (cpus < 4) {
		errno = ENODEV;
		finish("fewer than 4 CPUs");
	}
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	make_cgroups();
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].on_demand ? strcmp(wanted, others[i].name) :
					  !listed(wanted, others[i].name))
			continue;
		begin();
		others[i].run(others[i].name);
	}
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (listed(wanted, steps[i].name))
			run_step(&steps[i]);
	if (in)
		swap_cpus(in, out);
	finish(NULL);
}
