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

/* What seqgen.location says; each part from 0 to 255. */
typedef struct SgLocation
{
	bool		given;			/* else all parts are 0 */
	int			zone;
	int			datacenter;
	int			rack;
} SgLocation;

extern char *sg_node_id;		/* '7', or 'shard1:1, shard2:2', or empty */
extern char *sg_location_text;	/* 'zone/datacenter/rack', or empty */
extern SgLocation sg_location;	/* the same, taken apart */
extern int	sg_lease_timeout;	/* ms */
extern int	sg_max_generators;	/* slots in shared memory */
extern int	sg_reserve_ahead;	/* ms */
extern int	sg_max_lead;		/* ms */
extern int	sg_max_clock_jump;	/* s, 0 is off */
extern int64 sg_debug_clock_offset_us;	/* set through a setting in ms */
extern int	sg_range_target;	/* s */
extern int	sg_range_timeout;	/* ms */
extern bool sg_range_require_sync;
extern int	sg_range_report_interval;	/* s */
extern int	sg_lease;			/* s */
extern int	sg_max_node_skew;	/* s */
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

/* Takes 'zone/datacenter/rack' apart, or an empty text; false if it is neither. */
extern bool sg_location_parse(const char *value, SgLocation *location);

extern void sg_guc_init(void);

#endif							/* SEQGEN_GUC_H */
