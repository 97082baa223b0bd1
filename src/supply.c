/*-------------------------------------------------------------------------
 *
 * supply.c
 *	  Blocks for ranges: what the background worker does.
 *
 * For each generator that sessions draw from, the worker keeps two blocks in
 * shared memory, the current one and, when half of that is used, the next.
 * Blocks come from this database's own ledger, or from the coordinator that a
 * foreign server names.
 *
 * Promises:
 *	1. A block is installed only after it is committed in seqgen.range_holding,
 *	   where every later start finds it; and a request is sent only after it is
 *	   committed there, so that its answer can be asked for again.
 *	2. A block that a coordinator granted is used by one server only: the one
 *	   whose incarnation is noted with it.  After a restart with the same
 *	   identity the coordinator is told, if it answers; after a reboot it has to
 *	   confirm the block; in all other cases the block is in doubt, and not used.
 *	3. An answer that does not fit stops the generator, until a DBA takes it up
 *	   again.
 *	4. Nothing here waits for the network: the answer to a question (session.c)
 *	   is delivered in a later run.
 *
 * One request is under way at a time.  The order of things for a generator is
 * that of supply_generator(): look through what is held, make sure of it,
 * finish the request that was begun, and only then ask for more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guc.h"
#include "clock.h"
#include "catalog.h"
#include "bound.h"
#include "slot.h"
#include "counter.h"
#include "generator.h"
#include "identity.h"
#include "block.h"
#include "worker.h"
#include "coordinator.h"
#include "session.h"
#include "question.h"
#include "holding.h"
#include "ledger.h"
#include "supply.h"

/* how long to rest after a failure: doubled each time, in us */
#define FIRST_REST			INT64CONST(100000)
#define LONGEST_REST		INT64CONST(500000)

/* how long a restarted server waits for its coordinator before it goes on, in us */
#define CHECK_IN_TIME		INT64CONST(2000000)

/* how many reports the coordinator may put a confirmation off */
#define CONFIRM_REPORTS		6

/* What the worker remembers of a generator. */
typedef struct Supplied
{
	Oid			relid;			/* hash key */
	int64		rest_until;		/* uptime, us */
	int			failures;		/* in a row */
	int64		reported_at;	/* uptime of the last report, us */
	int64		asking_since;	/* uptime since when a block waits to be
								 * confirmed, us; 0 if none does */
	bool		checked;		/* what is held was looked through */
	bool		unfinished;		/* something held may have to be confirmed, or
								 * to be asked for again */
	bool		needy;			/* it waits for the coordinator */
} Supplied;

/* What the call under way is about. */
typedef enum CallPurpose
{
	CALL_NONE,
	CALL_FETCH,					/* a block */
	CALL_CONFIRM,				/* may this block still be used? */
	CALL_REPORT,				/* it is being used up to here */
} CallPurpose;

typedef struct Call
{
	CallPurpose purpose;
	Oid			relid;
	SgHolding	holding;
} Call;

static HTAB *supplied = NULL;
static Call call;
static const SgCaller supply_caller;
static Supplied *working_on = NULL; /* for errors */
static Oid	served_last = InvalidOid;
static SgIdentity me;
static pg_uuid_t node;
static bool node_known = false;

static MemoryContext run_context = NULL;


/*
 * Transactions of the worker.  What is allocated lasts until the end of the
 * run.
 */

static void
supply_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(run_context);

	/* what is committed here is relied upon at once, by others */
	if (synchronous_commit < SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

static void
supply_commit(void)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(run_context);
}

/*
 * Keep a generator from being dropped; false if it is, or is not yet committed.
 */
static bool
supply_pin(Oid relid)
{
	SgCatalogGenerator row;

	return sg_catalog_pin(relid) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) &&
		sg_catalog_generator(relid, &row) && row.kind == SG_KIND_RANGE;
}

/*
 * The same, with a lock on its sequence, to look at its page; false also if
 * somebody holds, or waits for, a lock that excludes ours.
 */
static bool
supply_lock(Oid relid)
{
	return ConditionalLockRelationOid(relid, AccessShareLock) && supply_pin(relid);
}

static Supplied *
supply_lookup(Oid relid)
{
	bool		found;
	Supplied   *s = hash_search(supplied, &relid, HASH_ENTER, &found);

	if (!found)
	{
		memset(s, 0, sizeof(Supplied));
		s->relid = relid;
	}
	return s;
}

static void
supply_succeeded(Supplied *s)
{
	s->failures = 0;
	s->rest_until = 0;
}

static void
supply_rest(Supplied *s, SgSupply state, const char *message)
{
	int64		rest = Min(FIRST_REST << Min(s->failures, 10), LONGEST_REST);

	s->failures++;
	s->rest_until = sg_clock_elapsed() + rest;
	sg_counter_set_supply(s->relid, state, message);
}

/*
 * Something is wrong that time does not heal.  Noted durably: a restart of the
 * server is no answer to it.
 */
