/*
 * timekeeper.c
 *	  A clock that jumps, and a kernel that vouches for it, for a program that
 *	  preloads this library.
 *
 * The file that the environment variable TIMEKEEPER names holds two numbers:
 * the seconds by which the wall clock is ahead, and 1 if the kernel says that
 * it is synchronized.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static void
read_state(long *ahead, int *synchronized)
{
	const char *path = getenv("TIMEKEEPER");
	FILE	   *file = path ? fopen(path, "r") : NULL;

	*ahead = 0;
	*synchronized = 0;
	if (file == NULL)
		return;
	if (fscanf(file, "%ld %d", ahead, synchronized) != 2)
		*ahead = 0;
	fclose(file);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int			result = REAL(clock_gettime) (id, ts);
	long		ahead;
	int			synchronized;

	if (id == CLOCK_REALTIME)
	{
		read_state(&ahead, &synchronized);
		ts->tv_sec += ahead;
	}
	return result;
}

int
ntp_adjtime(struct timex *tx)
{
	long		ahead;
	int			synchronized;

	read_state(&ahead, &synchronized);
	tx->status = synchronized ? 0 : STA_UNSYNC;
	return synchronized ? TIME_OK : TIME_ERROR;
}
