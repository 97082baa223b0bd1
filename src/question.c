/*-------------------------------------------------------------------------
 *
 * question.c
 *	  What the worker asks a coordinator about blocks of ranges.
 *
 * A row that is accepted here has a status, and its numbers are numbers; a
 * block that is granted has both bounds, and a ledger that it is from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "question.h"

#define REQUEST \
	"SELECT * FROM seqgen.range_request($1::pg_catalog.text, $2::pg_catalog.uuid, " \
	"$3::pg_catalog.int8, $4::pg_catalog.int8, $5::pg_catalog.uuid, $6::pg_catalog.uuid, " \
	"$7::pg_catalog.text, $8::pg_catalog.int8, $9::pg_catalog.int8, $10::pg_catalog.int8, " \
	"$11::pg_catalog.int8)"

/* columns of its result */
enum
{
	COLUMN_STATUS,
	COLUMN_LO,
	COLUMN_HI,
	COLUMN_EPOCH,
	COLUMN_LEDGER,
	COLUMN_LEDGER_ID,
	COLUMN_MESSAGE,
	COLUMN_COUNT,
};

static const Oid column_types[COLUMN_COUNT] = {
	[COLUMN_STATUS] = TEXTOID,
	[COLUMN_LO] = INT8OID,
	[COLUMN_HI] = INT8OID,
	[COLUMN_EPOCH] = INT8OID,
	[COLUMN_LEDGER] = INT8OID,
	[COLUMN_LEDGER_ID] = UUIDOID,
	[COLUMN_MESSAGE] = TEXTOID,
};

const SgQuestion sg_block_question = {
	.sql = REQUEST,
	.param_count = SG_BLOCK_QUESTION_PARAMS,
	.column_count = COLUMN_COUNT,
	.column_types = column_types,
};

/* Both ends or none. */
static bool
read_block(const SgRemoteAnswer *answer, SgBlockReply *reply)
{
	bool		no_lo;
	bool		no_hi;

	if (!sg_remote_int64(answer, COLUMN_LO, &reply->lo, &no_lo) ||
		!sg_remote_int64(answer, COLUMN_HI, &reply->hi, &no_hi) || no_lo != no_hi)
		return false;
	reply->has_block = !no_lo;
	return true;
}

/* All three, or it counts as none. */
static bool
read_ledger(const SgRemoteAnswer *answer, SgBlockReply *reply)
{
	bool		no_epoch;
	bool		no_ledger;
	bool		no_id;

	if (!sg_remote_int64(answer, COLUMN_EPOCH, &reply->epoch, &no_epoch) ||
		!sg_remote_int64(answer, COLUMN_LEDGER, &reply->ledger, &no_ledger) ||
		!sg_remote_uuid(answer, COLUMN_LEDGER_ID, &reply->ledger_id, &no_id))
		return false;
	reply->has_ledger = !no_epoch && !no_ledger && !no_id;
	return true;
}

const char *
sg_block_question_read(const SgRemoteAnswer *answer, SgBlockReply *reply)
{
	memset(reply, 0, sizeof(SgBlockReply));
	reply->warned = answer->warned;
	if (!sg_remote_word(answer, COLUMN_STATUS, reply->status))
		return "The status is not one of a coordinator.";
	if (!read_block(answer, reply))
		return "The block is not a pair of numbers.";
	if (!read_ledger(answer, reply))
		return "The epoch, the number or the id of the ledger is not one.";
	if (strcmp(reply->status, "granted") == 0 && !(reply->has_block && reply->has_ledger))
		return "A block is granted, and the block or the ledger is missing.";
	sg_remote_text(answer, COLUMN_MESSAGE, reply->message);
	return NULL;
}
