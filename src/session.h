/*-------------------------------------------------------------------------
 *
 * session.h
 *	  The worker's questions to the coordinator, one at a time.  Implemented
 *	  in session.c.
 *
 * Several duties of the worker ask the same coordinator: for blocks of ranges,
 * and for node numbers.  This file knows who the coordinator is, keeps the
 * session, rests after failures, and keeps each answer for whoever asked:
 *
 *		sg_session_deliver		at the beginning of each run of the duty
 *		sg_session_problem		if there is one, nothing below holds
 *		sg_session_is_own		then there is nobody to ask
 *		sg_session_is_ready		whenever there is something to ask
 *		sg_session_ask			if so
 *
 * Whoever was told that the session is not ready need not ask for a wake-up:
 * the duty is run again when it may be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SESSION_H
#define SEQGEN_SESSION_H

#include "remote.h"

/*
 * A duty that asks.  All of it is called by sg_session_deliver, in this order,
 * and may raise errors.
 */
typedef struct SgCaller
{
	/*
	 * The database has another coordinator; own_changed tells that it became
	 * its own by this, or ceased to be.  A question that was under way is
	 * void, and not answered.  Called again if it raises an error.
	 */
	void		(*moved) (bool own_changed);

	/*
	 * The answer to the question that was under way; or NULL, and why there
	 * is none.  The answer is valid until the next question.
	 */
	void		(*answered) (const SgRemoteAnswer *answer, const char *failure);

	/* there is no session: message tells why.  May be NULL */
	void		(*failed) (const char *message);
} SgCaller;

/* Registers a caller; called while the library is preloaded. */
extern void sg_session_add(const SgCaller *caller);

/* Tells a caller what has come about since the last time. */
extern void sg_session_deliver(const SgCaller *caller);

/* Why the coordinator is not known, as with two of them; NULL if it is. */
extern const char *sg_session_problem(void);

/* Is this database its own coordinator?  True in other processes. */
extern bool sg_session_is_own(void);

/* The name of the foreign server. */
extern const char *sg_session_server(void);

/* Is it connected? */
extern bool sg_session_is_open(void);

/*
 * May a question be asked now?  If not, because there is no session, another
 * question is under way, or it is another caller's turn, sees to it that it
 * can be.  If it may, and is not, others have their turn nonetheless.
 */
extern bool sg_session_is_ready(const SgCaller *caller);

/* Asks; only when ready. */
extern void sg_session_ask(const SgCaller *caller, const SgQuestion *question,
						   const char *const *params);

/* Is a question of that caller under way, or its answer not delivered? */
extern bool sg_session_is_asking(const SgCaller *caller);

/*
 * After an error in the duty, if it had a question under way or an answer in
 * hand: ends the session, and forgets the question.
 */
extern void sg_session_give_up(const SgCaller *caller);

/* Ends the session: the row that came cannot have been a coordinator's. */
extern void sg_session_distrust(void);

/* sg_remote_turn_away: the coordinator is in hold.  Only in answered. */
extern void sg_session_turn_away(void);

/* Registers the worker's duty; before those of the callers. */
extern void sg_session_init(void);

#endif							/* SEQGEN_SESSION_H */
