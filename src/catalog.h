/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  The tables of schema seqgen.  Implemented in catalog.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_CATALOG_H
#define SEQGEN_CATALOG_H

#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

#include "layout.h"

typedef enum SgKind
{
	SG_KIND_SNOWFLAKE,
	SG_KIND_RANGE,
	SG_KIND_LOCATED,
} SgKind;

#define SG_KIND_COUNT	3

/* Kinds that count; the others' ids bear a time, and have a layout. */
#define sg_kind_is_counter(kind)	((kind) == SG_KIND_RANGE)

extern const char *const sg_kind_names[SG_KIND_COUNT];

/* A row of seqgen.generator. */
typedef struct SgCatalogGenerator
{
	SgKind		kind;
	NameData	layout_name;	/* empty for a kind that counts */
} SgCatalogGenerator;

/*
 * Rows as the newest committed, or own, state has them; false if there is no
 * such row, or no extension.
 */
extern bool sg_catalog_generator(Oid relid, SgCatalogGenerator *row);
extern bool sg_catalog_layout(const char *name, SgLayout *layout);

/* The same, but raising an error that says where to look. */
extern void sg_catalog_generator_require(Oid relid, SgCatalogGenerator *row);
extern void sg_catalog_layout_require(const char *name, SgLayout *layout);

/* A relation of the extension in schema seqgen, or InvalidOid. */
extern Oid	sg_catalog_relation(const char *name);

/*
 * The sequence of a kind's default generator, or InvalidOid: if the kind has
 * none, or without the extension.
 */
extern Oid	sg_catalog_default_generator(SgKind kind);

/* Is it a sequence of that sort? */
extern bool sg_catalog_is_default_generator(Oid relid);

/* seqgen.generator itself, or InvalidOid without the extension. */
extern Oid	sg_catalog_generator_table(void);

/* Is it that table, as far as this session has seen it?  Reads no catalog. */
extern bool sg_catalog_is_generator_table(Oid relid);

/* The sequences of all rows of seqgen.generator, a list of oids. */
extern List *sg_catalog_generators(void);

/* Raise an error unless called by a BEFORE trigger of that table of ours. */
extern void sg_catalog_check_trigger(FunctionCallInfo fcinfo, const char *table);

/* Raise an error, with that hint, if the trigger was fired by TRUNCATE. */
extern void sg_catalog_refuse_truncate(TriggerData *trigger, const char *hint);

/*
 * A row that a trigger of seqgen.generator is given, and its sequence.  The
 * kind of the row is one that this library knows, as the table's CHECK says.
 */
extern Oid	sg_catalog_row_relid(HeapTuple tuple, TupleDesc desc);
extern void sg_catalog_row(HeapTuple tuple, TupleDesc desc, SgCatalogGenerator *row);

/*
 * Add and remove a row of seqgen.generator, past its triggers; the caller has
 * checked privileges and holds a lock on the sequence that keeps others out.
 */
extern void sg_catalog_add_generator(Oid relid, SgKind kind, const char *layout_name);

/* Returns false if there is no such row. */
extern bool sg_catalog_remove_generator(Oid relid);

/*
 * Keep a generator from being dropped until the end of the transaction, without
 * a lock on its sequence: whoever uses that holds one, and may be waiting for
 * us while somebody else waits for him.  Returns false if it is being dropped.
 */
extern bool sg_catalog_pin(Oid relid);

#endif							/* SEQGEN_CATALOG_H */
