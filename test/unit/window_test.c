/*-------------------------------------------------------------------------
 *
 * window_test.c
 *	  Bounds in the windows of Citus, without a server: for random layouts,
 *	  groups and bounds a last_value lies within the window, grows with the
 *	  bound, and never stands for less than the bound that was put.
 *
 *		window_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "window.h"
#include "unit.h"

#define ROUNDS			1000000
#define WINDOW			(INT64CONST(1) << 48)

#define CHECK(condition) \
	do { \
		checks++; \
		if (!(condition)) \
		{ \
			printf("line %d: not so: %s\n", __LINE__, #condition); \
			exit(1); \
		} \
	} while (0)


/* What layout.c says; sg_layout_max_id is all that window.c asks of it. */
int64
sg_layout_max_id(const SgLayout *layout)
{
	return (int64) ((UINT64CONST(1) << (layout->time_bits + layout->node_bits + layout->sequence_bits)) - 1);
}

static SgLayout
random_layout(void)
{
	SgLayout	layout = {0};

	do
	{
		layout.time_bits = 16 + (int) (random_bits() % 47);
		layout.node_bits = (int) (random_bits() % 31);
		layout.sequence_bits = (int) (random_bits() % 31);
	} while (layout.time_bits + layout.node_bits + layout.sequence_bits > 63 ||
			 layout.time_bits + layout.sequence_bits > 62);
	return layout;
}

/* The first of a unit of time, as bounds are; any id; or the end. */
static int64
random_bound(const SgLayout *layout)
{
	int64		id = (int64) (random_bits() & (uint64) sg_layout_max_id(layout));
	int			below = layout->node_bits + layout->sequence_bits;

	switch (random_bits() % 4)
	{
		case 0:
			return id;
		case 1:
			return sg_layout_max_id(layout) - (int64) (random_bits() % 2);
		default:
			return id >> below << below;
	}
}

static void
check_starts(void)
{
	CHECK(sg_window_start(1, PG_INT64_MAX) == 0);
	CHECK(sg_window_start(1, WINDOW + 1) == 0);
	CHECK(sg_window_start(PG_INT64_MIN, PG_INT64_MAX) == 0);
	CHECK(sg_window_start(PG_INT64_MIN + 1, PG_INT64_MIN + 1 + WINDOW) == 0);
	for (int64 group = 1; group < 32767; group++)
	{
		int64		start = group * WINDOW + 1;

		CHECK(sg_window_start(start, start + WINDOW) == start);
		CHECK(sg_window_start(start, start + WINDOW - 1) == 0);
		CHECK(sg_window_start(start - 1, start + WINDOW - 1) == 0);
		CHECK(sg_window_start(start + 1, start + WINDOW + 1) == 0);
		CHECK(sg_window_start(start, PG_INT64_MAX) == 0);
	}
}

static void
check_round(void)
{
	SgLayout	layout = random_layout();
	int64		start = (int64) (1 + random_bits() % 32766) * WINDOW + 1;
	int64		bound = random_bound(&layout);
	int64		other = random_bound(&layout);
	int64		value = sg_window_put(start, &layout, bound);
	int64		back = sg_window_get(start, &layout, value);
	int			below = layout.node_bits + layout.sequence_bits;

	CHECK(value >= start && value <= start + WINDOW);
	CHECK(back >= bound && back <= sg_layout_max_id(&layout));
	CHECK(sg_window_get(start, &layout, sg_window_put(start, &layout, back)) == back);
	if (layout.time_bits <= 47 && (bound & ((INT64CONST(1) << below) - 1)) == 0)
		CHECK(back == bound && value == start + (bound >> below));
	if (other >= bound)
		CHECK(sg_window_put(start, &layout, other) >= value);
	CHECK(sg_window_put(start, &layout, -bound) == start);
	CHECK(sg_window_get(start, &layout, start) == 0);
	CHECK(sg_window_get(start, &layout, start - 1) == 0);
	CHECK(sg_window_get(start, &layout, PG_INT64_MAX) == sg_layout_max_id(&layout));

	/* a plain nextval() moves a bound up, if at all */
	CHECK(sg_window_get(start, &layout, value + 1) >= back);

	/* without a window nothing is changed */
	CHECK(sg_window_put(0, &layout, bound) == bound);
	CHECK(sg_window_get(0, &layout, bound) == bound);
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	check_starts();
	for (int i = 0; i < ROUNDS; i++)
		check_round();
	printf("window_test: %lld checks passed\n", (long long) checks);
	return 0;
}
