/*-------------------------------------------------------------------------
 *
 * node.h
 *	  This node's number: where it comes from.  Implemented in node.c.
 *
 * A node has one number of each pool that its generators draw from.  A pool is
 * a width: layouts with as many bits for the number share it.  Layouts that
 * carry a datacenter in the id have pools by datacenter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_NODE_H
#define SEQGEN_NODE_H

#include "layout.h"
#include "lease.h"

typedef enum SgNodeOrigin
{
	SG_NODE_NONE,				/* neither set nor part of a cluster: leased,
								 * if there is a coordinator */
	SG_NODE_SET,				/* seqgen.node_id */
	SG_NODE_CITUS,				/* the local group of Citus */
} SgNodeOrigin;

typedef struct SgPool
{
	int			bits;			/* of the number */
	int			datacenter;		/* -1 for layouts that carry none */
} SgPool;

/*
 * The number of this database that nobody has to be asked for, or 0.  Raises an
 * error if what is set makes no sense.  Only in a transaction.
 */
extern SgNodeOrigin sg_node_own_number(int64 *number);

/*
 * May that number change while the server runs?  The group of Citus may, and
 * the name of the database that a list goes by.
 */
extern bool sg_node_may_change(void);

/* The pool of a layout; false for a layout without node bits. */
extern bool sg_node_pool(const SgLayout *layout, SgPool *pool);

/*
 * The number for ids of a layout, if nobody has to be asked: its lease lasts
 * for ever.  False if the worker has to obtain it: then *lease is none.  Raises
 * an error if there is no way to one, or if it is too large.
 */
extern bool sg_node_lease(const SgLayout *layout, const char *layout_name, SgLease *lease);

#endif							/* SEQGEN_NODE_H */
