/*-------------------------------------------------------------------------
 *
 * generator.c
 *	  Generators: the one step that moves them, and the reservation that
 *	  makes the step safe.
 *
 * A generator is a PostgreSQL sequence with a row in seqgen.generator.  Its
 * slot in shared memory hands out ticks (see layout.h); the sequence's
 * last_value is the durable bound of the ticks that may have been handed out.
 *
 * Promises:
 *	1. last only grows, and no two callers are given the same tick.
 *	2. A tick above limit is never given out.
 *	3. limit is raised only after a bound above it is flushed to WAL, and
 *	   confirmed by the synchronous standbys if any are named.  It never falls.
 *
 * Taking a tick
 *
 *	last and limit are atomics, read and moved without a lock.  last is one
 *	word with the node number below the tick, so whoever changes the number
 *	defeats every compare-and-swap in flight.  A taker loads last, then (read
 *	barrier) limit, and then swaps last.
 *
 *	That order carries the argument.  If the swap succeeds, last had the value
 *	we loaded all the time from the load to the swap, for it never returns to
 *	a value it left; so the limit we read in between was in force while last
 *	was what we knew.  Writers change last before they raise limit (the raise
 *	is a compare-and-swap, a full barrier): whoever reads a limit granted for
 *	another node number, or after last was moved up, has either loaded last
 *	after the move, or fails to swap.  And a limit is withdrawn by moving last
 *	up to it first: nothing below is left to be taken.
 *
 * Reserving
 *
 *	The sequence page's content lock serializes reservations.  Under it a
 *	reservation reads last_value; if somebody moved it (setval, nextval,
 *	RESTART, a restore), last is raised above it.  It writes the new bound
 *	(bound.c), notes it in the slot and unlocks; no lock is held over the
 *	flush.  Only then limit is raised.  The content lock thus guards the
 *	fields marked (P): written under the exclusive, read under either lock.
 *
 *	limit never exceeds the end of the lease of the number that last bears, and
 *	last is never below the tick before its beginning (slot.c).  So whatever
 *	happens between taking a tick and using it, an id of a number lies in that
 *	number's window.  A tick past the end is refused by the reservation; there
 *	the session waits for the background worker, which renews leases.
 *
 *	At its first use in a transaction a backend compares the page with the
 *	noted bound, and reserves before its first take if they differ.
 *
 *	A transaction can replace the sequence's storage (RESTART, CREATE).  A
 *	bound written there is durable only if it commits, so it is written to the
 *	committed storage as well, which exists until then.  And it is noted
 *	without its storage, so that the next transaction reserves again, behind
 *	the commit in WAL.  Nobody else can be using the generator meanwhile:
 *	whatever replaces the storage locks out all others until its end.  RESTART
 *	itself would lower the bound; we carry it over to the new storage at once.
 *
 * Kinds that count
 *
 *	This file keeps the session's generators of all kinds, and takes ticks for
 *	those whose ids bear a time; counter.c does so for kinds that count.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "replication/logicalworker.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "compat.h"
#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "layout.h"
#include "catalog.h"
#include "allocation.h"
#include "backend.h"
#include "bound.h"
#include "slot.h"
#include "counter.h"
#include "coordinator.h"
#include "node.h"
#include "window.h"
#include "generator.h"

/* the least that a reservation adds to what was given out, in us */
#define MIN_RESERVATION		INT64CONST(100000)

/* a generator that is too far ahead waits this long at most, in us */
#define MAX_WAIT			USECS_PER_SEC

/* who waits for a lease looks again after this long at the latest, in ms */
#define LEASE_WAIT_STEP		500

/* a session that reserves looks after the worker so often at most, in us */
#define WORKER_INTERVAL		(INT64CONST(10) * USECS_PER_SEC)

/* the least time between two warnings of a layout's end, in us of uptime */
#define WARNING_INTERVAL	(INT64CONST(3600) * USECS_PER_SEC)

struct SgGenerator
{
	Oid			relid;			/* hash key */

	/* ready to be drawn from if these are still so */
	LocalTransactionId lxid;
	Oid			user;			/* whose privilege was checked */
	uint64		validity;

	LocalTransactionId locked;	/* transaction that holds the lock */
	SgSlot	   *slot;
	uint32		generation;
	SgKind		kind;
	bool		rowless;		/* of the layout that its callers name */
	int			layout_len;		/* of the layout's name */
	NameData	layout_name;
	SgLayout	layout;
	int64		window;			/* of the sequence, see window.h */
	int64		increment;		/* ticks a call */
	int64		max_value;		/* of layout and sequence */
	int64		max_tick;
	int64		max_lead;		/* ticks */
	int64		xact_floor;		/* tick announced for this transaction */

	/* the rest is for kinds whose ids bear a time: the clock's current unit */
	int64		clock_seen;		/* us */
	int64		unit_from;		/* us */
	int64		unit_floor;		/* its first tick */

	bool		currval_valid;
	int64		currval;

	/* counts of this transaction, not yet in the slot */
	bool		counted;		/* in the list below */
	SgGenerator *next_counted;
	int64		issued;
	int64		waits;
	int64		steps_back;
};

/* What is to happen to slots at the end of this transaction. */
typedef enum PendingAction
{
	FREE_AT_COMMIT,				/* the sequence, or database, was dropped */
	FREE_AT_ABORT,				/* the generator was made here */
	FREE_AT_END,				/* its row was changed */
	RELOAD_AT_COMMIT,			/* its blocks are to be looked at anew */
} PendingAction;

typedef struct Pending
{
	dlist_node	node;
	PendingAction action;
	Oid			database;
	Oid			relid;			/* invalid: all of the database */
	SubTransactionId subid;
} Pending;

static HTAB *generators = NULL; /* this session's, by relid */
static SgGenerator *recent = NULL;	/* used last */
static Oid	default_relids[SG_KIND_COUNT] = {InvalidOid};
static uint64 validity = 1;		/* grows at every invalidation that may
								 * concern us */

/* in this transaction, perhaps: any relation, the storage of a generator */
static bool relations_changed = false;
static bool storage_replaced = false;

static SgGenerator *first_counted = NULL;
static dlist_head pending = DLIST_STATIC_INIT(pending);

const char *(*sg_generator_lease_wanted) (void) = NULL;

static object_access_hook_type prev_object_access_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;


/*
 * Reserving
 */

/* The window, if any, that Citus has given a sequence; see window.h. */
static int64
sequence_window(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	Form_pg_sequence form;
	int64		window;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u", relid);
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	window = sg_window_start(form->seqmin, form->seqmax);
	ReleaseSysCache(tuple);
	return window;
}

static int64
committed_window(const SgCommitted *committed)
{
	return sg_window_start(committed->min_value, committed->max_value);
}

/* The bound in a sequence's page; the caller holds its content lock. */
static int64
generator_get_bound(const SgGenerator *generator, Buffer buffer)
{
	return sg_window_get(generator->window, &generator->layout, sg_bound_get(buffer));
}

/*
 * Is the bound in a page the one that we noted, or one that no id of any
 * node lies between?  The caller holds the page's content lock.
 */
static bool
slot_knows_value(SgSlot *slot, int64 value)
{
	int64		bound = (int64) pg_atomic_read_u64(&slot->bound);

	return value == bound || sg_layout_is_spare(&slot->layout, bound, value);
}

/* The first tick of the unit of time of a moment, if need be the nearest. */
static int64
tick_at(const SgLayout *layout, int64 us)
{
	int64		time = sg_layout_time(layout, us);

	return Min(Max(time, 0), sg_layout_max_time(layout)) << layout->sequence_bits;
}

/* The pure rule: up to which tick does a reservation reach? */
static int64
reservation_target(const SgLayout *layout, int64 now, int64 last, int64 needed,
				   int64 limit)
{
	int64		clock = tick_at(layout, now + (int64) sg_reserve_ahead * 1000);
	int64		step = Max(MIN_RESERVATION / layout->unit, 1) << layout->sequence_bits;

	return Max(Max(clock, last + step), Max(needed, limit));
}

