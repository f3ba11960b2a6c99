/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guests' programs share: what they say, options, time, CPUs, and how points are summed
 * up. To be included after _GNU_SOURCE is defined.
 *
 * A program with verdicts says KTAP, in whole lines:
 *
 *   KTAP version 1
 *   ok 1 <mode>.<case> # <reason>
 *   not ok 2 <mode>.<case> # <reason>
 *   ok 3 <mode>.<case> # SKIP <reason>
 *   FIGURE,<table>,<name>=<value>,...      a row of what was counted or measured, units in the names
 *   # <text>                               anything else
 *   1..3                                   the end; the exit value is 0, whatever the verdicts are
 *   Bail out! <step>: <error>              instead of that if it gives up, exit value 1
 *
 * So one that dies has no plan, which fails. harness/judge/ktap.py reads it.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
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

static int verdicts;	/* so far */

static inline void begin_verdicts(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n");
}

/* MODE is NULL where there is only one. */
static inline void __attribute__((format(printf, 4, 5)))
verdict(const char *mode, const char *name, bool good, const char *reason, ...)
{
	va_list args;

	va_start(args, reason);
	printf("%s %d %s%s%s # ", good ? "ok" : "not ok", ++verdicts, mode ? mode : "",
	       mode ? "." : "", name);
	vprintf(reason, args);
	putchar('\n');
	va_end(args);
}

static inline void skip(const char *mode, const char *name, const char *reason)
{
	verdict(mode, name, true, "SKIP %s", reason);
}

static inline void __attribute__((format(printf, 2, 3)))
figure(const char *table, const char *row, ...)
{
	va_list args;

	va_start(args, row);
	printf("FIGURE,%s,", table);
	vprintf(row, args);
	putchar('\n');
	va_end(args);
}

/* The last thing a program with verdicts says; its threads are wherever they are. */
static inline void __attribute__((noreturn)) finish(const char *failed_step)
{
	if (failed_step)
		printf("Bail out! %s: %s\n", failed_step, strerror(errno));
	else
		printf("1..%d\n", verdicts);
	fflush(stdout);
	_exit(failed_step ? 1 : 0);
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
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#elif defined(__riscv)
	usleep(20);	/* no instruction gives the turn to another CPU of the emulator */
#elif defined(__powerpc64__)
	__asm__ volatile("or 1,1,1\n\tor 2,2,2");
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

static inline void be_bound(int cpu)
{
	if (bind_task(0, cpu))
		finish("sched_setaffinity");
}

/* SCHED_FIFO; 0 is as others are. */
static inline void be_urgent(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, priority ? SCHED_FIFO : SCHED_OTHER, &param))
		finish("sched_setscheduler");
}

static inline bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
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

/* An option of a program: NAME=VALUE on its command line, kept as text. */
struct option_text {
	const char *name;
	char *value;
	size_t size;
};

/* Keeps the values of a command line; no word of it may have another name, or be too long. */
static inline void take_options(const struct option_text *options, size_t count, int argc,
				char **argv)
{
	int word;

	for (word = 1; word < argc; word++) {
		const char *value = strchr(argv[word], '=');
		size_t i, len = value ? (size_t)(value - argv[word]) : 0;

		for (i = 0; i < count; i++)
			if (value && len == strlen(options[i].name) &&
			    !strncmp(argv[word], options[i].name, len) &&
			    strlen(value + 1) < options[i].size)
				break;
		if (i == count) {
			errno = EINVAL;
			finish(argv[word]);
		}
		strcpy(options[i].value, value + 1);
	}
}

/* Whether one of the patterns in LIST, which have commas between them, matches NAME. */
static inline bool listed(const char *list, const char *name)
{
	char patterns[256], *pattern, *rest;

	snprintf(patterns, sizeof(patterns), "%s", list);
	for (pattern = strtok_r(patterns, ",", &rest); pattern;
	     pattern = strtok_r(NULL, ",", &rest))
		if (!fnmatch(pattern, name, 0))
			return true;
	return false;
}

#endif
