/*-------------------------------------------------------------------------
 *
 * backend.c
 *	  What each backend is doing with its generators, for others to read.
 *
 * Promises:
 *	1. While a transaction that has drawn ids is running, some record holds a
 *	   floor that is not above the time inside its first id, and held it before
 *	   that id was taken.  So it does while the transaction is prepared, until
 *	   the server restarts: for a prepared transaction without a record the
 *	   floor is unknown.
 *	2. Nobody waits here: a record is written by its backend, and by that
 *	   backend's parallel workers, with atomics.
 *
 * A parallel worker uses its leader's record, so that the floor lasts as long
 * as the leader's transaction.  At PREPARE the floor moves to a record of its
 * own under the transaction's xid.  Nobody tells an extension about COMMIT
 * PREPARED, so such a record is void as soon as its xid is not in progress.
 * Readers scan backends before prepared transactions, and the backend's floor
 * is cleared after the hand-over, so they cannot miss both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/procarray.h"

#include "compat.h"
#include "shmem.h"
#include "backend.h"

/* floor of a backend that has drawn nothing in its transaction */
#define NO_FLOOR	PG_UINT64_MAX

typedef struct BackendRecord
{
	pg_atomic_uint64 floor;		/* us since the Unix epoch, or NO_FLOOR */
	pg_atomic_uint64 last_id;
	pg_atomic_uint64 issued[SG_KIND_COUNT];
	pg_atomic_uint32 pid;		/* 0 if nobody's; last written at start */
	pg_atomic_uint64 xid;		/* prepared transaction, in full, or 0 */
	Oid			database;
} BackendRecord;

/* one to a cache line, as every record is written by a backend of its own */
typedef union BackendRecordPadded
{
	BackendRecord record;
	char		pad[PG_CACHE_LINE_SIZE];
} BackendRecordPadded;

StaticAssertDecl(sizeof(BackendRecord) <= PG_CACHE_LINE_SIZE,
				 "a backend's record must fit into a cache line");

/* MaxBackends records, then one for each prepared transaction */
static BackendRecordPadded *records = NULL;

/* this process's record, or its leader's; NULL until it is needed */
static BackendRecord *my_record = NULL;

static int
record_count(void)
{
	return MaxBackends + max_prepared_xacts;
}

/*
 * Clear all but the floor.  A floor is cleared at transaction end, so there is
 * none between transactions; and of two workers that enter their leader at
 * once the slower must not wipe out what the faster has announced.
 */
static void
record_clear(BackendRecord *record)
{
	pg_atomic_write_u32(&record->pid, 0);
	pg_atomic_write_u64(&record->last_id, 0);
	for (int i = 0; i < SG_KIND_COUNT; i++)
		pg_atomic_write_u64(&record->issued[i], 0);
	record->database = InvalidOid;
}

static void
record_release(int code, Datum arg)
{
	record_clear((BackendRecord *) DatumGetPointer(arg));
}

/*
 * Find this process's record.  A worker that comes before its leader enters
 * the leader; the leader, finding itself entered, only adds the release.
 */
static BackendRecord *
record_mine(void)
{
	BackendRecord *record;
	int			pid;

	if (likely(my_record != NULL))
		return my_record;

	if (IsParallelWorker())
	{
		record = &records[LeaderBackendIndex()].record;
		pid = MyProc->lockGroupLeader->pid;
	}
	else
	{
		record = &records[MyBackendIndex()].record;
		pid = MyProcPid;
		before_shmem_exit(record_release, PointerGetDatum(record));
	}

	if (pg_atomic_read_u32(&record->pid) != (uint32) pid)
	{
		record_clear(record);
		record->database = MyDatabaseId;
		pg_write_barrier();
		pg_atomic_write_u32(&record->pid, (uint32) pid);
	}
	my_record = record;
	return record;
}

void
sg_backend_announce(int64 floor)
{
	BackendRecord *record = record_mine();
	uint64		wanted = (uint64) Max(floor, 0);
	uint64		now = pg_atomic_read_u64(&record->floor);

	/* a transaction with several generators keeps the lowest floor */
	while (wanted < now)
		if (pg_atomic_compare_exchange_u64(&record->floor, &now, wanted))
			break;

	/* whoever reads a tick that we take from here on also sees the floor */
	pg_memory_barrier();
}

void
sg_backend_note(int64 id)
{
	pg_atomic_write_u64(&record_mine()->last_id, (uint64) id);
}

