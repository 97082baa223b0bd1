/*-------------------------------------------------------------------------
 *
 * remote.h
 *	  The worker's session with the coordinator.  Implemented in remote.c.
 *
 * There is one session in a process.  Nothing here waits, and nothing here
 * raises an error but for a wrong use; the caller waits for what
 * sg_remote_events and sg_remote_time_left say, and then calls sg_remote_poll:
 *
 *		sg_remote_open		CONNECTING, or FAILED at once
 *		sg_remote_poll		until IDLE or FAILED
 *		sg_remote_call		BUSY, or FAILED at once
 *		sg_remote_poll		until ANSWERED or FAILED
 *		sg_remote_answer	IDLE, or CLOSED
 *
 * No transaction is needed, and the session goes on over transactions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_REMOTE_H
#define SEQGEN_REMOTE_H

#include "utils/uuid.h"

#include "coordinator.h"

typedef enum SgRemoteState
{
	SG_REMOTE_CLOSED,
	SG_REMOTE_CONNECTING,
	SG_REMOTE_IDLE,				/* ready for a call */
	SG_REMOTE_BUSY,
	SG_REMOTE_ANSWERED,			/* sg_remote_answer has the answer */
	SG_REMOTE_FAILED,			/* the connection failed and is closed;
								 * sg_remote_error says why */
} SgRemoteState;

typedef enum SgRemoteOutcome
{
	SG_REMOTE_ROW,				/* a row of the right shape */
	SG_REMOTE_ERROR,			/* the coordinator raised an error, and did
								 * nothing */
	SG_REMOTE_MALFORMED,		/* no answer that a coordinator gives */
} SgRemoteOutcome;

#define SG_REMOTE_STATUS_SIZE	17
#define SG_REMOTE_TEXT_SIZE		201

/*
 * Texts are one line, valid in the database's encoding, cut to the size, and
 * the coordinator's: to be shown as what it said, not believed.
 */
typedef struct SgRemoteAnswer
{
	SgRemoteOutcome outcome;
	bool		warned;			/* a WARNING came along: the wait for a
								 * synchronous standby was canceled */
	char		status[SG_REMOTE_STATUS_SIZE];	/* lower-case letters */
	bool		has_block;
	int64		lo;				/* if has_block */
	int64		hi;				/* if has_block */
	bool		has_ledger;
	int64		epoch;			/* if has_ledger */
	int64		ledger;			/* if has_ledger */
	pg_uuid_t	ledger_id;		/* if has_ledger */
	char		sqlstate[6];	/* of an error */
	char		message[SG_REMOTE_TEXT_SIZE];	/* of the row, of the error,
												 * or what is malformed */
} SgRemoteAnswer;

/*
 * Starts to connect, to one host after the other until one lets us in, and
 * closes the session that is open.  Begins with the host that was right last
 * time.  A host given by name is looked up here, which does take time; one
 * given by hostaddr is not.
 */
extern void sg_remote_open(const SgCoordinator *coordinator);

extern void sg_remote_close(void);

/*
 * Closes the session if there are other hosts, which are tried first the next
 * time: a coordinator that is in hold may be one that another has replaced.
 */
extern void sg_remote_turn_away(void);

/* Goes on as far as possible without waiting. */
extern SgRemoteState sg_remote_poll(void);

/* The WL_SOCKET_* events to wait for, and where; 0 if there are none. */
extern int	sg_remote_events(pgsocket *socket);

/* ms until the step under way fails, from 0; -1 if none is. */
extern long sg_remote_time_left(void);

/* What a call of seqgen.range_request takes; NULL is SQL's. */
#define SG_REMOTE_PARAM_COUNT	11

/* Starts SELECT * FROM seqgen.range_request(...); only when IDLE. */
extern void sg_remote_call(const char *const *params);

/* Takes the answer; only when ANSWERED.  Valid until the next call. */
extern const SgRemoteAnswer *sg_remote_answer(void);

/* What failed. */
extern const char *sg_remote_error(void);

#endif							/* SEQGEN_REMOTE_H */
