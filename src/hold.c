/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  The state of the ledger, and whether blocks may be given out.
 *
 * A ledger that comes back in an older state, by the promotion of a standby
 * that lagged, by a restore or as a copy, must not give out again what it has
 * forgotten.  So it keeps with it where it served (system identifier,
 * database, timeline) and a number that grows with every block, which nodes
 * remember.  If it finds itself elsewhere, or a node remembers more, it is in
 * hold: nothing is given out until somebody who knows better says so.
 *
 * It goes on by itself if
 *	1. nothing was ever given out; or
 *	2. only the database's own worker was ever given blocks: two of the
 *	   largest blocks are leapt over, for it holds no more than two; or
 *	3. all that was given out was confirmed by a synchronous standby, and
 *	   this is the same database on another timeline, which began by the
 *	   promotion of a standby that had replayed all it had, not by a recovery
 *	   to an earlier point.
 *
 * The registry of node numbers keeps the same about itself, in columns of its
 * own, but needs nobody to end a hold: what it has forgotten are windows of
 * time, and those end.  The number that grows, the generation, leaps at every
 * hold, so that it is larger than all that was forgotten.
 *
 * All this must be seen by everybody at once, and must neither wait for a
 * transaction nor be undone by one.  So the only row of seqgen.range_ledger
 * is written in its page, with generic WAL and a full image, just as the
 * value in a sequence's page (see bound.c).  All its columns are NOT NULL and
 * of fixed width, so the row's data are the struct, and its only index is on a
 * column that never changes.  The page's content lock guards it; decisions
 * that take longer, and leap over values, are serialized by a heavyweight lock
 * on the table as an object, which is never held to a transaction's end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/generic_xlog.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "replication/walsender.h"
#include "storage/bufmgr.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guc.h"
#include "clock.h"
#include "catalog.h"
#include "lease.h"
#include "bound.h"
#include "sequence.h"
#include "allocation.h"
#include "hold.h"

/* the last column, which the struct leaves out, is the primary key */
#define Natts_ledger	20

/*
 * No ledger gets there, but a node may claim anything.  What it claims beyond
 * our own number counts up to a bound, so that no claim uses the numbers up.
 */
#define MAX_NUMBER		(INT64CONST(1) << 60)
#define MAX_AHEAD		(INT64CONST(1) << 32)


/*
 * The row
 */

/* The row, writable, in a page that is exclusively locked. */
typedef struct LedgerPage
{
	Relation	rel;
	Buffer		buffer;
	GenericXLogState *xlog;
	SgLedgerState *state;
} LedgerPage;

static SgLedgerState *
ledger_row(Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);
	HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, item);

	if (!ItemIdIsNormal(item) || (tuple->t_infomask & HEAP_HASNULL) ||
		HeapTupleHeaderGetNatts(tuple) < Natts_ledger)
		elog(ERROR, "row of seqgen.range_ledger is not as it should be");
	return (SgLedgerState *) ((char *) tuple + tuple->t_hoff);
}

/*
 * Open the table and find its row; false if it has none.  The lock keeps
 * out whatever would move the row.
 */
static bool
ledger_find(Relation *rel, ItemPointer tid)
{
	Oid			relid = sg_catalog_relation("range_ledger");
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"seqgen\" does not exist in this database"),
				 errhint("Use CREATE EXTENSION seqgen.")));
	*rel = table_open(relid, RowExclusiveLock);
	scan = systable_beginscan(*rel, InvalidOid, false, SnapshotSelf, 0, NULL);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		*tid = tuple->t_self;
	systable_endscan(scan);
	return HeapTupleIsValid(tuple);
}

static void
ledger_require(Relation *rel, ItemPointer tid)
{
	if (!ledger_find(rel, tid))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("seqgen.range_ledger is empty"),
				 errhint("Restore its row from a dump, or create the extension anew.")));
}

