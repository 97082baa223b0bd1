/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Who this server is: what a copy of it never carries along.  The text form
 *	  and the comparison are pure and in identity_text.c, the rest in
 *	  identity.c.
 *
 * An identity names the data directory, where it lies, its history, and the
 * run of the machine.  Every way to copy a database changes part of it: a
 * template copy the database, a clone the file, a promotion or a restore the
 * timeline, a machine that went down the boot id.  An incarnation is one life
 * of the server's shared memory: it ends with the server, and with every crash
 * of a backend.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_IDENTITY_H
#define SEQGEN_IDENTITY_H

#include "access/xlogdefs.h"
#include "utils/uuid.h"

#define SG_BOOT_ID_SIZE		40

typedef struct SgIdentity
{
	uint64		system_identifier;
	TimeLineID	timeline;
	Oid			database;
	uint64		device;			/* of global/pg_control */
	uint64		inode;			/* of global/pg_control */
	char		boot_id[SG_BOOT_ID_SIZE];	/* letters, digits, '-', '_', '.';
											 * empty where there is none */
} SgIdentity;

/* The longest text of an identity, with its end. */
#define SG_IDENTITY_TEXT_SIZE	144

typedef enum SgIdentityMatch
{
	SG_IDENTITY_SAME,
	SG_IDENTITY_REBOOTED,		/* only the boot id differs */
	SG_IDENTITY_RESTORED,		/* same system and database, but another
								 * timeline or another file */
	SG_IDENTITY_OTHER,
} SgIdentityMatch;

extern SgIdentityMatch sg_identity_compare(const SgIdentity *a, const SgIdentity *b);

/*
 * An identity as 'system identifier/timeline/database/device:inode/boot id',
 * into a buffer of SG_IDENTITY_TEXT_SIZE bytes.
 */
extern void sg_identity_print(const SgIdentity *identity, char *buffer);

/* Reads exactly what sg_identity_print writes; false for anything else. */
extern bool sg_identity_parse(const char *text, SgIdentity *identity);

/* The text of an identity, palloc'd. */
extern char *sg_identity_text(const SgIdentity *identity);

/*
 * The identity of this server and the current database.  Raises 25006 during
 * recovery, when a server has no timeline of its own.
 */
extern void sg_identity_get(SgIdentity *identity);

/*
 * This life of the server's shared memory, drawn at random.  Raises an error if
 * the library is not preloaded.
 */
extern const pg_uuid_t *sg_identity_incarnation(void);

/* A number that no other request of this incarnation has, from 1 on. */
extern uint64 sg_identity_next_request(void);

extern void sg_identity_init(void);

#endif							/* SEQGEN_IDENTITY_H */
