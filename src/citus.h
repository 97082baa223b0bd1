/*-------------------------------------------------------------------------
 *
 * citus.h
 *	  The place of this database in a cluster of Citus.  Implemented in
 *	  citus.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_CITUS_H
#define SEQGEN_CITUS_H

/*
 * The node number of this database in a cluster of Citus: its local group plus
 * one, for the coordinator's group is 0.  Returns false if the extension citus
 * is not there, or no node was ever added.  Raises an error if the extension is
 * there and its tables cannot be read: the number would else come from
 * somewhere else all of a sudden.  Only in a transaction.  The number may be
 * too large for a layout.
 */
extern bool sg_citus_number(int64 *number, int *group);

/* Does this database have the extension citus? */
extern bool sg_citus_is_installed(void);

#endif							/* SEQGEN_CITUS_H */