void
sg_hold_state(SgLedgerState *state)
{
	Relation	rel;
	ItemPointerData tid;
	Buffer		buffer;

	ledger_require(&rel, &tid);
	buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(&tid));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(state, ledger_row(BufferGetPage(buffer), ItemPointerGetOffsetNumber(&tid)),
		   SG_LEDGER_STATE_SIZE);
	UnlockReleaseBuffer(buffer);
	table_close(rel, RowExclusiveLock);
}

/* From here to ledger_end the page is locked: no errors, no catalogs. */
static SgLedgerState *
ledger_begin(LedgerPage *page)
{
	ItemPointerData tid;
	Page		image;

	ledger_require(&page->rel, &tid);
	page->xlog = GenericXLogStart(page->rel);
	page->buffer = ReadBuffer(page->rel, ItemPointerGetBlockNumber(&tid));
	LockBuffer(page->buffer, BUFFER_LOCK_EXCLUSIVE);
	image = GenericXLogRegisterBuffer(page->xlog, page->buffer, GENERIC_XLOG_FULL_IMAGE);
	return ledger_row(image, ItemPointerGetOffsetNumber(&tid));
}

static XLogRecPtr
ledger_end(LedgerPage *page)
{
	XLogRecPtr	lsn = GenericXLogFinish(page->xlog);

	UnlockReleaseBuffer(page->buffer);
	table_close(page->rel, RowExclusiveLock);
	return lsn;
}

XLogRecPtr
sg_hold_touch(void)
{
	LedgerPage	page;

	(void) ledger_begin(&page);
	return ledger_end(&page);
}


/*
 * Taking the ledger up
 */

/* Where we are. */
typedef struct Place
{
	int64		system_identifier;
	Oid			database;
	int32		timeline;
	bool		promoted;		/* nothing was left out when it began; looked
								 * at only if the timeline is new */
	bool		direct;			/* it is the next one after that which was */
} Place;

typedef enum Verdict
{
	VERDICT_GO_ON,				/* nothing has changed */
	VERDICT_BEGIN,				/* nothing was ever given out */
	VERDICT_TAKE_UP,			/* go on here, nothing is lost */
	VERDICT_TAKE_UP_SKIPPING,	/* the same, leaping over two blocks */
	VERDICT_NODE_AHEAD,
	VERDICT_OTHER_SERVER,
	VERDICT_OTHER_TIMELINE,
} Verdict;

static Verdict
ledger_judge(const SgLedgerState *state, const Place *here)
{
	bool		same_database = state->system_identifier == here->system_identifier &&
	state->database == here->database;

	if (state->held)
		return VERDICT_NODE_AHEAD;
	if (same_database && state->timeline == here->timeline)
		return VERDICT_GO_ON;
	if (state->system_identifier == 0 && state->number == 0 && !state->shared)
		return VERDICT_BEGIN;
	/* what it costs is little, and what it needs is no flag that may lag */
	if (!state->shared)
		return VERDICT_TAKE_UP_SKIPPING;
	if (same_database && state->synchronous && here->promoted && here->direct)
		return VERDICT_TAKE_UP;
	return same_database ? VERDICT_OTHER_TIMELINE : VERDICT_OTHER_SERVER;
}

/*
 * Has every timeline since one begun at the end of what there was to replay?
 * The history file has a line for each that was left behind, with the reason:
 * recovery to a target names the target.  Counts them, up to the first that is
 * not such.
 */
static bool
timeline_lost_nothing(TimeLineID since, TimeLineID now, int *count)
{
	char		path[MAXPGPATH];
	char		line[MAXPGPATH];
	bool		complete = false;
	FILE	   *file;

	*count = 0;
	TLHistoryFilePath(path, now);
	file = AllocateFile(path, "r");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL)
	{
		unsigned int left;

		if (sscanf(line, "%u", &left) != 1 || left < since)
			continue;
		(*count)++;
		complete = strstr(line, "\tno recovery target specified") != NULL;
		if (!complete)
			break;
	}
	FreeFile(file);
	return complete;
}

