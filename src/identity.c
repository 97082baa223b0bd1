/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  Who this server is: what a copy of it never carries along.
 *
 * Promises:
 *	1. No two incarnations are equal, whatever was copied from where: each is
 *	   128 bits drawn when shared memory is made, and is stored nowhere that
 *	   outlives it.
 *	2. No two requests of an incarnation have the same number.
 *
 * The incarnation is written before any backend runs and only read after that.
 * The number of the last request is an atomic.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/fd.h"
#include "storage/shmem.h"

#include "guc.h"
#include "shmem.h"
#include "identity.h"

#define BOOT_ID_FILE	"/proc/sys/kernel/random/boot_id"

typedef struct Incarnation
{
	pg_uuid_t	id;
	pg_atomic_uint64 last_request;
} Incarnation;

static Incarnation *incarnation = NULL;

/* The file that every copy of a data directory has anew. */
static void
identity_get_file(SgIdentity *identity)
{
	struct stat st;

	if (stat(XLOG_CONTROL_FILE, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", XLOG_CONTROL_FILE)));
	identity->device = (uint64) st.st_dev;
	identity->inode = (uint64) st.st_ino;
}

/* One line of a file, or nothing if it cannot be read. */
static void
read_line(const char *path, char *line, int size)
{
	FILE	   *file = AllocateFile(path, "r");

	line[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(line, size, file) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	FreeFile(file);
}

static void
identity_get_boot_id(SgIdentity *identity)
{
	char	   *p;

	if (sg_debug_boot_id != NULL && sg_debug_boot_id[0] != '\0')
		strlcpy(identity->boot_id, sg_debug_boot_id, SG_BOOT_ID_SIZE);
	else
		read_line(BOOT_ID_FILE, identity->boot_id, SG_BOOT_ID_SIZE);

	/* what the text form cannot hold */
	for (p = identity->boot_id; *p != '\0'; p++)
		if (!isalnum((unsigned char) *p) || IS_HIGHBIT_SET(*p))
			*p = (*p == '-' || *p == '.') ? *p : '_';
}

void
sg_identity_get(SgIdentity *identity)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("the identity of a server is not known during recovery")));

	memset(identity, 0, sizeof(SgIdentity));
	identity->system_identifier = GetSystemIdentifier();
	identity->timeline = GetWALInsertionTimeLine();
	identity->database = MyDatabaseId;
	identity_get_file(identity);
	identity_get_boot_id(identity);
}

char *
sg_identity_text(const SgIdentity *identity)
{
	char	   *text = palloc(SG_IDENTITY_TEXT_SIZE);

	sg_identity_print(identity, text);
	return text;
}

const pg_uuid_t *
sg_identity_incarnation(void)
{
	sg_shmem_require();
	return &incarnation->id;
}

uint64
sg_identity_next_request(void)
{
	sg_shmem_require();
	return pg_atomic_add_fetch_u64(&incarnation->last_request, 1);
}

static Size
identity_shmem_size(void)
{
	return sizeof(Incarnation);
}

static void
identity_shmem_attach(void *area, bool initialize)
{
	incarnation = area;
	if (!initialize)
		return;

	if (!pg_strong_random(&incarnation->id, UUID_LEN))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));

	/* a version 4 UUID, see RFC 9562 */
	incarnation->id.data[6] = (incarnation->id.data[6] & 0x0f) | 0x40;
	incarnation->id.data[8] = (incarnation->id.data[8] & 0x3f) | 0x80;
	pg_atomic_init_u64(&incarnation->last_request, 0);
}

static const SgShmemArea identity_area = {
	.name = "seqgen identity",
	.size = identity_shmem_size,
	.attach = identity_shmem_attach,
};

void
sg_identity_init(void)
{
	sg_shmem_add(&identity_area);
}
