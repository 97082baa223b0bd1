/*-------------------------------------------------------------------------
 *
 * located_bits.c
 *	  Bits of located ids: pack, unpack.
 *
 * See located_bits.h for where they are.  A uuid is two words here, the first
 * byte on top of the high one.  test/unit/located_bits_test.c runs this file
 * without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "located_bits.h"

#define VERSION			8
#define VARIANT			2

/* bits of the location in the low word, and what is below them */
#define LOW_LOCATION_BITS	12
#define SERVER_BITS			20
#define COUNTER_BITS		30

static void
write_word(unsigned char *bytes, uint64 word)
{
	for (int i = 7; i >= 0; i--, word >>= 8)
		bytes[i] = (unsigned char) word;
}

static uint64
read_word(const unsigned char *bytes)
{
	uint64		word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

/* The bits of a word from a shift on. */
static inline uint64
bits_of(uint64 word, int shift, int count)
{
	return (word >> shift) & ((UINT64CONST(1) << count) - 1);
}

void
sg_located_pack(const SgLocated *located, unsigned char *bytes)
{
	uint64		location;

	location = (uint64) located->zone << 16 |
		(uint64) located->datacenter << 8 | (uint64) located->rack;
	write_word(bytes, (uint64) located->time << 16 | (uint64) VERSION << 12 |
			   location >> LOW_LOCATION_BITS);
	write_word(bytes + 8, (uint64) VARIANT << 62 |
			   bits_of(location, 0, LOW_LOCATION_BITS) << (SERVER_BITS + COUNTER_BITS) |
			   (uint64) located->server << COUNTER_BITS | (uint64) located->counter);
}

bool
sg_located_unpack(const unsigned char *bytes, SgLocated *located)
{
	uint64		high = read_word(bytes);
	uint64		low = read_word(bytes + 8);
	uint64		location;

	location = bits_of(high, 0, 12) << LOW_LOCATION_BITS |
		bits_of(low, SERVER_BITS + COUNTER_BITS, LOW_LOCATION_BITS);
	located->time = (int64) (high >> 16);
	located->zone = (int) bits_of(location, 16, 8);
	located->datacenter = (int) bits_of(location, 8, 8);
	located->rack = (int) bits_of(location, 0, 8);
	located->server = (int) bits_of(low, COUNTER_BITS, SERVER_BITS);
	located->counter = (int) bits_of(low, 0, COUNTER_BITS);

	/* nobody has the number 0 */
	return bits_of(high, 12, 4) == VERSION && low >> 62 == VARIANT &&
		located->server > 0;
}