/* Where we are, for one that served on a timeline before. */
static void
place_get(int32 timeline, Place *here)
{
	int			left = 0;

	here->system_identifier = (int64) GetSystemIdentifier();
	here->database = MyDatabaseId;
	here->timeline = (int32) GetWALInsertionTimeLine();
	here->promoted = timeline != here->timeline &&
		timeline_lost_nothing((TimeLineID) timeline, (TimeLineID) here->timeline, &left);
	here->direct = left == 1;
}

static void
place_note(SgLedgerState *state, const Place *here)
{
	state->system_identifier = here->system_identifier;
	state->database = here->database;
	state->timeline = here->timeline;
}

/* Do nodes know the ledger's id already, from leases? */
static bool
lease_served_here(const SgLedgerState *state, const Place *here)
{
	return state->lease_generation > 0 &&
		state->lease_system_identifier == here->system_identifier &&
		state->lease_database == here->database;
}

static void
lock_ledger(void)
{
	LockDatabaseObject(RelationRelationId, sg_catalog_relation("range_ledger"), 0, ExclusiveLock);
}

static void
unlock_ledger(void)
{
	UnlockDatabaseObject(RelationRelationId, sg_catalog_relation("range_ledger"), 0, ExclusiveLock);
}

/* Move the cursor of a range up by that many of its largest blocks. */
static void
cursor_skip(const SgRange *range, Relation rel, int64 blocks)
{
	int64		value;
	int64		skip;

	LockDatabaseObject(RelationRelationId, range->cursor, 0, ExclusiveLock);
	value = Max(sg_sequence_get(rel), range->min_value - 1);
	if (pg_mul_s64_overflow(range->max_block_size, blocks, &skip) ||
		skip > range->max_value - value)
		skip = range->max_value - value;
	(void) sg_sequence_put(rel, value + Max(skip, 0));
	UnlockDatabaseObject(RelationRelationId, range->cursor, 0, ExclusiveLock);
}

/*
 * The same for all ranges.  Waits for nobody: returns false, with nothing
 * moved, if a cursor is locked, as by an ALTER SEQUENCE that is not committed.
 * A range whose cursor is gone is left out: it has nothing to give out.
 *
 * A binary upgrade does not bring along that cursors depend on their
 * generators; as the server is another one after it, it is made good here.
 */
static bool
cursors_skip(int64 blocks)
{
	List	   *ranges = NIL;
	List	   *rels = NIL;
	ListCell   *range;
	ListCell   *rel;
	bool		complete = true;

	foreach(range, sg_allocation_ranges())
	{
		Oid			cursor = ((SgRange *) lfirst(range))->cursor;
		Relation	opened;

		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(cursor)))
			continue;
		opened = sg_sequence_open(cursor, RowExclusiveLock, true);
		if (opened == NULL)
		{
			complete = false;
			break;
		}
		ranges = lappend(ranges, lfirst(range));
		rels = lappend(rels, opened);
	}
	forboth(range, ranges, rel, rels)
	{
		SgRange    *skipped = lfirst(range);

		if (complete)
		{
			cursor_skip(skipped, lfirst(rel), blocks);
			sg_sequence_depend(skipped->cursor, skipped->relid);
		}
		relation_close(lfirst(rel), RowExclusiveLock);
	}
	return complete;
}

/* Write that the ledger serves here now. */
static void
ledger_take_up(const Place *here, Verdict verdict)
{
	Datum		id = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	LedgerPage	page;
	SgLedgerState *state = ledger_begin(&page);

	place_note(state, here);
	if (verdict == VERDICT_BEGIN && !lease_served_here(state, here))
		state->id = *DatumGetUUIDP(id);
	if (verdict != VERDICT_BEGIN)
		state->epoch++;
	(void) ledger_end(&page);
}

