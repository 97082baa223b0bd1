/*-------------------------------------------------------------------------
 *
 * registry_row.h
 *	  The rows of the registry of node numbers.  Implemented in
 *	  registry_row.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_REGISTRY_ROW_H
#define SEQGEN_REGISTRY_ROW_H

#include "utils/uuid.h"

#include "node.h"

/* A row of seqgen.node. */
typedef struct SgNodeRow
{
	SgPool		pool;			/* bits 0: numbers set by hand */
	int			number;
	bool		released;
	pg_uuid_t	node;
	NameData	role;
	char	   *identity;
	pg_uuid_t	running;
	char	   *address;		/* or NULL; the database fills it in */
	char	   *name;			/* or NULL */
	char	   *location;		/* or empty */
	int64		generation;
	pg_uuid_t	key;
	int64		from;			/* us since the Unix epoch, as all times */
	int64		until;
	int64		length;			/* us */
	int64		last_seen;
} SgNodeRow;

/*
 * Lock a number, or the attempt of a key, to the end of the transaction; false
 * if somebody else has it.  Never waits.  Another number or key may happen to
 * have the same lock.
 */
extern bool sg_registry_lock_number(const SgPool *pool, int number);
extern bool sg_registry_lock_key(const pg_uuid_t *key);

/* Take the lock of a number back, of which nothing was changed. */
extern void sg_registry_unlock_number(const SgPool *pool, int number);

/*
 * Rows as the newest committed, or own, state has them; strings are palloc'd.
 * False if there is none.  The second finds the newest row of a key.
 */
extern bool sg_registry_read(const SgPool *pool, int number, SgNodeRow *row);
extern bool sg_registry_read_by_key(const SgPool *pool, const pg_uuid_t *key, SgNodeRow *row);

/* All rows with a number: a list of SgNodeRow. */
extern List *sg_registry_read_all(int number);

/* The name that a node's newest row has, palloc'd, or NULL. */
extern char *sg_registry_name_of(const pg_uuid_t *node, const NameData *role);

typedef enum SgChoice
{
	SG_CHOICE_NEW,				/* a number that was never given */
	SG_CHOICE_FREE,				/* one whose window has ended */
	SG_CHOICE_BUSY,				/* others are being given what is free */
	SG_CHOICE_NONE,				/* all are in use */
} SgChoice;

/*
 * Choose a number of a pool for somebody who is to have it: one that was never
 * given, else the one whose window ended longest ago.  It is locked then.
 * Sets the row's number, and its window if it has one; for SG_CHOICE_NONE until
 * is the end of the first window that ends.
 */
extern SgChoice sg_registry_choose(const SgPool *pool, int64 clock, int64 max_skew, SgNodeRow *row);

/*
 * Changes of a row whose number is locked.  All but the first return false if
 * somebody has the row locked by hand.
 */
extern void sg_registry_insert(const SgNodeRow *row, int64 clock);
extern bool sg_registry_replace(const SgNodeRow *row, int64 clock);
extern bool sg_registry_renew(const SgNodeRow *row, int64 clock);
extern bool sg_registry_release(const SgNodeRow *row);
extern bool sg_registry_rename(const SgNodeRow *row);
extern void sg_registry_note_conflict(const SgPool *pool, int number);

/*
 * Between these two others do not add to the history, so that rows show up in
 * the order of their serials: draw the serial and insert the row.
 */
extern void sg_registry_history_begin(void);
extern void sg_registry_history_end(void);

/*
 * Begin a holder's row of the history, with the generation as its serial.  The
 * table may hold rows of another registry, from when this database was a node
 * of it; ledger says which one is ours.
 */
extern void sg_registry_history_insert(const pg_uuid_t *ledger, const SgNodeRow *row, int64 from);

/* End the row of the number's holder so far. */
extern void sg_registry_history_close(const pg_uuid_t *ledger, const SgPool *pool, int number,
									  int64 until);

/* Was a node the holder of a number when a generation was the newest? */
extern bool sg_registry_history_knows(const pg_uuid_t *ledger, const SgPool *pool, int number,
									  int64 generation, const pg_uuid_t *node);

/*
 * Lines of the history above a serial, for nodes that keep a copy: at most 200,
 * palloc'd; NULL if there are none.  A line is never told before one of a lower
 * serial that may still show up.
 */
extern char *sg_registry_history_lines(const pg_uuid_t *ledger, int64 seen);

#endif							/* SEQGEN_REGISTRY_ROW_H */
