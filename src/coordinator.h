/*-------------------------------------------------------------------------
 *
 * coordinator.h
 *	  The coordinator as a database names it: a foreign server of the wrapper
 *	  seqgen_coordinator and a user mapping.  Implemented in coordinator.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_COORDINATOR_H
#define SEQGEN_COORDINATOR_H

/* What all options take together: many times what anyone needs. */
#define SG_COORDINATOR_TEXT_SIZE	8192

/* Parameters of a connection that sg_coordinator_params can return. */
#define SG_COORDINATOR_MAX_PARAMS	48

/*
 * Where and how to connect.  It holds no pointers, so that it can be kept
 * beyond the transaction that read it.  It holds the password.
 */
typedef struct SgCoordinator
{
	char		server[NAMEDATALEN];	/* the foreign server's name */
	bool		password_required;	/* the server's owner is no superuser */
	int			connect_timeout;	/* s, for each host */
	int			host_count;		/* at least 1 */
	int			option_count;
	int			length;			/* of text */
	char text[	SG_COORDINATOR_TEXT_SIZE];
} SgCoordinator;

/*
 * The coordinator of the current database; false if none is defined, so that
 * the database is its own.  Raises an error if several are defined, or if it
 * cannot be used.  Only in a transaction.
 *
 * The user mapping is that of the extension's owner, or of PUBLIC.
 */
extern bool sg_coordinator_find(SgCoordinator *coordinator);

/* Is any defined, whether it can be used or not?  Only in a transaction. */
extern bool sg_coordinator_exists(void);

extern bool sg_coordinator_equal(const SgCoordinator *a, const SgCoordinator *b);

/*
 * The parameters, in libpq's terms, of a connection to a host from 0 to
 * host_count - 1, into arrays of SG_COORDINATOR_MAX_PARAMS; returns how many.
 * They point into the coordinator.
 */
extern int	sg_coordinator_params(const SgCoordinator *coordinator, int host,
								  const char **keywords, const char **values);

#endif							/* SEQGEN_COORDINATOR_H */