static void
report_exhausted(const SgGenerator *generator)
{
	if (generator->max_value < sg_layout_max_id(&generator->layout))
		ereport(ERROR,
				(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
				 errmsg("generator \"%s\" has reached the maximum value of its sequence (%lld)",
						get_rel_name(generator->relid), (long long) generator->max_value),
				 errhint("Use ALTER SEQUENCE ... MAXVALUE.")));
	ereport(ERROR,
			(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
			 errmsg("generator \"%s\" has reached its largest id (%lld)",
					get_rel_name(generator->relid), (long long) generator->max_value),
			 errdetail("Its layout ends at %s.",
					   sg_clock_text(sg_layout_us(&generator->layout,
												  sg_layout_max_time(&generator->layout) + 1))),
			 errhint("Create a generator with a layout that has more bits of time, or a later epoch.")));
}

/* Warn, not more than once an hour, when little of the layout's life is left. */
static void
warn_near_end(SgGenerator *generator, int64 limit)
{
	const SgLayout *layout = &generator->layout;
	int64		time = limit >> layout->sequence_bits;
	uint64		warned_at = pg_atomic_read_u64(&generator->slot->warned_at);
	uint64		now = (uint64) sg_clock_elapsed();

	if (time < sg_layout_max_time(layout) / 10 * 9 ||
		(warned_at != 0 && now - warned_at < WARNING_INTERVAL))
		return;
	if (!pg_atomic_compare_exchange_u64(&generator->slot->warned_at, &warned_at, now))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
			 errmsg("generator \"%s\" has used 90 %% of the life of its layout",
					get_rel_name(generator->relid)),
			 errdetail("Its layout ends at %s.",
					   sg_clock_text(sg_layout_us(layout, sg_layout_max_time(layout) + 1)))));
}

/* What a reservation found, or did, while it held the page's lock. */
typedef struct Reservation
{
	bool		done;			/* somebody was faster */
	bool		exhausted;		/* no tick is left */
	int64		value;			/* the bound */
	XLogRecPtr	lsn;			/* of its WAL record */
} Reservation;

/*
 * The part of a reservation that holds the page's content lock.  Meanwhile it
 * reads no catalog, waits for nothing but WAL buffers, and raises no error but
 * that of a damaged page.
 */
static Reservation
generator_write_bound(SgGenerator *generator, Relation rel, SgStorage storage,
					  int64 now, int64 needed, int64 lease_end)
{
	SgSlot	   *slot = generator->slot;
	const SgLayout *layout = &generator->layout;
	Oid			relfilenode = rel->rd_rel->relfilenode;
	GenericXLogState *xlog = GenericXLogStart(rel);
	Buffer		buffer = ReadBuffer(rel, 0);
	Reservation result = {0};
	int64		above;
	int64		last;
	int64		limit;
	bool		confirmed;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	result.value = generator_get_bound(generator, buffer);
	above = sg_layout_tick_above(layout, result.value, sg_slot_node(slot, layout->node_bits));
	confirmed = slot_knows_value(slot, result.value);
	if (!confirmed)
		sg_slot_raise_last(slot, layout->node_bits, above - 1);
	confirmed = confirmed && pg_atomic_read_u32(&slot->storage) == relfilenode;
	last = sg_slot_last_tick(slot, layout->node_bits);
	limit = (int64) pg_atomic_read_u64(&slot->limit);

	result.done = confirmed && limit >= needed;
	result.exhausted = last >= generator->max_tick;
	if (result.done || result.exhausted)
		GenericXLogAbort(xlog);
	else if (confirmed && above > needed)
	{
		/* somebody's bound is written and on its way; see it home with him */
		result.lsn = PageGetLSN(BufferGetPage(buffer));
		GenericXLogAbort(xlog);
	}
	else
	{
		int64		target = reservation_target(layout, now, last, needed, Max(limit, above - 1));
		int64		last_value;

		/* what lies past the lease is nobody's yet */
		target = Max(Min(target, lease_end), needed);

		/* a plain nextval() has moved on from the bound: leave it behind */
		if (sg_layout_bound(layout, target) <= result.value)
			target = above;
		/* never less than there is, not even for a MAXVALUE that was lowered */
		result.value = Max(result.value,
						   Min(sg_layout_bound(layout, target), generator->max_value));
		last_value = sg_window_put(generator->window, layout, result.value);
		result.value = sg_window_get(generator->window, layout, last_value);
		result.lsn = sg_bound_put(xlog, buffer, last_value);
		pg_atomic_write_u64(&slot->bound, (uint64) result.value);
		pg_atomic_write_u32(&slot->storage,
							storage == SG_STORAGE_COMMITTED ? relfilenode : InvalidOid);
		pg_atomic_fetch_add_u64(&slot->reservations, 1);
	}
	UnlockReleaseBuffer(buffer);
	return result;
}

static void
report_no_lease(const SgGenerator *generator, int error, const char *detail)
{
	ereport(ERROR,
			(errcode(error),
			 errmsg("generator \"%s\" has no node number", get_rel_name(generator->relid)),
			 errdetail_internal("%s", detail),
			 errhint("See seqgen.node_number, and SELECT * FROM seqgen.doctor().")));
}

static void
report_lease_timeout(const SgGenerator *generator, const char *message)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("generator \"%s\" got no node number within %d ms",
					get_rel_name(generator->relid), sg_lease_timeout),
			 message[0] != '\0' ?
			 errdetail("The background worker reports: %s", message) :
			 errdetail("The background worker has not reported yet."),
			 errhint("seqgen.lease_timeout sets how long to wait.")));
}

/*
 * Wait until there is a lease that a tick lies in, or one of another number, or
 * raise the error that says why there is none.  The deadline is set at the first
 * wait: the tick that is needed next may be past the next lease, too.
 */
static void
generator_wait_lease(SgGenerator *generator, int64 needed, uint32 serial, int64 *deadline)
{
	static uint32 wait_event = 0;
	SgSlot	   *slot = generator->slot;

	if (*deadline == 0)
		*deadline = sg_clock_elapsed() + (int64) sg_lease_timeout * 1000;
	if (wait_event == 0)
		wait_event = WaitEventExtensionNew("SeqgenNodeLease");
	generator->waits++;
	ConditionVariablePrepareToSleep(&slot->supplied);
	for (;;)
	{
		SgLease		lease;
		uint32		serial_now;
		int64		left = *deadline - sg_clock_elapsed();
		const char *reason;
		char		message[SG_MESSAGE_SIZE];
		int			error;

		sg_slot_get_lease(slot, &lease, &serial_now);
		if (serial_now != serial ||
			needed <= sg_layout_last_tick(&generator->layout, lease.until))
			break;
		error = sg_slot_lease_error(slot, message);
		reason = sg_generator_lease_wanted ? sg_generator_lease_wanted() : NULL;
		if (reason != NULL)
			report_no_lease(generator, ERRCODE_INSUFFICIENT_RESOURCES, reason);
		if (error != 0)
			report_no_lease(generator, error, psprintf(_("The background worker reports: %s"), message));
		if (left <= 0)
			report_lease_timeout(generator, message);
		(void) ConditionVariableTimedSleep(&slot->supplied,
										   (long) Min(left / 1000 + 1, LEASE_WAIT_STEP), wait_event);
	}
	ConditionVariableCancelSleep();
}

/*
 * Where a coordinator knows our number, the background worker has to run, also
 * if nobody waits for it: to renew a lease long before it ends, and to register
 * a number that is set.  It may have been ended; or the coordinator was named
 * after the generator was loaded.
 */
static void
generator_look_after_worker(const SgGenerator *generator)
{
	static int64 looked_at = PG_INT64_MIN / 2;
	int64		now = sg_clock_elapsed();

	if (generator->layout.node_bits == 0 || sg_generator_lease_wanted == NULL ||
		now - looked_at < WORKER_INTERVAL)
		return;
	looked_at = now;
	if (sg_coordinator_exists())
		(void) sg_generator_lease_wanted();
}

/*
 * A number that nobody leases was read when the generator was loaded.  Where it
 * has become another one since, the generator goes on with that: the old one may
 * be somebody else's by now.  Where there is a coordinator it is the worker that
 * notices.
 */
static void
generator_check_number(SgGenerator *generator)
{
	SgLease		known;
	SgLease		lease;
	uint32		serial;

	if (generator->layout.node_bits == 0 || !sg_node_may_change())
		return;
	sg_slot_get_lease(generator->slot, &known, &serial);
	if ((known.number != 0 && known.until != PG_INT64_MAX) ||
		!sg_node_lease(&generator->layout, NameStr(generator->layout_name), &lease) ||
		lease.number == known.number)
		return;
	(void) sg_slot_set_lease(generator->relid, &generator->layout, &lease);
	generator->validity = 0;
}

