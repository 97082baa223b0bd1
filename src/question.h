/*-------------------------------------------------------------------------
 *
 * question.h
 *	  What the worker asks a coordinator about blocks of ranges.  Implemented
 *	  in question.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_QUESTION_H
#define SEQGEN_QUESTION_H

#include "remote.h"

/* What seqgen.range_request returned: as it is, and no rule applied to it. */
typedef struct SgBlockReply
{
	bool		warned;			/* as in SgRemoteAnswer */
	char		status[SG_REMOTE_STATUS_SIZE];
	bool		has_block;
	int64		lo;				/* if has_block */
	int64		hi;				/* if has_block */
	bool		has_ledger;
	int64		epoch;			/* if has_ledger */
	int64		ledger;			/* if has_ledger */
	pg_uuid_t	ledger_id;		/* if has_ledger */
	char		message[SG_REMOTE_TEXT_SIZE];
} SgBlockReply;

/* Parameters of a call of seqgen.range_request. */
#define SG_BLOCK_QUESTION_PARAMS	11

extern const SgQuestion sg_block_question;

/* Takes a row apart.  Returns NULL, or what is malformed in it. */
extern const char *sg_block_question_read(const SgRemoteAnswer *answer, SgBlockReply *reply);

#endif							/* SEQGEN_QUESTION_H */
