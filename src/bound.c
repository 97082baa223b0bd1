/*-------------------------------------------------------------------------
 *
 * bound.c
 *	  Where the durable bound of a generator lives: last_value, in the page of
 *	  its sequence.
 *
 * The bound is written with generic WAL, and always as a full page image:
 * after a plain nextval the page in memory differs from what WAL holds, for
 * nextval logs values ahead, so a delta would be replayed onto another page.
 * It needs no transaction id, and works in read-only transactions and in
 * parallel workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "replication/walsender.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "bound.h"

static Form_pg_sequence_data
bound_page_data(Page page)
{
	ItemId		item;
	HeapTupleHeader tuple;

	if (PageGetMaxOffsetNumber(page) < FirstOffsetNumber)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sequence has no tuple in its page")));
	item = PageGetItemId(page, FirstOffsetNumber);
	tuple = (HeapTupleHeader) PageGetItem(page, item);
	return (Form_pg_sequence_data) ((char *) tuple + tuple->t_hoff);
}

int64
sg_bound_get(Buffer buffer)
{
	return bound_page_data(BufferGetPage(buffer))->last_value;
}

/*
 * log_cnt, which nextval() uses to log ahead, is free in a cursor, for there
 * nextval() always fails.  All that sets a sequence sets it to 0 or more, so a
 * negative one is ours.
 */
int64
sg_bound_get_before(Buffer buffer)
{
	int64		log_cnt = bound_page_data(BufferGetPage(buffer))->log_cnt;

	return log_cnt < 0 ? -(log_cnt + 1) : -1;
}

XLogRecPtr
sg_bound_put_step(GenericXLogState *xlog, Buffer buffer, int64 before, int64 value)
{
	Page		page = GenericXLogRegisterBuffer(xlog, buffer, GENERIC_XLOG_FULL_IMAGE);
	Form_pg_sequence_data data = bound_page_data(page);

	data->last_value = value;
	data->is_called = true;
	data->log_cnt = before >= 0 ? -before - 1 : 0;
	return GenericXLogFinish(xlog);
}

XLogRecPtr
sg_bound_put(GenericXLogState *xlog, Buffer buffer, int64 value)
{
	return sg_bound_put_step(xlog, buffer, -1, value);
}

/*
 * The wait for standbys is as if the session asked for it, whatever its
 * synchronous_commit: others will rely on the bound.
 */
void
sg_bound_flush(XLogRecPtr lsn)
{
	int			nest_level;
	bool		confirmed;

	/* storage that this transaction made, and that WAL skips */
	if (XLogRecPtrIsInvalid(lsn))
		return;
	XLogFlush(lsn);

	if (max_wal_senders == 0 || !SyncStandbysInUse())
		return;

	nest_level = NewGUCNestLevel();
	(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, false);
	RESUME_INTERRUPTS();
	AtEOXact_GUC(false, nest_level);

	/* a wait that was cancelled returns like one that was not */
	LWLockAcquire(SyncRepLock, LW_SHARED);
	confirmed = !SyncStandbysInUse() || WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH] >= lsn;
	LWLockRelease(SyncRepLock);
	if (confirmed)
		return;
	CHECK_FOR_INTERRUPTS();
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("could not make a reservation durable"),
			 errdetail("The wait for the synchronous standby to confirm the reservation was canceled.")));
}

/*
 * The newest version of a sequence's row of a catalog that is committed; NULL
 * if there is none.  We are the only ones who can have a newer one, as our
 * lock on the sequence excludes others.
 */
static HeapTuple
bound_committed_row(Oid catalog, Oid index, AttrNumber key_column, Oid relid)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, key_column, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, SnapshotAny, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		HeapTupleHeader header = tuple->t_data;

		if (TransactionIdDidCommit(HeapTupleHeaderGetXmin(header)) &&
			((header->t_infomask & HEAP_XMAX_INVALID) ||
			 HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask) ||
			 !TransactionIdDidCommit(HeapTupleHeaderGetUpdateXid(header))))
			break;
	}
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tuple;
}

bool
sg_bound_is_changed(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;
	ours = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return ours;
}

/* The limits of a sequence, as others see them. */
static void
bound_committed_limits(Oid relid, SgCommitted *committed)
{
	HeapTuple	tuple = bound_committed_row(SequenceRelationId, SequenceRelidIndexId,
											Anum_pg_sequence_seqrelid, relid);

	if (tuple == NULL)
		elog(ERROR, "no committed row for sequence %u", relid);
	committed->min_value = ((Form_pg_sequence) GETSTRUCT(tuple))->seqmin;
	committed->max_value = ((Form_pg_sequence) GETSTRUCT(tuple))->seqmax;
	heap_freetuple(tuple);
}

SgStorage
sg_bound_storage(Relation rel, SgCommitted *committed)
{
	HeapTuple	tuple;
	Form_pg_class form;
	SgStorage	state = SG_STORAGE_REPLACED;

	if (!sg_bound_is_changed(RelationGetRelid(rel)))
		return SG_STORAGE_COMMITTED;

	tuple = bound_committed_row(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid,
								RelationGetRelid(rel));
	if (tuple == NULL)
		return SG_STORAGE_CREATED;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relfilenode == rel->rd_rel->relfilenode)
		state = SG_STORAGE_COMMITTED;
	committed->locator = rel->rd_locator;
	committed->locator.spcOid = OidIsValid(form->reltablespace) ? form->reltablespace : MyDatabaseTableSpace;
	committed->locator.relNumber = form->relfilenode;
	committed->permanent = form->relpersistence == RELPERSISTENCE_PERMANENT;
	heap_freetuple(tuple);
	if (state == SG_STORAGE_REPLACED)
		bound_committed_limits(RelationGetRelid(rel), committed);
	return state;
}

SgStorage
sg_bound_storage_to_write(Relation rel, SgCommitted *committed)
{
	SgStorage	storage = sg_bound_storage(rel, committed);

	if (storage == SG_STORAGE_REPLACED && !committed->permanent)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sequence \"%s\" has been unlogged up to this transaction",
						RelationGetRelationName(rel)),
				 errdetail("A rollback would bring back a bound that does not survive a crash."),
				 errhint("Commit ALTER SEQUENCE ... SET LOGGED before drawing ids.")));
	return storage;
}

/* Exclusively lock the page of a storage that the relcache has left behind. */
static Buffer
bound_lock_committed(const SgCommitted *committed)
{
	Buffer		buffer = ReadBufferWithoutRelcache(committed->locator, MAIN_FORKNUM, 0,
												   RBM_NORMAL, NULL, committed->permanent);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

int64
sg_bound_get_committed(const SgCommitted *committed)
{
	Buffer		buffer = bound_lock_committed(committed);
	int64		value = sg_bound_get(buffer);

	UnlockReleaseBuffer(buffer);
	return value;
}

/* Raise the bound in the committed storage, which a rollback brings back. */
XLogRecPtr
sg_bound_raise_committed(const SgCommitted *committed, int64 value)
{
	Buffer		buffer = bound_lock_committed(committed);
	Page		page = BufferGetPage(buffer);
	Form_pg_sequence_data data = bound_page_data(page);
	XLogRecPtr	lsn;

	if (data->last_value < value)
	{
		START_CRIT_SECTION();
		data->last_value = value;
		data->is_called = true;
		data->log_cnt = 0;
		MarkBufferDirty(buffer);
		lsn = log_newpage_buffer(buffer, true);
		END_CRIT_SECTION();
	}
	else
		lsn = PageGetLSN(page);
	UnlockReleaseBuffer(buffer);
	return lsn;
}
