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

#define SG_REMOTE_MAX_COLUMNS	16
#define SG_REMOTE_STATUS_SIZE	17
#define SG_REMOTE_TEXT_SIZE		201

/* A statement that returns one row.  It must last until it is answered. */
typedef struct SgQuestion
{
	const char *sql;
	int			param_count;
	int			column_count;	/* SG_REMOTE_MAX_COLUMNS at most */
	const Oid  *column_types;
} SgQuestion;

/*
 * Columns are as they came: in any encoding, and the coordinator's; together
 * they are kept up to about 32 kB, of which each has 1 kB at least, and what is
 * longer lacks its end.  So they are read with the functions below, or as
 * carefully.
 */
typedef struct SgRemoteAnswer
{
	SgRemoteOutcome outcome;
	bool		warned;			/* a WARNING came along: the wait for a
								 * synchronous standby was canceled */
	const char *columns[SG_REMOTE_MAX_COLUMNS]; /* of the row; NULL is SQL's */
	char		sqlstate[6];	/* of an error */
	char		message[SG_REMOTE_TEXT_SIZE];	/* of the error, or what is
												 * malformed */
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

/* Starts a statement; only when IDLE.  A parameter that is NULL is SQL's. */
extern void sg_remote_call(const SgQuestion *question, const char *const *params);

/* Takes the answer; only when ANSWERED.  Valid until the next call. */
extern const SgRemoteAnswer *sg_remote_answer(void);

/*
 * Read a column.  The first three return false if it is not what it should be;
 * SQL's NULL is 0, and right; but no word.
 */
extern bool sg_remote_int64(const SgRemoteAnswer *answer, int column, int64 *value, bool *isnull);
extern bool sg_remote_uuid(const SgRemoteAnswer *answer, int column, pg_uuid_t *value, bool *isnull);

/* Lower-case letters, at least one. */
extern bool sg_remote_word(const SgRemoteAnswer *answer, int column,
						   char word[SG_REMOTE_STATUS_SIZE]);

/*
 * One line, valid in the database's encoding, cut to the size: to be shown as
 * what the coordinator said, not believed.  SQL's NULL is "".
 */
extern void sg_remote_text(const SgRemoteAnswer *answer, int column,
						   char text[SG_REMOTE_TEXT_SIZE]);

/* What failed. */
extern const char *sg_remote_error(void);

#endif							/* SEQGEN_REMOTE_H */
