/*-------------------------------------------------------------------------
 *
 * window.c
 *	  Durable bounds in sequences that Citus has given a window.
 *
 * See window.h.  test/unit/window_test.c runs this file without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "window.h"

#define WINDOW_BITS		48

/*
 * How many of a bound's lowest bits a window leaves out.  They are 0 but for
 * layouts with more time than a window has room for, and at a layout's end.
 */
static int
window_shift(const SgLayout *layout)
{
	int			id_bits = pg_leftmost_one_pos64((uint64) sg_layout_max_id(layout)) + 1;

	return id_bits - Min(layout->time_bits, WINDOW_BITS - 1);
}

int64
sg_window_start(int64 min_value, int64 max_value)
{
	int64		size = INT64CONST(1) << WINDOW_BITS;

	if (min_value <= size || min_value % size != 1 ||
		max_value < min_value || max_value - min_value != size)
		return 0;
	return min_value;
}

int64
sg_window_put(int64 start, const SgLayout *layout, int64 bound)
{
	int			shift;

	if (start == 0)
		return bound;
	if (bound <= 0)
		return start;
	shift = window_shift(layout);
	return start + (bound >> shift) +
		((bound & ((INT64CONST(1) << shift) - 1)) != 0 ? 1 : 0);
}

int64
sg_window_get(int64 start, const SgLayout *layout, int64 value)
{
	int			shift;

	if (start == 0)
		return value;
	if (value <= start)
		return 0;
	shift = window_shift(layout);
	if (value - start > sg_layout_max_id(layout) >> shift)
		return sg_layout_max_id(layout);
	return (value - start) << shift;
}
