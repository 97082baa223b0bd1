/*-------------------------------------------------------------------------
 *
 * slot.h
 *	  The table of generator slots in shared memory.  Implemented in slot.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_SLOT_H
#define SEQGEN_SLOT_H

#include "port/atomics.h"
#include "storage/condition_variable.h"

#include "catalog.h"
#include "layout.h"
#include "lease.h"

/* How a kind that is served with blocks stands; from bad to worse. */
typedef enum SgSupply
{
	SG_SUPPLY_UNKNOWN,			/* nobody has looked for blocks yet */
	SG_SUPPLY_SOUND,			/* blocks come, or are on their way */
	SG_SUPPLY_WAITING,			/* the last attempt to get one failed */
	SG_SUPPLY_EXHAUSTED,		/* the range has no values left */
	SG_SUPPLY_STOPPED,			/* something is wrong: a DBA has to decide */
} SgSupply;

#define SG_MESSAGE_SIZE		256

/*
 * The blocks of a kind that counts within blocks; hi is exclusive, and 0 for
 * a block that is not there.
 */
typedef struct SgBlocks
{
	int64		lo;				/* current block */
	int64		hi;
	int64		next_lo;		/* the block after it */
	int64		next_hi;
	int64		entered_at;		/* uptime at which current was entered, us */
	int64		entered_last;	/* last at that time, for the rate of use */
	int64		lasted;			/* how long the block before lasted, us; 0 if
								 * there was none */
	bool		near_end;		/* little of the whole range is left */
	int64		step;			/* values that a reservation reaches ahead */
	int64		reserved_at;	/* uptime of the last reservation, us */
	int64		written;		/* highest position that a reservation wrote;
								 * limit is, or may yet be raised to it */
	SgSupply	supply;
	char		message[SG_MESSAGE_SIZE];	/* why supply is as it is */
} SgBlocks;

typedef struct SgSlot
{
	/* what every take touches, in a cache line of its own */
	pg_atomic_uint64 last;		/* newest tick given out, node number below */
	pg_atomic_uint64 limit;		/* last tick that is durably reserved */
	pg_atomic_uint64 ahead;		/* tick at which the next reservation is due */
	pg_atomic_uint64 bound;		/* (P) last_value as we know it */
	pg_atomic_uint32 storage;	/* (P) relfilenode that holds bound for good,
								 * or 0 */
	pg_atomic_uint32 generation;	/* grows when the slot is freed */
	char		pad[PG_CACHE_LINE_SIZE - 5 * sizeof(uint64)];

	/* the rest */
	Oid			database;		/* (T) */
	Oid			relid;			/* (T) */
	int			next_free;		/* (T) in the list of free slots, or -1 */
	SgKind		kind;			/* set before the slot is entered */
	SgLayout	layout;			/* likewise; unused by kinds that count */
	SgBlocks	blocks;			/* (B) */
	SgLease		lease;			/* (L) of the number that last bears */
	uint32		lease_serial;	/* (L) grows when the number changes */
	int			lease_error;	/* (L) why there is none: an SQLSTATE, as
								 * MAKE_SQLSTATE has it; 0 if it is on its way */
	char		lease_message[SG_MESSAGE_SIZE]; /* (L) the same in words */
	ConditionVariable supplied; /* blocks, supply or lease have changed */
	pg_atomic_uint64 warned_at; /* uptime of the last warning, us */
	pg_atomic_uint64 issued;
	pg_atomic_uint64 reservations;
	pg_atomic_uint64 waits;
	pg_atomic_uint64 steps_back;
	pg_atomic_uint64 foreign_ids;	/* observed; of our node, and not ours */
} SgSlot;

/* marks a slot whose next reservation somebody is making */
#define SG_AHEAD_TAKEN		PG_INT64_MAX

/*
 * In last: nothing may be taken.  It is above every limit, so takers need no
 * test for it.
 */
#define SG_SLOT_CLOSED		(UINT64CONST(1) << 63)

/* Find the slot of a generator of this database, or NULL. */
extern SgSlot *sg_slot_find(Oid relid);

/*
 * The same under the table's lock, so that the slot cannot be freed before
 * sg_slot_unlock, which follows in any case.
 */
extern SgSlot *sg_slot_lock(Oid relid);
extern void sg_slot_unlock(void);

/*
 * Put a generator of this database into the table, with nothing reserved,
 * unless it is there.  Raises an error if the table is full.
 */
extern SgSlot *sg_slot_enter(Oid relid, SgKind kind, const SgLayout *layout,
							 const SgLease *lease, int64 value);

/*
 * Free slots; the caller has made sure that nobody uses them.
 */
extern void sg_slot_free(Oid database, Oid relid);
extern void sg_slot_free_database(Oid database);

/* Call for each slot of this database, under the table's lock, shared. */
typedef void (*SgSlotVisitor) (SgSlot *slot, void *arg);
extern void sg_slot_visit(SgSlotVisitor visitor, void *arg);

/* The generators of a kind that are loaded in this database, a list of oids. */
extern List *sg_slot_relids(SgKind kind);

/*
 * May this server have given out a tick, of a time in us, with the node that
 * the slot's ids bear?  False only if it is above what every generator of the
 * layout and node has given out, in whatever database and since the server
 * started, and of a time after that.
 */
extern bool sg_slot_may_have_given(SgSlot *slot, int64 tick, int64 time);

/* Make sure that the next tick given out is above the given one. */
extern void sg_slot_raise_last(SgSlot *slot, int node_bits, int64 tick);
extern void sg_slot_raise_limit(SgSlot *slot, int64 tick);

/*
 * Leases of node numbers, for kinds whose ids bear one.  The two that set tell
 * whoever waits, and return false for a generator that is not loaded.
 *
 * A lease of the number that the slot has, from the same time on, prolongs it.
 * With any other one what was reserved is withdrawn, and the next tick is in a unit of time of its
 * own; with the number 0 there is nothing to take any more.  The lease is one of
 * a layout's numbers: a generator that has come to be of another layout is left
 * alone, as if it were not loaded.
 */
extern bool sg_slot_set_lease(Oid relid, const SgLayout *layout, const SgLease *lease);
extern bool sg_slot_note_lease(Oid relid, int error, const char *message);

/* The lease, and a number that changes when its number does. */
extern void sg_slot_get_lease(SgSlot *slot, SgLease *lease, uint32 *serial);

/* Why there is none; message has SG_MESSAGE_SIZE bytes. */
extern int	sg_slot_lease_error(SgSlot *slot, char *message);

/*
 * Raise limit, unless the number has changed since the lease was got that the
 * tick lies in.
 */
extern void sg_slot_raise_leased_limit(SgSlot *slot, int64 tick, uint32 serial);

/* The node that ids bear now, as the id's bits hold it. */
static inline int64
sg_slot_node(SgSlot *slot, int node_bits)
{
	return (int64) (pg_atomic_read_u64(&slot->last) & ((UINT64CONST(1) << node_bits) - 1));
}

static inline int64
sg_slot_last_tick(SgSlot *slot, int node_bits)
{
	return (int64) ((pg_atomic_read_u64(&slot->last) & ~SG_SLOT_CLOSED) >> node_bits);
}

extern void sg_slot_init(void);

#endif							/* SEQGEN_SLOT_H */