/*
 * Reserve ticks at least up to the needed one.  On return limit has been
 * raised, by us or by somebody else; or false is returned, as the generator
 * had to wait for a number, and what is needed may be another tick now; or an
 * error was raised and nothing is changed that matters.  *deadline is 0 at the
 * first call of those that serve one purpose, and theirs after that.
 */
static bool
generator_reserve(SgGenerator *generator, int64 needed, int64 *deadline)
{
	SgSlot	   *slot = generator->slot;
	const SgLayout *layout = &generator->layout;
	int64		now = sg_clock_now();
	SgLease		lease;
	uint32		serial;
	int64		lease_end;
	Relation	rel;
	SgCommitted committed;
	SgStorage	storage;
	Reservation result;
	int64		from;
	int64		limit;

	if (needed > generator->max_tick)
		report_exhausted(generator);
	generator_check_number(generator);
	sg_slot_get_lease(slot, &lease, &serial);
	lease_end = sg_layout_last_tick(layout, lease.until);
	if (needed > lease_end)
	{
		generator_wait_lease(generator, needed, serial, deadline);
		return false;
	}
	sg_clock_check(now);

	rel = relation_open(generator->relid, NoLock);
	storage = sg_bound_storage_to_write(rel, &committed);
	result = generator_write_bound(generator, rel, storage, now, needed, lease_end);
	relation_close(rel, NoLock);
	if (result.done)
		return true;
	if (result.exhausted)
		report_exhausted(generator);

	if (storage == SG_STORAGE_REPLACED)
		result.lsn = Max(result.lsn,
						 sg_bound_raise_committed(&committed,
												  sg_window_put(committed_window(&committed), layout,
																result.value)));
	sg_bound_flush(result.lsn);

	limit = sg_layout_tick_above(layout, result.value, sg_slot_node(slot, layout->node_bits)) - 1;
	limit = Min(limit, Min(generator->max_tick, lease_end));
	sg_slot_raise_leased_limit(slot, limit, serial);
	from = Max(sg_slot_last_tick(slot, layout->node_bits), tick_at(layout, now));
	pg_atomic_write_u64(&slot->ahead, (uint64) (limit - Max(limit - from, 0) / 2));
	warn_near_end(generator, limit);
	generator_look_after_worker(generator);
	return true;
}

/*
 * Reserve the next window while this one lasts.  Whoever first crosses the
 * mark takes it; should he fail, whoever reaches limit reserves, and sets the
 * mark anew.
 */
static void
generator_reserve_ahead(SgGenerator *generator, int64 tick)
{
	SgSlot	   *slot = generator->slot;
	uint64		mark = pg_atomic_read_u64(&slot->ahead);
	int64		limit = (int64) pg_atomic_read_u64(&slot->limit);
	int64		deadline = 0;
	SgLease		lease;
	uint32		serial;

	if (tick < (int64) mark || limit >= generator->max_tick ||
		!pg_atomic_compare_exchange_u64(&slot->ahead, &mark, SG_AHEAD_TAKEN))
		return;
	sg_slot_get_lease(slot, &lease, &serial);
	if (limit < sg_layout_last_tick(&generator->layout, lease.until))
		(void) generator_reserve(generator, limit + 1, &deadline);
	else if (sg_generator_lease_wanted)
		(void) sg_generator_lease_wanted();
}


/*
 * The clock of a generator
 */

static void
generator_count(SgGenerator *generator)
{
	if (generator->counted)
		return;
	generator->counted = true;
	generator->next_counted = first_counted;
	first_counted = generator;
}

/* Compute the first tick of the clock's unit of time. */
static void
generator_enter_unit(SgGenerator *generator, int64 now)
{
	const SgLayout *layout = &generator->layout;
	int64		time = sg_layout_time(layout, now);

	if (time > sg_layout_max_time(layout))
		report_exhausted(generator);

	generator->unit_from = sg_layout_us(layout, time);
	/* a clock before the epoch is negative, and kept from overflowing */
	generator->unit_floor = Max(time, -(PG_INT64_MAX >> (layout->sequence_bits + 2)))
		* (INT64CONST(1) << layout->sequence_bits);
}

/* The first tick of the present unit of time. */
static inline int64
generator_floor(SgGenerator *generator)
{
	int64		now = sg_clock_now();

	if (unlikely(now < generator->clock_seen))
		generator->steps_back++;
	generator->clock_seen = now;

	if (unlikely((uint64) (now - generator->unit_from) >= (uint64) generator->layout.unit))
		generator_enter_unit(generator, now);
	return generator->unit_floor;
}

/*
 * The next tick is further ahead of the clock than is allowed.  If that is
 * over soon, wait; else raise an error.
 */
static void
generator_wait(SgGenerator *generator, int64 tick)
{
	int64		now = sg_clock_now();
	int64		at = sg_layout_us(&generator->layout, tick >> generator->layout.sequence_bits);
	int64		excess = at - now - (int64) sg_max_lead * 1000;

	if (excess > MAX_WAIT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("generator \"%s\" is too far ahead of the clock",
						get_rel_name(generator->relid)),
				 errdetail("Its next id would bear the time %s, the clock reads %s; seqgen.max_lead is %d s.",
						   sg_clock_text(at), sg_clock_text(now), sg_max_lead / 1000),
				 now < generator->layout.epoch ?
				 errhint("The epoch of its layout, %s, lies in the future.",
						 sg_clock_text(generator->layout.epoch)) :
				 errhint("Correct the clock if it was set back, or wait until it has caught up.")));

	generator->waits++;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Max(excess / 1000, 0) + 1, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}


/*
 * Taking
 */

/*
 * Take count ticks of one unit of time, the first at or above the clock, and
 * tell the node number that goes with them.
 *
 * A full sequence needs no case of its own: adding one carries into the time
 * bits, which is how a burst borrows from the future.
 */
static inline int64
generator_take(SgGenerator *generator, int64 count, int64 *node)
{
	SgSlot	   *slot = generator->slot;
	int			node_bits = generator->layout.node_bits;
	int64		floor = generator_floor(generator);
	uint64		word = pg_atomic_read_u64(&slot->last);
	int64		deadline = 0;
	int64		first;
	int64		end;

	for (;;)
	{
		first = Max((int64) (word >> node_bits) + 1, Max(floor, generator->xact_floor));
		if (count > 1)
			first = sg_layout_fit(&generator->layout, first, count);
		end = first + count - 1;
		*node = (int64) (word & ((UINT64CONST(1) << node_bits) - 1));

		/* limit must be no older than last; see the head of this file */
		pg_read_barrier();
		if (unlikely(first - floor > generator->max_lead))
			generator_wait(generator, first);
		else if (unlikely(end > (int64) pg_atomic_read_u64(&slot->limit) ||
						  end > generator->max_tick))
			(void) generator_reserve(generator, end, &deadline);
		else if (likely(pg_atomic_compare_exchange_u64(&slot->last, &word,
													   (uint64) end << node_bits | (uint64) *node)))
			break;
		else
			continue;
		floor = generator_floor(generator);
		word = pg_atomic_read_u64(&slot->last);
	}

	if (unlikely(end >= (int64) pg_atomic_read_u64(&slot->ahead)))
		generator_reserve_ahead(generator, end);
	return first;
}

int64
sg_generator_next(SgGenerator *generator)
{
	int64		node;
	int64		tick = generator_take(generator, generator->increment, &node);
	int64		id = sg_layout_id(&generator->layout, tick, node);

	generator->issued++;
	sg_generator_set_currval(generator, id);
	return id;
}

int64
sg_generator_next_counted(SgGenerator *generator, int64 wanted, int64 *first)
{
	int64		count = sg_counter_take(generator->slot, generator->relid, wanted, first);

	generator->issued += count;
	return count;
}

int64
sg_generator_next_block(SgGenerator *generator, int64 wanted,
						int64 *first, int64 *step)
{
	const SgLayout *layout = &generator->layout;
	int64		increment = generator->increment;
	int64		next = Max(sg_slot_last_tick(generator->slot, layout->node_bits) + 1,
						   generator_floor(generator));
	int64		start = sg_layout_fit(layout, Max(next, 0), increment);
	int64		count = Min(wanted, (sg_layout_unit_end(layout, start) - start + 1) / increment);
	int64		node;
	int64		tick;

	/* a guess that others spoil only moves the block to the next unit */
	tick = generator_take(generator, count * increment, &node);
	generator->issued += count;
	*first = sg_layout_id(layout, tick, node);
	*step = increment << (layout->node_last ? layout->node_bits : 0);
	return count;
}