static void
supply_stop_generator(Supplied *s, const char *message)
{
	SgSource	source;

	message = pstrdup(message);
	supply_begin();
	if (supply_pin(s->relid))
	{
		sg_holding_get_source(s->relid, &source);
		source.stopped = unconstify(char *, message);
		sg_holding_put_source(s->relid, &source);
	}
	supply_commit();

	sg_counter_set_supply(s->relid, SG_SUPPLY_STOPPED, message);
	ereport(LOG,
			(errmsg("generator with OID %u gets no more blocks: %s", s->relid, message),
			 errhint("See seqgen.range_block; seqgen.range_restart() takes it up again.")));
}


/*
 * Installing
 */

/* Is little left of the range once this block is used? */
static bool
near_end(const SgRangeOptions *options, int64 hi)
{
	uint64		whole = (uint64) (options->max_value - options->min_value) + 1;
	uint64		used = (uint64) (hi - options->min_value);

	return used > whole - whole / 10;
}

/* The position that the sequence's page has saved. */
static int64
saved_position(Oid relid)
{
	Relation	rel = relation_open(relid, NoLock);
	Buffer		buffer = ReadBuffer(rel, 0);
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	value = sg_bound_get(buffer);
	UnlockReleaseBuffer(buffer);
	relation_close(rel, NoLock);
	return value;
}

/* Where to begin with a block: behind what the page says, if that lies in it. */
static int64
block_position(int64 lo, int64 hi, int64 saved)
{
	return saved >= lo && saved < hi ? saved : lo - 1;
}

/* The same for a block that is new, in a transaction. */
static int64
new_block_position(Oid relid, int64 lo, int64 hi)
{
	return supply_lock(relid) ? block_position(lo, hi, saved_position(relid)) : lo - 1;
}

/*
 * Install the blocks that are held and sure.  In a transaction, with the
 * generator locked.  Returns false if that is impossible as yet.
 */
static bool
supply_install(Supplied *s, List *holdings)
{
	SgRangeOptions options;
	int64		saved = saved_position(s->relid);
	ListCell   *cell;

	if (!sg_holding_options(s->relid, &options))
		return false;
	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);

		if (holding->state != SG_HOLDING_HELD ||
			memcmp(&holding->running, sg_identity_incarnation(), UUID_LEN) != 0)
			continue;
		(void) sg_counter_install(s->relid, holding->lo, holding->hi,
								  block_position(holding->lo, holding->hi, saved),
								  near_end(&options, holding->hi));
	}
	return true;
}

/* Who may use a block that is held. */
typedef enum Claim
{
	CLAIM_SURE,					/* we do */
	CLAIM_RESTARTED,			/* we, unless the coordinator knows better */
	CLAIM_TO_CONFIRM,			/* we, if the coordinator says so */
	CLAIM_DOUBTFUL,				/* perhaps another server */
	CLAIM_VOID,					/* nobody: it is left behind */
} Claim;

/* The rule about copies; pure. */
static Claim
holding_claim(const SgHolding *holding, const SgIdentity *now,
			  const pg_uuid_t *incarnation, bool own_coordinator)
{
	if (holding->own != own_coordinator)
		return CLAIM_DOUBTFUL;

	/* a database alone with its ledger: what counts is that both are current */
	if (holding->own)
		return holding->identity.system_identifier == now->system_identifier &&
			holding->identity.timeline == now->timeline ? CLAIM_SURE : CLAIM_VOID;

	switch (sg_identity_compare(&holding->identity, now))
	{
		case SG_IDENTITY_SAME:
			return memcmp(&holding->running, incarnation, UUID_LEN) == 0 ?
				CLAIM_SURE : CLAIM_RESTARTED;
		case SG_IDENTITY_REBOOTED:
			return CLAIM_TO_CONFIRM;
		default:
			return CLAIM_DOUBTFUL;
	}
}

static void
holding_make_sure(Oid relid, SgHolding *holding)
{
	holding->running = *sg_identity_incarnation();
	holding->identity = me;
	sg_holding_update(relid, holding);
}

static void
holding_doubt(Oid relid, SgHolding *holding)
{
	holding->state = SG_HOLDING_IN_DOUBT;
	sg_holding_update(relid, holding);
	ereport(LOG,
			(errmsg("request %lld for generator \"%s\" is in doubt, and its block is not used",
					(long long) holding->request, get_rel_name(relid)),
			 errdetail("It may be another server's: this one was copied, restored or promoted, or the coordinator did not confirm it."),
			 errhint("See seqgen.range_in_doubt.")));
}

/*
 * Look through what is held: what is ours becomes sure, what is used up is
 * deleted.  What has to be confirmed stays as it is.
 */
