/*-------------------------------------------------------------------------
 *
 * tenure_rule_test.c
 *	  What a node believes of answers, without a server: grants against the same
 *	  rules written in 128 bits, where nothing can overflow, and lines of the
 *	  registry as they are, cut off, and with a byte changed.
 *
 *		tenure_rule_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "tenure_rule.h"

/* of a check */
#define INPUTS	12
#include "unit.h"

#define ROUNDS			1000000

typedef __int128 wide;

static int64 accepted = 0;

/* Often one of a few numbers, and else of any magnitude. */
static int64
random_likely(void)
{
	static const int64 some[] = {
		0, 1, -1, 511, 512, 1023, 1024, 1000000, SG_TENURE_LONGEST, PG_INT64_MAX, PG_INT64_MIN,
	};
	int64		near = (int64) (random_bits() % 3) - 1;

	if (random_bits() % 8 == 0)
		return (int64) (random_bits() >> (random_bits() % 64));
	return (int64) ((uint64) some[random_bits() % lengthof(some)] + (uint64) near);
}

static bool
same_lease(const SgLease *a, const SgLease *b)
{
	return a->number == b->number && a->generation == b->generation &&
		a->from == b->from && a->until == b->until;
}

/* The rules as tenure_rule.h and renewal.c promise them. */
static bool
is_right(const SgTenureAnswer *answer, const SgTenureExpected *expected)
{
	const SgLease *new = &answer->lease;
	const SgLease *held = &expected->held;
	wide		now = Max(answer->coordinator_clock, expected->clock);
	wide		longest = Min(now + SG_TENURE_LONGEST, (wide) PG_INT64_MAX);

	if (new->number < expected->first || new->number > expected->last ||
		new->generation <= 0 || new->from < 0 || new->from >= new->until ||
		now < 0 || new->until <= now || (wide) new->until > longest)
		return false;
	if (new->generation < expected->generation ||
		(new->generation == expected->generation && !same_lease(new, held)))
		return false;
	if (held->number == 0 || held->number != new->number)
		return true;
	return new->from == held->from || new->from >= held->until;
}

static void
check_grant(void)
{
	SgTenureAnswer answer = {
		.lease = {random_likely(), random_likely(), random_likely(), random_likely()},
		.coordinator_clock = random_likely(),
	};
	SgTenureExpected expected = {
		.first = 512,
		.last = 1023,
		.held = {random_bits() % 2 ? answer.lease.number : 0, random_likely(),
		random_bits() % 2 ? answer.lease.from : random_likely(), random_likely()},
		.generation = random_likely(),
		.clock = random_likely(),
	};
	int64		length;

	if (random_bits() % 4 == 0)
	{
		expected.held = answer.lease;
		expected.generation = answer.lease.generation;
	}
	memcpy(inputs, &answer, 5 * sizeof(int64));
	memcpy(inputs + 5, &expected.held, 4 * sizeof(int64));
	inputs[9] = expected.generation;
	inputs[10] = expected.clock;
	CHECK((sg_tenure_problem(&answer, &expected) == NULL) == is_right(&answer, &expected));
	accepted += is_right(&answer, &expected);

	length = sg_tenure_length(&answer, expected.clock);
	CHECK(length >= 1 && length <= SG_TENURE_LONGEST);
	inputs[11] = length;
	CHECK(sg_tenure_renew_at(answer.lease.until, length) <= answer.lease.until);
	if ((wide) answer.lease.until - length >= PG_INT64_MIN)
		CHECK((wide) sg_tenure_renew_at(answer.lease.until, length) >=
			  (wide) answer.lease.until - (wide) length * 2 / 3);
}

