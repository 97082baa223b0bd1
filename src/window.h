/*-------------------------------------------------------------------------
 *
 * window.h
 *	  Durable bounds in sequences that Citus has given a window.  Implemented
 *	  in window.c.
 *
 * On a worker of group g Citus gives every sequence of type bigint the window
 * MINVALUE (g << 48) + 1, MAXVALUE ((g + 1) << 48) + 1, so that nextval() gives
 * no value twice in the cluster.  Ids have their own way of being unique, and
 * do not fit in.  So the window is no limit for them; but last_value has to lie
 * within, or ALTER SEQUENCE, a restored dump and pg_upgrade fail on the
 * sequence.  There a bound is kept as MINVALUE plus its units of time.  The
 * window's beginning, where a new sequence stands, is no bound at all.
 *
 * Everything here is pure: no locks, no errors, no memory, no clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_WINDOW_H
#define SEQGEN_WINDOW_H

#include "layout.h"

/*
 * The first value of the window that the limits of a sequence are; 0 if they
 * are none, or the coordinator's, who has the whole range.
 */
extern int64 sg_window_start(int64 min_value, int64 max_value);

/*
 * The last_value that stands for a bound, and the bound that a last_value
 * stands for.  What comes back is the bound, or the next that can be kept, and
 * never larger than max_id.  Without a window, whose start is then 0, both are
 * the same.
 */
extern int64 sg_window_put(int64 start, const SgLayout *layout, int64 bound);
extern int64 sg_window_get(int64 start, const SgLayout *layout, int64 value);

#endif							/* SEQGEN_WINDOW_H */
