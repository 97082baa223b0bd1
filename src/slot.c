/*-------------------------------------------------------------------------
 *
 * slot.c
 *	  The table of generator slots in shared memory.
 *
 * Promises:
 *	1. A slot, once freed, is not touched by those who knew it: it is freed
 *	   only under a lock on its sequence that excludes all users, or when the
 *	   sequence is gone; or its user holds SG_LOCK_SLOTS.
 *	2. No two slots share a cache line.
 *
 * SG_LOCK_SLOTS guards the table: the hash from (database, sequence) to slot
 * number, the list of free slots, and the fields marked (T).  A backend keeps
 * a slot's address and generation; it checks the generation at its first use
 * in a transaction, after it has locked the sequence.  Fields marked (P) are
 * guarded by the content lock of the sequence's page, fields marked (B) by
 * SG_LOCK_BLOCKS, and fields marked (L) by SG_LOCK_LEASES.  All three may be
 * taken by a holder of SG_LOCK_SLOTS, and SG_LOCK_BLOCKS by a holder of a page's
 * lock.
 *
 * Leases
 *
 *	The number that last bears, and the window that goes with it, change under
 *	SG_LOCK_LEASES.  limit is raised for a lease under the same lock, by
 *	somebody who has seen the lease's serial, and only if that is still the
 *	same: so a limit that was computed for one number never serves another.  The
 *	number changes in last first, which goes above limit: until limit is raised
 *	for the new number, there is nothing to take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/syscache.h"

#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "slot.h"

/* a multiple of the cache line, so that no two slots share one */
typedef union SlotPadded
{
	SgSlot		slot;
	char		pad[TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(SgSlot))];
} SlotPadded;

typedef struct SlotKey
{
	Oid			database;
	Oid			relid;
} SlotKey;

typedef struct SlotEntry
{
	SlotKey		key;
	int			number;
} SlotEntry;

/* How far the slots of a layout had got that are gone. */
typedef struct SlotTrace
{
	bool		used;
	SgLayout	layout;
	int64		tick;
} SlotTrace;

#define TRACES	32

/* all of it guarded by SG_LOCK_SLOTS */
typedef struct SlotTable
{
	int			first_free;		/* or -1 */
	int64		known_from;		/* us; 0 while nothing was ever entered: ids
								 * of earlier times may be of the server's
								 * life before, or of slots that left no trace */
	SlotTrace	traces[TRACES];
} SlotTable;

static SlotTable *table = NULL;
static SlotPadded *slots = NULL;
static HTAB *slot_hash = NULL;

static inline LWLock *
slot_lock(void)
{
	return sg_shmem_lock(SG_LOCK_SLOTS);
}

/* Find a slot; the caller holds the lock, shared at least. */
static SgSlot *
slot_find(Oid database, Oid relid)
{
	SlotKey		key = {database, relid};
	SlotEntry  *entry = hash_search(slot_hash, &key, HASH_FIND, NULL);

	return entry ? &slots[entry->number].slot : NULL;
}

SgSlot *
sg_slot_lock(Oid relid)
{
	LWLockAcquire(slot_lock(), LW_SHARED);
	return slot_find(MyDatabaseId, relid);
}

void
sg_slot_unlock(void)
{
	LWLockRelease(slot_lock());
}

SgSlot *
sg_slot_find(Oid relid)
{
	SgSlot	   *slot = sg_slot_lock(relid);

	sg_slot_unlock();
	return slot;
}

static int64
trace_end(const SlotTrace *trace)
{
	return sg_layout_us(&trace->layout, (trace->tick >> trace->layout.sequence_bits) + 1);
}

/* The trace of a layout; NULL if there is none. */
static SlotTrace *
trace_find(const SgLayout *layout)
{
	for (int i = 0; i < TRACES; i++)
		if (table->traces[i].used && sg_layout_equal(&table->traces[i].layout, layout))
			return &table->traces[i];
	return NULL;
}

