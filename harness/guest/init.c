// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's first program: runs KUnit suites once more after boot, and torture tests.
 *
 * In (kernel command line):
 *	harness.suites=A,B	suites to run again, through KUnit's debugfs files
 *	harness.online=1	before that, bring all CPUs online that are not
 *	harness.steps=FILE	then, with the last clocksource, do what FILE says, a step on
 *				each line:
 *				load NAME [PARAMETERS]	of /modules/NAME.ko
 *				sleep SECONDS
 *				run NAME [ARGUMENTS]	of /bin/NAME
 *				unload NAME
 *	harness.shell=1		give a shell (busybox) instead
 * Out (kernel log, each line beginning with "harness: "):
 *	build ID		which kernel runs: its build id
 *	cpus N online		at first, when more were brought online, and at last
 *	run SUITE		a run begins
 *	load ..., run ...	a step begins
 *	results SUITE begin, | LINE ..., results SUITE end
 *	success			everything above was done
 * and what a program of a step prints, each line beginning with its name and ": ".
 * Then the machine is switched off, whatever happened; harness.reset=1: it is reset.
 *
 * The lines go through /dev/kmsg: the kernel prints each of them in one piece,
 * which a write to the console does not guarantee. Whether the tests passed is
 * not judged here; "success" only says that nothing is missing from the log.
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build_id.h"
#include "clocksource.h"

#define KUNIT_DIR "/sys/kernel/debug/kunit"
#define LINE_MAX_BYTES 900	/* a record of /dev/kmsg holds about 970 */

static int kmsg = -1;

static void say_as(const char *who, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES + 64];
	int used, more;

	used = snprintf(line, sizeof(line), "<6>%.40s: ", who);
	more = vsnprintf(line + used, LINE_MAX_BYTES, format, args);
	if (more >= LINE_MAX_BYTES)
		more = LINE_MAX_BYTES - 1;
	used += more;
	line[used++] = '\n';
	/* Without the log nobody hears of the failure: the verdict misses "success". */
	if (write(kmsg < 0 ? STDOUT_FILENO : kmsg, line, used) < 0)
		return;
}

static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_as("harness", format, args);
	va_end(args);
}

static void pass_on(const char *who, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say_as(who, format, args);
	va_end(args);
}

static char *argument(const char *key);

/*
 * A reset ends an emulator that was told not to reboot; unlike a power off, it needs
 * nothing of the firmware.
 */
static void power_off(void)
{
	sync();
	reboot(argument("harness.reset") ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		pause();
}

static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) && errno != EBUSY)
		say("cannot mount %s: %s", where, strerror(errno));
}