SgHold
sg_hold_check(void)
{
	SgLedgerState state;
	Place		here;
	Verdict		verdict;
	bool		busy = false;

	PreventCommandDuringRecovery("giving out blocks of a range");
	sg_hold_state(&state);
	place_get(state.timeline, &here);
	verdict = ledger_judge(&state, &here);
	if (verdict == VERDICT_GO_ON)
		return SG_HOLD_NONE;

	lock_ledger();
	sg_hold_state(&state);
	verdict = ledger_judge(&state, &here);
	/* without a leap cursors forget at least their newest steps */
	if (verdict == VERDICT_TAKE_UP_SKIPPING || verdict == VERDICT_TAKE_UP)
		busy = !cursors_skip(verdict == VERDICT_TAKE_UP ? 0 : 2);
	if (!busy && (verdict == VERDICT_BEGIN || verdict == VERDICT_TAKE_UP ||
				  verdict == VERDICT_TAKE_UP_SKIPPING))
		ledger_take_up(&here, verdict);
	unlock_ledger();

	if (busy)
		return SG_HOLD_BUSY;
	switch (verdict)
	{
		case VERDICT_NODE_AHEAD:
			return SG_HOLD_NODE_AHEAD;
		case VERDICT_OTHER_SERVER:
			return SG_HOLD_OTHER_SERVER;
		case VERDICT_OTHER_TIMELINE:
			return SG_HOLD_OTHER_TIMELINE;
		default:
			return SG_HOLD_NONE;
	}
}

const char *
sg_hold_reason(SgHold hold)
{
	switch (hold)
	{
		case SG_HOLD_NONE:
			break;
		case SG_HOLD_NODE_AHEAD:
			return "A node knows of blocks that this ledger does not, so the ledger is an older state.";
		case SG_HOLD_OTHER_SERVER:
			return "The ledger served on another server or in another database, so it is a copy or was restored.";
		case SG_HOLD_OTHER_TIMELINE:
			return "The server was promoted or restored, and the ledger may lack its newest blocks.";
		case SG_HOLD_BUSY:
			return "The ledger cannot be taken up while a transaction alters the cursor of a range.";
	}
	return NULL;
}

void
sg_hold_require(void)
{
	SgHold		hold = sg_hold_check();

	if (hold == SG_HOLD_BUSY)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not take up the ledger of ranges"),
				 errdetail_internal("%s", sg_hold_reason(hold))));
	if (hold != SG_HOLD_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("coordinator holds its blocks back"),
				 errdetail_internal("%s", sg_hold_reason(hold)),
				 errhint("Use seqgen.range_resume() to leap over what may have been given out, and go on.")));
}

void
sg_hold_compare(int64 epoch, int64 number)
{
	SgLedgerState seen;
	LedgerPage	page;
	SgLedgerState *state;

	if (epoch < 0 || epoch > MAX_NUMBER || number < 0 || number > MAX_NUMBER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("epoch or ledger number of a request is out of range")));
	sg_hold_state(&seen);
	if (epoch <= Max(seen.epoch, seen.seen_epoch) &&
		number <= Max(seen.number, seen.seen_number) &&
		(seen.held || (epoch <= seen.epoch && number <= seen.number)))
		return;

	state = ledger_begin(&page);
	if (epoch > state->epoch || number > state->number)
	{
		state->held = true;
		state->seen_epoch = Max(state->seen_epoch, Min(epoch, state->epoch + MAX_AHEAD));
		state->seen_number = Max(state->seen_number, Min(number, state->number + MAX_AHEAD));
	}
	(void) ledger_end(&page);
}

