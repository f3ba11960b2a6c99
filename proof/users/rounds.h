/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the machine while calls go on: each function does a little of it, and is
 * called again and again.
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/swap.h>

#include "load.h"

#define CPU_DIR "/sys/devices/system/cpu"
#define TRACING "/sys/kernel/tracing"
#define MAX_OFFLINES 4096
#define MODEL_FILE "/sys/kernel/debug/sched/preempt"

/* How long CPUs took to go offline since this was emptied. */
static uint64_t offline_ns[MAX_OFFLINES];
static int offlines;

/* What did not do what it should; the first of it. */
static char trouble[200];

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...)
{
	va_list args;

	if (trouble[0])
		return;
	va_start(args, format);
	vsnprintf(trouble, sizeof(trouble), format, args);
	va_end(args);
}

static int cpu_online(int cpu, int online)
{
	char path[64];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", cpu);
	return put(path, "%d", online);
}

static uint64_t timed_offline(int cpu)
{
	uint64_t start = now_ns(), took;

	if (cpu_online(cpu, 0)) {
		wrong("CPU %d does not go offline: %s", cpu, strerror(errno));
		return 0;
	}
	took = now_ns() - start;
	if (offlines < MAX_OFFLINES)
		offline_ns[offlines++] = took;
	return took;
}

static void back_online(int cpu)
{
	if (cpu_online(cpu, 1))
		wrong("CPU %d does not come online: %s", cpu, strerror(errno));
}

/* One CPU goes and comes, each in its turn; the first cannot. */
static int next_cpu(void)
{
	static int last;

	last = last % (cpus - 1) + 1;
	return cpu_ids[last];
}

static void churn(void)
{
	int cpu = next_cpu();

	timed_offline(cpu);
	back_online(cpu);
}

/* --- each step of a CPU's way up and down fails once */

static int hotplug_steps[512], hotplug_step_count, next_step;
static unsigned int failed_down, failed_up, refused, not_there;

static void read_hotplug_steps(void)
{
	FILE *file = fopen(CPU_DIR "/hotplug/states", "re");
	char line[128];

	hotplug_step_count = next_step = 0;
	while (file && fgets(line, sizeof(line), file) && hotplug_step_count < 512)
		if (sscanf(line, " %d:", &hotplug_steps[hotplug_step_count]) == 1)
			hotplug_step_count++;
	if (!file || !hotplug_step_count)
		finish("hotplug/states");
	fclose(file);
}

/*
 * The next failure of a CPU that is to be online, or offline. The kernel refuses steps that
 * cannot fail: those with interrupts off, and on the way down those that come after the CPU is
 * dead. Where a step has nothing to do on this way, the CPU does not come to it.
 */
static unsigned int fail_once(int cpu, int step, int online)
{
	char path[64];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%d/hotplug/fail", cpu);
	if (put(path, "%d", step)) {
		refused++;
		return 0;
	}
	if (!cpu_online(cpu, online)) {
		not_there++;
		if (put(path, "-1") || cpu_online(cpu, !online))
			wrong("step %d is passed, and there is no way back", step);
		return 0;
	}
	return 1;
}

static void fail_steps(void)
{
	int cpu = next_cpu(), step;

	if (!hotplug_step_count)
		read_hotplug_steps();
	step = hotplug_steps[next_step++ % hotplug_step_count];
	failed_down += fail_once(cpu, step, 0);
	timed_offline(cpu);
	failed_up += fail_once(cpu, step, 1);
	back_online(cpu);
}

/* --- suspend */

static unsigned int sleeps;

static void sleep_with(const char *test, const char *how, const char *state)
{
	put("/sys/module/suspend/parameters/pm_test_delay", "0");
	if (put("/sys/power/pm_test", "%s", test))
		wrong("pm_test=%s: %s", test, strerror(errno));
	else if (how[0] && put("/sys/power/mem_sleep", "%s", how))
		wrong("mem_sleep=%s: %s", how, strerror(errno));
	else if (put("/sys/power/state", "%s", state))
		wrong("%s with pm_test=%s: %s", state, test, strerror(errno));
	else
		sleeps++;
	put("/sys/power/pm_test", "none");
}