/* A new one; if need be in place of the one that matters for the shortest time. */
static SlotTrace *
trace_add(const SgLayout *layout)
{
	SlotTrace  *trace = &table->traces[0];

	for (int i = 1; i < TRACES && trace->used; i++)
		if (!table->traces[i].used || trace_end(&table->traces[i]) < trace_end(trace))
			trace = &table->traces[i];
	if (trace->used)
		table->known_from = Max(table->known_from, trace_end(trace));
	trace->used = true;
	trace->layout = *layout;
	trace->tick = 0;
	return trace;
}

/*
 * Free a slot; the caller holds the lock, and has made sure that nobody uses
 * the slot.
 */
static void
slot_free(SgSlot *slot)
{
	SlotKey		key = {slot->database, slot->relid};

	if (!sg_kind_is_counter(slot->kind))
	{
		SlotTrace  *trace = trace_find(&slot->layout);

		if (trace == NULL)
			trace = trace_add(&slot->layout);
		trace->tick = Max(trace->tick, sg_slot_last_tick(slot, slot->layout.node_bits));
	}
	hash_search(slot_hash, &key, HASH_REMOVE, NULL);
	pg_atomic_fetch_add_u32(&slot->generation, 1);
	slot->database = InvalidOid;
	slot->relid = InvalidOid;
	slot->next_free = table->first_free;
	table->first_free = (int) ((SlotPadded *) slot - slots);
}

void
sg_slot_free(Oid database, Oid relid)
{
	SgSlot	   *slot;

	LWLockAcquire(slot_lock(), LW_EXCLUSIVE);
	slot = slot_find(database, relid);
	if (slot != NULL)
		slot_free(slot);
	LWLockRelease(slot_lock());
}

void
sg_slot_free_database(Oid database)
{
	LWLockAcquire(slot_lock(), LW_EXCLUSIVE);
	for (int i = 0; i < sg_max_generators; i++)
		if (OidIsValid(slots[i].slot.relid) && slots[i].slot.database == database)
			slot_free(&slots[i].slot);
	LWLockRelease(slot_lock());
}

/*
 * Is what a slot is for gone?  A sequence that we cannot see may be another
 * transaction's new one, but then that transaction has it locked.
 */
static bool
slot_is_orphan(const SlotKey *key)
{
	bool		orphan;

	if (key->database != MyDatabaseId)
		return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(key->database));
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(key->relid)))
		return false;
	if (!ConditionalLockRelationOid(key->relid, AccessShareLock))
		return false;
	orphan = !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(key->relid));
	UnlockRelationOid(key->relid, AccessShareLock);
	return orphan;
}

/*
 * Free the slots that no event freed: of sequences whose drop was committed,
 * or creation rolled back, as a prepared transaction, and of databases.
 */
static void
slot_sweep(void)
{
	SlotKey    *keys = palloc(sizeof(SlotKey) * sg_max_generators);
	int			count = 0;

	LWLockAcquire(slot_lock(), LW_SHARED);
	for (int i = 0; i < sg_max_generators; i++)
		if (OidIsValid(slots[i].slot.relid))
		{
			keys[count].database = slots[i].slot.database;
			keys[count].relid = slots[i].slot.relid;
			count++;
		}
	LWLockRelease(slot_lock());

	for (int i = 0; i < count; i++)
		if (slot_is_orphan(&keys[i]))
			sg_slot_free(keys[i].database, keys[i].relid);
	pfree(keys);
}

/* What the node bits of a generator's ids hold with a lease. */
static int64
slot_lease_node(const SgLayout *layout, const SgLease *lease)
{
	if (lease->number == 0)
		return 0;
	return sg_layout_node(layout, layout->datacenter_bits > 0 ? sg_location.datacenter : 0,
						  lease->number);
}

