/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guests' programs share: time, CPUs, and how points are summed up. To be included
 * after _GNU_SOURCE is defined.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* For a program that has nothing more to say than this. */
static inline void __attribute__((noreturn)) fail(const char *step)
{
	printf("BENCH-FAIL,%s\n", step);
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline void sleep_until(uint64_t when)
{
	struct timespec ts = { when / 1000000000, when % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* A simulator that runs the CPUs in turn goes on to the next one at each of these. */
static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Binds a task, 0 is the calling thread; 0 if that went well. */
static inline int bind_task(int task, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(task, sizeof(set), &set);
}

static inline int by_size(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return a < b ? -1 : a > b;
}

/* The middle half together: without ticks, and so that a coarse clock does not matter. */
static inline uint64_t middle_sum(uint64_t *times, int count)
{
	uint64_t sum = 0;
	int i;

	qsort(times, count, sizeof(times[0]), by_size);
	for (i = count / 4; i < count - count / 4; i++)
		sum += times[i];
	return sum;
}

/*
 * Waits until the kernel has its last clocksource, and puts its name into TEXT. The switch stops
 * all CPUs, so it must not come while one of them is held. -1 if /sys does not say.
 */
static inline int await_clocksource(char text[64])
{
	int polls;

	for (polls = 0; polls < 100; polls++) {
		FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/"
				   "current_clocksource", "r");

		if (!file || !fgets(text, 64, file))
			return -1;
		fclose(file);
		text[strcspn(text, "\n")] = '\0';
		if (strcmp(text, "tsc-early"))
			break;
		usleep(100000);
	}
	return 0;
}

#endif