/* An ordinary life. */
static void
check_examples(void)
{
	SgTenureExpected expected = {.first = 512,.last = 1023,.clock = 1000};
	SgTenureAnswer answer = {{512, 7, 0, 4600}, 1000};

	CHECK(sg_tenure_problem(&answer, &expected) == NULL);
	CHECK(sg_tenure_length(&answer, 1000) == 3600);
	CHECK(sg_tenure_renew_at(4600, 3600) == 2200);

	/* the same answer once more, and a renewal */
	expected.held = answer.lease;
	expected.generation = 7;
	CHECK(sg_tenure_problem(&answer, &expected) == NULL);
	answer.lease.generation = 9;
	answer.lease.until = 5000;
	CHECK(sg_tenure_problem(&answer, &expected) == NULL);

	/* one that ends earlier does not take away what is held */
	answer.lease.until = 4000;
	CHECK(sg_tenure_problem(&answer, &expected) == NULL);
	CHECK(sg_tenure_merge(&expected.held, &answer.lease).until == 4600);
	CHECK(sg_tenure_merge(&expected.held, &answer.lease).generation == 9);
	answer.lease.until = 5000;
	CHECK(sg_tenure_merge(&expected.held, &answer.lease).until == 5000);

	/* older, moved, or beginning anew inside of the window */
	answer.lease.generation = 6;
	CHECK(sg_tenure_problem(&answer, &expected) != NULL);
	answer.lease.generation = 7;
	CHECK(sg_tenure_problem(&answer, &expected) != NULL);
	answer.lease.generation = 9;
	answer.lease.from = 4599;
	CHECK(sg_tenure_problem(&answer, &expected) != NULL);

	/* the same number again behind it, and another number */
	answer.lease.from = 4600;
	CHECK(sg_tenure_problem(&answer, &expected) == NULL);
	CHECK(sg_tenure_merge(&expected.held, &answer.lease).until == 5000);
	answer.lease.from = 3;
	answer.lease.number = 1023;
	CHECK(sg_tenure_problem(&answer, &expected) == NULL);
	answer.lease.number = 511;
	CHECK(sg_tenure_problem(&answer, &expected) != NULL);
}

static const char good_lines[] =
"7 10 -1 512 0 0a1b2c3d-0000-4000-8000-00000000ffff 3/5/1\n"
"9 0 -1 1 1700000000000000 0a1b2c3d-0000-4000-8000-00000000fffe \n"
"123456789012 5 255 31 1 0a1b2c3d-0000-4000-8000-00000000fffd 255/255/255\n";

static void
check_lines(void)
{
	const char *text = good_lines;
	const char *before;
	SgTenureEntry entry;

	CHECK(sg_tenure_entry(&text, 6, &entry));
	CHECK(entry.serial == 7 && entry.bits == 10 && entry.datacenter == -1 &&
		  entry.number == 512 && entry.valid_from == 0);
	CHECK(strcmp(entry.node, "0a1b2c3d-0000-4000-8000-00000000ffff") == 0);
	CHECK(strcmp(entry.location, "3/5/1") == 0);
	before = text;

	CHECK(!sg_tenure_entry(&text, 9, &entry) && text == before);
	CHECK(sg_tenure_entry(&text, 7, &entry));
	CHECK(entry.serial == 9 && entry.bits == 0 && entry.number == 1 &&
		  entry.valid_from == INT64CONST(1700000000000000) && entry.location[0] == '\0');
	CHECK(sg_tenure_entry(&text, 9, &entry));
	CHECK(entry.serial == INT64CONST(123456789012) && entry.datacenter == 255);
	CHECK(strcmp(entry.location, "255/255/255") == 0);
	CHECK(!sg_tenure_entry(&text, 0, &entry) && *text == '\0');
}

/* Whatever comes: it ends, and what was read is in bounds. */
static void
check_spoilt_lines(void)
{
	char	   *copy = malloc(sizeof(good_lines));
	size_t		length = random_bits() % sizeof(good_lines);
	const char *text = copy;
	SgTenureEntry entry;
	int64		above = 0;

	/* of that size, so that reading past the end is noticed */
	copy = realloc(copy, length + 1);
	memcpy(copy, good_lines, length);
	copy[length] = '\0';
	if (length > 0 && random_bits() % 2)
		copy[random_bits() % length] = (char) random_bits();
	text = copy;

	while (sg_tenure_entry(&text, above, &entry))
	{
		CHECK(entry.serial > above);
		CHECK(entry.bits >= 0 && entry.bits <= 30 && entry.datacenter >= -1 && entry.number >= 1 &&
			  entry.number <= PG_INT32_MAX && entry.valid_from >= 0);
		CHECK(strlen(entry.node) == SG_TENURE_UUID_SIZE - 1);
		CHECK(strlen(entry.location) < SG_TENURE_LOCATION_SIZE);
		above = entry.serial;
	}
	CHECK(text >=copy && text <=copy + length);
	free(copy);
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	check_examples();
	check_lines();
	for (int i = 0; i < ROUNDS; i++)
		check_grant();
	for (int i = 0; i < ROUNDS / 10; i++)
		check_spoilt_lines();
	CHECK(accepted > ROUNDS / 1000);
	printf("tenure_rule_test: %lld checks, %lld grants accepted\n",
		   (long long) checks, (long long) accepted);
	return 0;
}