void
sg_generator_set_currval(SgGenerator *generator, int64 id)
{
	generator->currval = id;
	generator->currval_valid = true;
	sg_backend_note(id);
}


/*
 * Making a generator ready for a transaction
 */

static void
report_not_generator(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("sequence \"%s\" is not a generator", name),
			 errhint("Create generators with snowflake_create() or range_create(). A snowflake generator that came "
					 "without its row, as from a partial dump, is registered with snowflake_attach(), "
					 "or drawn from with its layout named in the call.")));
}

static void
report_identity_column(Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("sequence \"%s\" of an identity column cannot be a generator",
					RelationGetRelationName(rel)),
			 errdetail("The column would go on to use nextval()."),
			 errhint("Drop the column's identity, and give it a generator as its default.")));
}

static void
report_other_layout(const char *name, const char *layout_name, const char *own_name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("generator \"%s\" is not of layout \"%s\"", name, layout_name),
			 own_name != NULL ?
			 errdetail("It is of layout \"%s\".", own_name) :
			 errdetail("It has no row in seqgen.generator, and is in use with another layout."),
			 errhint("Name the layout that the ids drawn so far have. The owner can settle it with snowflake_attach().")));
}

/* What every use of a sequence as a generator needs of the sequence. */
static void
check_sequence(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_SEQUENCE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a sequence", RelationGetRelationName(rel))));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("temporary sequence \"%s\" cannot be a generator", RelationGetRelationName(rel)),
				 errdetail("The bound of a generator has to survive a crash.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("unlogged sequence \"%s\" cannot be a generator", RelationGetRelationName(rel)),
				 errdetail("The bound of a generator has to survive a crash."),
				 errhint("Use ALTER SEQUENCE ... SET LOGGED.")));
}

/*
 * Read increment and largest value from pg_sequence, and hold them against
 * the layout, which is NULL for kinds that count.
 */
static void
check_sequence_options(Relation rel, const SgLayout *layout,
					   int64 *increment, int64 *max_value)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(RelationGetRelid(rel)));
	Form_pg_sequence form;
	Oid			type;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u", RelationGetRelid(rel));
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	type = form->seqtypid;
	*increment = form->seqincrement;
	*max_value = form->seqmax;
	if (layout != NULL && sg_window_start(form->seqmin, form->seqmax) != 0)
		*max_value = sg_layout_max_id(layout);
	else if (layout != NULL)
		*max_value = Min(*max_value, sg_layout_max_id(layout));
	ReleaseSysCache(tuple);

	if (type != INT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("sequence \"%s\" is of type %s, a generator of type %s",
						RelationGetRelationName(rel), format_type_be(type), format_type_be(INT8OID)),
				 errhint("Use ALTER SEQUENCE ... AS bigint, and ALTER TABLE for the column.")));

	if (layout == NULL)
	{
		if (*increment != SG_COUNTER_INCREMENT)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("increment of generator \"%s\" was changed", RelationGetRelationName(rel)),
					 errdetail("The increment keeps plain nextval() from drawing values that are not its own."),
					 errhint("Use ALTER SEQUENCE ... INCREMENT BY %lld.", (long long) SG_COUNTER_INCREMENT)));
		return;
	}

	if (*increment < 1 || *increment > sg_layout_max_sequence(layout) + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("increment of generator \"%s\" is out of range", RelationGetRelationName(rel)),
				 errdetail("It is %lld; one unit of time of the layout has ids for 1 to %lld.",
						   (long long) *increment,
						   (long long) sg_layout_max_sequence(layout) + 1)));
	if (*increment > 1 && layout->node_last && layout->node_bits > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("increment of generator \"%s\" must be 1", RelationGetRelationName(rel)),
				 errdetail("With the node number in the lowest bits, ids of one node do not follow each other.")));
}

/* The bound in the page, and whether it is the one that the slot knows. */
static int64
sequence_read(const SgGenerator *generator, Relation rel, SgSlot *slot, bool *known)
{
	Buffer		buffer = ReadBuffer(rel, 0);
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	value = generator_get_bound(generator, buffer);
	*known = slot != NULL &&
		slot_knows_value(slot, value) &&
		(uint32) rel->rd_rel->relfilenode == pg_atomic_read_u32(&slot->storage);
	UnlockReleaseBuffer(buffer);
	return value;
}

/* Load a generator, of which kind, layout and window are known, into the table. */
static SgSlot *
generator_load(SgGenerator *generator, Relation rel)
{
	SgLease		lease = {0};
	bool		known;
	int64		value;

	if (!sg_kind_is_counter(generator->kind))
		(void) sg_node_lease(&generator->layout, NameStr(generator->layout_name), &lease);
	value = sequence_read(generator, rel, NULL, &known);
	return sg_slot_enter(generator->relid, generator->kind, &generator->layout, &lease, value);
}

/*
 * What is written to a sequence without a row is beyond what nextval() would
 * write.  So that takes the privilege that setval() takes, unless it stays within
 * a window of Citus.
 */
static void
check_rowless_privilege(Relation rel, int64 window)
{
	if (window == 0 &&
		pg_class_aclcheck(RelationGetRelid(rel), GetUserId(), ACL_UPDATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for sequence %s", RelationGetRelationName(rel)),
				 errdetail("It has no row in seqgen.generator."),
				 errhint("Drawing ids needs UPDATE on such a sequence, as setval() does.")));
}

/* Before anything is loaded or written: may a sequence serve without a row? */
static void
check_rowless(Relation rel, const SgLayout *layout)
{
	Oid			table_relid;
	int32		column;
	int64		increment;
	int64		max_value;

	if (sequenceIsOwned(RelationGetRelid(rel), DEPENDENCY_INTERNAL, &table_relid, &column))
		report_identity_column(rel);
	check_sequence_options(rel, layout, &increment, &max_value);
	check_rowless_privilege(rel, sequence_window(RelationGetRelid(rel)));
}

/*
 * The row of a generator; or, where it has none and the call names a layout, one
 * as it would be.
 */
static bool
generator_row(Oid relid, Relation rel, const char *layout_name, SgCatalogGenerator *row)
{
	bool		found = sg_catalog_generator(relid, row);

	if (!found && layout_name == NULL)
		report_not_generator(RelationGetRelationName(rel));
	if (!found)
	{
		row->kind = SG_KIND_SNOWFLAKE;
		if (strlen(layout_name) < NAMEDATALEN)
			namestrcpy(&row->layout_name, layout_name);
	}
	else if (layout_name != NULL && !sg_kind_is_counter(row->kind) &&
			 strcmp(NameStr(row->layout_name), layout_name) != 0)
		report_other_layout(RelationGetRelationName(rel), layout_name, NameStr(row->layout_name));
	return found;
}

/*
 * Find or load the slot, and copy from it what does not change.  A slot can
 * be of another layout than the row if the row's own change drew an id: then
 * nobody but this transaction can be using it.  Without a row, others may.
 */
static void
generator_find_slot(SgGenerator *generator, Relation rel, const char *layout_name)
{
	SgCatalogGenerator row;
	bool		rowless = !generator_row(generator->relid, rel, layout_name, &row);
	SgLayout	layout = {0};
	SgSlot	   *slot;

	if (!sg_kind_is_counter(row.kind))
		sg_catalog_layout_require(rowless ? layout_name : NameStr(row.layout_name), &layout);
	if (rowless)
		check_rowless(rel, &layout);

	slot = sg_slot_find(generator->relid);
	if (slot != NULL &&
		(slot->kind != row.kind || !sg_layout_equal(&slot->layout, &layout)))
	{
		if (rowless)
			report_other_layout(RelationGetRelationName(rel), layout_name, NULL);
		sg_slot_free(MyDatabaseId, generator->relid);
		slot = NULL;
	}

	generator->validity = 0;	/* the options have to be read again */
	generator->kind = row.kind;
	generator->rowless = rowless;
	generator->layout = layout;
	generator->layout_name = row.layout_name;
	generator->layout_len = (int) strlen(NameStr(row.layout_name));
	generator->window = sg_kind_is_counter(row.kind) ? 0 : sequence_window(generator->relid);
	generator->unit_from = PG_INT64_MIN / 2;
	if (slot == NULL)
	{
		slot = generator_load(generator, rel);
		if (rowless && sg_bound_is_changed(generator->relid) && !IsParallelWorker())
			sg_generator_forget_at_abort(generator->relid);
	}
	generator->slot = slot;
	generator->generation = pg_atomic_read_u32(&slot->generation);
}

