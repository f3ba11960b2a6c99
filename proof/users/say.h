/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of users.c share: small files, numbers. */
#ifndef SAY_H
#define SAY_H

#include "../../harness/guest/program.h"

#define MS 1000000ULL
#define US(ns) ((unsigned long long)(ns) / 1000)	/* for printf() */
#define N(number) ((unsigned long long)(number))

/* Writes a line to a file: 0, or -1 and errno. */
static int put(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int put(const char *path, const char *format, ...)
{
	char text[512];
	va_list args;
	int fd, length, error;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	error = write(fd, text, length) == length ? 0 : errno;
	close(fd);
	errno = error;
	return error ? -1 : 0;
}

/* The beginning of a file; "" if there is none. */
static char *get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);

	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* The number after a word in a file that has one such pair on each line; -1: none. */
static long number_after(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char line[512];
	long value = -1;

	while (file && fgets(line, sizeof(line), file)) {
		char *at = strstr(line, word);

		if (at && sscanf(at + strlen(word), "%ld", &value) == 1)
			break;
	}
	if (file)
		fclose(file);
	return value;
}

static void pause_ms(unsigned int ms)
{
	sleep_until(now_ns() + ms * MS);
}

/* Computes for a moment, in which a simulator that runs the CPUs in turn need not change them. */
static void compute(void)
{
	int i;

	for (i = 0; i < 5000; i++)
		__asm__ volatile("");
	relax();
}

static unsigned int draw(unsigned int below)
{
	static __thread uint64_t state;

	if (!state)
		state = now_ns() ^ (uintptr_t)&state;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

#endif
