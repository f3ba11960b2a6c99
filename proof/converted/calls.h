/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of calls.c, for the module and for converted.c. */
#ifndef CALLS_H
#define CALLS_H

#include <linux/ioctl.h>

#define CALLS_WRMSR		_IO('c', 1)	/* argument: base of the values */
#define CALLS_RDMSR		_IO('c', 2)
#define CALLS_MSR_CHECK		_IO('c', 3)	/* argument: a CPU that was online */
#define CALLS_DS_RESERVE	_IO('c', 4)
#define CALLS_DS_RELEASE	_IO('c', 5)
#define CALLS_DS_CHECK		_IO('c', 6)	/* argument: CPU that looks; gives 1: mapped */
#define CALLS_BL_TRACE		_IO('c', 7)

#endif
