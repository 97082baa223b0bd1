/*-------------------------------------------------------------------------
 *
 * layout_test.c
 *	  Properties of bit layouts, without a server.
 *
 * Layouts small enough are checked exhaustively, each function against its
 * definition written as a search.  The built-in layouts, read from the install
 * script, and random sound ones are checked at random and at their edges.
 *
 *		layout_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layout.h"
#include "unit.h"

#define INSTALL_SCRIPT	"sql/seqgen--1.0.sql"

#define ROUND_TRIPS		20000	/* of each built-in layout */
#define RANDOM_LAYOUTS	20000
#define MAX_ROWS		32

/* the last moment of the year 9999 that a client can print, in seconds */
#define MAX_SECONDS		INT64CONST(253402300799)

#define CHECK(layout, condition) \
	do { \
		checks++; \
		if (!(condition)) \
			fail(layout, #condition, __LINE__); \
	} while (0)

typedef struct Row
{
	char		name[64];
	SgLayout	layout;
}			Row;

/*
 * The built-in layouts once more, with the epochs that the systems publish,
 * in ms since 1970.
 */
static const struct
{
	const char *name;
	int64		epoch_ms;
	int64		unit;
	int			time_bits;
	int			node_bits;
	int			sequence_bits;
	bool		node_last;
}			builtin[] =

{
	{"default", INT64CONST(1735689600000), 1000, 41, 10, 12, false},
	{"twitter", INT64CONST(1288834974657), 1000, 41, 10, 12, false},
	{"discord", INT64CONST(1420070400000), 1000, 41, 10, 12, false},
	{"instagram", INT64CONST(1314220021721), 1000, 40, 13, 10, false},
	{"sonyflake", INT64CONST(1409529600000), 10000, 39, 16, 8, true},
	{"pgedge", INT64CONST(1672531200000), 1000, 41, 10, 12, false},
	{"js53", INT64CONST(1735689600000), 1000, 41, 5, 7, false},
};


static void
fail(const SgLayout *layout, const char *condition, int line)
{
	printf("line %d: not so: %s\n", line, condition);
	if (layout != NULL)
		printf("epoch %lld unit %lld bits %d %d %d node_last %d\n",
			   (long long) layout->epoch, (long long) layout->unit,
			   layout->time_bits, layout->node_bits, layout->sequence_bits,
			   layout->node_last);
	exit(1);
}

static int64
random_between(int64 low, int64 high)
{
	uint64		span = (uint64) high - (uint64) low + 1;

	return (int64) ((uint64) low + (span == 0 ? random_bits() : random_bits() % span));
}

/* Near an end of the range half of the time: that is where mistakes are. */
static int64
random_edgy(int64 low, int64 high)
{
	int64		reach = (int64) Min((uint64) high - (uint64) low, 3);

	switch (random_bits() % 4)
	{
		case 0:
			return low + random_between(0, reach);
		case 1:
			return high - random_between(0, reach);
		default:
			return random_between(low, high);
	}
}


/*
 * Small layouts, exhaustively
 */

/* tick_above is exactly the smallest tick whose id is larger. */
static void
check_tick_above_by_search(const SgLayout *layout, int64 id)
{
	for (int64 node = 0; node <= sg_layout_max_node(layout); node++)
	{
		int64		tick = 0;

		/* the node's ids from 1 on are ids; what is below 1 none is below */
		if (id >= 1)
			while (tick <= sg_layout_max_tick(layout) &&
				   sg_layout_id(layout, tick, node) <= id)
				tick++;
		CHECK(layout, sg_layout_tick_above(layout, id, node) == tick);
	}
}

/* The bound is the smallest id with neither node nor sequence above all. */
static void
check_bound_by_search(const SgLayout *layout, int64 tick)
{
	int64		bound = sg_layout_bound(layout, tick);
	int64		end = tick;
	int64		highest = 0;
	SgFields	fields;

	while (end < sg_layout_max_tick(layout) &&
		   (end + 1) >> layout->sequence_bits == tick >> layout->sequence_bits)
		end++;
	CHECK(layout, sg_layout_unit_end(layout, tick) == end);
	for (int64 node = 0; node <= sg_layout_max_node(layout); node++)
		highest = Max(highest, sg_layout_id(layout, end, node));

	if (end == sg_layout_max_tick(layout))
	{
		CHECK(layout, bound == sg_layout_max_id(layout));
		return;
	}
	CHECK(layout, bound == highest + 1);
	CHECK(layout, sg_layout_unpack(layout, bound, &fields));
	CHECK(layout, fields.node == 0 && fields.sequence == 0);
	for (int64 node = 0; node <= sg_layout_max_node(layout); node++)
		CHECK(layout, sg_layout_tick_above(layout, bound, node) - 1 >= end);
}

static void
check_fit_by_search(const SgLayout *layout, int64 tick)
{
	for (int64 count = 1; count <= sg_layout_max_sequence(layout) + 1; count++)
	{
		int64		first = tick;

		while (first >> layout->sequence_bits !=
			   (first + count - 1) >> layout->sequence_bits)
			first++;
		CHECK(layout, sg_layout_fit(layout, tick, count) == first);
	}
}

/* A spare id is of node 0, and of the unit of time that a bound begins. */
static void
check_spare_by_search(const SgLayout *layout)
{
	int64		max_id = sg_layout_max_id(layout);

	for (int64 bound = -1; bound <= max_id + 1; bound++)
		for (int64 id = -1; id <= max_id + 1; id++)
		{
			int			node_and_sequence = layout->node_bits + layout->sequence_bits;
			bool		spare = layout->node_bits > 0 &&
			bound >= 1 && bound <= max_id && id >= 1 && id <= max_id &&
			(bound & ((INT64CONST(1) << node_and_sequence) - 1)) == 0 &&
			id >> node_and_sequence == bound >> node_and_sequence;

			/* of the unit's ids, those that no other node has */
			for (int64 node = 1; spare && node <= sg_layout_max_node(layout); node++)
				for (int64 sequence = 0; sequence <= sg_layout_max_sequence(layout); sequence++)
					if (sg_layout_id(layout, (id >> node_and_sequence << layout->sequence_bits) | sequence, node) == id)
						spare = false;
			CHECK(layout, sg_layout_is_spare(layout, bound, id) == spare);
		}
}

static void
check_small_layout(const SgLayout *layout)
{
	int64		max_id = sg_layout_max_id(layout);
	int64		ids = 0;
	SgFields	fields;

	CHECK(layout, max_id == (INT64CONST(1) << (layout->time_bits + layout->node_bits +
											   layout->sequence_bits)) - 1);
	for (int64 id = -2; id <= max_id + 2; id++)
	{
		bool		is_id = id >= 1 && id <= max_id;

		CHECK(layout, sg_layout_unpack(layout, id, &fields) == is_id);
		if (is_id)
			CHECK(layout, sg_layout_pack(layout, &fields) == id);
		check_tick_above_by_search(layout, id);
	}

	/* each tick of each node has an id of its own */
	for (int64 tick = 0; tick <= sg_layout_max_tick(layout); tick++)
	{
		for (int64 node = 0; node <= sg_layout_max_node(layout); node++)
		{
			int64		id = sg_layout_id(layout, tick, node);

			ids++;
			CHECK(layout, id >= 0 && id <= max_id);
			CHECK(layout, tick == 0 || id > sg_layout_id(layout, tick - 1, node));
			if (id == 0)
				continue;
			CHECK(layout, sg_layout_unpack(layout, id, &fields));
			CHECK(layout, fields.node == node);
			CHECK(layout, (fields.time << layout->sequence_bits | fields.sequence) == tick);
		}
		check_bound_by_search(layout, tick);
		check_fit_by_search(layout, tick);
	}
	CHECK(layout, ids == max_id + 1);
	if (max_id < 128)
		check_spare_by_search(layout);
}

static int
check_small_layouts(void)
{
	int			count = 0;

	for (int bits = 0; bits < 4 * 4 * 4 * 2; bits++)
	{
		SgLayout	layout = {
			.epoch = 0,
			.unit = 1000,
			.time_bits = 1 + bits % 4,
			.node_bits = bits / 4 % 4,
			.sequence_bits = bits / 16 % 4,
			.node_last = bits / 64 == 1,
		};

		check_small_layout(&layout);
		count++;
	}
	return count;
}


/*
 * Layouts of full size
 */

static void
check_fields(const SgLayout *layout)
{
	SgFields	fields = {
		.time = random_edgy(0, sg_layout_max_time(layout)),
		.node = random_edgy(0, sg_layout_max_node(layout)),
		.sequence = random_edgy(0, sg_layout_max_sequence(layout)),
	};
	int64		id = sg_layout_pack(layout, &fields);
	int64		tick = fields.time << layout->sequence_bits | fields.sequence;
	SgFields	back;

	CHECK(layout, id >= 0 && id <= sg_layout_max_id(layout));
	CHECK(layout, sg_layout_id(layout, tick, fields.node) == id);
	CHECK(layout, sg_layout_unpack(layout, id, &back) == (id > 0));
	if (id > 0)
		CHECK(layout, back.time == fields.time && back.node == fields.node &&
			  back.sequence == fields.sequence);
	if (tick < sg_layout_max_tick(layout))
		CHECK(layout, sg_layout_id(layout, tick + 1, fields.node) > id);
}

static void
check_tick_above(const SgLayout *layout)
{
	int64		max_tick = sg_layout_max_tick(layout);
	int64		id = random_edgy(1, sg_layout_max_id(layout));
	int64		node = random_edgy(0, sg_layout_max_node(layout));
	int64		tick;

	/* also near an id of the same unit of time, on another node */
	if (random_bits() % 2)
	{
		id = sg_layout_id(layout, random_edgy(0, max_tick), node);
		id = Min(id, sg_layout_max_id(layout) - 2) + random_between(-2, 2);
		id = Max(id, 1);
		node = random_edgy(0, sg_layout_max_node(layout));
	}
	tick = sg_layout_tick_above(layout, id, node);

	CHECK(layout, tick >= 0 && tick <= max_tick + 1);
	CHECK(layout, tick > max_tick || sg_layout_id(layout, tick, node) > id);
	CHECK(layout, tick == 0 || sg_layout_id(layout, tick - 1, node) <= id);
	CHECK(layout, sg_layout_tick_above(layout, random_edgy(PG_INT64_MIN, 0), node) == 0);
	if (sg_layout_max_id(layout) < PG_INT64_MAX)
		CHECK(layout, sg_layout_tick_above(layout,
										   random_edgy(sg_layout_max_id(layout) + 1, PG_INT64_MAX),
										   node) == max_tick + 1);
}

static void
check_bound(const SgLayout *layout)
{
	int64		max_tick = sg_layout_max_tick(layout);
	int64		tick = random_edgy(0, max_tick);
	int64		node = random_edgy(0, sg_layout_max_node(layout));
	int64		bound = sg_layout_bound(layout, tick);
	int64		end = sg_layout_unit_end(layout, tick);
	SgFields	fields;

	CHECK(layout, end >= tick && end <= max_tick);
	CHECK(layout, end >> layout->sequence_bits == tick >> layout->sequence_bits);
	CHECK(layout, end == max_tick ||
		  (end + 1) >> layout->sequence_bits == (tick >> layout->sequence_bits) + 1);

	/* above every id up to the unit's end, and as low as can be */
	if (end == max_tick)
		CHECK(layout, bound == sg_layout_max_id(layout));
	else
	{
		CHECK(layout, bound > sg_layout_id(layout, end, sg_layout_max_node(layout)));
		CHECK(layout, bound <= sg_layout_id(layout, end + 1, node));
		CHECK(layout, sg_layout_unpack(layout, bound, &fields));
		CHECK(layout, fields.node == 0 && fields.sequence == 0);
	}
	/* whoever reads it after a crash starts above the ticks given out */
	CHECK(layout, sg_layout_tick_above(layout, bound, node) > end);
}

static void
check_fit(const SgLayout *layout)
{
	int64		tick = random_edgy(0, sg_layout_max_tick(layout));
	int64		count = random_edgy(1, sg_layout_max_sequence(layout) + 1);
	int64		first = sg_layout_fit(layout, tick, count);

	CHECK(layout, first >= tick);
	CHECK(layout, first >> layout->sequence_bits ==
		  (first + count - 1) >> layout->sequence_bits);
	/* not later than needed */
	CHECK(layout, first == tick ||
		  (first == sg_layout_unit_end(layout, tick) + 1 &&
		   first - tick < count));
}

static void
check_time(const SgLayout *layout)
{
	int64		max_time = sg_layout_max_time(layout);
	int64		time = random_edgy(0, max_time + 1);
	int64		us = sg_layout_us(layout, time);
	int64		any = random_edgy(-INT64CONST(300000000000000000), INT64CONST(9000000000000000000));
	int64		floor;

	/* a moment of a unit of time is in it, from its first us to its last */
	CHECK(layout, sg_layout_time(layout, us) == time);
	CHECK(layout, sg_layout_time(layout, us + random_edgy(0, layout->unit - 1)) == time);
	CHECK(layout, sg_layout_time(layout, us - 1) == time - 1);
	CHECK(layout, us <= MAX_SECONDS * 1000000);

	/* rounded down also before the epoch, and past the end */
	floor = sg_layout_time(layout, any);
	CHECK(layout, (__int128) floor * layout->unit <= (__int128) any - layout->epoch);
	CHECK(layout, ((__int128) floor + 1) * layout->unit > (__int128) any - layout->epoch);
	CHECK(layout, sg_layout_time(layout, layout->epoch) == 0);
	CHECK(layout, sg_layout_time(layout, layout->epoch - 1) == -1);
	CHECK(layout, sg_layout_time(layout, layout->epoch - layout->unit) == -1);
	CHECK(layout, sg_layout_time(layout, layout->epoch - layout->unit - 1) == -2);
}

static void
check_limits(const SgLayout *layout)
{
	int			id_bits = layout->time_bits + layout->node_bits + layout->sequence_bits;

	CHECK(layout, sg_layout_problem(layout) == NULL);
	CHECK(layout, (uint64) sg_layout_max_id(layout) == UINT64_MAX >> (64 - id_bits));
	CHECK(layout, (uint64) sg_layout_max_tick(layout) ==
		  UINT64_MAX >> (64 - layout->time_bits - layout->sequence_bits));
	CHECK(layout, sg_layout_max_node(layout) + 1 == INT64CONST(1) << layout->node_bits);
	CHECK(layout, sg_layout_max_sequence(layout) + 1 == INT64CONST(1) << layout->sequence_bits);
	if (layout->node_bits == 0)
		CHECK(layout, sg_layout_max_own_node(layout) == 0);
	else
	{
		/* one at least, and as many above them for leases */
		CHECK(layout, sg_layout_max_own_node(layout) >= 1);
		CHECK(layout, (sg_layout_max_own_node(layout) + 1) * 2 == sg_layout_max_number(layout) + 1);
	}

	/* datacenter and number share the node's bits */
	CHECK(layout, (sg_layout_max_datacenter(layout) + 1) * (sg_layout_max_number(layout) + 1) ==
		  sg_layout_max_node(layout) + 1);
	CHECK(layout, sg_layout_node(layout, sg_layout_max_datacenter(layout),
								 sg_layout_max_number(layout)) == sg_layout_max_node(layout));
	CHECK(layout, sg_layout_node(layout, 0, sg_layout_max_number(layout)) == sg_layout_max_number(layout));
	/* sums of ticks stay within an int64, as the generators need it */
	CHECK(layout, sg_layout_max_tick(layout) <= PG_INT64_MAX / 2);
}

static void
check_full_size(const SgLayout *layout, int rounds)
{
	check_limits(layout);
	for (int i = 0; i < rounds; i++)
	{
		check_fields(layout);
		check_tick_above(layout);
		check_bound(layout);
		check_fit(layout);
		check_time(layout);
	}
}


/*
 * Sound and unsound layouts
 */

/* What makes a layout sound, in arithmetic that cannot overflow. */
static bool
is_sound(const SgLayout *layout)
{
	__int128	end;

	if (layout->time_bits < 16 ||
		layout->node_bits < 0 || layout->node_bits == 1 || layout->node_bits > 30 ||
		layout->sequence_bits < 0 || layout->sequence_bits > 30 ||
		layout->time_bits + layout->sequence_bits > 62 ||
		layout->time_bits + layout->node_bits + layout->sequence_bits > 63 ||
		(layout->datacenter_bits != 0 &&
		 (layout->datacenter_bits < 0 || layout->datacenter_bits > Min(layout->node_bits - 2, 8))) ||
		layout->unit < 1 || layout->unit > 1000000 ||
		layout->epoch < 0 || layout->epoch > MAX_SECONDS * 1000000)
		return false;
	end = (__int128) layout->epoch + ((__int128) 1 << layout->time_bits) * layout->unit;
	return end <= (__int128) MAX_SECONDS * 1000000;
}

/* Any values of the table's column types, most of them nearly sound. */
static SgLayout
random_layout(void)
{
	static const int64 units[] = {1, 10, 1000, 10000, 100000, 1000000};
	SgLayout	layout = {
		.epoch = random_edgy(0, MAX_SECONDS * 1000000),
		.unit = units[random_bits() % lengthof(units)],
		.time_bits = (int) random_edgy(16, 62),
		.node_bits = (int) random_edgy(0, 30),
		.sequence_bits = (int) random_edgy(0, 30),
		.node_last = random_bits() % 2,
		.datacenter_bits = random_bits() % 2 ? (int) random_edgy(0, 8) : 0,
	};

	/* most are of this century */
	if (random_bits() % 4)
		layout.epoch = random_between(0, INT64CONST(4000000000000000));
	switch (random_bits() % 16)
	{
		case 0:
			layout.time_bits = (int) random_edgy(PG_INT32_MIN / 4, PG_INT32_MAX / 4);
			break;
		case 1:
			layout.node_bits = (int) random_edgy(PG_INT32_MIN / 4, PG_INT32_MAX / 4);
			break;
		case 2:
			layout.sequence_bits = (int) random_edgy(PG_INT32_MIN / 4, PG_INT32_MAX / 4);
			break;
		case 3:
			layout.unit = random_edgy(PG_INT32_MIN, PG_INT32_MAX);
			break;
		case 4:
			layout.epoch = random_edgy(PG_INT64_MIN, PG_INT64_MAX);
			break;
		case 5:
			layout.epoch = random_between(-2, 2);
			break;
		case 6:
			layout.epoch = MAX_SECONDS * 1000000 + random_between(-2, 2);
			break;
		case 7:
			layout.unit = random_bits() % 2 ? random_between(-2, 2) :
				1000000 + random_between(-2, 2);
			break;
		case 8:
			layout.time_bits = (int) random_edgy(14, 20);
			break;
		case 9:
			layout.node_bits = (int) random_edgy(-2, 32);
			layout.time_bits = (int) random_edgy(16, 30);
			layout.sequence_bits = 0;
			break;
		case 10:
			layout.sequence_bits = (int) random_edgy(-2, 32);
			layout.time_bits = (int) random_edgy(16, 30);
			layout.node_bits = 0;
			break;
		default:
			break;
	}

	/* as long a life as there can be, give or take a unit */
	if (random_bits() % 8 == 0 && layout.time_bits >= 16 && layout.time_bits < 40 &&
		layout.unit >= 1 && layout.unit <= 1000000)
		layout.epoch = MAX_SECONDS * 1000000 -
			(layout.unit << layout.time_bits) + random_between(-1, 1) * random_between(0, layout.unit);
	return layout;
}

static int
check_random_layouts(void)
{
	int			sound = 0;

	for (int i = 0; i < RANDOM_LAYOUTS; i++)
	{
		SgLayout	layout = random_layout();

		CHECK(&layout, (sg_layout_problem(&layout) == NULL) == is_sound(&layout));
		if (!is_sound(&layout))
			continue;
		sound++;
		check_full_size(&layout, 20);
	}
	/* else the layouts drawn say little */
	CHECK(NULL, sound > RANDOM_LAYOUTS / 20);
	return sound;
}


/*
 * The built-in layouts, as the install script has them
 */

/* Microseconds from 1970 to a date and time in UTC. */
static int64
us_of_date(int year, int month, int day, int hour, int minute, double second)
{
	int64		days = 0;
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	for (int y = 1970; y < year; y++)
		days += (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)) ? 366 : 365;
	for (int m = 1; m < month; m++)
		days += month_days[m - 1];
	if (month > 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		days++;
	days += day - 1;
	return ((days * 24 + hour) * 60 + minute) * INT64CONST(60000000) +
		(int64) (second * 1000000.0 + 0.5);
}

/* Rows such as ('name', '2025-01-01 00:00:00+00', 1000, 41, 10, 12, false, true). */
static bool
parse_row(const char *line, Row * row)
{
	int			year,
				month,
				day,
				hour,
				minute;
	double		second;
	char		node_last[8];
	long long	unit;

	if (sscanf(line, " ( '%63[^']' , '%d-%d-%d %d:%d:%lf+00' , %lld , %d , %d , %d , %7[a-z] , true )",
			   row->name, &year, &month, &day, &hour, &minute, &second, &unit,
			   &row->layout.time_bits, &row->layout.node_bits,
			   &row->layout.sequence_bits, node_last) != 12)
		return false;
	row->layout.epoch = us_of_date(year, month, day, hour, minute, second);
	row->layout.unit = unit;
	row->layout.node_last = strcmp(node_last, "true") == 0;
	row->layout.datacenter_bits = 0;
	return true;
}

static int
read_install_script(Row * rows)
{
	FILE	   *script = fopen(INSTALL_SCRIPT, "r");
	char		line[1024];
	int			count = 0;

	if (script == NULL)
	{
		printf("cannot read %s\n", INSTALL_SCRIPT);
		exit(1);
	}
	while (fgets(line, sizeof(line), script) != NULL)
		if (count < MAX_ROWS && parse_row(line, &rows[count]))
			count++;
	fclose(script);
	return count;
}

static bool
same_layout(const SgLayout *a, const SgLayout *b)
{
	return a->epoch == b->epoch && a->unit == b->unit &&
		a->time_bits == b->time_bits && a->node_bits == b->node_bits &&
		a->sequence_bits == b->sequence_bits && a->node_last == b->node_last &&
		a->datacenter_bits == b->datacenter_bits;
}

/* Equal is equal in all of its fields. */
static void
check_equal(const SgLayout *layout)
{
	for (int field = 0; field <= 7; field++)
	{
		SgLayout	other = *layout;

		switch (field)
		{
			case 0:
				other.epoch++;
				break;
			case 1:
				other.unit++;
				break;
			case 2:
				other.time_bits++;
				break;
			case 3:
				other.node_bits++;
				break;
			case 4:
				other.sequence_bits++;
				break;
			case 5:
				other.node_last = !other.node_last;
				break;
			case 6:
				other.datacenter_bits++;
				break;
			default:
				break;
		}
		CHECK(layout, sg_layout_equal(layout, &other) == (field == 7));
		CHECK(layout, sg_layout_equal(&other, layout) == (field == 7));
	}
}

static int
check_builtin_layouts(void)
{
	Row			rows[MAX_ROWS];
	int			count = read_install_script(rows);

	CHECK(NULL, count == lengthof(builtin));
	for (int i = 0; i < count; i++)
	{
		SgLayout	published = {
			.epoch = builtin[i].epoch_ms * 1000,
			.unit = builtin[i].unit,
			.time_bits = builtin[i].time_bits,
			.node_bits = builtin[i].node_bits,
			.sequence_bits = builtin[i].sequence_bits,
			.node_last = builtin[i].node_last,
		};

		CHECK(&rows[i].layout, strcmp(rows[i].name, builtin[i].name) == 0);
		CHECK(&rows[i].layout, same_layout(&rows[i].layout, &published));
		check_equal(&rows[i].layout);
		if (strcmp(rows[i].name, "default") == 0)
			CHECK(&rows[i].layout, same_layout(&rows[i].layout, &sg_layout_default));
		check_full_size(&rows[i].layout, ROUND_TRIPS);
	}
	return count;
}

int
main(int argc, char **argv)
{
	int			small;
	int			builtins;
	int			sound;

	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : UINT64CONST(20250101);
	small = check_small_layouts();
	builtins = check_builtin_layouts();
	sound = check_random_layouts();
	printf("layout_test: %d small layouts, %d built in, %d random, %lld checks passed\n",
		   small, builtins, sound, (long long) checks);
	return 0;
}