/* What every grant needs of its commit. */
static void
require_durable(void)
{
	int			least = sg_range_require_sync ? SYNCHRONOUS_COMMIT_REMOTE_FLUSH : SYNCHRONOUS_COMMIT_LOCAL_FLUSH;

	if (sg_range_require_sync && (max_wal_senders == 0 || !SyncStandbysInUse()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no synchronous standby is named"),
				 errdetail("seqgen.range_require_sync demands that one confirms every block."),
				 errhint("Set synchronous_standby_names.")));
	if (synchronous_commit < least)
		(void) set_config_option("synchronous_commit", sg_range_require_sync ? "on" : "local",
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Whoever grants without a standby's word holds it to the transaction's end. */
static void
asynchronous_grant_tag(LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, sg_catalog_relation("range_ledger"), 1);
}

/*
 * Has a standby confirmed all blocks and leases until now?  Not if one is under
 * way that is going to commit without it.
 */
static void
become_synchronous(void)
{
	SgLedgerState before;
	LedgerPage	page;
	SgLedgerState *state;
	LOCKTAG		tag;

	sg_hold_state(&before);
	asynchronous_grant_tag(&tag);
	if ((before.synchronous && before.lease_synchronous) ||
		LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	(void) LockRelease(&tag, ExclusiveLock, false);

	sg_bound_flush(sg_hold_touch());
	state = ledger_begin(&page);
	state->synchronous |= state->number == before.number;
	state->lease_synchronous |= state->lease_generation == before.lease_generation;
	(void) ledger_end(&page);
}

/*
 * From now on grants are made without a standby's word.  A standby must know
 * that before there is one, for otherwise it would trust what it has: it is
 * told as long as there are synchronous standbys, so setting
 * seqgen.range_require_sync off should come before synchronous_standby_names.
 */
static void
become_asynchronous(void)
{
	SgLedgerState before;
	LedgerPage	page;
	SgLedgerState *state;
	LOCKTAG		tag;

	asynchronous_grant_tag(&tag);
	(void) LockAcquire(&tag, ShareLock, false, false);
	sg_hold_state(&before);
	if (!before.synchronous && !before.lease_synchronous)
		return;
	state = ledger_begin(&page);
	state->synchronous = false;
	state->lease_synchronous = false;
	sg_bound_flush(ledger_end(&page));
}

void
sg_hold_require_durable(void)
{
	require_durable();
	if (sg_range_require_sync)
		become_synchronous();
	else
		become_asynchronous();
}

XLogRecPtr
sg_hold_count(bool shared, SgLedgerState *copy)
{
	LedgerPage	page;
	SgLedgerState *state = ledger_begin(&page);

	state->number++;
	if (shared)
		state->shared = true;
	if (!sg_range_require_sync)
		state->synchronous = false;
	memcpy(copy, state, SG_LEDGER_STATE_SIZE);
	return ledger_end(&page);
}

void
sg_hold_note_foreign_row(bool manual)
{
	SgLedgerState before;
	LedgerPage	page;
	SgLedgerState *state;

	sg_hold_state(&before);
	if (before.number > 0 && !before.synchronous && (before.shared || !manual))
		return;
	state = ledger_begin(&page);
	state->number = Max(state->number, 1);
	state->shared |= manual;
	state->synchronous = false;
	(void) ledger_end(&page);
}


/*
 * Leases of node numbers
 */

/* How far the generation leaps: more than any registry forgets. */
#define LEASE_LEAP		(INT64CONST(1) << 32)

/* What a restored row may say: of generations, and of times and lengths. */
#define MAX_GENERATION	(INT64CONST(1) << 62)
#define MAX_LEASE_TIME	(INT64CONST(1) << 58)

typedef enum LeaseVerdict
{
	LEASE_GO_ON,				/* nothing has changed */
	LEASE_TAKE_UP,				/* go on here, nothing is lost */
	LEASE_HOLD,
} LeaseVerdict;

/*
 * That nothing was ever leased is no proof after a failover: a standby that
 * lagged may have lost the first leases, too.  Nor is a standby's word on the
 * timeline that was noted, if there was another one since, on which leases may
 * have been granted without.
 */
static LeaseVerdict
lease_judge(const SgLedgerState *state, const Place *here)
{
	bool		same_database = state->lease_system_identifier == here->system_identifier &&
	state->lease_database == here->database;

	if (same_database && state->lease_timeline == here->timeline)
		return LEASE_GO_ON;
	/* a server that was promoted is not on timeline 1 any more */
	if (!same_database && state->lease_generation == 0 && here->timeline == 1)
		return LEASE_TAKE_UP;
	if (same_database && state->lease_synchronous && here->promoted && here->direct)
		return LEASE_TAKE_UP;
	return LEASE_HOLD;
}

/* When a timeline began, or a later time. */
static int64
timeline_began(TimeLineID timeline, int64 clock)
{
	char		path[MAXPGPATH];
	struct stat st;

	TLHistoryFilePath(path, timeline);
	if (stat(path, &st) != 0)
		return clock;
	return Min((int64) st.st_mtime * USECS_PER_SEC, clock);
}

/* The end of a hold that begins now, or began when the timeline did. */
static int64
lease_hold_end(const SgLedgerState *state, const Place *here, int64 clock)
{
	int64		since = clock;

	/* leases that were lost without a trace are not younger than this */
	if (state->lease_generation == 0)
		since = timeline_began((TimeLineID) here->timeline, clock);
	return sg_lease_hold_end(since, Max(state->lease_longest, sg_lease * USECS_PER_SEC),
							 sg_max_node_skew * USECS_PER_SEC);
}

static void
lease_hold_begin(SgLedgerState *state, int64 generation, int64 end)
{
	state->lease_generation = Max(state->lease_generation, generation) + LEASE_LEAP;
	state->lease_held_generation = state->lease_generation;
	state->lease_hold_until = Max(state->lease_hold_until, end);
	state->lease_synchronous = false;
}

static void
lease_log_hold(const SgLedgerState *state, int64 clock, const char *reason)
{
	if (clock < state->lease_hold_until)
		ereport(LOG,
				(errmsg("coordinator leases no new node numbers until %s",
						sg_clock_text(state->lease_hold_until)),
				 errdetail_internal("%s", reason),
				 errhint("Use seqgen.node_resume() if no lease can be lost.")));
}

/* Write that leases are served here now. */
static void
lease_take_up(const Place *here, LeaseVerdict verdict, int64 clock, SgLedgerState *copy)
{
	int64		end = lease_hold_end(copy, here, clock);
	LedgerPage	page;
	SgLedgerState *state = ledger_begin(&page);

	state->lease_system_identifier = here->system_identifier;
	state->lease_database = here->database;
	state->lease_timeline = here->timeline;
	if (verdict == LEASE_HOLD)
		lease_hold_begin(state, 0, end);
	if (!sg_range_require_sync)
		state->lease_synchronous = false;
	memcpy(copy, state, SG_LEDGER_STATE_SIZE);
	XLogFlush(ledger_end(&page));
	if (verdict == LEASE_HOLD)
		lease_log_hold(copy, clock, "The registry served elsewhere, or on another timeline, and may lack its newest leases.");
}

void
sg_hold_lease_check(int64 clock, SgLedgerState *state)
{
	Place		here;
	LeaseVerdict verdict;

	sg_hold_state(state);
	place_get(state->lease_timeline, &here);
	if (lease_judge(state, &here) == LEASE_GO_ON)
		return;

	lock_ledger();
	sg_hold_state(state);
	verdict = lease_judge(state, &here);
	if (verdict != LEASE_GO_ON)
		lease_take_up(&here, verdict, clock, state);
	unlock_ledger();
}

void
sg_hold_lease_foresee(int64 clock, SgLedgerState *state)
{
	Place		here;

	sg_hold_state(state);
	if (RecoveryInProgress())
		return;
	place_get(state->lease_timeline, &here);
	if (lease_judge(state, &here) == LEASE_HOLD)
		lease_hold_begin(state, 0, lease_hold_end(state, &here, clock));
}

int64
sg_hold_lease_max_claim(const SgLedgerState *state)
{
	return Max(state->lease_generation, MAX_NUMBER);
}

void
sg_hold_lease_ahead(int64 generation, int64 clock, SgLedgerState *copy)
{
	int64		end;
	LedgerPage	page;
	SgLedgerState *state;
	bool		news;

	if (generation <= copy->lease_held_generation)
		return;
	end = sg_lease_hold_end(clock, Max(copy->lease_longest, sg_lease * USECS_PER_SEC),
							sg_max_node_skew * USECS_PER_SEC);
	state = ledger_begin(&page);
	news = generation > state->lease_held_generation;
	if (news)
		lease_hold_begin(state, generation, end);
	memcpy(copy, state, SG_LEDGER_STATE_SIZE);
	XLogFlush(ledger_end(&page));
	if (news)
		lease_log_hold(copy, clock, "A node knows of a lease that the registry does not, so the registry is an older state.");
}

int64
sg_hold_lease_count(int64 clock, int64 until, SgLedgerState *copy)
{
	LedgerPage	page;
	SgLedgerState *state = ledger_begin(&page);
	int64		generation = ++state->lease_generation;

	if (until > clock)
		state->lease_longest = Max(state->lease_longest, until - clock);
	if (!sg_range_require_sync)
		state->lease_synchronous = false;	/* it may have become so again */
	memcpy(copy, state, SG_LEDGER_STATE_SIZE);
	(void) ledger_end(&page);
	return generation;
}

void
sg_hold_lease_resume(int64 clock)
{
	LedgerPage	page;
	SgLedgerState *state = ledger_begin(&page);

	state->lease_hold_until = Min(state->lease_hold_until, clock);
	sg_bound_flush(ledger_end(&page));
}

static bool
lease_is_sound(const SgLedgerState *state)
{
	return state->lease_generation >= 0 && state->lease_generation <= MAX_GENERATION &&
		state->lease_held_generation >= 0 && state->lease_held_generation <= MAX_GENERATION &&
		state->lease_hold_until >= 0 && state->lease_hold_until <= MAX_LEASE_TIME &&
		state->lease_longest >= 0 && state->lease_longest <= MAX_LEASE_TIME;
}

/* What a restored row says, but for where it served. */
static void
lease_merge(SgLedgerState *state, const SgLedgerState *from)
{
	state->lease_generation = Max(state->lease_generation, from->lease_generation);
	state->lease_held_generation = Max(state->lease_held_generation, from->lease_held_generation);
	state->lease_hold_until = Max(state->lease_hold_until, from->lease_hold_until);
	state->lease_longest = Max(state->lease_longest, from->lease_longest);
	state->lease_synchronous = false;

	/* of a database that never leased a number there is nothing to forget */
	if (from->lease_generation == 0)
		return;
	state->lease_system_identifier = 0;
	state->lease_database = InvalidOid;
	state->lease_timeline = 0;
}


/*
 * SQL
 */

PG_FUNCTION_INFO_V1(sg_range_resume);
Datum
sg_range_resume(PG_FUNCTION_ARGS)
{
	int64		skip = PG_GETARG_INT64(0);
	Oid			table = sg_catalog_relation("range_ledger");
	SgLedgerState before;
	Place		here;
	LedgerPage	page;
	SgLedgerState *state;
	XLogRecPtr	lsn;

	if (!OidIsValid(table) || !object_ownercheck(RelationRelationId, table, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to end the hold of a coordinator"),
				 errhint("Only the owner of the extension may.")));
	PreventCommandIfReadOnly("seqgen.range_resume()");
	PreventCommandDuringRecovery("seqgen.range_resume()");
	if (skip < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of blocks to leap over must not be negative")));
	if (sg_hold_check() == SG_HOLD_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("coordinator does not hold its blocks back")));

	sg_hold_state(&before);
	place_get(before.timeline, &here);
	lock_ledger();
	if (!cursors_skip(skip))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not take up the ledger of ranges"),
				 errdetail_internal("%s", sg_hold_reason(SG_HOLD_BUSY))));
	state = ledger_begin(&page);
	place_note(state, &here);
	state->epoch = Max(state->epoch, state->seen_epoch) + 1;
	state->number = Max(state->number, state->seen_number) + 1;
	state->seen_epoch = state->seen_number = 0;
	state->held = false;
	state->synchronous = false;
	lsn = ledger_end(&page);
	unlock_ledger();
	sg_bound_flush(lsn);
	PG_RETURN_VOID();
}

