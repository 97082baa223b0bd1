/*-------------------------------------------------------------------------
 *
 * counter.c
 *	  Kinds that count within blocks: taking values, reserving them durably,
 *	  and going from one block to the next.
 *
 * Somebody else supplies a generator with blocks, each above the one before:
 * a current block and the next.  The sequence's last_value is the position in
 * the current block that is durably reserved, and limit follows it.
 *
 * Promises:
 *	1. Values only grow, and no two callers are given the same one.
 *	2. A value is given out only from a block that was installed, and only if
 *	   a position at or above it is flushed to WAL.
 *	3. A crash loses at most one step of values of a block (see block.h); what is
 *	   above the position in the page is used on.
 *	4. Between closing and reopening nothing is given out.
 *
 * last and limit are used as the head of generator.c says, without a node
 * number: who loads last, then limit, and then succeeds in swapping last, has
 * used a limit that was in force.  limit never exceeds the end of the current
 * block, and entering the next one raises last to just below it, before limit.
 * So no value between two blocks can be taken.  Blocks are taken away by
 * raising last to their end.  A closed generator has a bit set in last that
 * makes it larger than every limit.
 *
 * The content lock of the sequence's page serializes reservations and guards
 * what slot.h marks (P).  SG_LOCK_BLOCKS guards the blocks; nothing is done
 * under it but to look at them and to change them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "shmem.h"
#include "clock.h"
#include "bound.h"
#include "block.h"
#include "slot.h"
#include "counter.h"

/* the least time between two warnings of a range's end, in us of uptime */
#define WARNING_INTERVAL	(INT64CONST(3600) * USECS_PER_SEC)

void		(*sg_counter_half_used) (SgSlot *slot, Oid relid) = NULL;

static inline LWLock *
blocks_lock(void)
{
	return sg_shmem_lock(SG_LOCK_BLOCKS);
}

static inline bool
counter_is_closed(SgSlot *slot)
{
	return (pg_atomic_read_u64(&slot->last) & SG_SLOT_CLOSED) != 0;
}

/* Does the page hold what the slot believes it does?  Under the page's lock. */
static bool
counter_knows_page(SgSlot *slot, Relation rel, int64 value)
{
	return value == (int64) pg_atomic_read_u64(&slot->bound) &&
		(uint32) rel->rd_rel->relfilenode == pg_atomic_read_u32(&slot->storage);
}

/* The first value at which half of the current block, or more, is used. */
static int64
blocks_half(const SgBlocks *blocks)
{
	return blocks->lo + (blocks->hi - blocks->lo + 1) / 2 - 1;
}

/* Make the next block the current one.  Under SG_LOCK_BLOCKS. */
static void
counter_enter_next(SgSlot *slot, int64 now)
{
	SgBlocks   *blocks = &slot->blocks;

	if (blocks->entered_at != 0)
		blocks->lasted = Max(now - blocks->entered_at, 1);
	blocks->lo = blocks->next_lo;
	blocks->hi = blocks->next_hi;
	blocks->next_lo = blocks->next_hi = 0;
	sg_slot_raise_last(slot, 0, blocks->lo - 1);
	blocks->entered_at = now;
	blocks->entered_last = sg_slot_last_tick(slot, 0);
}

/* What a reservation found, or did, while it held the page's lock. */
typedef struct CounterStep
{
	bool		empty;			/* there is nothing to take from */
	bool		done;			/* somebody was faster */
	bool		near_end;
	int64		value;			/* the position */
	XLogRecPtr	lsn;			/* of its WAL record */
} CounterStep;

/*
 * Find out how far a reservation may reach.  A last_value that somebody set
 * inside of the current block counts as used up to there; any other was none
 * of ours, and says nothing.  Under the page's lock.
 */
static int64
counter_look(SgSlot *slot, int64 value, int64 now, CounterStep *step)
{
	SgBlocks   *blocks = &slot->blocks;
	bool		moved = value != (int64) pg_atomic_read_u64(&slot->bound);
	int64		hi;

	LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
	if (moved && value >= blocks->lo && value < blocks->hi)
		sg_slot_raise_last(slot, 0, value);
	if (sg_slot_last_tick(slot, 0) >= blocks->hi - 1 && blocks->next_hi != 0 &&
		!counter_is_closed(slot))
		counter_enter_next(slot, now);
	hi = blocks->hi;
	step->near_end = blocks->near_end;
	LWLockRelease(blocks_lock());

	step->empty = counter_is_closed(slot) || sg_slot_last_tick(slot, 0) >= hi - 1;
	return hi;
}

