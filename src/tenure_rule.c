/*-------------------------------------------------------------------------
 *
 * tenure_rule.c
 *	  What a node believes of the answers to its requests for a node number.
 *
 * See tenure_rule.h.  test/unit/tenure_rule_test.c runs this file without a
 * server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "tenure_rule.h"

#define MAX_BITS		30
#define MAX_PLACE		255		/* of each part of a location */

static int64
add_capped(int64 a, int64 b)
{
	return a > PG_INT64_MAX - b ? PG_INT64_MAX : a + b;
}

static bool
lease_equal(const SgLease *a, const SgLease *b)
{
	return a->number == b->number && a->generation == b->generation &&
		a->from == b->from && a->until == b->until;
}

/*
 * A window that begins where the one held did is that one; otherwise it has to
 * begin after it, even if the number is the same again.
 */
static const char *
window_problem(const SgLease *lease, const SgLease *held)
{
	if (held->number == 0 || lease->number != held->number)
		return NULL;
	if (lease->from != held->from && lease->from < held->until)
		return "The lease begins at another time than before.";
	return NULL;
}

const char *
sg_tenure_problem(const SgTenureAnswer *answer, const SgTenureExpected *expected)
{
	const SgLease *lease = &answer->lease;
	int64		now = Max(answer->coordinator_clock, expected->clock);

	if (lease->number < expected->first || lease->number > expected->last)
		return "The node number is not one that may be granted.";
	if (lease->generation <= 0)
		return "The lease has no generation.";
	if (lease->from < 0 || lease->from >= lease->until)
		return "The lease is empty or reversed.";
	if (lease->until <= now)
		return "The lease was over already when it was granted.";
	if (now < 0 || lease->until > add_capped(now, SG_TENURE_LONGEST))
		return "The lease lasts longer than any.";
	if (lease->generation < expected->generation)
		return "The generation is older than one that this node has seen.";
	if (lease->generation == expected->generation && !lease_equal(lease, &expected->held))
		return "The generation is one that this node has seen with another lease.";
	return window_problem(lease, &expected->held);
}

SgLease
sg_tenure_merge(const SgLease *held, const SgLease *granted)
{
	SgLease		lease = *granted;

	if (held->number == granted->number && held->from == granted->from)
		lease.until = Max(held->until, granted->until);
	return lease;
}

int64
sg_tenure_length(const SgTenureAnswer *answer, int64 clock)
{
	int64		now = Max(Max(answer->coordinator_clock, clock), 0);

	if (answer->lease.until <= now)
		return 1;
	return Min(answer->lease.until - now, SG_TENURE_LONGEST);
}

int64
sg_tenure_renew_at(int64 until, int64 length)
{
	int64		rest = Max(length, 0) / 3 * 2;

	return until < PG_INT64_MIN + rest ? PG_INT64_MIN : until - rest;
}

/* A number of at most 18 digits, perhaps below zero, and what follows it. */
static bool
read_number(const char **line, char end, int64 min, int64 max, int64 *value)
{
	const char *p = *line;
	bool		negative = *p == '-';
	int			digits = 0;

	*value = 0;
	if (negative)
		p++;
	for (; *p >= '0' && *p <= '9' && digits < 18; p++, digits++)
		*value = *value * 10 + (*p - '0');
	if (negative)
		*value = -*value;
	if (digits == 0 || *p != end || *value < min || *value > max)
		return false;
	*line = p + 1;
	return true;
}

/* As uuid_out writes it. */
static bool
read_uuid(const char **line, char *uuid)
{
	int			i;

	for (i = 0; i < SG_TENURE_UUID_SIZE - 1; i++)
	{
		char		c = (*line)[i];
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		uuid[i] = c;
	}
	uuid[i] = '\0';
	if ((*line)[i] != ' ')
		return false;
	*line += i + 1;
	return true;
}

/* 'zone/datacenter/rack', or nothing, and the end of the line. */
static bool
read_location(const char **line, char *location)
{
	const char *begin = *line;
	int64		part;

	location[0] = '\0';
	if (*begin == '\n')
	{
		(*line)++;
		return true;
	}
	if (!read_number(line, '/', 0, MAX_PLACE, &part) ||
		!read_number(line, '/', 0, MAX_PLACE, &part) ||
		!read_number(line, '\n', 0, MAX_PLACE, &part) ||
		*line - begin > SG_TENURE_LOCATION_SIZE)
		return false;
	memcpy(location, begin, *line - begin - 1);
	location[*line - begin - 1] = '\0';
	return true;
}

bool
sg_tenure_entry(const char **line, int64 above, SgTenureEntry *entry)
{
	const char *p = *line;

	if (!read_number(&p, ' ', 1, PG_INT64_MAX, &entry->serial) ||
		entry->serial <= above ||
		!read_number(&p, ' ', 0, MAX_BITS, &entry->bits) ||
		!read_number(&p, ' ', -1, PG_INT32_MAX, &entry->datacenter) ||
		!read_number(&p, ' ', 1, PG_INT32_MAX, &entry->number) ||
		!read_number(&p, ' ', 0, PG_INT64_MAX, &entry->valid_from) ||
		!read_uuid(&p, entry->node) ||
		!read_location(&p, entry->location))
		return false;
	*line = p;
	return true;
}