static void
supply_look_through(Supplied *s, List *holdings)
{
	int64		saved = saved_position(s->relid);
	SgBlocks	blocks = {0};
	int64		last;
	ListCell   *cell;

	/* of a block in use, the page says only what is reserved */
	(void) sg_counter_blocks(s->relid, &blocks, &last);

	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);
		Claim		claim = holding_claim(holding, &me, sg_identity_incarnation(), sg_session_is_own());

		if (holding->state == SG_HOLDING_IN_DOUBT)
			continue;
		if (claim == CLAIM_DOUBTFUL)
			holding_doubt(s->relid, holding);
		else if (claim == CLAIM_VOID)
		{
			sg_holding_delete(s->relid, holding);
			holding->state = SG_HOLDING_IN_DOUBT;
		}
		else if (holding->state == SG_HOLDING_HELD && saved >= holding->hi - 1 &&
				 holding->lo != blocks.lo && holding->lo != blocks.next_lo)
		{
			sg_holding_delete(s->relid, holding);
			holding->state = SG_HOLDING_IN_DOUBT;
		}
		else if (claim == CLAIM_SURE &&
				 memcmp(&holding->running, sg_identity_incarnation(), UUID_LEN) != 0)
			holding_make_sure(s->relid, holding);
	}
}

/* Is a block that is installed still held, and sure? */
static bool
holdings_cover(List *holdings, int64 lo, int64 hi)
{
	ListCell   *cell;

	if (hi == 0)
		return true;
	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);

		if (holding->state == SG_HOLDING_HELD && holding->lo == lo && holding->hi == hi &&
			memcmp(&holding->running, sg_identity_incarnation(), UUID_LEN) == 0)
			return true;
	}
	return false;
}

/*
 * Take the blocks away that are installed, but not held any more: what is held
 * may have become doubtful while no worker ran.
 */
static void
supply_revoke_doubtful(Supplied *s, List *holdings)
{
	SgBlocks	blocks;
	int64		last;

	if (sg_counter_blocks(s->relid, &blocks, &last) &&
		(!holdings_cover(holdings, blocks.lo, blocks.hi) ||
		 !holdings_cover(holdings, blocks.next_lo, blocks.next_hi)))
		sg_counter_revoke(s->relid);
}

/* Begin with a generator that was loaded; false if it has to wait. */
static bool
supply_load(Supplied *s)
{
	List	   *holdings;
	SgSource	source;
	bool		stopped = true;
	bool		complete;

	supply_begin();
	if (!supply_lock(s->relid))
	{
		supply_commit();
		return false;
	}
	node = sg_holding_node(&me);
	node_known = true;
	sg_holding_get_source(s->relid, &source);
	holdings = sg_holding_list(s->relid);
	supply_look_through(s, holdings);
	supply_revoke_doubtful(s, holdings);
	if (source.stopped != NULL)
		sg_counter_set_supply(s->relid, SG_SUPPLY_STOPPED, source.stopped);
	else if (source.remote && sg_session_is_own())
		sg_counter_set_supply(s->relid, SG_SUPPLY_STOPPED,
							  _("its blocks came from a coordinator, and no foreign server names one any more"));
	else
	{
		sg_counter_set_supply(s->relid, SG_SUPPLY_SOUND, "");
		stopped = false;
	}
	supply_commit();

	/* installed only when it is committed that they are ours */
	supply_begin();
	complete = supply_lock(s->relid) && supply_install(s, holdings);
	if (complete)
		sg_counter_reopen(s->relid);
	supply_commit();
	if (!complete)
		return false;
	if (stopped && source.stopped == NULL)
		ereport(LOG,
				(errmsg("generator with OID %u gets no blocks: its coordinator is not defined any more", s->relid),
				 errhint("Create the foreign server again.")));
	s->checked = true;
	s->unfinished = true;
	return true;
}


/*
 * Asking
 */

/* Does a generator need another block?  Half of the last one is used. */
static bool
needs_block(const SgBlocks *blocks, int64 last)
{
	return blocks->next_hi == 0 &&
		(blocks->hi == 0 || last >= blocks->lo + (blocks->hi - blocks->lo + 1) / 2 - 1);
}

/* How many values to ask for. */
static int64
size_wanted(const SgRangeOptions *options, const SgBlocks *blocks, int64 last)
{
	int64		size = blocks->hi - blocks->lo;
	int64		used = last - blocks->entered_last;
	int64		lasts;

	if (blocks->hi == 0)
		return options->block_size;
	if (used <= 0)
		return Min(Max(size, options->min_block_size), options->max_block_size);

	/* how long the whole block lasts at the rate of what is used of it */
	lasts = sg_block_seconds_left(size, used, Max(sg_clock_elapsed() - blocks->entered_at, 1));
	return sg_block_next_size(size, lasts * USECS_PER_SEC, (int64) sg_range_target * USECS_PER_SEC,
							  options->min_block_size, options->max_block_size);
}

static void
note_grant(Oid relid, SgSource *source, int64 hi, int64 epoch, int64 ledger)
{
	source->highest = Max(source->highest, hi);
	source->epoch = epoch;
	source->ledger = Max(source->ledger, ledger);
	sg_holding_put_source(relid, source);
}

static void
holding_init(SgHolding *holding, int64 size)
{
	memset(holding, 0, sizeof(SgHolding));
	holding->incarnation = *sg_identity_incarnation();
	holding->request = (int64) sg_identity_next_request();
	holding->size = size;
	holding->own = sg_session_is_own();
	holding->node = node;
	holding->state = SG_HOLDING_REQUESTED;
	holding->running = *sg_identity_incarnation();
	holding->identity = me;
}

