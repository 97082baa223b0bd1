/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  Bit layouts of ids: pack, unpack, check.
 *
 * See layout.h for the terms.  test/unit/layout_test.c runs this file without
 * a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "layout.h"

/* the longest unit of time: one second, in us */
#define MAX_UNIT		INT64CONST(1000000)

/* the year 9999, in us: what every client can print */
#define MAX_MOMENT		INT64CONST(253402300799000000)

#define MIN_TIME_BITS	16
#define MAX_NODE_BITS	30
#define MAX_DATACENTER_BITS	8
#define MAX_SEQUENCE_BITS	30

/* 2025-01-01 00:00:00 UTC, milliseconds, 41 + 10 + 12 bits */
const SgLayout sg_layout_default = {
	.epoch = INT64CONST(1735689600000000),
	.unit = 1000,
	.time_bits = 41,
	.node_bits = 10,
	.sequence_bits = 12,
	.node_last = false,
	.datacenter_bits = 0,
};

static inline int64
ones(int bits)
{
	return (INT64CONST(1) << bits) - 1;
}

bool
sg_layout_equal(const SgLayout *a, const SgLayout *b)
{
	return a->epoch == b->epoch && a->unit == b->unit &&
		a->time_bits == b->time_bits && a->node_bits == b->node_bits &&
		a->sequence_bits == b->sequence_bits && a->node_last == b->node_last &&
		a->datacenter_bits == b->datacenter_bits;
}

const char *
sg_layout_problem(const SgLayout *layout)
{
	if (layout->time_bits < MIN_TIME_BITS ||
		layout->node_bits < 0 || layout->node_bits > MAX_NODE_BITS ||
		layout->sequence_bits < 0 || layout->sequence_bits > MAX_SEQUENCE_BITS)
		return "A layout has at least 16 bits of time and at most 30 of node and of sequence.";
	if (layout->node_bits == 1)
		return "A layout has no bits of node, or at least 2.";
	if (layout->datacenter_bits != 0 &&
		(layout->datacenter_bits < 0 || layout->datacenter_bits > layout->node_bits - 2))
		return "The bits of the datacenter leave at least 2 for the node's number.";
	if (layout->datacenter_bits > MAX_DATACENTER_BITS)
		return "A datacenter has at most 8 bits.";
	if (layout->time_bits + layout->sequence_bits > SG_MAX_TIME_SEQUENCE_BITS)
		return "Time and sequence have at most 62 bits together.";
	if (layout->time_bits + layout->node_bits + layout->sequence_bits > SG_MAX_ID_BITS)
		return "An id has at most 63 bits.";
	if (layout->unit < 1 || layout->unit > MAX_UNIT)
		return "The unit of time is 1 to 1000000 microseconds.";
	if (layout->epoch < 0 || layout->epoch > MAX_MOMENT)
		return "The epoch lies between the years 1970 and 9999.";
	if (sg_layout_max_time(layout) >= (MAX_MOMENT - layout->epoch) / layout->unit)
		return "The last time of the layout lies past the year 9999.";
	return NULL;
}

int64
sg_layout_max_time(const SgLayout *layout)
{
	return ones(layout->time_bits);
}

int64
sg_layout_max_node(const SgLayout *layout)
{
	return ones(layout->node_bits);
}

int64
sg_layout_max_number(const SgLayout *layout)
{
	return ones(layout->node_bits - layout->datacenter_bits);
}

int64
sg_layout_max_datacenter(const SgLayout *layout)
{
	return ones(layout->datacenter_bits);
}

int64
sg_layout_max_own_node(const SgLayout *layout)
{
	return layout->node_bits == 0 ? 0 : ones(layout->node_bits - layout->datacenter_bits - 1);
}

int64
sg_layout_max_sequence(const SgLayout *layout)
{
	return ones(layout->sequence_bits);
}

int64
sg_layout_max_tick(const SgLayout *layout)
{
	return ones(layout->time_bits + layout->sequence_bits);
}

int64
sg_layout_max_id(const SgLayout *layout)
{
	/* in two steps, as 63 bits are all that an int64 has */
	return (sg_layout_max_tick(layout) << layout->node_bits) |
		sg_layout_max_node(layout);
}