/* As nextval does: once a transaction, to the end of the transaction. */
static void
generator_lock(SgGenerator *generator)
{
	LocalTransactionId lxid = MyLocalTransactionId();
	ResourceOwner owner = CurrentResourceOwner;

	if (generator->locked == lxid)
		return;
	CurrentResourceOwner = TopTransactionResourceOwner;
	LockRelationOid(generator->relid, RowExclusiveLock);
	CurrentResourceOwner = owner;
	generator->locked = lxid;
}

/* Open the sequence and check that the current user may draw from it. */
static Relation
generator_open(SgGenerator *generator)
{
	Relation	rel = try_relation_open(generator->relid, NoLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence with OID %u does not exist", generator->relid)));
	check_sequence(rel);
	if (pg_class_aclcheck(generator->relid, GetUserId(), ACL_USAGE | ACL_UPDATE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for sequence %s", RelationGetRelationName(rel)),
				 errhint("Drawing ids needs USAGE or UPDATE on the sequence.")));
	return rel;
}

/* The largest node that ids may bear before the generator is looked at again. */
static int64
generator_largest_node(SgGenerator *generator)
{
	SgLease		lease;
	uint32		serial;

	sg_slot_get_lease(generator->slot, &lease, &serial);
	return lease.until == PG_INT64_MAX ?
		sg_slot_node(generator->slot, generator->layout.node_bits) :
		sg_layout_max_node(&generator->layout);
}

/*
 * What a kind whose ids bear a time needs for a transaction.  The floor is
 * announced before the first take, so no take may be below it.
 */
static void
generator_prepare_clock(SgGenerator *generator, Relation rel, bool changed)
{
	const SgLayout *layout = &generator->layout;

	if (changed)
	{
		check_sequence_options(rel, layout, &generator->increment, &generator->max_value);
		generator->max_tick = Min(sg_layout_tick_above(layout, generator->max_value,
													   generator_largest_node(generator)) - 1,
								  sg_layout_max_tick(layout));
	}
	generator->max_lead = Max((int64) sg_max_lead * 1000 / layout->unit, 1) << layout->sequence_bits;
	generator->xact_floor = generator_floor(generator);
	generator->xact_floor = Max(sg_slot_last_tick(generator->slot, layout->node_bits) + 1,
								generator->xact_floor);
	sg_backend_announce(sg_layout_us(layout, generator->xact_floor >> layout->sequence_bits));
}

/*
 * Make a generator ready: at its first use in a transaction, and again when
 * something changed that it depends on.
 */
static void
generator_make_ready(SgGenerator *generator, const char *layout_name)
{
	uint64		now_valid;
	Relation	rel;
	bool		known;

	sg_shmem_require();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot draw ids during recovery"),
				 errhint("Draw them on the primary server.")));

	generator_lock(generator);

	/* what is invalidated from here on is for the next time */
	now_valid = validity;
	rel = generator_open(generator);

	if (generator->slot == NULL ||
		pg_atomic_read_u32(&generator->slot->generation) != generator->generation ||
		generator->validity != now_valid ||
		(layout_name == NULL ? generator->rowless :
		 strcmp(layout_name, NameStr(generator->layout_name)) != 0))
		generator_find_slot(generator, rel, layout_name);
	else if (generator->rowless)
		check_rowless_privilege(rel, generator->window);
	if (sg_kind_is_counter(generator->kind))
		check_sequence_options(rel, NULL, &generator->increment, &generator->max_value);
	else
	{
		generator_check_number(generator);
		generator_prepare_clock(generator, rel, generator->validity != now_valid);
	}
	generator_count(generator);

	(void) sequence_read(generator, rel, generator->slot, &known);
	relation_close(rel, NoLock);
	if (!known && !sg_kind_is_counter(generator->kind))
	{
		int64		deadline = 0;

		while (!generator_reserve(generator,
								  sg_slot_last_tick(generator->slot, generator->layout.node_bits) + 1,
								  &deadline))
			CHECK_FOR_INTERRUPTS();
	}
	else if (!known)
		(void) sg_counter_reserve(generator->slot, generator->relid);

	generator->user = GetUserId();
	generator->validity = now_valid;
	generator->lxid = MyLocalTransactionId();
}

static void
generators_create(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(SgGenerator),
	};

	generators = hash_create("seqgen generators of this session", 16, &ctl,
							 HASH_ELEM | HASH_BLOBS);
}

static SgGenerator *
generator_lookup(Oid relid)
{
	SgGenerator *generator;
	bool		found;

	if (generators == NULL)
		generators_create();
	generator = hash_search(generators, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(generator, 0, sizeof(SgGenerator));
		generator->relid = relid;
	}
	return generator;
}

static void
report_other_kind(const SgGenerator *generator, SgKind kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("generator \"%s\" is of kind %s, not %s", get_rel_name(generator->relid),
					sg_kind_names[generator->kind], sg_kind_names[kind]),
			 errhint("Use the functions whose names begin with \"%s_\".",
					 sg_kind_names[generator->kind])));
}

SgGenerator *
sg_generator_get(Oid relid, SgKind kind)
{
	SgGenerator *generator = recent;

	if (unlikely(generator == NULL || generator->relid != relid))
		recent = generator = generator_lookup(relid);
	if (unlikely(generator->lxid != MyLocalTransactionId() ||
				 generator->validity != validity ||
				 generator->user != GetUserId() ||
				 generator->rowless))
		generator_make_ready(generator, NULL);
	if (unlikely(generator->kind != kind))
		report_other_kind(generator, kind);
	return generator;
}

SgGenerator *
sg_generator_get_of_layout(Oid relid, SgKind kind, text *layout_name)
{
	SgGenerator *generator = recent;

	if (unlikely(generator == NULL || generator->relid != relid))
		recent = generator = generator_lookup(relid);
	if (unlikely(generator->lxid != MyLocalTransactionId() ||
				 generator->validity != validity ||
				 generator->user != GetUserId() ||
				 (size_t) generator->layout_len != VARSIZE_ANY_EXHDR(layout_name) ||
				 memcmp(NameStr(generator->layout_name), VARDATA_ANY(layout_name),
						generator->layout_len) != 0))
		generator_make_ready(generator, text_to_cstring(layout_name));
	if (unlikely(generator->kind != kind))
		report_other_kind(generator, kind);
	return generator;
}

Oid
sg_generator_default_relid(SgKind kind)
{
	if (likely(OidIsValid(default_relids[kind])))
		return default_relids[kind];
	default_relids[kind] = sg_catalog_default_generator(kind);
	if (!OidIsValid(default_relids[kind]))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"seqgen\" does not exist in this database"),
				 errhint("Use CREATE EXTENSION seqgen.")));
	return default_relids[kind];
}

SgGenerator *
sg_generator_get_default(SgKind kind)
{
	return sg_generator_get(sg_generator_default_relid(kind), kind);
}

int64
sg_generator_currval(Oid relid, SgKind kind)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	SgGenerator *generator;
	int64		currval;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence with OID %u does not exist", relid)));
	check_sequence(rel);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT | ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for sequence %s", RelationGetRelationName(rel))));

	generator = generator_lookup(relid);
	if (!generator->currval_valid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("current id of generator \"%s\" is not yet defined in this session",
						RelationGetRelationName(rel))));
	if (generator->kind != kind)
		report_other_kind(generator, kind);
	currval = generator->currval;
	relation_close(rel, AccessShareLock);
	return currval;
}


/*
 * Moving a generator
 */

/*
 * Does an id of this generator's layout bear the node of this generator, and a
 * time of its lease, although this server has not given it out?
 *
 * Yes means that another server uses the number.  No means nothing: an id below
 * what was given out here may be another's just as well.  The exceptions, ids
 * that were ours and are taken for another's, are those that other generators
 * had given out further ahead of the clock than the time since the server
 * started, and ids that nobody drew.
 */