/* Put a free slot to use with nothing reserved; the caller holds the lock. */
static void
slot_fill(SgSlot *slot, const SlotKey *key, SgKind kind,
		  const SgLayout *layout, const SgLease *lease, int64 value)
{
	int64		node = 0;
	uint64		last = 0;
	int			node_bits = 0;

	/* a kind that counts begins with its first block */
	MemSet(&slot->blocks, 0, sizeof(SgBlocks));
	MemSet(&slot->layout, 0, sizeof(SgLayout));
	MemSet(&slot->lease, 0, sizeof(SgLease));
	if (!sg_kind_is_counter(kind))
	{
		slot->lease = *lease;
		node = slot_lease_node(layout, lease);
		last = (uint64) Max(Max(sg_layout_tick_above(layout, value, node),
								sg_layout_first_tick(layout, lease->from)) - 1, 0);
		slot->layout = *layout;
		node_bits = layout->node_bits;
	}
	slot->database = key->database;
	slot->relid = key->relid;
	slot->kind = kind;
	slot->lease_serial++;
	slot->lease_error = 0;
	slot->lease_message[0] = '\0';
	pg_atomic_write_u64(&slot->last, last << node_bits | (uint64) node);
	pg_atomic_write_u64(&slot->limit, last);
	pg_atomic_write_u64(&slot->ahead, SG_AHEAD_TAKEN);
	pg_atomic_write_u64(&slot->bound, (uint64) value);
	pg_atomic_write_u32(&slot->storage, InvalidOid);
	pg_atomic_write_u64(&slot->warned_at, 0);
	pg_atomic_write_u64(&slot->issued, 0);
	pg_atomic_write_u64(&slot->reservations, 0);
	pg_atomic_write_u64(&slot->waits, 0);
	pg_atomic_write_u64(&slot->steps_back, 0);
	pg_atomic_write_u64(&slot->foreign_ids, 0);
}

/* Enter a generator; NULL if the table is full. */
static SgSlot *
slot_enter(Oid relid, SgKind kind, const SgLayout *layout, const SgLease *lease, int64 value)
{
	SlotKey		key = {MyDatabaseId, relid};
	SgSlot	   *slot;

	LWLockAcquire(slot_lock(), LW_EXCLUSIVE);
	if (table->known_from == 0)
		table->known_from = sg_clock_now();
	slot = slot_find(key.database, key.relid);
	if (slot == NULL && table->first_free >= 0)
	{
		SlotEntry  *entry = hash_search(slot_hash, &key, HASH_ENTER_NULL, NULL);

		if (entry != NULL)
		{
			entry->number = table->first_free;
			slot = &slots[entry->number].slot;
			table->first_free = slot->next_free;
			slot_fill(slot, &key, kind, layout, lease, value);
		}
	}
	LWLockRelease(slot_lock());
	return slot;
}

SgSlot *
sg_slot_enter(Oid relid, SgKind kind, const SgLayout *layout, const SgLease *lease, int64 value)
{
	SgSlot	   *slot = slot_enter(relid, kind, layout, lease, value);

	if (slot == NULL)
	{
		slot_sweep();
		slot = slot_enter(relid, kind, layout, lease, value);
	}
	if (slot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many generators in use"),
				 errdetail("All %d slots are taken.", sg_max_generators),
				 errhint("Increase seqgen.max_generators and restart the server.")));
	return slot;
}

void
sg_slot_visit(SgSlotVisitor visitor, void *arg)
{
	LWLockAcquire(slot_lock(), LW_SHARED);
	for (int i = 0; i < sg_max_generators; i++)
	{
		SgSlot	   *slot = &slots[i].slot;

		if (OidIsValid(slot->relid) && slot->database == MyDatabaseId)
			visitor(slot, arg);
	}
	LWLockRelease(slot_lock());
}

List *
sg_slot_relids(SgKind kind)
{
	Oid		   *relids = palloc(sizeof(Oid) * sg_max_generators);
	List	   *list = NIL;
	int			count = 0;

	LWLockAcquire(slot_lock(), LW_SHARED);
	for (int i = 0; i < sg_max_generators; i++)
	{
		SgSlot	   *slot = &slots[i].slot;

		if (OidIsValid(slot->relid) && slot->database == MyDatabaseId &&
			slot->kind == kind)
			relids[count++] = slot->relid;
	}
	LWLockRelease(slot_lock());

	for (int i = 0; i < count; i++)
		list = lappend_oid(list, relids[i]);
	pfree(relids);
	return list;
}

