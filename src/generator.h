/*-------------------------------------------------------------------------
 *
 * generator.h
 *	  Generators: reserve ahead durably, hand out from memory.
 *	  Implemented in generator.c, which states the promises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_GENERATOR_H
#define SEQGEN_GENERATOR_H

#include "catalog.h"

/* A generator as this session knows it.  Lives as long as the session. */
typedef struct SgGenerator SgGenerator;

/*
 * The generator of a sequence, or the kind's default one, ready to be drawn from in
 * this transaction: locked, its privileges checked (USAGE or UPDATE), its
 * durable bound compared.  Raises an error if it cannot be drawn from, or is
 * of another kind.
 */
extern SgGenerator *sg_generator_get(Oid relid, SgKind kind);
extern SgGenerator *sg_generator_get_default(SgKind kind);

/*
 * The same where the caller names the layout.  A generator with a row must be of
 * that layout; a sequence without one serves as a snowflake generator of it, and
 * nothing is written to the catalogs.
 */
extern SgGenerator *sg_generator_get_of_layout(Oid relid, SgKind kind, text *layout_name);

/* The next id. */
extern int64 sg_generator_next(SgGenerator *generator);

/*
 * The next ids in one step: up to wanted of them, as many as one unit of time
 * still holds.  Returns how many; the i-th is *first + i * *step.
 */
extern int64 sg_generator_next_block(SgGenerator *generator, int64 wanted,
									 int64 *first, int64 *step);

/*
 * The next values of a kind that counts: up to wanted of them, as many as are
 * reserved in a row.  Returns how many, 0 if there is no block to take from.
 */
extern int64 sg_generator_next_counted(SgGenerator *generator, int64 wanted,
									   int64 *first);

/*
 * Make all later ids larger than an id of the layout that another node drew.
 * Raises an error for an id further ahead of the clock than allowed, and a
 * warning for one that bears this node's number but cannot have been drawn here.
 */
extern void sg_generator_observe(SgGenerator *generator, int64 id);

/*
 * Called when a generator needs a lease, or a longer one.  Returns NULL, or why
 * nobody can bring it: a translated message.
 */
extern const char *(*sg_generator_lease_wanted) (void);

/* This session's last id of a generator, and noting one as that. */
extern int64 sg_generator_currval(Oid relid, SgKind kind);
extern void sg_generator_set_currval(SgGenerator *generator, int64 id);
extern Oid	sg_generator_default_relid(SgKind kind);

/*
 * Make a generator of a sequence that the caller owns and has locked.  A kind
 * that counts has no layout.
 */
extern void sg_generator_register(Oid relid, SgKind kind, const char *layout_name);

/*
 * Let go of what shared memory knows of a generator if this subtransaction is
 * rolled back; look at its blocks anew if it commits.
 */
extern void sg_generator_forget_at_abort(Oid relid);
extern void sg_generator_reload_at_commit(Oid relid);

/* What the views show of a generator that is loaded. */
typedef struct SgGeneratorState
{
	Oid			relid;
	int64		last_value;		/* an id */
	int64		bound;			/* an id */
	int64		lead;			/* us, -1 for a kind that counts */
	int64		issued;
	int64		reservations;
	int64		waits;
	int64		steps_back;
	int64		foreign_ids;	/* see sg_generator_observe */
} SgGeneratorState;

/* The loaded generators of this database, palloc'd; returns how many. */
extern int	sg_generator_states(SgGeneratorState **states);

/* Set the counts of one generator, or of all of this database, to zero. */
extern void sg_generator_reset_counts(Oid relid);

extern void sg_generator_init(void);

#endif							/* SEQGEN_GENERATOR_H */