static bool
generator_is_foreign(SgGenerator *generator, const SgFields *fields)
{
	SgSlot	   *slot = generator->slot;
	const SgLayout *layout = &generator->layout;
	int64		tick = fields->time << layout->sequence_bits | fields->sequence;
	uint64		word = pg_atomic_read_u64(&slot->last);
	SgLease		lease;
	uint32		serial;

	if (fields->node == 0 ||
		fields->node != (int64) (word & (uint64) sg_layout_max_node(layout)) ||
		tick <= (int64) (word >> layout->node_bits))
		return false;

	/* the number's holders before and after this one */
	sg_slot_get_lease(slot, &lease, &serial);
	if (tick < sg_layout_first_tick(layout, lease.from) ||
		tick > sg_layout_last_tick(layout, lease.until))
		return false;
	return !sg_slot_may_have_given(slot, tick, sg_layout_us(layout, fields->time));
}

/* Warn of an id that another server drew under this one's number. */
static void
generator_watch(SgGenerator *generator, int64 id, const SgFields *fields)
{
	if (!generator_is_foreign(generator, fields))
		return;
	pg_atomic_fetch_add_u64(&generator->slot->foreign_ids, 1);
	ereport(WARNING,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("id %lld bears this node's number, but was not drawn here", (long long) id),
			 errdetail("It bears number %lld and the time %s, which generator \"%s\" has not reached.",
					   (long long) fields->node,
					   sg_clock_text(sg_layout_us(&generator->layout, fields->time)),
					   get_rel_name(generator->relid)),
			 errhint("Another server may draw ids under the same number. See SELECT * FROM seqgen.doctor().")));
}

/*
 * Make all later ids larger than an id that lies at most max_lead (us) ahead
 * of the clock.  An id that was observed is watched for another server's.
 */
static void
generator_raise_above(SgGenerator *generator, int64 id, int64 max_lead, bool observed)
{
	const SgLayout *layout = &generator->layout;
	int64		now = sg_clock_now();
	SgFields	fields;
	int64		at;
	int64		tick;
	int64		deadline = 0;

	if (!sg_layout_unpack(layout, id, &fields))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("id %lld is out of range for generator \"%s\"",
						(long long) id, get_rel_name(generator->relid)),
				 errdetail("Its ids lie between 1 and %lld.", (long long) generator->max_value)));
	at = sg_layout_us(layout, fields.time);
	if (at - now > max_lead)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("id %lld is too far ahead of the clock", (long long) id),
				 errdetail("It bears the time %s, the clock reads %s; at most %lld ms ahead are allowed.",
						   sg_clock_text(at), sg_clock_text(now), (long long) max_lead / 1000),
				 errhint("If the id is right, correct the clock, or increase seqgen.max_lead.")));

	if (observed)
		generator_watch(generator, id, &fields);
	for (;;)
	{
		/* the node may be another one after a wait */
		tick = sg_layout_tick_above(layout, id, sg_slot_node(generator->slot, layout->node_bits)) - 1;
		if (tick <= (int64) pg_atomic_read_u64(&generator->slot->limit))
			break;
		(void) generator_reserve(generator, tick, &deadline);
	}
	sg_slot_raise_last(generator->slot, layout->node_bits, tick);
}

void
sg_generator_observe(SgGenerator *generator, int64 id)
{
	/* half, so that a poisoned id cannot drag all nodes to the very edge */
	generator_raise_above(generator, id, (int64) sg_max_lead * 1000 / 2, true);
}

PG_FUNCTION_INFO_V1(sg_generator_advance);
Datum
sg_generator_advance(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int64		value = PG_GETARG_INT64(1);
	SgCatalogGenerator row;
	SgGenerator *generator;

	if (get_rel_name(relid) != NULL &&
		!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_SEQUENCE, get_rel_name(relid));
	if (!sg_catalog_generator(relid, &row) || sg_kind_is_counter(row.kind))
		row.kind = SG_KIND_SNOWFLAKE;
	generator = sg_generator_get(relid, row.kind);
	generator_raise_above(generator, value, (int64) sg_max_lead * 1000, false);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(sg_generator_reset);
Datum
sg_generator_reset(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	int64		value = PG_GETARG_INT64(1);
	SgCatalogGenerator row;
	SgLayout	layout;
	int64		window;
	Relation	rel;
	GenericXLogState *xlog;
	Buffer		buffer;
	XLogRecPtr	lsn;

	sg_shmem_require();
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to reset a generator"),
				 errhint("Only a superuser may, as the generator can repeat ids afterwards.")));
	PreventCommandDuringRecovery("seqgen.reset()");

	/* nobody else uses the generator from here on */
	rel = relation_open(relid, AccessExclusiveLock);
	check_sequence(rel);
	if (!sg_catalog_generator(relid, &row))
		report_not_generator(RelationGetRelationName(rel));
	if (sg_kind_is_counter(row.kind))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("generator \"%s\" of kind %s cannot be reset",
						RelationGetRelationName(rel), sg_kind_names[row.kind]),
				 errhint("Its values come from blocks; range_alloc() can give values again that range_release() returned.")));
	sg_catalog_layout_require(NameStr(row.layout_name), &layout);
	if (value < 1 || value > sg_layout_max_id(&layout))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value %lld is out of range for generator \"%s\"",
						(long long) value, RelationGetRelationName(rel)),
				 errdetail("Its ids lie between 1 and %lld.",
						   (long long) sg_layout_max_id(&layout))));
	window = sequence_window(relid);

	xlog = GenericXLogStart(rel);
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	lsn = sg_bound_put(xlog, buffer, sg_window_put(window, &layout, value));
	UnlockReleaseBuffer(buffer);
	sg_slot_free(MyDatabaseId, relid);
	validity++;
	relation_close(rel, NoLock);
	sg_bound_flush(lsn);
	PG_RETURN_VOID();
}


/*
 * What happens to generators: created, changed, dropped
 */

static void
pending_add(PendingAction action, Oid database, Oid relid)
{
	Pending    *item = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));

	item->action = action;
	item->database = database;
	item->relid = relid;
	item->subid = GetCurrentSubTransactionId();
	dlist_push_tail(&pending, &item->node);
}

/*
 * The row of a sequence changes, while we hold a lock that keeps all others
 * out: let everybody load it anew.
 */
static void
generator_forget(Oid relid, PendingAction at_end)
{
	if (sg_shmem_ready())
	{
		sg_slot_free(MyDatabaseId, relid);
		pending_add(at_end, MyDatabaseId, relid);
	}
	CacheInvalidateRelcacheByRelid(relid);
	validity++;
}

void
sg_generator_forget_at_abort(Oid relid)
{
	pending_add(FREE_AT_ABORT, MyDatabaseId, relid);
}

void
sg_generator_reload_at_commit(Oid relid)
{
	pending_add(RELOAD_AT_COMMIT, MyDatabaseId, relid);
}

void
sg_generator_register(Oid relid, SgKind kind, const char *layout_name)
{
	Relation	rel = relation_open(relid, NoLock);
	SgLayout	layout;
	Oid			catalog = sg_catalog_generator_table();
	Oid			table_relid;
	int32		column;
	int64		increment;
	int64		max_value;

	if (!OidIsValid(catalog))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"seqgen\" does not exist in this database"),
				 errhint("Use CREATE EXTENSION seqgen.")));

	/* before the layout is read, so that nobody changes it meanwhile */
	LockRelationOid(catalog, RowExclusiveLock);
	check_sequence(rel);
	if (sequenceIsOwned(relid, DEPENDENCY_INTERNAL, &table_relid, &column))
		report_identity_column(rel);
	if (layout_name != NULL)
		sg_catalog_layout_require(layout_name, &layout);
	check_sequence_options(rel, layout_name ? &layout : NULL, &increment, &max_value);
	sg_catalog_add_generator(relid, kind, layout_name);
	generator_forget(relid, FREE_AT_ABORT);
	relation_close(rel, NoLock);
}

static bool
same_row(const SgCatalogGenerator *a, const SgCatalogGenerator *b)
{
	return a->kind == b->kind &&
		strcmp(NameStr(a->layout_name), NameStr(b->layout_name)) == 0;
}

/*
 * A row that is inserted by hand or by a restore.  Returns false if the same
 * row is there already, so that a dump goes into a database that has it.  The
 * layout may come later: a parallel restore keeps no order.
 */