bool
sg_slot_may_have_given(SgSlot *slot, int64 tick, int64 time)
{
	const SgLayout *layout = &slot->layout;
	int64		node = sg_slot_node(slot, layout->node_bits);
	const SlotTrace *trace;
	bool		found;

	LWLockAcquire(slot_lock(), LW_SHARED);
	trace = trace_find(layout);
	found = time < table->known_from || (trace != NULL && tick <= trace->tick);
	for (int i = 0; i < sg_max_generators && !found; i++)
	{
		SgSlot	   *other = &slots[i].slot;

		found = OidIsValid(other->relid) && !sg_kind_is_counter(other->kind) &&
			sg_layout_equal(&other->layout, layout) &&
			sg_slot_node(other, layout->node_bits) == node &&
			sg_slot_last_tick(other, layout->node_bits) >= tick;
	}
	LWLockRelease(slot_lock());
	return found;
}

void
sg_slot_raise_last(SgSlot *slot, int node_bits, int64 tick)
{
	uint64		word = pg_atomic_read_u64(&slot->last);
	uint64		kept = ((UINT64CONST(1) << node_bits) - 1) | SG_SLOT_CLOSED;

	while ((int64) ((word & ~SG_SLOT_CLOSED) >> node_bits) < tick)
		if (pg_atomic_compare_exchange_u64(&slot->last, &word,
										   (uint64) tick << node_bits | (word & kept)))
			break;
}

void
sg_slot_raise_limit(SgSlot *slot, int64 tick)
{
	uint64		limit = pg_atomic_read_u64(&slot->limit);

	while ((int64) limit < tick)
		if (pg_atomic_compare_exchange_u64(&slot->limit, &limit, (uint64) tick))
			break;
}


/*
 * Leases
 */

/*
 * Let the ids bear another node from the next tick on, which lies in the lease,
 * in a later unit of time than all before, and above limit.  Under
 * SG_LOCK_LEASES.
 */
static void
slot_change_node(SgSlot *slot, const SgLease *lease)
{
	const SgLayout *layout = &slot->layout;
	uint64		word = pg_atomic_read_u64(&slot->last);
	uint64		node = (uint64) slot_lease_node(layout, lease);
	int64		first = sg_layout_first_tick(layout, lease->from);
	int64		tick;

	do
	{
		tick = (int64) (word >> layout->node_bits);
		tick = Max(tick, (int64) pg_atomic_read_u64(&slot->limit));
		tick = Min(sg_layout_unit_end(layout, tick + 1), sg_layout_max_tick(layout));
		tick = Max(tick, first - 1);
	} while (!pg_atomic_compare_exchange_u64(&slot->last, &word,
											 (uint64) tick << layout->node_bits | node));
}

/* Under SG_LOCK_LEASES. */
static void
slot_set_lease(SgSlot *slot, const SgLease *lease)
{
	/* the same number may come back after it was another's for a while */
	if (lease->number == slot->lease.number && lease->from == slot->lease.from)
	{
		slot->lease.generation = Max(slot->lease.generation, lease->generation);
		slot->lease.until = Max(slot->lease.until, lease->until);
	}
	else
	{
		slot_change_node(slot, lease);
		slot->lease = *lease;
		slot->lease_serial++;
	}
	if (lease->number != 0)
	{
		slot->lease_error = 0;
		slot->lease_message[0] = '\0';
	}
}

bool
sg_slot_set_lease(Oid relid, const SgLayout *layout, const SgLease *lease)
{
	SgSlot	   *slot = sg_slot_lock(relid);
	bool		found = slot != NULL && !sg_kind_is_counter(slot->kind) &&
	sg_layout_equal(&slot->layout, layout);

	if (found)
	{
		LWLockAcquire(sg_shmem_lock(SG_LOCK_LEASES), LW_EXCLUSIVE);
		slot_set_lease(slot, lease);
		LWLockRelease(sg_shmem_lock(SG_LOCK_LEASES));
		ConditionVariableBroadcast(&slot->supplied);
	}
	sg_slot_unlock();
	return found;
}