/*
 * The position that a reservation writes: a step ahead of last, but not below
 * what was reserved in the block before, nor beyond the block's end.  Returns
 * -1 if the block has been taken away meanwhile.
 */
static int64
counter_position(SgSlot *slot, int64 last, int64 limit, int64 now)
{
	SgBlocks   *blocks = &slot->blocks;
	int64		end;
	int64		position;

	LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
	end = blocks->hi - 1;
	if (end <= last)
	{
		LWLockRelease(blocks_lock());
		return -1;
	}
	blocks->step = sg_block_next_step(blocks->step, now - blocks->reserved_at,
									  blocks->hi - blocks->lo);
	blocks->reserved_at = now;
	position = blocks->step < end - last ? last + blocks->step : end;
	if (limit > position && limit <= end)
		position = limit;
	blocks->written = Max(blocks->written, position);
	LWLockRelease(blocks_lock());
	return position;
}

/*
 * The part of a reservation that holds the page's lock.  ahead tells to reserve
 * beyond what is reserved already.
 */
static CounterStep
counter_write_position(SgSlot *slot, Relation rel, SgStorage storage, bool ahead)
{
	Oid			relfilenode = rel->rd_rel->relfilenode;
	int64		now = sg_clock_elapsed();
	GenericXLogState *xlog = GenericXLogStart(rel);
	Buffer		buffer = ReadBuffer(rel, 0);
	CounterStep step = {0};
	bool		known;
	int64		hi;
	int64		last;
	int64		limit;
	int64		position;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	step.value = sg_bound_get(buffer);
	known = counter_knows_page(slot, rel, step.value);
	hi = counter_look(slot, step.value, now, &step);
	last = sg_slot_last_tick(slot, 0);
	limit = (int64) pg_atomic_read_u64(&slot->limit);
	step.done = known && limit > last && !ahead;

	if (step.empty || step.done)
		GenericXLogAbort(xlog);
	else if (known && step.value > Max(last, limit) && step.value < hi)
	{
		/* somebody's position is written and on its way; see it home with him */
		step.lsn = PageGetLSN(BufferGetPage(buffer));
		GenericXLogAbort(xlog);
	}
	else if ((position = counter_position(slot, last, limit, now)) < 0)
	{
		step.empty = true;
		GenericXLogAbort(xlog);
	}
	else
	{
		step.value = position;
		step.lsn = sg_bound_put(xlog, buffer, step.value);
		pg_atomic_write_u64(&slot->bound, (uint64) step.value);
		pg_atomic_write_u32(&slot->storage,
							storage == SG_STORAGE_COMMITTED ? relfilenode : InvalidOid);
		pg_atomic_fetch_add_u64(&slot->reservations, 1);
	}
	UnlockReleaseBuffer(buffer);
	return step;
}

/*
 * Set the value at which something is due next: the next reservation, or the
 * next block.
 */
static void
counter_set_mark(SgSlot *slot, Oid relid)
{
	const SgBlocks *blocks = &slot->blocks;
	int64		last = sg_slot_last_tick(slot, 0);
	int64		limit = (int64) pg_atomic_read_u64(&slot->limit);
	int64		mark = SG_AHEAD_TAKEN;
	int64		half;

	LWLockAcquire(blocks_lock(), LW_SHARED);
	if (limit < blocks->hi - 1)
		mark = limit - Max(limit - last, 0) / 2;
	if (blocks->next_hi == 0 && last < blocks_half(blocks))
		mark = Min(mark, blocks_half(blocks));
	half = blocks->next_hi == 0 ? blocks_half(blocks) : PG_INT64_MAX;
	LWLockRelease(blocks_lock());
	pg_atomic_write_u64(&slot->ahead, (uint64) mark);

	/* others may have passed the half before there was a mark to cross */
	pg_memory_barrier();
	if (sg_slot_last_tick(slot, 0) >= half && sg_counter_half_used)
		sg_counter_half_used(slot, relid);
}

/* Warn, not more than once an hour, when little of the range is left. */
static void
counter_warn(SgSlot *slot, Oid relid)
{
	uint64		warned_at = pg_atomic_read_u64(&slot->warned_at);
	uint64		now = (uint64) sg_clock_elapsed();

	if ((warned_at != 0 && now - warned_at < WARNING_INTERVAL) ||
		!pg_atomic_compare_exchange_u64(&slot->warned_at, &warned_at, now))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
			 errmsg("generator \"%s\" has used 90 %% of its range", get_rel_name(relid)),
			 errhint("See seqgen.range_usage on its coordinator for what remains.")));
}

