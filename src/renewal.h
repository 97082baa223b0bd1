/*-------------------------------------------------------------------------
 *
 * renewal.h
 *	  Node numbers from a coordinator: what the background worker does for them.
 *	  Implemented in renewal.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_RENEWAL_H
#define SEQGEN_RENEWAL_H

/* Registers the worker's duty; called while the library is preloaded. */
extern void sg_renewal_init(void);

#endif							/* SEQGEN_RENEWAL_H */
