/*-------------------------------------------------------------------------
 *
 * citus.c
 *	  The place of this database in a cluster of Citus.
 *
 * Citus numbers its groups of servers: the coordinator's is 0, those of the
 * workers are 1 and more, and none is ever used again.  Each database keeps its
 * own in pg_dist_local_group.  A database that is in no cluster has group 0 too,
 * but no row in pg_dist_node.
 *
 * The tables are found by name in pg_catalog, where only superusers can create
 * any, and read with the catalog snapshot, past privileges.  Nothing of Citus is
 * needed to compile this.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "citus.h"

/* Open a table of Citus; NULL if there is none of that name. */
static Relation
citus_open(const char *name)
{
	Oid			relid = get_relname_relid(name, PG_CATALOG_NAMESPACE);

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		return NULL;
	return try_table_open(relid, AccessShareLock);
}

/* The number of a column of that name and of type integer, or 0. */
static AttrNumber
citus_integer_column(Relation rel, const char *name)
{
	AttrNumber	column = get_attnum(RelationGetRelid(rel), name);

	return column > 0 && get_atttype(RelationGetRelid(rel), column) == INT4OID ? column : 0;
}

/* The group in the only row of pg_dist_local_group; -1 if it cannot be read. */
static int
citus_local_group(void)
{
	Relation	rel = citus_open("pg_dist_local_group");
	AttrNumber	column = rel == NULL ? 0 : citus_integer_column(rel, "groupid");
	int			group = -1;
	int			rows = 0;

	if (column > 0)
	{
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			bool		isnull;
			Datum		value = heap_getattr(tuple, column, RelationGetDescr(rel), &isnull);

			group = isnull ? -1 : DatumGetInt32(value);
			rows++;
		}
		systable_endscan(scan);
	}
	if (rel != NULL)
		table_close(rel, AccessShareLock);
	return rows == 1 ? group : -1;
}

/* Has the cluster any node?  *readable is false if that cannot be told. */
static bool
citus_has_nodes(bool *readable)
{
	Relation	rel = citus_open("pg_dist_node");
	SysScanDesc scan;
	bool		found;

	*readable = (rel != NULL);
	if (rel == NULL)
		return false;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

bool
sg_citus_is_installed(void)
{
	return OidIsValid(get_extension_oid("citus", true));
}

bool
sg_citus_number(int64 *number, int *group)
{
	bool		readable = true;

	if (!sg_citus_is_installed())
		return false;

	*group = citus_local_group();
	if (*group == 0 && !citus_has_nodes(&readable) && readable)
		return false;
	if (*group < 0 || !readable)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not read the group of this database in its cluster of Citus"),
				 errdetail("The extension citus is installed, but %s is not as expected.",
						   *group < 0 ? "pg_catalog.pg_dist_local_group" : "pg_catalog.pg_dist_node"),
				 errhint("Set seqgen.node_id to a number that no other server of the cluster has.")));
	*number = (int64) *group + 1;
	return true;
}