/*
 * A block from this database's own ledger, in this transaction.  seen tells
 * that its values are used before the commit.  Returns false, with the reason
 * in grant, if there is none.
 */
static bool
allocate_own(Oid relid, int64 size, bool seen, SgHolding *holding, SgLedgerGrant *grant)
{
	SgSource	source;

	sg_holding_get_source(relid, &source);
	holding_init(holding, size);
	holding->own = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	sg_ledger_grant_own(relid, &holding->incarnation, holding->request, source.highest, size,
						node_known ? &node : NULL, seen, grant);
	PopActiveSnapshot();
	if (strcmp(grant->status, "granted") != 0)
		return false;
	Assert(grant->lo >= source.highest);
	holding->lo = grant->lo;
	holding->hi = grant->hi;
	holding->state = SG_HOLDING_HELD;
	sg_holding_insert(relid, holding);
	note_grant(relid, &source, grant->hi, grant->epoch, grant->ledger);
	return true;
}

/* What keeps a generator from getting a block. */
static void
supply_denied(Supplied *s, const char *status, const char *message)
{
	if (strcmp(status, "exhausted") == 0)
		supply_rest(s, SG_SUPPLY_EXHAUSTED, message);
	else if (strcmp(status, "hold") == 0)
		supply_rest(s, SG_SUPPLY_WAITING,
					psprintf(_("the coordinator is in hold until seqgen.range_resume(): %s"), message));
	else
		supply_rest(s, SG_SUPPLY_WAITING, psprintf(_("the coordinator says to wait: %s"), message));
	s->rest_until = sg_clock_elapsed() + LONGEST_REST;
}

