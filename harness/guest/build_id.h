/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which kernel runs: the build id that the linker gave it, a hash over all of it. It
 * tells two kernels apart that both call themselves "#1".
 */
#ifndef BUILD_ID_H
#define BUILD_ID_H

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef BUILD_ID_NOTES		/* a test has another file */
#define BUILD_ID_NOTES "/sys/kernel/notes"
#endif
#define BUILD_ID_SIZE 129

/* In hex digits; "unknown" if the kernel does not say it. */
static void kernel_build_id(char hex[BUILD_ID_SIZE])
{
	unsigned char notes[4096];
	size_t at, name, id, next, i;
	Elf32_Nhdr note;		/* the same in 64 bits */
	ssize_t got;
	int fd;

	strcpy(hex, "unknown");
	fd = open(BUILD_ID_NOTES, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, notes, sizeof(notes));
	close(fd);
	for (at = 0; got > 0 && at + sizeof(note) <= (size_t)got; at = next) {
		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		id = name + (note.n_namesz + 3) / 4 * 4;
		next = id + (note.n_descsz + 3) / 4 * 4;
		if (next > (size_t)got)
			return;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
		    memcmp(notes + name, "GNU", sizeof("GNU")) ||
		    note.n_descsz * 2 >= BUILD_ID_SIZE)
			continue;
		for (i = 0; i < note.n_descsz; i++)
			sprintf(hex + 2 * i, "%02x", notes[id + i]);
		return;
	}
}

#endif
