/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Every setting of seqgen.  Implemented in guc.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_GUC_H
#define SEQGEN_GUC_H

#include "utils/guc.h"

extern char *sg_node_id;		/* '7', or 'shard1:1, shard2:2', or empty */
extern int	sg_max_generators;	/* slots in shared memory */
extern int	sg_reserve_ahead;	/* ms */
extern int	sg_max_lead;		/* ms */
extern int	sg_max_clock_jump;	/* s, 0 is off */
extern int64 sg_debug_clock_offset_us;	/* set through a setting in ms */
extern int	sg_range_target;	/* s */
extern int	sg_range_timeout;	/* ms */
extern bool sg_range_require_sync;
extern int	sg_range_report_interval;	/* s */
extern char *sg_debug_boot_id;	/* empty: the kernel's own */

/*
 * Look a database's node number up in a value of seqgen.node_id.
 *
 * Returns false if the value is malformed, and then sets *problem.  Sets
 * *node to the number, or to 0 if the value names none for the database.
 * With dbname NULL only the syntax is checked.
 */
extern bool sg_node_id_parse(const char *value, const char *dbname,
							 int *node, const char **problem);

extern void sg_guc_init(void);

#endif							/* SEQGEN_GUC_H */