static void
supply_fetch_own(Supplied *s, const SgBlocks *blocks, int64 last)
{
	SgRangeOptions options;
	SgLedgerGrant grant = {0};
	SgHolding	holding;
	int64		position = 0;
	bool		granted;

	supply_begin();
	if (!supply_pin(s->relid) || !sg_holding_options(s->relid, &options))
	{
		supply_commit();
		s->rest_until = sg_clock_elapsed() + FIRST_REST;
		return;
	}
	granted = allocate_own(s->relid, size_wanted(&options, blocks, last), false, &holding, &grant);
	if (granted && blocks->hi != 0)
		sg_holding_delete_below(s->relid, blocks->lo);
	if (granted)
		position = new_block_position(s->relid, holding.lo, holding.hi);
	supply_commit();
	if (!granted)
	{
		supply_denied(s, grant.status, grant.message);
		return;
	}

	/* a commit whose wait for the standby was cancelled looks like any other */
	if (sg_range_require_sync)
	{
		supply_begin();
		sg_bound_flush(XactLastCommitEnd);
		supply_commit();
	}
	(void) sg_counter_install(s->relid, holding.lo, holding.hi, position,
							  near_end(&options, holding.hi));
	supply_succeeded(s);
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static char *
int64_text(int64 value)
{
	return psprintf("%lld", (long long) value);
}

/* Send a request, or ask about a block; only when the session is ready. */
static void
call_send(CallPurpose purpose, Supplied *s, const SgHolding *holding, int64 last)
{
	SgSource	source;
	const char *params[SG_BLOCK_QUESTION_PARAMS];

	supply_begin();
	sg_holding_get_source(s->relid, &source);
	params[0] = sg_holding_name(s->relid);
	supply_commit();
	if (params[0] == NULL)
		return;

	call.purpose = purpose;
	call.relid = s->relid;
	call.holding = *holding;
	params[1] = uuid_text(&holding->incarnation);
	params[2] = int64_text(holding->request);
	params[3] = int64_text(purpose == CALL_FETCH ? holding->size : 0);
	params[4] = uuid_text(&holding->node);
	params[5] = uuid_text(sg_identity_incarnation());
	params[6] = sg_identity_text(&me);
	params[7] = int64_text(Max(source.highest - 1, 0));
	params[8] = int64_text(source.remote ? source.epoch : 0);
	params[9] = int64_text(source.remote ? source.ledger : 0);
	params[10] = last > 0 ? int64_text(last) : NULL;
	sg_session_ask(&supply_caller, &sg_block_question, params);
	if (purpose == CALL_FETCH)
		sg_counter_note(s->relid, "", psprintf(_("waiting for an answer of the coordinator \"%s\""),
											   sg_session_server()));
}

/* Note a request, and send it. */
static void
supply_fetch_remote(Supplied *s, const SgBlocks *blocks, int64 last)
{
	SgRangeOptions options;
	SgHolding	holding;

	supply_begin();
	if (!supply_pin(s->relid) || !sg_holding_options(s->relid, &options))
	{
		supply_commit();
		s->rest_until = sg_clock_elapsed() + FIRST_REST;
		return;
	}
	holding_init(&holding, size_wanted(&options, blocks, last));
	sg_holding_insert(s->relid, &holding);
	if (blocks->hi != 0)
		sg_holding_delete_below(s->relid, blocks->lo);
	supply_commit();
	s->unfinished = true;
	call_send(CALL_FETCH, s, &holding, last);
}


/*
 * Answers
 */

/* Why a granted block cannot be what we asked for, or NULL. */
static const char *
answer_problem(const Call *asked, const SgBlockReply *answer, const SgSource *source,
			   const SgRangeOptions *options)
{
	SgBlockAnswer block = {answer->lo, answer->hi, answer->epoch, answer->ledger};
	SgBlockExpected expected = {
		.size = asked->holding.size,
		.min_value = options->min_value,
		.max_value = options->max_value,
		.highest = source->highest,
		.epoch = source->remote ? source->epoch : 0,
		.ledger = source->remote ? source->ledger : 0,
	};

	if (!answer->has_block || !answer->has_ledger)
		return _("the coordinator granted a block without bounds");
	if (source->remote && source->epoch != 0 &&
		memcmp(&source->ledger_id, &answer->ledger_id, UUID_LEN) != 0)
		return _("the answer came from another ledger than those before");
	return sg_block_problem(&block, &expected);
}

static void
answer_granted(Supplied *s, const SgBlockReply *answer)
{
	SgRangeOptions options;
	SgSource	source;
	const char *problem;
	int64		position = 0;

	/* the coordinator's wait for its standby was cancelled: ask again */
	if (answer->warned)
	{
		supply_rest(s, SG_SUPPLY_WAITING, _("the coordinator's standby did not confirm the block"));
		return;
	}

	supply_begin();
	if (!supply_pin(s->relid) || !sg_holding_options(s->relid, &options))
	{
		/* the request is noted; it will be finished later */
		supply_commit();
		s->rest_until = sg_clock_elapsed() + FIRST_REST;
		return;
	}
	sg_holding_get_source(s->relid, &source);
	problem = answer_problem(&call, answer, &source, &options);
	if (problem == NULL)
	{
		call.holding.lo = answer->lo;
		call.holding.hi = answer->hi;
		call.holding.state = SG_HOLDING_HELD;
		holding_make_sure(s->relid, &call.holding);
		if (!source.remote)
			source.epoch = source.ledger = 0;
		source.remote = true;
		source.ledger_id = answer->ledger_id;
		note_grant(s->relid, &source, answer->hi, answer->epoch, answer->ledger);
		position = new_block_position(s->relid, answer->lo, answer->hi);
	}
	supply_commit();
	if (problem != NULL)
	{
		supply_stop_generator(s, problem);
		return;
	}
	(void) sg_counter_install(s->relid, answer->lo, answer->hi, position,
							  near_end(&options, answer->hi));
	supply_succeeded(s);
	s->reported_at = sg_clock_elapsed();
}

/* Leave the block, or request, of the call to whoever has it. */
static void
answer_doubt(Supplied *s)
{
	supply_begin();
	holding_doubt(s->relid, &call.holding);
	supply_commit();
}

/*
 * The coordinator does not serve us any more, under this name: whatever we have
 * from it may be given to others, and if a DBA lets the generator go on, then
 * as another node.
 */
static void
answer_refused(Supplied *s, const SgBlockReply *answer)
{
	ListCell   *cell;

	sg_counter_revoke(s->relid);
	supply_begin();
	foreach(cell, sg_holding_list(s->relid))
	{
		SgHolding  *holding = lfirst(cell);

		if (!holding->own && holding->state != SG_HOLDING_IN_DOUBT)
			holding_doubt(s->relid, holding);
	}
	sg_holding_forget_node();
	supply_commit();
	supply_stop_generator(s, psprintf(_("the coordinator refused: %s"), answer->message));
}

/* A block is ours. */
static void
answer_confirmed(Supplied *s, const SgHolding *confirmed)
{
	SgHolding	holding = *confirmed;

	supply_begin();
	holding_make_sure(s->relid, &holding);
	supply_commit();
	s->asking_since = 0;
	s->checked = false;
	supply_succeeded(s);
}

static void
answer_to_fetch(Supplied *s, const SgBlockReply *answer)
{
	if (strcmp(answer->status, "granted") == 0)
		answer_granted(s, answer);
	else if (strcmp(answer->status, "refused") == 0)
		answer_refused(s, answer);
	else if (strcmp(answer->status, "exhausted") == 0)
	{
		supply_begin();
		sg_holding_delete(s->relid, &call.holding);
		supply_commit();
		supply_denied(s, answer->status, answer->message);
	}
	else if (strcmp(answer->status, "hold") == 0 || strcmp(answer->status, "wait") == 0)
		supply_denied(s, answer->status, answer->message);
	else
		supply_stop_generator(s, _("the coordinator gave an answer of an unknown kind"));
}

/*
 * The same server as before its restart stops for nothing but a refusal: a
 * coordinator in hold, or one that lost the block in a failover, is no reason
 * to believe that somebody else has it.
 */
static void
answer_to_confirm(Supplied *s, const SgBlockReply *answer)
{
	bool		restarted = holding_claim(&call.holding, &me, sg_identity_incarnation(), sg_session_is_own()) == CLAIM_RESTARTED;
	int64		patience = Max((int64) sg_range_report_interval * CONFIRM_REPORTS, 30) * USECS_PER_SEC;

	if (strcmp(answer->status, "confirmed") == 0 &&
		answer->has_block && answer->lo == call.holding.lo && answer->hi == call.holding.hi)
		answer_confirmed(s, &call.holding);
	else if (restarted && strcmp(answer->status, "refused") != 0 &&
			 strcmp(answer->status, "confirmed") != 0)
		answer_confirmed(s, &call.holding);
	else if (strcmp(answer->status, "wait") == 0 &&
			 sg_clock_elapsed() - s->asking_since < patience)
		supply_denied(s, answer->status, answer->message);
	else if (strcmp(answer->status, "hold") == 0)
		supply_denied(s, answer->status, answer->message);
	else
	{
		s->asking_since = 0;
		s->checked = false;
		if (strcmp(answer->status, "refused") == 0)
			answer_refused(s, answer);
		else
			answer_doubt(s);
	}
}

static void
answer_to_report(Supplied *s, const SgBlockReply *answer)
{
	if (strcmp(answer->status, "refused") == 0)
		answer_refused(s, answer);
}

/* No answer, or an error: what was to be done remains to be done. */
static void
call_failed(Supplied *s, const char *message)
{
	if (call.purpose == CALL_REPORT)
		s->reported_at = sg_clock_elapsed();
	else
		supply_rest(s, SG_SUPPLY_WAITING, message);
}

static void
call_replied(Supplied *s, const SgBlockReply *reply)
{
	if (call.purpose == CALL_FETCH)
		answer_to_fetch(s, reply);
	else if (call.purpose == CALL_CONFIRM)
		answer_to_confirm(s, reply);
	else
		answer_to_report(s, reply);
	if (strcmp(reply->status, "hold") == 0)
		sg_session_turn_away();
}

static void
call_answered(Supplied *s, const SgRemoteAnswer *answer)
{
	SgBlockReply reply;
	const char *problem;

	if (answer->outcome == SG_REMOTE_ERROR)
	{
		call_failed(s, psprintf(_("the coordinator answered: %s"), answer->message));
		return;
	}
	if (answer->outcome == SG_REMOTE_MALFORMED)
		problem = answer->message;
	else
		problem = sg_block_question_read(answer, &reply);
	if (problem == NULL)
	{
		call_replied(s, &reply);
		return;
	}
	sg_session_distrust();
	supply_stop_generator(s, problem);
}

/* The call under way has come to its end. */
static void
supply_answered(const SgRemoteAnswer *answer, const char *failure)
{
	working_on = supply_lookup(call.relid);
	if (answer != NULL)
		call_answered(working_on, answer);
	else
		call_failed(working_on, failure);
	call.purpose = CALL_NONE;
	working_on = NULL;
}

/* There is no session, which those want to know that wait for it. */
static void
supply_disconnected(const char *message)
{
	HASH_SEQ_STATUS scan;
	Supplied   *s;

	hash_seq_init(&scan, supplied);
	while ((s = hash_seq_search(&scan)) != NULL)
		if (s->needy)
			sg_counter_set_supply(s->relid, SG_SUPPLY_WAITING, message);
}

/* May a call be made now?  If not, see to it that one can be. */
static bool
supply_may_call(Supplied *s)
{
	if (sg_session_is_ready(&supply_caller))
		return true;
	if (!sg_session_is_open())
		sg_counter_note(s->relid, "", psprintf(_("connecting to the coordinator \"%s\""),
											   sg_session_server()));
	return false;
}


/*
 * One generator after the other
 */

/*
 * The first thing that was begun and is not finished: a block to confirm, or a
 * request; NULL if there is none.
 */
static SgHolding *
supply_unfinished(Supplied *s)
{
	List	   *holdings;
	ListCell   *cell;

	supply_begin();
	holdings = sg_holding_list(s->relid);
	supply_commit();
	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);

		if (holding->state == SG_HOLDING_REQUESTED ||
			(holding->state == SG_HOLDING_HELD &&
			 holding_claim(holding, &me, sg_identity_incarnation(), sg_session_is_own()) != CLAIM_SURE))
			return holding;
	}
	return NULL;
}

