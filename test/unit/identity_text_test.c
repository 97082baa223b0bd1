/*-------------------------------------------------------------------------
 *
 * identity_text_test.c
 *	  Identities read back from their text, and nothing else is read; without
 *	  a server.
 *
 *		identity_text_test [seed]
 *
 * Prints one line of figures; on a failure what failed, and exits with 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "identity.h"
#include "unit.h"

#define ROUNDS			200000

#define CHECK(condition, text) \
	do { \
		checks++; \
		if (!(condition)) \
			fail(#condition, text, __LINE__); \
	} while (0)

static const char *const well_formed[] = {
	"1/1/1/1:1/",
	"0/0/0/0:0/x",
	"7450912339988112345/1/16384/2049:1311234/6a1d0a3f-2f7b-4b6e-9a44-6f8d1f1e2a3b",
	"18446744073709551615/4294967295/4294967295/18446744073709551615:18446744073709551615/abcdefghijklmnopqrstuvwxyzABCDEFGHIJK_.",
};

static const char *const malformed[] = {
	"",
	"/",
	"1/1/1/1:1",				/* no boot id's slash */
	"1/1/1/1/1/x",
	"1/1/1:1/x",
	"1/1/1/1:1/x/",
	"1/1/1/1:1/x y",
	"1/1/1/1:1/x\n",
	"1/1/1/1:1/\303\244",
	"1/1/1/1:1/0123456789012345678901234567890123456789",
	" 1/1/1/1:1/x",
	"1 /1/1/1:1/x",
	"+1/1/1/1:1/x",
	"-1/1/1/1:1/x",
	"01/1/1/1:1/x",
	"1/00/1/1:1/x",
	"0x1/1/1/1:1/x",
	"18446744073709551616/1/1/1:1/x",
	"99999999999999999999999999/1/1/1:1/x",
	"1/4294967296/1/1:1/x",
	"1/1/4294967296/1:1/x",
	"1/1/1/18446744073709551616:1/x",
	"1/1/1/1:18446744073709551616/x",
	"//1/1:1/x",
	"1/1/1/:1/x",
	"1/1/1/1:/x",
};


static void
fail(const char *condition, const char *text, int line)
{
	printf("line %d: not so: %s\ntext: %s\n", line, condition, text);
	exit(1);
}

static uint64
random_magnitude(int bits)
{
	return random_bits() >> (64 - bits + random_bits() % bits);
}

static void
random_identity(SgIdentity *identity)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	int			length = random_bits() % SG_BOOT_ID_SIZE;

	memset(identity, 0, sizeof(SgIdentity));
	identity->system_identifier = random_magnitude(64);
	identity->timeline = (TimeLineID) random_magnitude(32);
	identity->database = (Oid) random_magnitude(32);
	identity->device = random_magnitude(64);
	identity->inode = random_magnitude(64);
	for (int i = 0; i < length; i++)
		identity->boot_id[i] = chars[random_bits() % (sizeof(chars) - 1)];
}

/* A text is read only if it is the text of what was read. */
static bool
check_text(const char *text)
{
	SgIdentity	identity;
	char		again[SG_IDENTITY_TEXT_SIZE];

	if (!sg_identity_parse(text, &identity))
		return false;
	sg_identity_print(&identity, again);
	CHECK(strcmp(text, again) == 0, text);
	return true;
}

/* Any byte replaced, left out or put in: read only if it is still exact. */
static void
check_damaged(const char *whole)
{
	static const char bytes[] = "0123456789/:-+ x\n\377";
	char		damaged[SG_IDENTITY_TEXT_SIZE + 1];
	size_t		at = random_bits() % strlen(whole);
	char		byte = bytes[random_bits() % (sizeof(bytes) - 1)];

	strcpy(damaged, whole);
	switch (random_bits() % 4)
	{
		case 0:
			damaged[at] = byte;
			break;
		case 1:
			damaged[at] = '\0';
			break;
		case 2:
			memmove(damaged + at, whole + at + 1, strlen(whole + at + 1) + 1);
			break;
		default:
			memmove(damaged + at + 1, whole + at, strlen(whole + at) + 1);
			damaged[at] = byte;
			break;
	}
	(void) check_text(damaged);
}

static void
check_round_trip(void)
{
	SgIdentity	identity;
	SgIdentity	read;
	char		string[SG_IDENTITY_TEXT_SIZE];

	random_identity(&identity);
	sg_identity_print(&identity, string);
	CHECK(sg_identity_parse(string, &read), string);
	CHECK(memcmp(&identity, &read, sizeof(SgIdentity)) == 0, string);
	CHECK(sg_identity_compare(&identity, &read) == SG_IDENTITY_SAME, string);
	check_damaged(string);
}

/* One difference at a time; the graver one counts where there are two. */
static void
check_compare(void)
{
	static const SgIdentityMatch matches[] = {
		SG_IDENTITY_OTHER, SG_IDENTITY_OTHER, SG_IDENTITY_RESTORED,
		SG_IDENTITY_RESTORED, SG_IDENTITY_RESTORED, SG_IDENTITY_REBOOTED,
	};
	SgIdentity	one;

	CHECK(sg_identity_parse(well_formed[2], &one), well_formed[2]);
	for (int differences = 0; differences < 64; differences++)
	{
		SgIdentityMatch expected = SG_IDENTITY_SAME;
		SgIdentity	other = one;

		for (int i = 0; i < (int) lengthof(matches); i++)
			if (differences & (1 << i))
				expected = Max(expected, matches[i]);
		other.system_identifier += (differences & 1) != 0;
		other.database += (differences & 2) != 0;
		other.timeline += (differences & 4) != 0;
		other.device += (differences & 8) != 0;
		other.inode += (differences & 16) != 0;
		other.boot_id[0] += (differences & 32) != 0;
		CHECK(sg_identity_compare(&one, &other) == expected, well_formed[2]);
		CHECK(sg_identity_compare(&other, &one) == expected, well_formed[2]);
	}
}

int
main(int argc, char **argv)
{
	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : UINT64CONST(20250101);
	for (int i = 0; i < (int) lengthof(well_formed); i++)
		CHECK(check_text(well_formed[i]), well_formed[i]);
	for (int i = 0; i < (int) lengthof(malformed); i++)
		CHECK(!check_text(malformed[i]), malformed[i]);
	check_compare();
	for (int i = 0; i < ROUNDS; i++)
		check_round_trip();
	printf("identity_text_test: %d random identities, %lld checks passed\n",
		   ROUNDS, (long long) checks);
	return 0;
}