static void suspend_test(void)
{
	sleep_with("processors", "deep", "mem");
}

static void hibernate_test(void)
{
	sleep_with("processors", "", "disk");
}

/* A RAM disk as swap: its header says 1 for the version, and the last page. */
static void swap_on(void)
{
	uint32_t header[1024] = { [256] = 1, [257] = 0x3ffff };
	int fd = open("/dev/ram0", O_RDWR | O_CLOEXEC);

	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (fd < 0 || write(fd, header, sizeof(header)) != sizeof(header) || fsync(fd) ||
	    swapon("/dev/ram0", 0))
		wrong("swap: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The image of the memory is made, written, read again, and goes on in the place of this. */
static void hibernate_image(void)
{
	if (put("/sys/power/disk", "test_resume") || put("/sys/power/resume", "1:0"))
		wrong("test_resume: %s", strerror(errno));
	swap_on();
	sleep_with("none", "", "disk");
	swapoff("/dev/ram0");
}

#define ALARM_IRQ 8		/* of the clock, as on every PC */

/* The clock wakes it. Firmware is to see to that, and QEMU's does so from deeper sleep only. */
static void suspend_to_idle(void)
{
	static bool wakes;

	if (!wakes && ioctl(storm_fd, STORM_WAKE, ALARM_IRQ))
		wrong("IRQ %d: %s", ALARM_IRQ, strerror(errno));
	wakes = true;
	put("/sys/class/rtc/rtc0/wakealarm", "0");
	if (put("/sys/class/rtc/rtc0/wakealarm", "+2"))
		wrong("wakealarm: %s", strerror(errno));
	else
		sleep_with("none", "s2idle", "mem");
}

/* --- the preemption model */

static const char *const models[] = { "none", "voluntary", "full" };
static uint64_t preempted_in[3];	/* calls that waited and were preempted */
static void set_model(const char *model)
{
	char text[64], word[32];

	snprintf(word, sizeof(word), "(%s)", model);
	if (put(MODEL_FILE, "%s", model) || !strstr(get(MODEL_FILE, text, sizeof(text)), word))
		wrong("preempt=%s does not take effect", model);
}

static void next_model(void)
{
	static unsigned int turn;
	unsigned int model = turn++ % 3;

	set_model(models[model]);
	look();
	pause_ms(100);
	preempted_in[model] += look().preempted;
}

/* --- tracing: code is patched while calls go on */

static unsigned int probe_hits, bpf_runs;

/* The last ones run on CPUs that are offline, too, where the base's return probes may not be. */
static const char *const probed[] = {
	"smp_call_function_many_cond", "on_each_cpu_cond_mask", "flush_tlb_func",
	"smpcfd_dead_cpu", "__flush_smp_call_function_queue", "smp_call_function_single",
};
#define RETURN_PROBES 4

static void function_tracer(void)
{
	if (put(TRACING "/current_tracer", "function"))
		wrong("the function tracer: %s", strerror(errno));
	churn();
	put(TRACING "/current_tracer", "nop");
}

static void kernel_probes(void)
{
	char name[80];
	size_t i;
	int placed = 0, fd;
	FILE *file;
	unsigned long hits;

	for (i = 0; i < sizeof(probed) / sizeof(probed[0]); i++) {
		placed += !put(TRACING "/kprobe_events", "p:users/p%zu %s", i, probed[i]);
		if (i < RETURN_PROBES)
			put(TRACING "/kprobe_events", "r:users/r%zu %s", i, probed[i]);
	}
	if (placed < 3 || put(TRACING "/events/users/enable", "1"))
		wrong("kprobes: %s", strerror(errno));
	churn();
	put(TRACING "/events/users/enable", "0");
	file = fopen(TRACING "/kprobe_profile", "re");
	while (file && fscanf(file, "%79s %lu %*u", name, &hits) == 2)
		probe_hits += hits;
	if (file)
		fclose(file);
	/* Opened like this, it takes all away. */
	fd = open(TRACING "/kprobe_events", O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		wrong("kprobes stay: %s", strerror(errno));
	else
		close(fd);
}

static void static_keys(void)
{
	static const char *const keys[] = {
		TRACING "/events/csd/enable", TRACING "/events/ipi/enable",
		TRACING "/events/sched/enable", TRACING "/events/tlb/enable",
		"/proc/sys/kernel/sched_schedstats",
	};
	static const char *const features = "/sys/kernel/debug/sched/features";
	int turn;
	size_t i;

	for (turn = 1; turn >= 0; turn--) {
		for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			if (put(keys[i], "%d", turn) && i != 3)
				wrong("%s: %s", keys[i], strerror(errno));
		/* Wake-ups go through the calls' queues, or do not. */
		put(features, turn ? "NO_TTWU_QUEUE" : "TTWU_QUEUE");
		churn();
	}
}

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* A program at a tracepoint of each request that is queued counts in a map. */
static void live_bpf(void)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8,
			       .max_entries = 1 };
	int map_fd = bpf(BPF_MAP_CREATE, &map), program_fd, point_fd;
	const struct bpf_insn code[] = {
		{ BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0 },
		{ BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4 },
		{ BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd },
		{ 0, 0, 0, 0, 0 },
		{ BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem },
		{ BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0 },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1 },
		{ BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD },
		{ BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0 },
		{ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 },
	};
	union bpf_attr program = { .prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
				   .insns = (uintptr_t)code,
				   .insn_cnt = sizeof(code) / sizeof(code[0]),
				   .license = (uintptr_t)"GPL" };
	union bpf_attr point = { .raw_tracepoint.name = (uintptr_t)"csd_queue_cpu" };
	uint64_t runs = 0;
	uint32_t key = 0;
	union bpf_attr look = { .map_fd = map_fd, .key = (uintptr_t)&key,
				.value = (uintptr_t)&runs };

	program_fd = bpf(BPF_PROG_LOAD, &program);
	point.raw_tracepoint.prog_fd = program_fd;
	point_fd = bpf(BPF_RAW_TRACEPOINT_OPEN, &point);
	if (point_fd < 0) {
		wrong("bpf: %s", strerror(errno));
	} else {
		churn();
		bpf(BPF_MAP_LOOKUP_ELEM, &look);
		bpf_runs += runs;
		close(point_fd);
	}
	close(program_fd);
	close(map_fd);
}