/* What the page says, or 0 if it cannot be read now. */
static int64
saved_position_of(Oid relid)
{
	int64		saved = 0;

	supply_begin();
	if (supply_lock(relid))
		saved = saved_position(relid);
	supply_commit();
	return saved;
}

/*
 * Make sure of a block that is held since before a restart.  The same server
 * as then goes on without its coordinator if that does not answer.
 */
static void
supply_confirm(Supplied *s, const SgHolding *holding)
{
	int64		now = sg_clock_elapsed();

	if (s->asking_since == 0)
	{
		s->asking_since = now;
		sg_counter_set_supply(s->relid, SG_SUPPLY_WAITING,
							  _("the coordinator is being asked to confirm the block"));
	}
	if (supply_may_call(s))
		call_send(CALL_CONFIRM, s, holding, saved_position_of(s->relid));
	else if (now - s->asking_since >= CHECK_IN_TIME &&
			 !(call.purpose == CALL_CONFIRM && call.relid == s->relid) &&
			 holding_claim(holding, &me, sg_identity_incarnation(), sg_session_is_own()) == CLAIM_RESTARTED)
		answer_confirmed(s, holding);
}

/* Tell the coordinator how far the current block is used. */
static void
supply_report(Supplied *s, const SgBlocks *blocks, int64 last)
{
	List	   *holdings;
	ListCell   *cell;

	supply_begin();
	holdings = sg_holding_list(s->relid);
	supply_commit();
	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);

		if (holding->state == SG_HOLDING_HELD && holding->lo == blocks->lo)
		{
			call_send(CALL_REPORT, s, holding, last);
			break;
		}
	}
	s->reported_at = sg_clock_elapsed();
}