bool
sg_slot_note_lease(Oid relid, int error, const char *message)
{
	SgSlot	   *slot = sg_slot_lock(relid);
	bool		found = slot != NULL && !sg_kind_is_counter(slot->kind);

	if (found)
	{
		LWLockAcquire(sg_shmem_lock(SG_LOCK_LEASES), LW_EXCLUSIVE);
		slot->lease_error = error;
		strlcpy(slot->lease_message, message, SG_MESSAGE_SIZE);
		LWLockRelease(sg_shmem_lock(SG_LOCK_LEASES));
		ConditionVariableBroadcast(&slot->supplied);
	}
	sg_slot_unlock();
	return found;
}

void
sg_slot_get_lease(SgSlot *slot, SgLease *lease, uint32 *serial)
{
	LWLockAcquire(sg_shmem_lock(SG_LOCK_LEASES), LW_SHARED);
	*lease = slot->lease;
	*serial = slot->lease_serial;
	LWLockRelease(sg_shmem_lock(SG_LOCK_LEASES));
}

int
sg_slot_lease_error(SgSlot *slot, char *message)
{
	int			error;

	LWLockAcquire(sg_shmem_lock(SG_LOCK_LEASES), LW_SHARED);
	error = slot->lease_error;
	strlcpy(message, slot->lease_message, SG_MESSAGE_SIZE);
	LWLockRelease(sg_shmem_lock(SG_LOCK_LEASES));
	return error;
}

void
sg_slot_raise_leased_limit(SgSlot *slot, int64 tick, uint32 serial)
{
	LWLockAcquire(sg_shmem_lock(SG_LOCK_LEASES), LW_SHARED);
	if (slot->lease_serial == serial)
		sg_slot_raise_limit(slot, tick);
	LWLockRelease(sg_shmem_lock(SG_LOCK_LEASES));
}


/*
 * Start
 */

static Size
slot_shmem_size(void)
{
	Size		size = PG_CACHE_LINE_SIZE;

	size = add_size(size, MAXALIGN(sizeof(SlotTable)));
	return add_size(size, mul_size(sg_max_generators, sizeof(SlotPadded)));
}

static void
slot_shmem_attach(void *area, bool initialize)
{
	HASHCTL		ctl = {
		.keysize = sizeof(SlotKey),
		.entrysize = sizeof(SlotEntry),
	};

	table = area;
	slots = (SlotPadded *)
		TYPEALIGN(PG_CACHE_LINE_SIZE, (char *) area + sizeof(SlotTable));
	slot_hash = ShmemInitHash("seqgen generator hash", sg_max_generators, sg_max_generators,
							  &ctl, HASH_ELEM | HASH_BLOBS);
	if (!initialize)
		return;

	table->first_free = 0;
	table->known_from = 0;
	MemSet(table->traces, 0, sizeof(table->traces));
	for (int i = 0; i < sg_max_generators; i++)
	{
		SgSlot	   *slot = &slots[i].slot;

		MemSet(slot, 0, sizeof(SgSlot));
		slot->next_free = i + 1 < sg_max_generators ? i + 1 : -1;
		pg_atomic_init_u64(&slot->last, 0);
		pg_atomic_init_u64(&slot->limit, 0);
		pg_atomic_init_u64(&slot->ahead, 0);
		pg_atomic_init_u64(&slot->bound, 0);
		pg_atomic_init_u32(&slot->storage, 0);
		pg_atomic_init_u32(&slot->generation, 0);
		ConditionVariableInit(&slot->supplied);
		pg_atomic_init_u64(&slot->warned_at, 0);
		pg_atomic_init_u64(&slot->issued, 0);
		pg_atomic_init_u64(&slot->reservations, 0);
		pg_atomic_init_u64(&slot->waits, 0);
		pg_atomic_init_u64(&slot->steps_back, 0);
		pg_atomic_init_u64(&slot->foreign_ids, 0);
	}
}

static Size
slot_shmem_extra(void)
{
	return hash_estimate_size(sg_max_generators, sizeof(SlotEntry));
}

static const SgShmemArea slot_area = {
	.name = "seqgen generator slots",
	.size = slot_shmem_size,
	.extra = slot_shmem_extra,
	.attach = slot_shmem_attach,
};

void
sg_slot_init(void)
{
	sg_shmem_add(&slot_area);
}
