// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the kernel's own selftests one after the other, each with a time limit.
 *
 * In:  /selftests/list (or the file named by the first argument), a step on each line:
 *	mount TYPE WHERE [OPTIONS]	the folder is made if it is not there
 *	write FILE VALUE		the file is made if it is not there
 *	swap DEVICE			a RAM disk, which it makes a swap area
 *	run SECONDS USER PROGRAM [ARGUMENTS]
 *					PROGRAM is TARGET/NAME beside the list. It runs as the
 *					numeric USER, in the folder of its target
 * Out (stdout): KTAP, as program.h says, with a test for each program:
 *	    # Subtest: PROGRAM ARGUMENTS
 *	    LINE			what it prints, on both outputs; its own cases count
 *	ok 1 PROGRAM ARGUMENTS # exit value 0
 *	not ok 2 PROGRAM ARGUMENTS # how else it ended
 *	not ok 3 STEP # REASON		a mount, write or swap that did not succeed
 *	FIGURE,programs,program=..,milliseconds=..
 *	FIGURE,ran,programs=..		that ran
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../harness/guest/program.h"

#define SKIPPED 4		/* exit value */
#define SHOWN 800		/* bytes of a line; the rest of it is on the next one */

static char folder[256];	/* of the list */

static long long now_ms(void)
{
	return now_ns() / 1000000;
}

/* What a program prints, in whole lines. */
struct output {
	char line[SHOWN];
	size_t used;
};

static void print_line(struct output *out)
{
	printf("    %.*s\n", (int)out->used, out->line);
	out->used = 0;
}

static void take(struct output *out, const char *bytes, ssize_t count)
{
	for (; count > 0; count--, bytes++) {
		if (*bytes != '\n' && *bytes != '\r')
			out->line[out->used++] = *bytes >= ' ' || *bytes == '\t' ? *bytes : '?';
		if (*bytes == '\n' || out->used == sizeof(out->line))
			print_line(out);
	}
}

static void become(int user, const char *program, char **argv, int output)
{
	char path[512], where[512];
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	close(null);
	close(output);
	snprintf(where, sizeof(where), "%s/%s", folder, program);
	snprintf(path, sizeof(path), "./%s", strrchr(where, '/') + 1);
	argv[0] = path;
	if (chdir(dirname(where)) || (user && (setgid(user) || setuid(user))) ||
	    execv(path, argv))
		fprintf(stderr, "cannot run %s as user %d: %s\n", program, user, strerror(errno));
	_exit(127);
}

/*
 * A program may leave others behind that hold its output open, so its own end counts, and
 * the rest of its process group goes with it.
 */
static int run(const char *name, int limit_s, int user, const char *program, char **argv)
{
	struct output out = { .used = 0 };
	int ends[2], status = 0, ended = 0, late = 0;
	long long start = now_ms();
	char bytes[4096];
	ssize_t got;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	printf("    # Subtest: %s\n", name);
	child = fork();
	if (child < 0)
		return -1;
	if (!child)
		become(user, program, argv, ends[1]);
	close(ends[1]);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (!ended) {
		struct pollfd ready = { .fd = ends[0], .events = POLLIN };

		if (poll(&ready, 1, 50) > 0 && !(ready.revents & POLLIN))
			usleep(20000);	/* nobody has its output open any more */
		ended = waitpid(child, &status, WNOHANG) == child;
		if (ended)
			kill(-child, SIGKILL);
		if (!ended && !late && now_ms() - start > limit_s * 1000LL) {
			late = 1;
			kill(-child, SIGKILL);
		}
		do {
			got = read(ends[0], bytes, sizeof(bytes));
			take(&out, bytes, got);
		} while (ended && got > 0);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(ends[0]);
	if (out.used)
		print_line(&out);
	if (late)
		verdict(NULL, name, false, "killed at its limit of %d s", limit_s);
	else if (WIFSIGNALED(status))
		verdict(NULL, name, false, "ended by signal %d", WTERMSIG(status));
	else
		verdict(NULL, name, !WEXITSTATUS(status), "exit value %d%s", WEXITSTATUS(status),
			WEXITSTATUS(status) == SKIPPED ? ", skipped" : "");
	figure("programs", "program=%s,milliseconds=%lld", name, now_ms() - start);
	return 0;
}

static int write_to(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, value, strlen(value)) == (ssize_t)strlen(value) ? 0 : -1;
	close(fd);
	return ret;
}

static int mount_at(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	return mount(type, where, type, 0, options);
}

/* The header of a swap area: version 1, and the number of its last page. */
static int swap_to(const char *device)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = open(device, O_RDWR), ret = -1;
	char *header = calloc(1, page);
	off_t size;

	if (fd < 0 || !header)
		return -1;
	size = lseek(fd, 0, SEEK_END);
	((uint32_t *)header)[256] = 1;
	((uint32_t *)header)[257] = size / page - 1;
	memcpy(header + page - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, header, page, 0) == page && !fsync(fd))
		ret = 0;
	close(fd);
	free(header);
	return ret ? ret : swapon(device, 0);
}

static int is(const char *verb, const char *name, int words, int least)
{
	errno = EINVAL;
	return !strcmp(verb, name) && words >= least;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 && strchr(argv[1], '/') ? argv[1] : "/selftests/list";
	char line[1024];
	int ran = 0;
	FILE *list;

	begin_verdicts();
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof(folder), "%s", path);
	dirname(folder);
	list = fopen(path, "re");
	if (!list)
		finish(path);
	while (fgets(line, sizeof(line), list)) {
		char copy[1024], *word[64] = { NULL }, *rest = NULL;
		int words = 0, ret = -1;

		line[strcspn(line, "\n")] = '\0';
		strcpy(copy, line);
		for (; words < 63 && (word[words] = strtok_r(words ? NULL : copy, " ", &rest)); words++)
			;
		if (!words)
			continue;
		if (is(word[0], "run", words, 4)) {
			ret = run(line + (word[3] - copy), atoi(word[1]), atoi(word[2]), word[3],
				  word + 3);
			ran += !ret;
		} else if (is(word[0], "mount", words, 3)) {
			ret = mount_at(word[1], word[2], word[3]);
		} else if (is(word[0], "write", words, 3)) {
			ret = write_to(word[1], line + (word[2] - copy));
		} else if (is(word[0], "swap", words, 2)) {
			ret = swap_to(word[1]);
		}
		if (ret)
			verdict(NULL, line, false, "%s", strerror(errno));
	}
	figure("ran", "programs=%d", ran);
	finish(NULL);
}
