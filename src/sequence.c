/*-------------------------------------------------------------------------
 *
 * sequence.c
 *	  Sequences that belong to us: creating them as the user, and the value in
 *	  their page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "compat.h"
#include "bound.h"
#include "sequence.h"

RangeVar *
sg_sequence_name(text *name)
{
	RangeVar   *var = makeRangeVarFromNameList(textToQualifiedNameList(name));

	if (var->catalogname &&
		strcmp(var->catalogname, get_database_name(MyDatabaseId)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cross-database references are not implemented: \"%s.%s.%s\"",
						var->catalogname, var->schemaname, var->relname)));
	return var;
}

Oid
sg_sequence_create(const RangeVar *name, int64 increment,
				   int64 min_value, int64 max_value)
{
	char	   *qualified = name->schemaname ?
	quote_qualified_identifier(name->schemaname, name->relname) :
	pstrdup(quote_identifier(name->relname));
	char	   *command = psprintf("CREATE SEQUENCE %s INCREMENT BY %lld MINVALUE %lld MAXVALUE %lld NO CYCLE",
								   qualified, (long long) increment,
								   (long long) min_value, (long long) max_value);
	int			result;

	SPI_connect();
	result = SPI_execute(command, false, 0);
	if (result != SPI_OK_UTILITY)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	SPI_finish();
	return RangeVarGetRelid(name, NoLock, false);
}

/* A value that is written past rollback needs a storage that outlives it. */
static void
sequence_check(Relation rel)
{
	SgCommitted committed;

	if (rel->rd_rel->relkind != RELKIND_SEQUENCE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a sequence", RelationGetRelationName(rel))));
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sequence \"%s\" of a range must be neither unlogged nor temporary",
						RelationGetRelationName(rel)),
				 errdetail("It has to survive a crash."),
				 errhint("Use ALTER SEQUENCE ... SET LOGGED.")));
	if (sg_bound_storage(rel, &committed) == SG_STORAGE_REPLACED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sequence \"%s\" of a range was altered by this transaction",
						RelationGetRelationName(rel)),
				 errhint("Commit first.")));
}

Relation
sg_sequence_open(Oid relid, LOCKMODE lockmode, bool nowait)
{
	Relation	rel;

	if (nowait && !ConditionalLockRelationOid(relid, lockmode))
		return NULL;
	rel = relation_open(relid, nowait ? NoLock : lockmode);
	sequence_check(rel);
	return rel;
}

int64
sg_sequence_get_step(Relation rel, int64 *before)
{
	Buffer		buffer = ReadBuffer(rel, 0);
	int64		value;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	value = sg_bound_get(buffer);
	*before = sg_bound_get_before(buffer);
	UnlockReleaseBuffer(buffer);
	return value;
}

int64
sg_sequence_get(Relation rel)
{
	int64		before;

	return sg_sequence_get_step(rel, &before);
}

XLogRecPtr
sg_sequence_put_step(Relation rel, int64 before, int64 value)
{
	GenericXLogState *xlog = GenericXLogStart(rel);
	Buffer		buffer = ReadBuffer(rel, 0);
	XLogRecPtr	lsn;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	lsn = sg_bound_put_step(xlog, buffer, before, value);
	UnlockReleaseBuffer(buffer);
	return lsn;
}

XLogRecPtr
sg_sequence_put(Relation rel, int64 value)
{
	return sg_sequence_put_step(rel, -1, value);
}

/*
 * The cursor goes with its generator, and cannot be dropped alone.  A
 * partition's dependency says just that; an internal or automatic one would
 * make pg_dump take the cursor for an identity column's or an owned sequence.
 */
void
sg_sequence_depend(Oid cursor, Oid generator)
{
	ObjectAddress dependent;
	ObjectAddress referenced;

	(void) deleteDependencyRecordsForSpecific(RelationRelationId, cursor,
											  DEPENDENCY_PARTITION_PRI,
											  RelationRelationId, generator);
	ObjectAddressSet(dependent, RelationRelationId, cursor);
	ObjectAddressSet(referenced, RelationRelationId, generator);
	recordDependencyOn(&dependent, &referenced, DEPENDENCY_PARTITION_PRI);
}