void
sg_backend_count(SgKind kind, int64 issued)
{
	pg_atomic_fetch_add_u64(&record_mine()->issued[kind], issued);
}

/*
 * Is a full transaction id that of a transaction that is still prepared?  An
 * id that is too old to be running would be taken for one that is to come.
 */
static bool
xid_is_prepared(uint64 xid)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return xid != 0 && next - xid < PG_INT32_MAX &&
		TransactionIdIsInProgress((TransactionId) xid);
}

/*
 * Hand the floor over to a record of the prepared transaction.  There is one
 * for each transaction that can be prepared, and this one is among them, so a
 * void one is found, in the second round at the latest unless others take and
 * leave them all the time.  Our own record goes on holding the floor meanwhile.
 */
static void
record_hand_over(BackendRecord *mine)
{
	uint64		xid = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());

	for (int i = 0; i < 10 * max_prepared_xacts; i++)
	{
		BackendRecord *record = &records[MaxBackends + i % max_prepared_xacts].record;
		uint64		old = pg_atomic_read_u64(&record->xid);

		if (xid_is_prepared(old) ||
			!pg_atomic_compare_exchange_u64(&record->xid, &old, xid))
			continue;
		record->database = MyDatabaseId;
		pg_atomic_write_u64(&record->floor, pg_atomic_read_u64(&mine->floor));
		pg_atomic_write_u64(&record->last_id, pg_atomic_read_u64(&mine->last_id));
		return;
	}
}

void
sg_backend_at_xact_end(XactEvent event)
{
	BackendRecord *record;

	/* the leader's transaction goes on */
	if (records == NULL || IsParallelWorker())
		return;

	/* a process that is not connected to any database */
	if (MyBackendIndex() < 0 || MyBackendIndex() >= MaxBackends)
		return;

	/* a worker may have announced for us without our knowing */
	record = my_record ? my_record : &records[MyBackendIndex()].record;
	if (pg_atomic_read_u64(&record->floor) == NO_FLOOR)
		return;
	if (event == XACT_EVENT_PREPARE)
		record_hand_over(record);
	pg_memory_barrier();
	pg_atomic_write_u64(&record->floor, NO_FLOOR);
}

int
sg_backend_states(SgBackendState **states)
{
	int			count = 0;

	*states = palloc(sizeof(SgBackendState) * record_count());
	for (int i = 0; i < record_count(); i++)
	{
		BackendRecord *record = &records[i].record;
		SgBackendState *state = &(*states)[count];
		bool		prepared = i >= MaxBackends;
		uint64		xid;
		uint64		floor;

		xid = pg_atomic_read_u64(&record->xid);
		state->xid = (TransactionId) xid;
		state->pid = (int) pg_atomic_read_u32(&record->pid);

		/* a leader that only its workers drew for does not release itself */
		if (prepared ? !xid_is_prepared(xid) : state->pid == 0 || BackendPidGetProc(state->pid) == NULL)
			continue;
		floor = pg_atomic_read_u64(&record->floor);
		state->floor = floor == NO_FLOOR ? -1 : (int64) floor;
		state->last_id = (int64) pg_atomic_read_u64(&record->last_id);
		for (int k = 0; k < SG_KIND_COUNT; k++)
			state->issued[k] = (int64) pg_atomic_read_u64(&record->issued[k]);
		state->database = record->database;
		count++;
	}
	return count;
}

static Size
backend_shmem_size(void)
{
	return mul_size(record_count(), sizeof(BackendRecordPadded)) + PG_CACHE_LINE_SIZE;
}

static void
backend_shmem_attach(void *area, bool initialize)
{
	records = (BackendRecordPadded *) TYPEALIGN(PG_CACHE_LINE_SIZE, area);
	my_record = NULL;
	if (!initialize)
		return;
	for (int i = 0; i < record_count(); i++)
	{
		BackendRecord *record = &records[i].record;

		pg_atomic_init_u64(&record->floor, NO_FLOOR);
		pg_atomic_init_u64(&record->last_id, 0);
		for (int k = 0; k < SG_KIND_COUNT; k++)
			pg_atomic_init_u64(&record->issued[k], 0);
		pg_atomic_init_u32(&record->pid, 0);
		pg_atomic_init_u64(&record->xid, 0);
		record->database = InvalidOid;
	}
}

static const SgShmemArea backend_area = {
	.name = "seqgen backends",
	.size = backend_shmem_size,
	.attach = backend_shmem_attach,
};

void
sg_backend_init(void)
{
	sg_shmem_add(&backend_area);
}
