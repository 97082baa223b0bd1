/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  The only reader of the system clock, and its judge.
 *
 * A clock that was stepped forward by mistake would drag every durable bound
 * along, and nothing brings a bound back but a superuser.  So a reservation
 * has its reading checked here against the time that has passed, by the
 * clock of the machine's uptime, since the last reading that was trusted: the
 * anchor.  After a server start the anchor is the last checkpoint's time, and
 * as nobody knows how long the server was down, a year is allowed then.
 *
 * A step back is no danger here: ids only grow.  It leaves the anchor alone,
 * so that setting the clock right again is no jump.
 *
 * The anchor is guarded by SG_LOCK_CLOCK.  It is touched once a reservation,
 * never once an id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __linux__
#include <sys/timex.h>
#endif
#include <time.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "shmem.h"
#include "clock.h"

/* the jump that is allowed after a start, if any is checked: one year */
#define JUMP_AFTER_START	(INT64CONST(365) * USECS_PER_DAY)

typedef struct ClockAnchor
{
	int64		wall;			/* us since the Unix epoch; trusted */
	int64		elapsed;		/* us of uptime at the same moment */
	bool		after_start;	/* from the last checkpoint, not a reading */
} ClockAnchor;

/* where the machine's sleep does not count, the check is stricter after it */
#ifdef CLOCK_BOOTTIME
#define ELAPSED_CLOCK	CLOCK_BOOTTIME
#else
#define ELAPSED_CLOCK	CLOCK_MONOTONIC
#endif

static ClockAnchor *anchor = NULL;

static inline int64
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64) ts.tv_sec * USECS_PER_SEC + ts.tv_nsec / 1000;
}

int64
sg_clock_now(void)
{
	return clock_read(CLOCK_REALTIME) + sg_debug_clock_offset_us;
}

int64
sg_clock_elapsed(void)
{
	return clock_read(ELAPSED_CLOCK);
}

/* a maximum error of the kernel's from which on it bounds nothing, in us */
#define UNBOUNDED_ERROR		INT64CONST(16000000)

SgClockState
sg_clock_state(int64 *max_error)
{
#ifdef __linux__
	struct timex tx = {0};
	int			state;

	/* a reading that a test has shifted is nobody's but the test's */
	if (sg_debug_clock_offset_us != 0)
		return SG_CLOCK_SHIFTED;
	state = ntp_adjtime(&tx);
	if (state < 0)
		return SG_CLOCK_UNKNOWN;
	*max_error = tx.maxerror;
	if (state == TIME_ERROR || (tx.status & STA_UNSYNC) != 0 ||
		tx.maxerror >= UNBOUNDED_ERROR)
		return SG_CLOCK_UNSYNCHRONIZED;
	return SG_CLOCK_SYNCHRONIZED;
#else
	return sg_debug_clock_offset_us != 0 ? SG_CLOCK_SHIFTED : SG_CLOCK_UNKNOWN;
#endif
}

/* Does the kernel say that something keeps the clock right? */
static bool
clock_synchronized(void)
{
	int64		max_error;

	return sg_clock_state(&max_error) == SG_CLOCK_SYNCHRONIZED;
}

/* The pure rule: how far did the clock jump, in us?  Negative is a step back. */
static int64
clock_jump(const ClockAnchor *from, int64 wall, int64 elapsed)
{
	return (wall - from->wall) - (elapsed - from->elapsed);
}

/* The pure rule: is a jump of this size one to distrust? */
static bool
clock_jump_too_far(const ClockAnchor *from, int64 jump, int max_jump)
{
	if (max_jump == 0)
		return false;
	return jump > Max((int64) max_jump * USECS_PER_SEC,
					  from->after_start ? JUMP_AFTER_START : 0);
}

static ClockAnchor
anchor_get(void)
{
	ClockAnchor copy;

	LWLockAcquire(sg_shmem_lock(SG_LOCK_CLOCK), LW_SHARED);
	copy = *anchor;
	LWLockRelease(sg_shmem_lock(SG_LOCK_CLOCK));
	return copy;
}

static void
anchor_set(int64 wall, int64 elapsed)
{
	LWLockAcquire(sg_shmem_lock(SG_LOCK_CLOCK), LW_EXCLUSIVE);
	anchor->wall = wall;
	anchor->elapsed = elapsed;
	anchor->after_start = false;
	LWLockRelease(sg_shmem_lock(SG_LOCK_CLOCK));
}

void
sg_clock_check(int64 now)
{
	int64		elapsed = sg_clock_elapsed();
	ClockAnchor from = anchor_get();
	int64		jump = clock_jump(&from, now, elapsed);

	if (clock_jump_too_far(&from, jump, sg_max_clock_jump) &&
		!clock_synchronized())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("clock jumped forward further than seqgen trusts"),
				 from.after_start ?
				 errdetail("The clock reads %s, the last checkpoint before the server start was at %s.",
						   sg_clock_text(now), sg_clock_text(from.wall)) :
				 errdetail("The clock reads %s, but by the time elapsed it should read %s.",
						   sg_clock_text(now), sg_clock_text(now - jump)),
				 errhint("Correct the clock. If it is right, a superuser can accept it with SELECT seqgen.accept_clock(). "
						 "The limit is seqgen.max_clock_jump.")));

	/* a clock that was set back has not changed what it should read */
	if (jump > 0)
		anchor_set(now, elapsed);
}

PG_FUNCTION_INFO_V1(sg_clock_accept_now);
Datum
sg_clock_accept_now(PG_FUNCTION_ARGS)
{
	sg_shmem_require();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to accept the clock"),
				 errhint("Only a superuser may.")));
	anchor_set(sg_clock_now(), sg_clock_elapsed());
	PG_RETURN_VOID();
}

char *
sg_clock_text(int64 unix_us)
{
	return pstrdup(timestamptz_to_str(sg_unix_to_timestamp(unix_us)));
}

static Size
clock_shmem_size(void)
{
	return sizeof(ClockAnchor);
}

/*
 * The time of the last checkpoint before this start.  It is read here because
 * the start itself soon writes another one, with the clock as it is now.
 */
static void
clock_shmem_attach(void *area, bool initialize)
{
	bool		crc_ok;
	ControlFileData *control;

	anchor = area;
	if (!initialize)
		return;

	control = get_controlfile(DataDir, &crc_ok);
	anchor->wall = (int64) control->checkPointCopy.time * USECS_PER_SEC;
	anchor->elapsed = clock_read(ELAPSED_CLOCK);
	anchor->after_start = true;
	pfree(control);
}

static const SgShmemArea clock_area = {
	.name = "seqgen clock",
	.size = clock_shmem_size,
	.attach = clock_shmem_attach,
};

void
sg_clock_init(void)
{
	sg_shmem_add(&clock_area);
}