/* The uptime of the next report, us. */
static int64
report_due(const Supplied *s)
{
	return s->reported_at + (int64) sg_range_report_interval * USECS_PER_SEC;
}

/* The same for a generator whose blocks come from a coordinator. */
static long
supply_remote(Supplied *s, const SgBlocks *blocks, int64 last)
{
	SgHolding  *unfinished = NULL;

	if (s->unfinished)
		unfinished = supply_unfinished(s);
	s->unfinished = (unfinished != NULL);
	s->needy = unfinished != NULL || needs_block(blocks, last);

	if (unfinished != NULL && unfinished->state == SG_HOLDING_HELD)
		supply_confirm(s, unfinished);
	else if (s->needy && supply_may_call(s))
	{
		if (unfinished != NULL)
			call_send(CALL_FETCH, s, unfinished, last);
		else
			supply_fetch_remote(s, blocks, last);
	}
	else if (!s->needy && blocks->hi != 0)
	{
		if (sg_clock_elapsed() >= report_due(s))
		{
			if (!supply_may_call(s))
				return sg_worker_ms_until(sg_clock_elapsed() + FIRST_REST);
			supply_report(s, blocks, last);
		}
		return sg_worker_ms_until(report_due(s));
	}
	return s->needy ? sg_worker_ms_until(sg_clock_elapsed() + FIRST_REST) : -1;
}

/* Do what is due for a generator; returns when to come again, in ms, or -1. */
static long
supply_generator(Supplied *s)
{
	SgBlocks	blocks;
	int64		last;

	if (sg_clock_elapsed() < s->rest_until)
		return sg_worker_ms_until(s->rest_until);
	if (!sg_counter_blocks(s->relid, &blocks, &last))
		return -1;
	if (blocks.supply == SG_SUPPLY_UNKNOWN || !s->checked)
	{
		if (!supply_load(s))
		{
			sg_counter_note(s->relid, "", _("the sequence is locked by another transaction"));
			s->rest_until = sg_clock_elapsed() + FIRST_REST;
			return sg_worker_ms_until(s->rest_until);
		}
		if (!sg_counter_blocks(s->relid, &blocks, &last))
			return -1;
	}
	if (blocks.supply == SG_SUPPLY_STOPPED)
		return -1;
	if (!sg_session_is_own())
		return supply_remote(s, &blocks, last);
	if (needs_block(&blocks, last))
		supply_fetch_own(s, &blocks, last);

	/* nobody waits for more of an exhausted range */
	return s->rest_until != 0 && blocks.supply != SG_SUPPLY_EXHAUSTED ? sg_worker_ms_until(s->rest_until) : -1;
}

/*
 * The coordinator is another one.  Look at everything again that is held if it
 * is of another kind than what comes now.
 */
static void
supply_moved(bool own_changed)
{
	HASH_SEQ_STATUS scan;
	Supplied   *s;

	call.purpose = CALL_NONE;
	if (!own_changed)
		return;
	hash_seq_init(&scan, supplied);
	while ((s = hash_seq_search(&scan)) != NULL)
	{
		s->checked = false;
		s->asking_since = 0;
		s->rest_until = 0;
		sg_counter_revoke(s->relid);
	}
}

/* Say to those who wait for any block what keeps us from bringing it. */
static void
supply_note_all(const char *message)
{
	static char told[SG_MESSAGE_SIZE] = "";
	ListCell   *cell;

	foreach(cell, sg_slot_relids(SG_KIND_RANGE))
		sg_counter_note(lfirst_oid(cell), told, message);
	strlcpy(told, message, sizeof(told));
}

