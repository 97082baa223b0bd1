/*-------------------------------------------------------------------------
 *
 * node.c
 *	  This node's number.
 *
 * Numbers set by hand take the lower half of a layout's nodes, so that they
 * never meet leased ones.  Node 0 stands for nobody: durable bounds bear it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "guc.h"
#include "node.h"

int
sg_node_number(const SgLayout *layout, const char *layout_name)
{
	int64		largest = sg_layout_max_own_node(layout);
	char	   *database;
	const char *problem;
	int			node;

	if (layout->node_bits == 0)
		return 0;

	database = get_database_name(MyDatabaseId);
	if (!sg_node_id_parse(sg_node_id, database, &node, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s\": \"%s\"", "seqgen.node_id", sg_node_id),
				 errdetail_internal("%s", problem)));
	if (node == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("node number of database \"%s\" is not set", database),
				 errdetail("Each server that draws ids for the same tables needs a number of its own, from 1 to %lld for layout \"%s\".",
						   (long long) largest, layout_name),
				 errhint("Add these lines to postgresql.conf and restart the server:\n"
						 "shared_preload_libraries = 'seqgen'\n"
						 "seqgen.node_id = 1")));
	if (node > largest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node number %d is too large for layout \"%s\"", node, layout_name),
				 errdetail("The largest number that can be set for this layout is %lld.", (long long) largest),
				 errhint("Set seqgen.node_id to a smaller number, or use a layout with more node bits.")));
	pfree(database);
	return node;
}
