/*-------------------------------------------------------------------------
 *
 * identity_text.c
 *	  The text form of identities, and their comparison.
 *
 * The text is compared by machines and read by people.  There is exactly one
 * text for an identity: what sg_identity_parse accepts, sg_identity_print
 * writes again, byte by byte.
 *
 * Everything here is pure.  test/unit/identity_text_test.c runs this file
 * without a server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "identity.h"

#define BOOT_ID_CHARS	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

SgIdentityMatch
sg_identity_compare(const SgIdentity *a, const SgIdentity *b)
{
	if (a->system_identifier != b->system_identifier || a->database != b->database)
		return SG_IDENTITY_OTHER;
	if (a->timeline != b->timeline || a->device != b->device || a->inode != b->inode)
		return SG_IDENTITY_RESTORED;
	if (strcmp(a->boot_id, b->boot_id) != 0)
		return SG_IDENTITY_REBOOTED;
	return SG_IDENTITY_SAME;
}

void
sg_identity_print(const SgIdentity *identity, char *buffer)
{
	snprintf(buffer, SG_IDENTITY_TEXT_SIZE, "%llu/%u/%u/%llu:%llu/%s",
			 (unsigned long long) identity->system_identifier,
			 identity->timeline, identity->database,
			 (unsigned long long) identity->device,
			 (unsigned long long) identity->inode,
			 identity->boot_id);
}

/*
 * A number at *p that is at most max, has no leading zero and is followed by
 * end, which is skipped too.
 */
static bool
parse_number(const char **p, uint64 max, char end, uint64 *number)
{
	const char *start = *p;
	uint64		value = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		uint64		digit = **p - '0';

		if (value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (*p == start || (*start == '0' && *p > start + 1) || **p != end)
		return false;
	(*p)++;
	*number = value;
	return true;
}

bool
sg_identity_parse(const char *text, SgIdentity *identity)
{
	const char *p = text;
	uint64		timeline;
	uint64		database;

	memset(identity, 0, sizeof(SgIdentity));
	if (!parse_number(&p, PG_UINT64_MAX, '/', &identity->system_identifier) ||
		!parse_number(&p, PG_UINT32_MAX, '/', &timeline) ||
		!parse_number(&p, PG_UINT32_MAX, '/', &database) ||
		!parse_number(&p, PG_UINT64_MAX, ':', &identity->device) ||
		!parse_number(&p, PG_UINT64_MAX, '/', &identity->inode) ||
		strlen(p) >= SG_BOOT_ID_SIZE || p[strspn(p, BOOT_ID_CHARS)] != '\0')
		return false;
	identity->timeline = (TimeLineID) timeline;
	identity->database = (Oid) database;
	strcpy(identity->boot_id, p);
	return true;
}