static long
supply_run(void)
{
	List	   *relids;
	int			count;
	int			first = 0;
	long		wait = -1;

	run_context = CurrentMemoryContext;
	sg_session_deliver(&supply_caller);
	if (sg_session_problem() != NULL)
	{
		supply_note_all(sg_session_problem());
		return -1;
	}

	/* begin behind the one that was served last, so that all have their turn */
	relids = sg_slot_relids(SG_KIND_RANGE);
	count = list_length(relids);
	while (first < count && list_nth_oid(relids, first) != served_last)
		first++;
	for (int i = 1; i <= count; i++)
	{
		bool		idle = call.purpose == CALL_NONE;

		working_on = supply_lookup(list_nth_oid(relids, (first + i) % count));
		wait = sg_worker_sooner(wait, supply_generator(working_on));
		if (idle && call.purpose != CALL_NONE)
			served_last = working_on->relid;
		working_on = NULL;
	}
	return wait;
}

/* An error in the run: nothing is lost, and what was due is due again. */
static void
supply_failed(ErrorData *error)
{
	if (working_on == NULL)
	{
		supply_note_all(error->message);
		return;
	}
	working_on->checked = false;
	supply_rest(working_on, SG_SUPPLY_WAITING, error->message);
	working_on = NULL;
	if (call.purpose != CALL_NONE)
	{
		/* whatever was on its way is asked for again, with the same key */
		sg_session_give_up(&supply_caller);
		call.purpose = CALL_NONE;
	}
}

static void
supply_start(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(Supplied),
		.hcxt = TopMemoryContext,
	};

	if (supplied == NULL)
		supplied = hash_create("seqgen ranges of the worker", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	run_context = CurrentMemoryContext;
	supply_begin();
	sg_identity_get(&me);
	node = sg_holding_node(&me);
	node_known = true;
	supply_commit();
}

/* A clean stop: freeze and save what was given out. */
static void
supply_stop(void)
{
	List	   *relids = sg_slot_relids(SG_KIND_RANGE);
	ListCell   *cell;

	run_context = CurrentMemoryContext;
	foreach(cell, relids)
	{
		supply_begin();
		if (supply_lock(lfirst_oid(cell)))
			sg_counter_close(lfirst_oid(cell));
		supply_commit();
	}
}


/*
 * For sessions
 */

void
sg_supply_new_generator(Oid generator)
{
	SgRangeOptions options;
	SgHolding	holding;
	SgLedgerGrant grant = {0};
	SgCoordinator found;

	if (sg_coordinator_find(&found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("generator \"%s\" has no values yet", get_rel_name(generator)),
				 errdetail("It was created in this transaction, and its values come from a coordinator."),
				 errhint("Commit the transaction first.")));
	if (!sg_holding_options(generator, &options))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("generator \"%s\" has no row in seqgen.range_generator", get_rel_name(generator))));
	sg_identity_get(&me);

	/* the name is drawn by the worker, which must not wait for us */
	node_known = sg_holding_known_node(&me, &node);
	if (!node_known)
		memset(&node, 0, sizeof(node));
	if (!allocate_own(generator, options.block_size, true, &holding, &grant))
		ereport(ERROR,
				(errcode(strcmp(grant.status, "exhausted") == 0 ?
						 ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED : ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("generator \"%s\" got no block", get_rel_name(generator)),
				 errdetail_internal("%s", grant.message)));
	sg_generator_forget_at_abort(generator);
	(void) sg_counter_install(generator, holding.lo, holding.hi,
							  block_position(holding.lo, holding.hi, saved_position(generator)),
							  near_end(&options, holding.hi));
}

/*
 * The request that led to the stop is in doubt and stays so; what is granted
 * from here on is judged anew, also if it comes from another ledger.  But what
 * had a coordinator does not become its own by this.
 */
void
sg_supply_restart(Oid generator)
{
	SgSource	source;
	SgCoordinator found;
	List	   *holdings = sg_holding_list(generator);
	ListCell   *cell;

	foreach(cell, holdings)
	{
		SgHolding  *holding = lfirst(cell);

		if (holding->state == SG_HOLDING_REQUESTED)
			holding_doubt(generator, holding);
	}
	sg_holding_get_source(generator, &source);
	if (source.remote && !sg_coordinator_find(&found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("generator \"%s\" has no coordinator", get_rel_name(generator)),
				 errdetail("Its blocks came from a coordinator, and no foreign server names one any more."),
				 errhint("Create the foreign server, or a new range whose minimum is above all values in use.")));
	source.stopped = NULL;
	source.epoch = 0;
	source.ledger = 0;
	sg_holding_put_source(generator, &source);
	sg_generator_reload_at_commit(generator);
}

/* Half of a block is used: the next one is due. */
static void
supply_half_used(SgSlot *slot, Oid relid)
{
	(void) sg_worker_wake();
}

static const SgCaller supply_caller = {
	.moved = supply_moved,
	.answered = supply_answered,
	.failed = supply_disconnected,
};

static const SgWorkerDuty supply_duty = {
	.start = supply_start,
	.run = supply_run,
	.failed = supply_failed,
	.stop = supply_stop,
};

void
sg_supply_init(void)
{
	sg_worker_add_duty(&supply_duty);
	sg_session_add(&supply_caller);
	sg_counter_half_used = supply_half_used;
}