/* Value of a "harness.KEY=" word of the command line, or NULL. */
static char *argument(const char *key)
{
	static char words[4096];
	char *word, *rest, *copy;
	size_t length = strlen(key);
	ssize_t got;
	int fd;

	fd = open("/proc/cmdline", O_RDONLY);
	if (fd < 0)
		return NULL;
	got = read(fd, words, sizeof(words) - 1);
	close(fd);
	if (got <= 0)
		return NULL;
	words[got] = '\0';
	copy = strdup(words);
	if (!copy)
		return NULL;
	for (word = strtok_r(copy, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		if (!strncmp(word, key, length) && word[length] == '=')
			return word + length + 1;
	return NULL;
}

/* Write "1" to a file; what it does is over when this returns. */
static int switch_on(const char *path)
{
	int fd = open(path, O_WRONLY);
	int failed = fd < 0 || write(fd, "1", 1) != 1;

	if (failed)
		say("cannot write to %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return failed ? -1 : 0;
}

static int run_suite(const char *suite)
{
	char path[256], line[4096];
	FILE *results;

	say("run %s", suite);
	snprintf(path, sizeof(path), KUNIT_DIR "/%s/run", suite);
	if (switch_on(path))
		return -1;
	snprintf(path, sizeof(path), KUNIT_DIR "/%s/results", suite);
	results = fopen(path, "r");
	if (!results) {
		say("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	say("results %s begin", suite);
	while (fgets(line, sizeof(line), results)) {
		line[strcspn(line, "\n")] = '\0';
		say("| %s", line);
	}
	say("results %s end", suite);
	fclose(results);
	return 0;
}

static int load(const char *name, const char *params)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = syscall(SYS_finit_module, fd, params, 0);
	close(fd);
	return ret;
}

/* Runs /bin/NAME to its end; all but an exit value of 0 is a failure. */
static int run_program(char *name, char *arguments)
{
	char path[256], line[LINE_MAX_BYTES], *argv[64] = { name }, *rest;
	int out[2], status, count = 1;
	FILE *printed;
	pid_t child;

	for (; count < 63 && (argv[count] = strtok_r(arguments, " ", &rest)); count++)
		arguments = NULL;
	mount_at("devtmpfs", "/dev");
	snprintf(path, sizeof(path), "/bin/%s", name);
	if (pipe(out))
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (!child) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execv(path, argv);
		fprintf(stderr, "cannot execute %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	close(out[1]);
	printed = fdopen(out[0], "r");
	while (printed && fgets(line, sizeof(line), printed)) {
		line[strcspn(line, "\n")] = '\0';
		pass_on(name, "%s", line);
	}
	if (!printed || waitpid(child, &status, 0) != child)
		return -1;
	fclose(printed);
	if (WIFSIGNALED(status))
		say("%s was ended by signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		say("%s ended with exit value %d", name, WEXITSTATUS(status));
	errno = ECHILD;
	return status ? -1 : 0;
}

/* One line of the file of steps. */
static int step(char *line)
{
	char *verb, *what, *rest = NULL;
	int ret = -1;

	say("%s", line);
	verb = strtok_r(line, " ", &rest);
	what = strtok_r(NULL, " ", &rest);
	if (!verb || !what)
		errno = EINVAL;
	else if (!strcmp(verb, "load"))
		ret = load(what, rest ? rest : "");
	else if (!strcmp(verb, "run"))
		ret = run_program(what, rest ? rest : "");
	else if (!strcmp(verb, "unload"))	/* a torture test ends in here */
		ret = syscall(SYS_delete_module, what, O_NONBLOCK);
	else if (!strcmp(verb, "sleep"))
		for (ret = atoi(what); ret > 0; ret = sleep(ret))
			;
	else
		errno = EINVAL;
	if (ret)
		say("cannot %s %s: %s", verb ? verb : "do", what ? what : "this",
		    strerror(errno));
	return ret;
}

static int run_steps(const char *path)
{
	char line[LINE_MAX_BYTES], clocksource[CLOCKSOURCE_SIZE];
	FILE *steps = fopen(path, "r");
	int failed = 0;

	if (!steps) {
		say("cannot open %s: %s", path, strerror(errno));
		return -1;
	}
	/* Steps hold CPUs and measure. A kernel that does not say has no other clocksource. */
	await_clocksource(clocksource);
	while (!failed && fgets(line, sizeof(line), steps)) {
		line[strcspn(line, "\n")] = '\0';
		failed = step(line);
	}
	fclose(steps);
	return failed;
}

static void say_cpus(void)
{
	say("cpus %ld online", sysconf(_SC_NPROCESSORS_ONLN));
}

static int all_cpus_online(void)
{
	int failed = 0;
	glob_t found;
	size_t i;

	if (glob("/sys/devices/system/cpu/cpu[0-9]*/online", 0, NULL, &found)) {
		say("there are no CPUs to bring online");
		return -1;
	}
	for (i = 0; i < found.gl_pathc; i++)
		failed |= switch_on(found.gl_pathv[i]);
	globfree(&found);
	say_cpus();
	return failed;
}

static void shell(void)
{
	pid_t child = fork();

	if (!child) {
		setenv("PATH", "/bin", 1);
		setenv("HOME", "/", 1);
		setenv("PS1", "guest# ", 1);
		setenv("TERM", "linux", 1);
		execl("/bin/busybox", "setsid", "cttyhack", "/bin/sh", "-i", (char *)NULL);
		_exit(127);
	}
	while (wait(NULL) != child)
		;
}

int main(void)
{
	char *suites, *suite, *steps, *rest, id[BUILD_ID_SIZE];
	int failed = 0;

	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	if (argument("harness.shell")) {
		mount_at("devtmpfs", "/dev");
		shell();
		power_off();
	}
	kernel_build_id(id);
	say("build %s", id);
	say_cpus();
	if (argument("harness.online"))
		failed |= all_cpus_online();
	suites = argument("harness.suites");
	for (suite = suites ? strtok_r(suites, ",", &rest) : NULL; suite;
	     suite = strtok_r(NULL, ",", &rest))
		failed |= run_suite(suite);
	steps = argument("harness.steps");
	if (!failed && steps)
		failed = run_steps(steps);
	say_cpus();
	if (!failed)
		say("success");
	power_off();
}
