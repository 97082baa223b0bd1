/*-------------------------------------------------------------------------
 *
 * located_bits_test.c
 *	  Located ids are read back to what they were made of, and ordered as
 *	  their fields are; without a server.
 *
 *		located_bits_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "located_bits.h"
#include "unit.h"

#define ROUNDS			1000000

#define CHECK(condition) \
	do { \
		checks++; \
		if (!(condition)) \
			fail(#condition, __LINE__); \
	} while (0)

static unsigned char one[SG_LOCATED_BYTES]; /* under check, for fail() */
static unsigned char two[SG_LOCATED_BYTES];

static void
fail(const char *condition, int line)
{
	printf("line %d: not so: %s\nuuids: ", line, condition);
	for (int i = 0; i < SG_LOCATED_BYTES; i++)
		printf("%02x", one[i]);
	printf(" ");
	for (int i = 0; i < SG_LOCATED_BYTES; i++)
		printf("%02x", two[i]);
	printf("\n");
	exit(1);
}

/* A number up to the largest, often one of the ends. */
static int64
random_field(int64 largest)
{
	switch (random_bits() % 4)
	{
		case 0:
			return 0;
		case 1:
			return largest;
		default:
			return (int64) (random_bits() % ((uint64) largest + 1));
	}
}

static void
random_located(SgLocated *located)
{
	located->time = random_field(SG_LOCATED_MAX_TIME);
	located->zone = (int) random_field(SG_LOCATED_MAX_PLACE);
	located->datacenter = (int) random_field(SG_LOCATED_MAX_PLACE);
	located->rack = (int) random_field(SG_LOCATED_MAX_PLACE);
	located->server = 1 + (int) random_field(SG_LOCATED_MAX_SERVER - 1);
	located->counter = (int) random_field(SG_LOCATED_MAX_COUNTER);
}

static int
sign(int64 number)
{
	return (number > 0) - (number < 0);
}

static int
compare(const SgLocated *a, const SgLocated *b)
{
	int64		differences[] = {
		a->time - b->time, a->zone - b->zone, a->datacenter - b->datacenter,
		a->rack - b->rack, a->server - b->server, a->counter - b->counter,
	};

	for (int i = 0; i < (int) lengthof(differences); i++)
		if (differences[i] != 0)
			return sign(differences[i]);
	return 0;
}

static void
check_round_trip(const SgLocated *located, unsigned char *bytes)
{
	SgLocated	read;

	sg_located_pack(located, bytes);
	CHECK(sg_located_unpack(bytes, &read));
	CHECK(compare(&read, located) == 0);
	CHECK(bytes[6] >> 4 == 8);
	CHECK(bytes[8] >> 6 == 2);
}

/* A second id that has some fields in common with the first. */
static void
check_order(const SgLocated *a)
{
	SgLocated	b;
	uint64		common = random_bits();

	random_located(&b);
	if (common & 1)
		b.time = a->time;
	if (common & 2)
		b.zone = a->zone;
	if (common & 4)
		b.datacenter = a->datacenter;
	if (common & 8)
		b.rack = a->rack;
	if (common & 16)
		b.server = a->server;
	check_round_trip(&b, two);
	CHECK(sign(memcmp(one, two, SG_LOCATED_BYTES)) == compare(a, &b));
}

/* Any 128 bits: if they are read, they are what is read. */
static void
check_any(void)
{
	SgLocated	read;

	for (int i = 0; i < SG_LOCATED_BYTES; i++)
		one[i] = (unsigned char) random_bits();
	if (random_bits() % 8 != 0)
		one[6] = 0x80 | (one[6] & 0x0F);
	if (random_bits() % 8 != 0)
		one[8] = 0x80 | (one[8] & 0x3F);
	if (sg_located_unpack(one, &read))
	{
		sg_located_pack(&read, two);
		CHECK(memcmp(one, two, SG_LOCATED_BYTES) == 0);
	}
	else
		CHECK(one[6] >> 4 != 8 || one[8] >> 6 != 2 || read.server == 0);
}

/* The bits lie where the header says. */
static void
check_known(void)
{
	static const unsigned char expected[SG_LOCATED_BYTES] = {
		0x01, 0x94, 0x1f, 0x29, 0x7c, 0x00, 0x80, 0x30,
		0x94, 0x04, 0x00, 0x01, 0xc0, 0x00, 0x00, 0x05,
	};
	static const SgLocated located = {
		.time = INT64CONST(1735689600000),
		.zone = 3,
		.datacenter = 5,
		.rack = 1,
		.server = 7,
		.counter = 5,
	};
	SgLocated	most = {
		.time = SG_LOCATED_MAX_TIME,
		.zone = SG_LOCATED_MAX_PLACE,
		.datacenter = SG_LOCATED_MAX_PLACE,
		.rack = SG_LOCATED_MAX_PLACE,
		.server = SG_LOCATED_MAX_SERVER,
		.counter = SG_LOCATED_MAX_COUNTER,
	};

	check_round_trip(&located, one);
	CHECK(memcmp(one, expected, SG_LOCATED_BYTES) == 0);
	check_round_trip(&most, one);
	for (int i = 0; i < SG_LOCATED_BYTES; i++)
		CHECK(one[i] == (i == 6 ? 0x8F : i == 8 ? 0xBF : 0xFF));
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : UINT64CONST(20250101);
	check_known();
	for (int i = 0; i < ROUNDS; i++)
	{
		SgLocated	located;

		random_located(&located);
		check_round_trip(&located, one);
		check_order(&located);
		check_any();
	}
	printf("located_bits_test: %d random ids, %lld checks passed\n",
		   ROUNDS, (long long) checks);
	return 0;
}
