// SPDX-License-Identifier: GPL-2.0
/*
 * rt: cyclictest beside a load
 *
 * In:  arguments: ROUND SECONDS CPUS [LOAD ARGUMENT...]
 *        ROUND    a name for the lines below
 *        SECONDS  how long cyclictest runs; the load runs a little longer
 *        CPUS     of cyclictest, one thread on each: "0-2"
 *        LOAD     a program with its arguments; it has to run until it is ended
 *      The programs cyclictest and LOAD are found in PATH (or /bin and /usr/bin). Root.
 * Out: lines on standard output (times in us):
 *
 *   RT-BEGIN,<round>,<interval>,<hold>   hold: of the module stall (stall.c) in ms, or 0
 *   RT-LOAD,<round>,<line>            what the load printed
 *   RT-JSON,<round>,<text>            a piece of what cyclictest says, with --json
 *   RT-HOLDS,<round>,<n>              how often the module kept its CPU meanwhile
 *   RT-FAIL,<round>,<reason>          exit value 1
 *   RT-END,<round>                    always the last line
 *
 * A load that ends too early is a failure: cyclictest would have measured an idle
 * machine.
 *
 * Build: static.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_US "1000"
#define HIST_US "400000"	/* the histogram goes up to here */
#define PRIORITY "80"
#define LEAD_S 1		/* the load alone, before cyclictest begins */
#define MARGIN_S 60		/* a busy machine takes longer for everything */
#define END_POLLS 100		/* of 0.1 s, until a load is killed */
#define JSON_FILE "/tmp/rt-results"
#define LINE_BYTES 500		/* a line of the console has room for some 900 */
#define LOAD_FILE "/tmp/rt-load"

static const char *label = "?";

static void fail(const char *format, ...)
{
	va_list args;

	printf("RT-FAIL,%s,", label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nRT-END,%s\n", label);
	exit(1);
}

static void rest(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* A process in a group of its own; its output goes to the file. */
static pid_t start(char **argv, const char *output)
{
	pid_t child;
	int fd;

	fflush(stdout);
	child = fork();
	if (child)
		return child;
	setpgid(0, 0);
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(127);
	execvp(argv[0], argv);
	fprintf(stderr, "cannot execute %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void show_load(void)
{
	char line[400];
	FILE *file = fopen(LOAD_FILE, "r");

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (*line)
			printf("RT-LOAD,%s,%s\n", label, line);
	}
	if (file)
		fclose(file);
}

/* All processes of the load are gone when this returns. */
static void end_load(pid_t load)
{
	int polls, status;
	pid_t got = 0;

	/* The leader alone: stress-ng then ends its own, and says what they did. */
	kill(load, SIGINT);
	for (polls = 0; polls < 2 * END_POLLS; polls++) {
		while ((got = waitpid(-1, &status, WNOHANG)) > 0)
			;
		if (got < 0)
			return;		/* there is no child any more */
		if (polls >= END_POLLS)
			kill(-load, SIGKILL);
		rest(100);
	}
	fail("the load does not end");
}

/* A load that brings CPUs off line must not leave them so. */
static void all_cpus_online(void)
{
	glob_t found;
	size_t i;

	if (glob("/sys/devices/system/cpu/cpu[0-9]*/online", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDWR);
		char now = '1';

		if (fd >= 0 && read(fd, &now, 1) == 1 && now == '0' &&
		    (lseek(fd, 0, SEEK_SET) || write(fd, "1", 1) != 1))
			fail("%s stays offline", found.gl_pathv[i]);
		if (fd >= 0)
			close(fd);
	}
	globfree(&found);
}

/* What cyclictest wrote, many words on a line. */
static void show_results(void)
{
	FILE *file = fopen(JSON_FILE, "r");
	char word[256];
	int used = 0;

	if (!file)
		fail("cyclictest left no results");
	while (fscanf(file, "%255s", word) == 1) {
		if (!used)
			printf("RT-JSON,%s,", label);
		used += printf("%s ", word);
		if (used > LINE_BYTES) {
			printf("\n");
			used = 0;
		}
	}
	if (used)
		printf("\n");
	fclose(file);
}

/* Number of CPUs in a list like "0-2,5". */
static int count_cpus(const char *list)
{
	int count = 0;

	while (*list) {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (end == list)
			fail("%s is not a list of CPUs", list);
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		count += last - first + 1;
		list = *end == ',' ? end + 1 : end;
		if (list == end && *end)
			fail("%s is not a list of CPUs", list);
	}
	return count;
}

/* What the module says: "hold_ms", how long it keeps a CPU, "holds", how often it did. */
static int stall(const char *what)
{
	char path[64];
	FILE *file;
	int value = 0;

	snprintf(path, sizeof(path), "/sys/module/stall/parameters/%s", what);
	file = fopen(path, "r");
	if (file && fscanf(file, "%d", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

int main(int argc, char **argv)
{
	char threads[24], cpus[128], duration[24];
	char *cyclictest[] = {
		"cyclictest", "-q", "-m", "-p", PRIORITY, threads, cpus, "-i", INTERVAL_US, "-d", "0",
		"-h", HIST_US, "--histfile=/dev/null", "--json=" JSON_FILE, "-D", duration,
		"--mainaffinity=0", NULL
	};
	int status, early, polls, seconds, holds;
	pid_t load = 0, child;

	if (argc < 4) {
		fprintf(stderr, "usage: rt ROUND SECONDS CPUS [LOAD ARGUMENT...]\n");
		return 2;
	}
	label = argv[1];
	seconds = atoi(argv[2]);
	snprintf(threads, sizeof(threads), "-t%d", count_cpus(argv[3]));
	snprintf(cpus, sizeof(cpus), "-a%s", argv[3]);
	snprintf(duration, sizeof(duration), "%d", seconds);
	setenv("PATH", "/bin:/usr/bin:/sbin:/usr/sbin", 0);
	mkdir("/tmp", 01777);
	unlink(JSON_FILE);
	/* What the load leaves behind becomes ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	printf("RT-BEGIN,%s,%s,%d\n", label, INTERVAL_US, stall("hold_ms"));
	holds = stall("holds");
	if (argc > 4) {
		load = start(argv + 4, LOAD_FILE);
		rest(LEAD_S * 1000);
	}
	child = start(cyclictest, "/tmp/rt-cyclictest");
	for (polls = 0; waitpid(child, &status, WNOHANG) != child; polls++) {
		if (polls > 10 * (seconds + MARGIN_S)) {
			kill(child, SIGKILL);
			fail("cyclictest does not end");
		}
		rest(100);
	}
	holds = stall("holds") - holds;
	if (load) {
		if (waitpid(load, &early, WNOHANG) != 0) {
			show_load();
			fail("the load ended early");
		}
		end_load(load);
		show_load();
		all_cpus_online();
	}
	if (status)
		fail("cyclictest ended with status %d", status);
	show_results();
	printf("RT-HOLDS,%s,%d\n", label, holds);
	printf("RT-END,%s\n", label);
	return 0;
}
