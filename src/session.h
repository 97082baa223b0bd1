/*-------------------------------------------------------------------------
 *
 * session.h
 *	  The worker's questions to the coordinator, one at a time.  Implemented
 *	  in session.c.
 *
 * Several parts of the worker ask the same coordinator: for blocks of ranges,
 * and for node numbers.  This file knows who the coordinator is, keeps the
 * session, rests after failures, and brings each answer to whoever asked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SESSION_H
#define SEQGEN_SESSION_H

#include "remote.h"

/* Somebody who asks.  The functions may raise errors. */
typedef struct SgCaller
{
	/*
	 * The answer to the question that is under way; or NULL, and why there is
	 * none: the connection failed, or the coordinator was changed.
	 */
	void		(*answered) (const SgRemoteAnswer *answer, const char *failure);

	/* could not connect: message tells why.  May be NULL */
	void		(*failed) (const char *message);

	/* the database has another coordinator now, or none any more */
	void		(*moved) (void);
}			SgCaller;

/* Registers one who asks; called while the library is preloaded. */
extern void sg_session_add(const SgCaller * caller);

/* Is this database its own coordinator? */
extern bool sg_session_is_own(void);

/* The name of the foreign server. */
extern const char *sg_session_server(void);

/*
 * May a question be asked now?  If not, because there is no session or another
 * question is under way, see to it that it can be.
 */
extern bool sg_session_is_ready(void);

/* Asks; only when ready. */
extern void sg_session_ask(const SgCaller * caller, const SgQuestion * question,
						   const char *const *params);

/* Is a question of that caller under way? */
extern bool sg_session_is_asking(const SgCaller * caller);

#endif							/* SEQGEN_SESSION_H */