static bool
guard_new_row(Oid relid, const SgCatalogGenerator *row)
{
	Relation	rel = relation_open(relid, AccessExclusiveLock);
	SgCatalogGenerator old;
	SgLayout	layout;
	int64		increment;
	int64		max_value;
	bool		same;

	check_sequence(rel);
	if (sg_kind_is_counter(row->kind))
		check_sequence_options(rel, NULL, &increment, &max_value);
	else if (sg_catalog_layout(NameStr(row->layout_name), &layout))
		check_sequence_options(rel, &layout, &increment, &max_value);
	same = sg_catalog_generator(relid, &old) && same_row(&old, row);
	relation_close(rel, NoLock);
	return !same;
}

PG_FUNCTION_INFO_V1(sg_generator_guard);
Datum
sg_generator_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	HeapTuple	result;
	SgCatalogGenerator old;
	SgCatalogGenerator new;

	sg_catalog_check_trigger(fcinfo, "generator");
	sg_catalog_refuse_truncate(trigger, "Drop the generators' sequences.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	desc = RelationGetDescr(trigger->tg_relation);
	result = trigger->tg_trigtuple;
	sg_catalog_row(result, desc, &old);
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
	{
		sg_catalog_row(trigger->tg_newtuple, desc, &new);
		if (sg_catalog_row_relid(trigger->tg_newtuple, desc) == sg_catalog_row_relid(result, desc) &&
			same_row(&old, &new))
			PG_RETURN_POINTER(trigger->tg_newtuple);
	}
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		Oid			relid = sg_catalog_row_relid(trigger->tg_trigtuple, desc);

		if (sg_catalog_is_default_generator(relid))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot change or remove the default generator")));
		LockRelationOid(relid, AccessExclusiveLock);
		if (get_rel_name(relid) != NULL)
			generator_forget(relid, FREE_AT_END);
	}
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		result = trigger->tg_newtuple;
	if (!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
	{
		Oid			relid = sg_catalog_row_relid(result, desc);

		/* a dump that left the sequence out; the type's input said so */
		if (!OidIsValid(relid) && TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
			PG_RETURN_POINTER(NULL);
		sg_catalog_row(result, desc, &new);
		if (!guard_new_row(relid, &new) && TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
			PG_RETURN_POINTER(NULL);
		generator_forget(relid, FREE_AT_END);
	}
	PG_RETURN_POINTER(result);
}

/* Is a relation that is being dropped seqgen.generator itself? */
static bool
is_generator_table(Oid relid)
{
	char	   *name = get_rel_name(relid);

	/* most relations have another name */
	return name != NULL && strcmp(name, "generator") == 0 &&
		relid == sg_catalog_generator_table();
}

/* The extension is being dropped: nobody has generators any more. */
static void
generators_invalidate(void)
{
	ListCell   *cell;

	foreach(cell, sg_catalog_generators())
	{
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell))))
			CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
	}
}

static void
generator_object_access(ObjectAccessType access, Oid classId, Oid objectId,
						int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (access != OAT_DROP || subId != 0)
		return;
	if (classId == DatabaseRelationId)
		pending_add(FREE_AT_COMMIT, objectId, InvalidOid);
	else if (classId == RelationRelationId && is_generator_table(objectId))
		generators_invalidate();
	else if (classId == RelationRelationId &&
			 get_rel_relkind(objectId) == RELKIND_SEQUENCE)
	{
		pending_add(FREE_AT_COMMIT, MyDatabaseId, objectId);
		if (sg_catalog_remove_generator(objectId))
			sg_allocation_forget(objectId);
	}
}

/* What is known of a generator whose bound is to be carried over. */
typedef struct Carried
{
	bool		counts;
	bool		has_layout;
	SgLayout	layout;
	int64		bound;			/* that its slot knows */
} Carried;

static Carried
generator_to_carry(Oid relid)
{
	Carried		carried = {.bound = PG_INT64_MIN};
	SgCatalogGenerator row;
	SgSlot	   *slot;

	/* or the first plain nextval() after a RESTART would draw */
	if (sg_catalog_generator(relid, &row))
	{
		carried.counts = sg_kind_is_counter(row.kind);
		carried.has_layout = !carried.counts &&
			sg_catalog_layout(NameStr(row.layout_name), &carried.layout);
	}
	slot = sg_slot_lock(relid);
	if (slot != NULL)
	{
		carried.bound = (int64) pg_atomic_read_u64(&slot->bound);
		carried.has_layout = !sg_kind_is_counter(slot->kind);
		carried.layout = slot->layout;
	}
	sg_slot_unlock();
	return carried;
}

/*
 * After RESTART: carry the bound of a generator over to the storage that this
 * transaction gave it.  What was drawn may be ahead of the clock, so the clock
 * alone would not keep its ids apart from those.  Citus gives a window, or
 * another one, by such a statement too.
 */
static void
generator_carry_bound(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	SgCommitted committed;
	SgStorage	storage;
	Carried		carried;
	int64		window;
	int64		window_before = 0;
	int64		before = PG_INT64_MIN;	/* last_value as others see it */
	int64		value;
	GenericXLogState *xlog;
	Buffer		buffer;

	if (rel == NULL)
		return;
	storage = sg_bound_storage(rel, &committed);
	if (storage == SG_STORAGE_COMMITTED)
	{
		relation_close(rel, AccessShareLock);
		return;
	}

	carried = generator_to_carry(relid);
	window = carried.has_layout ? sequence_window(relid) : 0;
	if (storage == SG_STORAGE_REPLACED)
	{
		before = sg_bound_get_committed(&committed);
		window_before = carried.has_layout ? committed_window(&committed) : 0;
		carried.bound = Max(carried.bound, sg_window_get(window_before, &carried.layout, before));
	}
	else
		window_before = window;
	value = sg_window_put(window, &carried.layout, carried.bound);

	xlog = GenericXLogStart(rel);
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (window != window_before && sg_bound_get(buffer) == before)
		(void) sg_bound_put(xlog, buffer, value);	/* the same in other terms */
	else if (sg_bound_get(buffer) < value || carried.counts)
		(void) sg_bound_put(xlog, buffer, Max(sg_bound_get(buffer), value));
	else
		GenericXLogAbort(xlog);
	UnlockReleaseBuffer(buffer);
	relation_close(rel, NoLock);
}

/* Of those with a row, and of those without one that are loaded. */
static void
generators_carry_bounds(void)
{
	List	   *relids = list_concat_unique_oid(sg_catalog_generators(),
												sg_slot_relids(SG_KIND_SNOWFLAKE));
	ListCell   *cell;

	foreach(cell, relids)
	{
		if (sg_bound_is_changed(lfirst_oid(cell)))
			generator_carry_bound(lfirst_oid(cell));
	}
}

/* DISCARD forgets current values, as it does those of sequences. */
static void
generators_discard_currval(void)
{
	HASH_SEQ_STATUS scan;
	SgGenerator *generator;

	if (generators == NULL)
		return;
	hash_seq_init(&scan, generators);
	while ((generator = hash_seq_search(&scan)) != NULL)
		generator->currval_valid = false;
}

static bool
discards_sequences(Node *stmt)
{
	DiscardMode target;

	if (!IsA(stmt, DiscardStmt))
		return false;
	target = ((DiscardStmt *) stmt)->target;
	return target == DISCARD_ALL || target == DISCARD_SEQUENCES;
}

static bool
may_restart_sequences(Node *stmt)
{
	if (IsA(stmt, TruncateStmt))
		return ((TruncateStmt *) stmt)->restart_seqs;
	return IsA(stmt, AlterSeqStmt);
}

static void
generator_process_utility(PlannedStmt *pstmt, const char *queryString,
						  bool readOnlyTree, ProcessUtilityContext context,
						  ParamListInfo params, QueryEnvironment *queryEnv,
						  DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *stmt = pstmt->utilityStmt;
	bool		discard = discards_sequences(stmt);
	bool		restart = may_restart_sequences(stmt);

	if (prev_process_utility_hook)
		prev_process_utility_hook(pstmt, queryString, readOnlyTree, context,
								  params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);

	if (discard)
		generators_discard_currval();
	if (restart)
	{
		storage_replaced = true;
		generators_carry_bounds();
	}
}