static bool
counter_reserve(SgSlot *slot, Oid relid, bool ahead)
{
	Relation	rel = relation_open(relid, NoLock);
	SgCommitted committed;
	SgStorage	storage = sg_bound_storage_to_write(rel, &committed);
	CounterStep step = counter_write_position(slot, rel, storage, ahead);

	relation_close(rel, NoLock);
	if (step.empty)
		return false;
	if (step.done)
		return true;
	if (storage == SG_STORAGE_REPLACED)
		step.lsn = Max(step.lsn, sg_bound_raise_committed(&committed, step.value));
	sg_bound_flush(step.lsn);

	sg_slot_raise_limit(slot, step.value);
	counter_set_mark(slot, relid);
	if (step.near_end)
		counter_warn(slot, relid);
	return true;
}

bool
sg_counter_reserve(SgSlot *slot, Oid relid)
{
	return counter_reserve(slot, relid, false);
}

/*
 * Reserve the next values while there still are some, and ask for the next
 * block when half of this one is used.  Whoever first crosses the mark takes
 * it; should he fail, whoever reaches limit sets it anew.
 */
static void
counter_cross_mark(SgSlot *slot, Oid relid, int64 value)
{
	uint64		mark = pg_atomic_read_u64(&slot->ahead);
	int64		hi;

	if (value < (int64) mark ||
		!pg_atomic_compare_exchange_u64(&slot->ahead, &mark, SG_AHEAD_TAKEN))
		return;

	LWLockAcquire(blocks_lock(), LW_SHARED);
	hi = slot->blocks.hi;
	LWLockRelease(blocks_lock());

	if ((int64) pg_atomic_read_u64(&slot->limit) < hi - 1)
		(void) counter_reserve(slot, relid, true);
	else
		counter_set_mark(slot, relid);
}

int64
sg_counter_take(SgSlot *slot, Oid relid, int64 wanted, int64 *first)
{
	uint64		last = pg_atomic_read_u64(&slot->last);
	uint64		limit;
	uint64		end;

	for (;;)
	{
		/* limit must be no older than last */
		pg_read_barrier();
		limit = pg_atomic_read_u64(&slot->limit);
		if (unlikely(last >= limit))
		{
			CHECK_FOR_INTERRUPTS();
			if (!sg_counter_reserve(slot, relid))
				return 0;
			last = pg_atomic_read_u64(&slot->last);
			continue;
		}
		end = last + Min((uint64) wanted, limit - last);
		if (likely(pg_atomic_compare_exchange_u64(&slot->last, &last, end)))
			break;
	}
	*first = (int64) last + 1;
	if (unlikely((int64) end >= (int64) pg_atomic_read_u64(&slot->ahead)))
		counter_cross_mark(slot, relid, (int64) end);
	return (int64) (end - last);
}


/*
 * For those who supply the blocks
 */

bool
sg_counter_blocks(Oid relid, SgBlocks *blocks, int64 *last)
{
	SgSlot	   *slot = sg_slot_lock(relid);

	if (slot != NULL)
	{
		LWLockAcquire(blocks_lock(), LW_SHARED);
		*blocks = slot->blocks;
		*last = sg_slot_last_tick(slot, 0);
		LWLockRelease(blocks_lock());
	}
	sg_slot_unlock();
	return slot != NULL;
}

bool
sg_counter_install(Oid relid, int64 lo, int64 hi, int64 position, bool near_end)
{
	SgSlot	   *slot = sg_slot_lock(relid);
	int64		now = sg_clock_elapsed();
	bool		installed = false;

	if (slot != NULL)
	{
		SgBlocks   *blocks = &slot->blocks;

		LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
		if (lo >= Max(blocks->hi, blocks->next_hi) && blocks->next_hi == 0)
		{
			blocks->next_lo = lo;
			blocks->next_hi = hi;
			blocks->near_end = near_end;
			if (blocks->hi == 0)
			{
				counter_enter_next(slot, now);
				sg_slot_raise_last(slot, 0, position);
				blocks->entered_last = sg_slot_last_tick(slot, 0);
			}
			installed = true;
		}
		if (installed)
		{
			blocks->supply = SG_SUPPLY_SOUND;
			blocks->message[0] = '\0';
		}
		LWLockRelease(blocks_lock());
		ConditionVariableBroadcast(&slot->supplied);
	}
	sg_slot_unlock();
	return installed;
}

void
sg_counter_note(Oid relid, const char *told, const char *message)
{
	SgSlot	   *slot = sg_slot_lock(relid);

	if (slot != NULL)
	{
		LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
		if (slot->blocks.message[0] == '\0' || strcmp(slot->blocks.message, told) == 0)
			strlcpy(slot->blocks.message, message, SG_MESSAGE_SIZE);
		LWLockRelease(blocks_lock());
	}
	sg_slot_unlock();
}