static void patch_code(void)
{
	static void (*const patches[])(void) = {
		function_tracer, kernel_probes, static_keys, live_bpf,
	};
	static unsigned int turn;

	patches[turn++ % 4]();
}

/* --- grace periods of another kind */

static void grace_periods(void)
{
	static unsigned int turn;
	unsigned int mode = turn++ % 3;		/* as at boot, expedited, normal */

	if (put("/sys/kernel/rcu_expedited", "%d", mode == 1) ||
	    put("/sys/kernel/rcu_normal", "%d", mode == 2))
		wrong("rcu_expedited: %s", strerror(errno));
	churn();
	put("/sys/kernel/rcu_expedited", "0");
	put("/sys/kernel/rcu_normal", "0");
}

/* --- where threads may run */

static void move_threads(void)
{
	enum kind kind = draw(2) ? PLAIN : QUOTA;
	int tid = shared->threads[kind][draw(THREADS)], only = cpu_ids[draw(cpus)], i;
	cpu_set_t set;
	char path[64];

	for (i = 0; i < 20; i++) {
		CPU_ZERO(&set);
		CPU_SET(cpu_ids[draw(cpus)], &set);
		CPU_SET(cpu_ids[draw(cpus)], &set);
		/* Fails if the cpuset has none of them, or if they are offline. */
		sched_setaffinity(tid, sizeof(set), &set);
		pause_ms(2);
	}
	snprintf(path, sizeof(path), CGROUPS "/%s/cpuset.cpus", kind_names[kind]);
	if (put(path, "%d", only))
		wrong("%s: %s", path, strerror(errno));
	pause_ms(10);
	if (only)
		timed_offline(only);
	if (put(path, "%s", cpu_list))
		wrong("%s: %s", path, strerror(errno));
	if (only)
		back_online(only);
}

#endif
