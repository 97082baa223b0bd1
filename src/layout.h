/*-------------------------------------------------------------------------
 *
 * layout.h
 *	  Bit layouts of ids: pack, unpack, check.  Implemented in layout.c.
 *
 * An id has a time, a node number and a sequence number, the time on top.
 * Time and sequence together make one integer, the tick:
 *
 *		tick = time << sequence_bits | sequence
 *
 * so that adding one to a full sequence carries into the time by itself.
 * Ticks of one generator are ordered as its ids on one node are.
 *
 * Everything here is pure: no locks, no errors, no memory, no clock.  Times in
 * microseconds ("us") count from the Unix epoch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_LAYOUT_H
#define SEQGEN_LAYOUT_H

typedef struct SgLayout
{
	int64		epoch;			/* us at which the time is 0 */
	int64		unit;			/* us of one unit of time */
	int			time_bits;
	int			node_bits;
	int			sequence_bits;
	bool		node_last;		/* time, sequence, node instead of time, node,
								 * sequence */
	int			datacenter_bits;	/* the upper ones of the node's; 0 for
									 * none */
} SgLayout;

typedef struct SgFields
{
	int64		time;			/* units since the layout's epoch */
	int64		node;
	int64		sequence;
} SgFields;

/* The layout that functions without a layout argument use. */
extern const SgLayout sg_layout_default;

#define SG_MAX_TIME_SEQUENCE_BITS	62	/* leaves room for sums of ticks */
#define SG_MAX_ID_BITS				63

extern bool sg_layout_equal(const SgLayout *a, const SgLayout *b);

/* NULL if the layout is sound, else what is wrong with it. */
extern const char *sg_layout_problem(const SgLayout *layout);

/*
 * Largest values.  max_node is what the node bits hold; with a datacenter in
 * them, max_number is what is left for the number inside of it, and else the
 * same.  sg_layout_max_own_node is the largest number that may be set by hand:
 * the upper half is for leases.
 */
extern int64 sg_layout_max_time(const SgLayout *layout);
extern int64 sg_layout_max_node(const SgLayout *layout);
extern int64 sg_layout_max_number(const SgLayout *layout);
extern int64 sg_layout_max_datacenter(const SgLayout *layout);
extern int64 sg_layout_max_own_node(const SgLayout *layout);
extern int64 sg_layout_max_sequence(const SgLayout *layout);
extern int64 sg_layout_max_tick(const SgLayout *layout);
extern int64 sg_layout_max_id(const SgLayout *layout);

/*
 * What the node bits hold: a datacenter, if the layout carries one, and below it
 * a number.
 */
extern int64 sg_layout_node(const SgLayout *layout, int64 datacenter, int64 number);

/* Fields within their bits make an id; an id from 1 to max_id its fields. */
extern int64 sg_layout_pack(const SgLayout *layout, const SgFields *fields);
extern bool sg_layout_unpack(const SgLayout *layout, int64 id, SgFields *fields);

/* The id of a tick on a node. */
extern int64 sg_layout_id(const SgLayout *layout, int64 tick, int64 node);

/*
 * The smallest tick whose id on the node is larger than the given id; 0 for
 * ids below 1, max_tick + 1 if there is none.
 */
extern int64 sg_layout_tick_above(const SgLayout *layout, int64 id, int64 node);

/*
 * The durable bound of all ticks up to the end of the tick's unit of time: an
 * id with node and sequence 0, the first of the next unit, or max_id if that
 * was the last unit.
 */
extern int64 sg_layout_bound(const SgLayout *layout, int64 tick);

/*
 * Is an id one of node 0 in the unit of time that a bound begins?  A plain
 * nextval() at a bound returns such, and no node ever draws one.
 */
extern bool sg_layout_is_spare(const SgLayout *layout, int64 bound, int64 id);

/*
 * The first tick whose unit of time begins at a moment or later, and the last
 * one whose unit begins before: from 0 to max_tick + 1, and -1 to max_tick.
 */
extern int64 sg_layout_first_tick(const SgLayout *layout, int64 us);
extern int64 sg_layout_last_tick(const SgLayout *layout, int64 us);

/* The last tick of the tick's unit of time. */
extern int64 sg_layout_unit_end(const SgLayout *layout, int64 tick);

/*
 * The first tick from the given one on at which count (1 to max_sequence + 1)
 * ticks of one unit of time begin.
 */
extern int64 sg_layout_fit(const SgLayout *layout, int64 tick, int64 count);

/*
 * Time in units of a moment, rounded down; negative before the epoch, and may
 * be past max_time.
 */
extern int64 sg_layout_time(const SgLayout *layout, int64 us);

/* The moment, in us, at which a unit of time from 0 to max_time + 1 begins. */
extern int64 sg_layout_us(const SgLayout *layout, int64 time);

#endif							/* SEQGEN_LAYOUT_H */
