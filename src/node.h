/*-------------------------------------------------------------------------
 *
 * node.h
 *	  This node's number.  Implemented in node.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_NODE_H
#define SEQGEN_NODE_H

#include "layout.h"

/*
 * The node number of the current database for ids of a layout, from 1 to the
 * layout's largest own number; 0 for a layout without node bits.  Raises an
 * error if none is set or it is too large.
 */
extern int	sg_node_number(const SgLayout *layout, const char *layout_name);

#endif							/* SEQGEN_NODE_H */
