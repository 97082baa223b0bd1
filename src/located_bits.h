/*-------------------------------------------------------------------------
 *
 * located_bits.h
 *	  Bits of located ids: pack, unpack.  Implemented in located_bits.c.
 *
 * A located id is a uuid of version 8 (RFC 9562), from the top:
 *
 *		48 bits		time, in milliseconds since the Unix epoch
 *		 4 bits		version: 8
 *		24 bits		location: zone, datacenter and rack, 8 bits each
 *		20 bits		server: the node number
 *		30 bits		counter
 *
 * and, in the middle of the location, after 64 bits, the 2 bits of the
 * variant: 10.  So uuids are ordered by time, location, server and counter.
 *
 * Everything here is pure: no locks, no errors, no memory, no clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_LOCATED_BITS_H
#define SEQGEN_LOCATED_BITS_H

#define SG_LOCATED_BYTES	16	/* of a uuid */

/* Largest values of the fields; the smallest are 0, of a server 1. */
#define SG_LOCATED_MAX_TIME		((INT64CONST(1) << 48) - 1)
#define SG_LOCATED_MAX_PLACE	255
#define SG_LOCATED_MAX_SERVER	((1 << 20) - 1)
#define SG_LOCATED_MAX_COUNTER	((1 << 30) - 1)

typedef struct SgLocated
{
	int64		time;			/* ms since the Unix epoch */
	int			zone;
	int			datacenter;
	int			rack;
	int			server;
	int			counter;
} SgLocated;

/* Fields within their bounds make a uuid. */
extern void sg_located_pack(const SgLocated *located, unsigned char *bytes);

/* The fields of a uuid; false if it is no located id. */
extern bool sg_located_unpack(const unsigned char *bytes, SgLocated *located);

#endif							/* SEQGEN_LOCATED_BITS_H */