/*
 * Transaction ends and invalidations
 */

static void
generators_add_counts(void)
{
	SgGenerator *generator;

	while ((generator = first_counted) != NULL)
	{
		SgSlot	   *slot = generator->slot;

		first_counted = generator->next_counted;
		generator->counted = false;
		if (generator->issued > 0)
			sg_backend_count(generator->kind, generator->issued);
		if (pg_atomic_read_u32(&slot->generation) == generator->generation)
		{
			pg_atomic_fetch_add_u64(&slot->issued, generator->issued);
			if (generator->waits > 0)
				pg_atomic_fetch_add_u64(&slot->waits, generator->waits);
			if (generator->steps_back > 0)
				pg_atomic_fetch_add_u64(&slot->steps_back, generator->steps_back);
		}
		generator->issued = generator->waits = generator->steps_back = 0;
	}
}

static void
generator_remove(Oid relid)
{
	if (generators == NULL)
		return;
	if (recent != NULL && recent->relid == relid)
		recent = NULL;
	hash_search(generators, &relid, HASH_REMOVE, NULL);
}

static void
pending_apply(const Pending *item)
{
	if (!OidIsValid(item->relid))
		sg_slot_free_database(item->database);
	else
	{
		sg_slot_free(item->database, item->relid);
		generator_remove(item->relid);
	}
}

/*
 * A generator that counts, made by a transaction that is being prepared: save
 * what was given out before its slot is freed, so that nothing is lost.
 */
static void
pending_save(const Pending *item)
{
	SgSlot	   *slot;

	if (item->action != FREE_AT_ABORT ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(item->relid)))
		return;
	slot = sg_slot_find(item->relid);
	if (slot != NULL && sg_kind_is_counter(slot->kind))
		sg_counter_close(item->relid);
}

static void
pending_before_prepare(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pending)
	{
		Pending    *item = dlist_container(Pending, node, iter.cur);

		if (item->action == RELOAD_AT_COMMIT)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has used seqgen.range_restart()")));
		pending_save(item);
	}
}

/*
 * Do what is due.  A prepared transaction's end is not told to us, so what it
 * made or changed is freed before it is prepared, and loaded again from the
 * page; what it dropped is left to the sweep.
 */
static void
pending_apply_all(XactEvent event)
{
	dlist_iter	iter;

	dlist_foreach(iter, &pending)
	{
		Pending    *item = dlist_container(Pending, node, iter.cur);

		switch (item->action)
		{
			case FREE_AT_COMMIT:
				if (event == XACT_EVENT_COMMIT)
					pending_apply(item);
				break;
			case FREE_AT_ABORT:
				if (event != XACT_EVENT_COMMIT)
					pending_apply(item);
				break;
			case FREE_AT_END:
				pending_apply(item);
				break;
			case RELOAD_AT_COMMIT:
				if (event == XACT_EVENT_COMMIT)
					sg_counter_set_supply(item->relid, SG_SUPPLY_UNKNOWN, "");
				break;
		}
	}
	dlist_init(&pending);
}

/*
 * Carry bounds over once more before the commit: ROLLBACK TO may have brought
 * back storage that an earlier RESTART of this transaction made, with the
 * bound of then.  And a background worker that applies TRUNCATE ... RESTART
 * IDENTITY from elsewhere does so without a statement that we could see.
 */
static void
generator_before_commit(void)
{
	/* Nothing was made without a transaction id, or a database */
	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()) || !OidIsValid(MyDatabaseId))
		return;
	if (storage_replaced || (relations_changed && MyBgworkerEntry != NULL))
		generators_carry_bounds();
}

static void
generator_xact_callback(XactEvent event, void *arg)
{
	if (!sg_shmem_ready())
		return;

	switch (event)
	{
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
		case XACT_EVENT_PRE_COMMIT:
			generator_before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			generator_before_commit();
			/* while our locks are our own: at PREPARE they are handed over */
			pending_before_prepare();
			generators_add_counts();
			pending_apply_all(event);
			break;
		default:
			/* our locks are held until after this */
			generators_add_counts();
			pending_apply_all(event);
			sg_backend_at_xact_end(event);
			relations_changed = false;
			storage_replaced = false;
			break;
	}
}

static void
generator_subxact_callback(SubXactEvent event, SubTransactionId mySubid,
						   SubTransactionId parentSubid, void *arg)
{
	dlist_mutable_iter iter;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;

	/* every subtransaction begun since is a child of this one */
	dlist_foreach_modify(iter, &pending)
	{
		Pending    *item = dlist_container(Pending, node, iter.cur);

		if (item->subid < mySubid)
			continue;
		if (item->action == FREE_AT_ABORT || item->action == FREE_AT_END)
		{
			sg_slot_free(item->database, item->relid);
			validity++;
		}
		dlist_delete(iter.cur);
	}
}

/*
 * Invalidations only set marks: whoever draws next in a transaction finds
 * that it has to make its generator ready again.
 */
static void
generator_relcache_callback(Datum arg, Oid relid)
{
	relations_changed = true;
	if (!OidIsValid(relid))
	{
		validity++;
		MemSet(default_relids, 0, sizeof(default_relids));
	}
	else
	{
		for (int i = 0; i < SG_KIND_COUNT; i++)
			if (relid == default_relids[i])
				default_relids[i] = InvalidOid;
		if (sg_catalog_is_generator_table(relid))
			validity++;
		if (generators != NULL && hash_search(generators, &relid, HASH_FIND, NULL) != NULL)
			validity++;
	}
}

static void
generator_syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	validity++;
}


/*
 * For the views
 */

/* Where sg_generator_states has got to. */
typedef struct StateList
{
	SgGeneratorState *states;
	int			count;
	int64		now;			/* us */
} StateList;

static void
state_add(SgSlot *slot, void *arg)
{
	StateList  *list = arg;
	SgGeneratorState *state = &list->states[list->count++];
	const SgLayout *layout = &slot->layout;
	uint64		word = pg_atomic_read_u64(&slot->last) & ~SG_SLOT_CLOSED;
	int64		tick;

	state->relid = slot->relid;
	if (sg_kind_is_counter(slot->kind))
	{
		state->last_value = (int64) word;
		state->lead = -1;
	}
	else
	{
		tick = (int64) (word >> layout->node_bits);
		state->last_value = sg_layout_id(layout, tick, (int64) (word & (uint64) sg_layout_max_node(layout)));
		state->lead = Max(sg_layout_us(layout, tick >> layout->sequence_bits) - list->now, 0);
	}
	state->bound = (int64) pg_atomic_read_u64(&slot->bound);
	state->issued = (int64) pg_atomic_read_u64(&slot->issued);
	state->reservations = (int64) pg_atomic_read_u64(&slot->reservations);
	state->waits = (int64) pg_atomic_read_u64(&slot->waits);
	state->steps_back = (int64) pg_atomic_read_u64(&slot->steps_back);
	state->foreign_ids = (int64) pg_atomic_read_u64(&slot->foreign_ids);
}

int
sg_generator_states(SgGeneratorState **states)
{
	StateList	list = {
		.states = palloc(sizeof(SgGeneratorState) * sg_max_generators),
		.now = sg_clock_now(),
	};

	sg_slot_visit(state_add, &list);
	*states = list.states;
	return list.count;
}

static void
state_reset(SgSlot *slot, void *arg)
{
	Oid			relid = *(Oid *) arg;

	if (OidIsValid(relid) && slot->relid != relid)
		return;
	pg_atomic_write_u64(&slot->issued, 0);
	pg_atomic_write_u64(&slot->reservations, 0);
	pg_atomic_write_u64(&slot->waits, 0);
	pg_atomic_write_u64(&slot->steps_back, 0);
	pg_atomic_write_u64(&slot->foreign_ids, 0);
}

void
sg_generator_reset_counts(Oid relid)
{
	sg_slot_visit(state_reset, &relid);
}


/*
 * Start
 */

void
sg_generator_init(void)
{
	prev_object_access_hook = object_access_hook;
	object_access_hook = generator_object_access;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = generator_process_utility;

	RegisterXactCallback(generator_xact_callback, NULL);
	RegisterSubXactCallback(generator_subxact_callback, NULL);
	CacheRegisterRelcacheCallback(generator_relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(SEQRELID, generator_syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, generator_syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, generator_syscache_callback, (Datum) 0);
}