bool
sg_counter_set_supply(Oid relid, SgSupply supply, const char *message)
{
	SgSlot	   *slot = sg_slot_lock(relid);

	if (slot != NULL)
	{
		LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
		if (supply != SG_SUPPLY_WAITING || slot->blocks.supply < SG_SUPPLY_EXHAUSTED)
		{
			slot->blocks.supply = supply;
			strlcpy(slot->blocks.message, message, SG_MESSAGE_SIZE);
		}
		LWLockRelease(blocks_lock());
		ConditionVariableBroadcast(&slot->supplied);
	}
	sg_slot_unlock();
	return slot != NULL;
}

bool
sg_counter_revoke(Oid relid)
{
	SgSlot	   *slot = sg_slot_lock(relid);

	if (slot != NULL)
	{
		SgBlocks   *blocks = &slot->blocks;

		LWLockAcquire(blocks_lock(), LW_EXCLUSIVE);
		sg_slot_raise_last(slot, 0, Max(blocks->hi, blocks->next_hi) - 1);
		blocks->lo = blocks->hi = 0;
		blocks->next_lo = blocks->next_hi = 0;
		blocks->entered_at = 0;
		LWLockRelease(blocks_lock());
	}
	sg_slot_unlock();
	return slot != NULL;
}

/* Does the current block hold the newest value given out, or begin behind it? */
static bool
counter_has_begun(SgSlot *slot, int64 last)
{
	const SgBlocks *blocks = &slot->blocks;
	bool		begun;

	LWLockAcquire(blocks_lock(), LW_SHARED);
	begun = blocks->hi != 0 && last >= blocks->lo - 1 && last < blocks->hi;
	LWLockRelease(blocks_lock());
	return begun;
}

/*
 * Set the position in the page to what was given out: lower it from what was
 * reserved, or raise it from what somebody has set.  Nothing may be taken
 * meanwhile.  limit may be above it, or be raised above it yet by a reservation
 * that is being flushed; so before anything is taken again, the highest
 * position ever written is written once more.
 */
void
sg_counter_close(Oid relid)
{
	SgSlot	   *slot = sg_slot_find(relid);
	Relation	rel;
	GenericXLogState *xlog;
	Buffer		buffer;
	XLogRecPtr	lsn = InvalidXLogRecPtr;
	int64		last;
	int64		value;

	if (slot == NULL || counter_is_closed(slot))
		return;
	rel = relation_open(relid, NoLock);
	xlog = GenericXLogStart(rel);
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);

	/* whoever reserves after us finds it closed */
	pg_atomic_fetch_or_u64(&slot->last, SG_SLOT_CLOSED);
	last = sg_slot_last_tick(slot, 0);
	value = sg_bound_get(buffer);
	if (counter_has_begun(slot, last) && value != last &&
		(value < last || value == (int64) pg_atomic_read_u64(&slot->bound)))
	{
		lsn = sg_bound_put(xlog, buffer, last);
		pg_atomic_write_u64(&slot->bound, (uint64) last);
	}
	else
		GenericXLogAbort(xlog);
	UnlockReleaseBuffer(buffer);
	relation_close(rel, NoLock);
	if (!XLogRecPtrIsInvalid(lsn))
		XLogFlush(lsn);
}

void
sg_counter_reopen(Oid relid)
{
	SgSlot	   *slot = sg_slot_find(relid);
	Relation	rel;
	GenericXLogState *xlog;
	Buffer		buffer;
	XLogRecPtr	lsn;
	int64		written;

	if (slot == NULL || !counter_is_closed(slot))
		return;
	LWLockAcquire(blocks_lock(), LW_SHARED);
	written = slot->blocks.written;
	LWLockRelease(blocks_lock());
	if (written > sg_slot_last_tick(slot, 0))
	{
		rel = relation_open(relid, NoLock);
		xlog = GenericXLogStart(rel);
		buffer = ReadBuffer(rel, 0);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		lsn = sg_bound_put(xlog, buffer, written);
		pg_atomic_write_u64(&slot->bound, (uint64) written);
		pg_atomic_write_u32(&slot->storage, rel->rd_rel->relfilenode);
		UnlockReleaseBuffer(buffer);
		relation_close(rel, NoLock);
		sg_bound_flush(lsn);
		sg_slot_raise_limit(slot, written);
	}
	pg_atomic_fetch_and_u64(&slot->last, ~SG_SLOT_CLOSED);
	ConditionVariableBroadcast(&slot->supplied);
}
