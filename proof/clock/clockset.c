// SPDX-License-Identifier: GPL-2.0
/*
 * clockset: a timer that a step of the clock makes due expires at once, on every CPU
 *
 * In:  at least 3 CPUs, CPU 1 with nohz_full; /proc, root; as argument
 *        limit_us=200         lateness that fails
 * Out: lines on standard output, as program.h says: verdicts set.<case>, and the greatest lateness
 *
 *   FIGURE,latest,case=..,points=..,latest_ns=..
 *
 * A task arms a timer of CLOCK_REALTIME for a time that is hours away, sets the clock to
 * a second after that, and goes on computing, so that nothing else makes the CPU look at its
 * timers. The lateness is from the return of clock_settime() to the signal.
 *
 *   full      on CPU 1, once the tick is off there
 *   ticking   on CPU 2, at several times between two ticks
 *   remote    the timer is on CPU 1, with the tick off, the clock is set on CPU 2
 *
 * A CPU with nohz_full leaves its timers to others unless kernel.timer_migration is 0, so it
 * is set to that.
 *
 * remote has nothing to do with the CPU that sets the clock: it shows that the others work.
 * It needs a clock that counts instructions, as a busy host makes signals late.
 *
 * Build: static, -pthread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../harness/guest/program.h"

#define NS 1000000000ULL
#define US 1000ULL
#define MS (1000 * US)

#define FULL_CPU 1
#define TICKING_CPU 2
#define AHEAD_S 10000		/* of the timer */
#define PATIENCE_NS (50 * MS)	/* for a signal; then it is taken for as late as that */
#define POINTS 5
#define QUIET_NS (20 * MS)	/* without a timer interrupt: the tick is off */
#define QUIET_TRIES 100

static _Atomic uint64_t fired_ns;

/* Where one thread emulates all CPUs, others run now; not too often, that takes long. */
static void relax_seldom(void)
{
	static __thread unsigned int turn;

	if (++turn % 64 == 0)
		relax();
}

static void compute(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (now_ns() < end)
		relax_seldom();
}

static void on_alarm(int sig)
{
	(void)sig;
	fired_ns = now_ns();
}

/* Timer interrupts of a CPU so far. */
static long interrupts(int cpu)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024];
	long value = -1;

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, "LOC:");
		int i;

		if (!at)
			continue;
		for (at += 4, i = 0; i <= cpu; i++)
			value = strtol(at, &at, 10);
		break;
	}
	if (file)
		fclose(file);
	return value;
}

static bool quiet(int cpu)
{
	int i;

	for (i = 0; i < QUIET_TRIES; i++) {
		long before = interrupts(cpu);

		compute(QUIET_NS);
		if (before >= 0 && interrupts(cpu) == before)
			return true;
	}
	return false;
}

static void set_clock(time_t seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	if (clock_settime(CLOCK_REALTIME, &ts))
		finish("clock_settime");
}

static time_t start_s;		/* each point begins at this time */
static timer_t timer;

static void arm(void)
{
	struct itimerspec at = { .it_value.tv_sec = start_s + AHEAD_S };

	set_clock(start_s);
	fired_ns = 0;
	if (timer_settime(timer, TIMER_ABSTIME, &at, NULL))
		finish("timer_settime");
}

/* For the case remote. */
static _Atomic uint32_t armed, quit;
static _Atomic uint64_t set_ns;

static void *setter(void *arg)
{
	(void)arg;
	be_bound(TICKING_CPU);
	while (!quit) {
		if (armed) {
			armed = 0;
			set_clock(start_s + AHEAD_S + 1);
			set_ns = now_ns();
		}
		relax_seldom();
	}
	return NULL;
}

static uint64_t lateness(bool remote)
{
	uint64_t set, end;

	if (remote) {
		set_ns = 0;
		armed = 1;
		while (!set_ns)
			relax_seldom();
		set = set_ns;
	} else {
		set_clock(start_s + AHEAD_S + 1);
		set = now_ns();
	}
	end = set + PATIENCE_NS;
	while (!fired_ns && now_ns() < end)
		relax_seldom();
	if (!fired_ns)
		return PATIENCE_NS;
	return fired_ns > set ? fired_ns - set : 0;
}

static void one_case(const char *name, int cpu, bool full, bool remote, uint64_t limit)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	uint64_t max = 0, late;
	int points;

	be_bound(cpu);
	if (timer_create(CLOCK_REALTIME, &event, &timer))
		finish("timer_create");
	for (points = 0; points < POINTS; points++) {
		arm();
		if (full && !quiet(cpu))
			break;
		/* Here and there between two ticks. */
		compute((points + 1) * 700 * US);
		late = lateness(remote);
		if (late > max)
			max = late;
	}
	timer_delete(timer);
	figure("latest", "case=%s,points=%d,latest_ns=%llu", name, points, (unsigned long long)max);
	verdict("set", name, points == POINTS && max <= limit,
		"%d points of %d; at most %llu ns%s, the limit is %llu%s",
		points, POINTS, (unsigned long long)max,
		max == PATIENCE_NS ? " (then it was no longer waited for)" : "",
		(unsigned long long)limit, points < POINTS ? "; the tick does not stop" : "");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	char limit_us[16] = "200";
	const struct option_text options[] = { { "limit_us", limit_us, sizeof(limit_us) } };
	pthread_t thread;
	sigset_t alarm_only;
	uint64_t limit;

	begin_verdicts();
	take_options(options, 1, argc, argv);
	limit = strtoull(limit_us, NULL, 10) * US;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 3) {
		errno = ENODEV;
		finish("fewer than 3 CPUs");
	}
	if (!write_text("/proc/sys/kernel/timer_migration", "0"))
		finish("timer_migration");
	start_s = time(NULL);
	sigaction(SIGALRM, &action, NULL);
	one_case("full", FULL_CPU, true, false, limit);
	one_case("ticking", TICKING_CPU, false, false, limit);

	/* The signal is for the thread that computes. */
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
	if (pthread_create(&thread, NULL, setter, NULL))
		finish("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	one_case("remote", FULL_CPU, true, true, limit);
	quit = 1;
	pthread_join(thread, NULL);
	set_clock(start_s);
	finish(NULL);
}