int64
sg_layout_node(const SgLayout *layout, int64 datacenter, int64 number)
{
	return datacenter << (layout->node_bits - layout->datacenter_bits) | number;
}

int64
sg_layout_pack(const SgLayout *layout, const SgFields *fields)
{
	if (layout->node_last)
		return (((fields->time << layout->sequence_bits) | fields->sequence)
				<< layout->node_bits) | fields->node;
	return (((fields->time << layout->node_bits) | fields->node)
			<< layout->sequence_bits) | fields->sequence;
}

bool
sg_layout_unpack(const SgLayout *layout, int64 id, SgFields *fields)
{
	if (id < 1 || id > sg_layout_max_id(layout))
		return false;

	fields->time = id >> (layout->node_bits + layout->sequence_bits);
	if (layout->node_last)
	{
		fields->node = id & sg_layout_max_node(layout);
		fields->sequence = (id >> layout->node_bits) & sg_layout_max_sequence(layout);
	}
	else
	{
		fields->node = (id >> layout->sequence_bits) & sg_layout_max_node(layout);
		fields->sequence = id & sg_layout_max_sequence(layout);
	}
	return true;
}

int64
sg_layout_id(const SgLayout *layout, int64 tick, int64 node)
{
	SgFields	fields = {
		.time = tick >> layout->sequence_bits,
		.node = node,
		.sequence = tick & sg_layout_max_sequence(layout),
	};

	return sg_layout_pack(layout, &fields);
}

int64
sg_layout_tick_above(const SgLayout *layout, int64 id, int64 node)
{
	SgFields	fields;
	int64		tick;

	if (id < 1)
		return 0;
	if (!sg_layout_unpack(layout, id, &fields))
		return sg_layout_max_tick(layout) + 1;

	tick = (fields.time << layout->sequence_bits) | fields.sequence;
	if (sg_layout_id(layout, tick, node) <= id)
		tick++;

	/*
	 * With the node above the sequence, a larger node number beats every
	 * sequence number of the unit, and a smaller one none.
	 */
	if (!layout->node_last && node > fields.node)
		tick = fields.time << layout->sequence_bits;
	else if (!layout->node_last && node < fields.node)
		tick = (fields.time + 1) << layout->sequence_bits;
	return tick;
}

int64
sg_layout_bound(const SgLayout *layout, int64 tick)
{
	int64		time = tick >> layout->sequence_bits;

	if (time >= sg_layout_max_time(layout))
		return sg_layout_max_id(layout);
	return (time + 1) << (layout->node_bits + layout->sequence_bits);
}

bool
sg_layout_is_spare(const SgLayout *layout, int64 bound, int64 id)
{
	SgFields	at_bound;
	SgFields	at_id;

	return layout->node_bits > 0 &&
		sg_layout_unpack(layout, bound, &at_bound) &&
		sg_layout_unpack(layout, id, &at_id) &&
		at_bound.node == 0 && at_bound.sequence == 0 &&
		at_id.node == 0 && at_id.time == at_bound.time;
}

int64
sg_layout_first_tick(const SgLayout *layout, int64 us)
{
	int64		time;

	if (us <= layout->epoch)
		return 0;
	time = (us - layout->epoch - 1) / layout->unit + 1;
	if (time > sg_layout_max_time(layout))
		return sg_layout_max_tick(layout) + 1;
	return time << layout->sequence_bits;
}

int64
sg_layout_last_tick(const SgLayout *layout, int64 us)
{
	return sg_layout_first_tick(layout, us) - 1;
}

int64
sg_layout_unit_end(const SgLayout *layout, int64 tick)
{
	return tick | sg_layout_max_sequence(layout);
}

int64
sg_layout_fit(const SgLayout *layout, int64 tick, int64 count)
{
	int64		end = sg_layout_unit_end(layout, tick);

	return end - tick + 1 >= count ? tick : end + 1;
}

int64
sg_layout_time(const SgLayout *layout, int64 us)
{
	int64		since = us - layout->epoch;

	if (since >= 0)
		return since / layout->unit;
	return -((-since + layout->unit - 1) / layout->unit);
}

int64
sg_layout_us(const SgLayout *layout, int64 time)
{
	return layout->epoch + time * layout->unit;
}
