/*-------------------------------------------------------------------------
 *
 * node.c
 *	  This node's number: where it comes from.
 *
 * Numbers set by hand take the lower half of a layout's nodes, leased ones the
 * upper half, so that they never meet.  Node 0 stands for nobody: durable
 * bounds bear it.
 *
 * With a coordinator no number is used that it has not been told of: the
 * background worker brings it (renewal.c), leased or set by hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"

#include "guc.h"
#include "citus.h"
#include "coordinator.h"
#include "node.h"

SgNodeOrigin
sg_node_own_number(int64 *number)
{
	char	   *database = get_database_name(MyDatabaseId);
	const char *problem;
	int			set;
	int			group;

	if (!sg_node_id_parse(sg_node_id, database, &set, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s\": \"%s\"", "seqgen.node_id", sg_node_id),
				 errdetail_internal("%s", problem)));
	pfree(database);
	*number = set;
	if (set != 0)
		return SG_NODE_SET;
	return sg_citus_number(number, &group) ? SG_NODE_CITUS : SG_NODE_NONE;
}

bool
sg_node_may_change(void)
{
	return sg_node_id[0] == '\0' || strchr(sg_node_id, ':') != NULL;
}

bool
sg_node_pool(const SgLayout *layout, SgPool *pool)
{
	pool->bits = layout->node_bits - layout->datacenter_bits;
	pool->datacenter = layout->datacenter_bits > 0 ? sg_location.datacenter : -1;
	return layout->node_bits > 0;
}

static void
report_no_number(const SgLayout *layout, const char *layout_name)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("node number of database \"%s\" is not set", get_database_name(MyDatabaseId)),
			 errdetail("Each server that draws ids for the same tables needs a number of its own, from 1 to %lld for layout \"%s\".",
					   (long long) sg_layout_max_own_node(layout), layout_name),
			 errhint("Add these lines to postgresql.conf and restart the server:\n"
					 "shared_preload_libraries = 'seqgen'\n"
					 "seqgen.node_id = 1\n"
					 "Or name a coordinator that leases numbers, with a foreign server of the wrapper seqgen_coordinator.%s",
					 sg_citus_is_installed() ?
					 "\nOr add nodes to the cluster of Citus: then each has the number of its group plus one." : "")));
}

static void
check_datacenter(const SgLayout *layout, const char *layout_name)
{
	int64		largest = sg_layout_max_datacenter(layout);

	if (layout->datacenter_bits == 0)
		return;
	if (!sg_location.given)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("location of this server is not set"),
				 errdetail("Ids of layout \"%s\" bear the datacenter, from 0 to %lld.",
						   layout_name, (long long) largest),
				 errhint("Add a line such as seqgen.location = '3/5/1' (zone/datacenter/rack) to postgresql.conf and restart the server.")));
	if (sg_location.datacenter > largest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("datacenter %d is too large for layout \"%s\"", sg_location.datacenter, layout_name),
				 errdetail("The largest datacenter of this layout is %lld.", (long long) largest),
				 errhint("Set seqgen.location to a smaller datacenter, or use a layout with more bits for it.")));
}

static void
check_own_number(const SgLayout *layout, const char *layout_name,
				 SgNodeOrigin origin, int64 number)
{
	int64		largest = sg_layout_max_own_node(layout);

	if (number > largest && origin == SG_NODE_CITUS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group %lld of Citus is too large for layout \"%s\"", (long long) number - 1, layout_name),
				 errdetail("The node number is the local group plus one; the largest of this layout that is not leased is %lld.",
						   (long long) largest),
				 errhint("Set seqgen.node_id to a number that no other server of the cluster has, or use a layout with more node bits.")));
	if (number > largest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node number %lld is too large for layout \"%s\"", (long long) number, layout_name),
				 errdetail("The largest number that can be set for this layout is %lld.", (long long) largest),
				 errhint("Set seqgen.node_id to a smaller number, or use a layout with more node bits.")));
}

bool
sg_node_lease(const SgLayout *layout, const char *layout_name, SgLease *lease)
{
	bool		sure = true;

	memset(lease, 0, sizeof(SgLease));
	if (layout->node_bits > 0)
	{
		SgNodeOrigin origin = sg_node_own_number(&lease->number);

		check_datacenter(layout, layout_name);
		if (origin != SG_NODE_NONE)
			check_own_number(layout, layout_name, origin, lease->number);
		sure = !sg_coordinator_exists();
		if (sure && origin == SG_NODE_NONE)
			report_no_number(layout, layout_name);
	}
	if (sure)
		lease->until = PG_INT64_MAX;
	else
		lease->number = 0;
	return sure;
}
