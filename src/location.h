/*-------------------------------------------------------------------------
 *
 * location.h
 *	  Where ids were drawn, by the registry of node numbers.  Implemented in
 *	  location.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_LOCATION_H
#define SEQGEN_LOCATION_H

#include "layout.h"

/* What a statement has looked up so far.  Lives in a memory context. */
typedef struct SgLocationLookup SgLocationLookup;

extern SgLocationLookup *sg_location_create(MemoryContext context);

/*
 * The location, zone/datacenter/rack, of the server that drew an id of these
 * fields; NULL if it is not known.  Valid until the next call.
 */
extern const char *sg_location_find(SgLocationLookup *lookup, const SgLayout *layout,
									const SgFields *fields);

#endif							/* SEQGEN_LOCATION_H */