/* What the view shows; takes nothing up, and works in recovery. */
PG_FUNCTION_INFO_V1(sg_range_hold);
Datum
sg_range_hold(PG_FUNCTION_ARGS)
{
	SgLedgerState state;
	Place		here;
	SgHold		hold = SG_HOLD_NONE;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	sg_hold_state(&state);
	if (!RecoveryInProgress())
	{
		place_get(state.timeline, &here);
		switch (ledger_judge(&state, &here))
		{
			case VERDICT_NODE_AHEAD:
				hold = SG_HOLD_NODE_AHEAD;
				break;
			case VERDICT_OTHER_SERVER:
				hold = SG_HOLD_OTHER_SERVER;
				break;
			case VERDICT_OTHER_TIMELINE:
				hold = SG_HOLD_OTHER_TIMELINE;
				break;
			default:
				break;
		}
	}
	else if (state.held)
		hold = SG_HOLD_NODE_AHEAD;
	values[0] = BoolGetDatum(hold != SG_HOLD_NONE);
	nulls[1] = hold == SG_HOLD_NONE;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(sg_hold_reason(hold));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * A row from outside, as from a restore: what it says is merged into the only
 * row, but for where it served.  So the next one who asks finds a hold, or
 * leaps over two blocks.
 */
static void
ledger_merge(HeapTuple tuple, TupleDesc desc)
{
	SgLedgerState from;
	LedgerPage	page;
	SgLedgerState *state;
	HeapTuple	flat = heap_copytuple(tuple);

	if (HeapTupleHasNulls(flat) || HeapTupleHeaderGetNatts(flat->t_data) < Natts_ledger)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a row of seqgen.range_ledger has no nulls")));
	memcpy(&from, (char *) flat->t_data + flat->t_data->t_hoff,
		   SG_LEDGER_STATE_SIZE);
	if (from.epoch < 0 || from.epoch > MAX_NUMBER || from.number < 0 || from.number > MAX_NUMBER ||
		from.seen_epoch < 0 || from.seen_epoch > MAX_NUMBER ||
		from.seen_number < 0 || from.seen_number > MAX_NUMBER || !lease_is_sound(&from))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("epoch or number of a ledger is out of range")));

	state = ledger_begin(&page);
	state->id = from.id;
	state->epoch = Max(state->epoch, from.epoch);
	state->number = Max(state->number, from.number);
	state->seen_epoch = Max(state->seen_epoch, from.seen_epoch);
	state->seen_number = Max(state->seen_number, from.seen_number);
	state->system_identifier = 0;
	state->database = InvalidOid;
	state->timeline = 0;
	state->shared |= from.shared;
	state->synchronous = false;
	state->held |= from.held;
	lease_merge(state, &from);
	(void) ledger_end(&page);
}

PG_FUNCTION_INFO_V1(sg_range_ledger_guard);
Datum
sg_range_ledger_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel;
	ItemPointerData tid;
	bool		found;

	sg_catalog_check_trigger(fcinfo, "range_ledger");
	sg_catalog_refuse_truncate(trigger, "Its only row belongs to the extension.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change or delete the row of seqgen.range_ledger"),
				 errhint("Use seqgen.range_resume() to end a hold.")));
	found = ledger_find(&rel, &tid);
	table_close(rel, RowExclusiveLock);
	if (!found)
		PG_RETURN_POINTER(trigger->tg_trigtuple);
	ledger_merge(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation));
	PG_RETURN_POINTER(NULL);
}
