/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  The tables of schema seqgen: seqgen.generator and seqgen.layout.
 *
 * Rows are found by index with the catalog snapshot, never through SPI: it is
 * current even where the transaction's own snapshot is older, and cheap.
 *
 * A schema named seqgen may be anybody's, so a table counts only if it is a
 * member of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "replication/logicalworker.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "clock.h"

const char *const sg_kind_names[SG_KIND_COUNT] = {
	[SG_KIND_SNOWFLAKE] = "snowflake",
	[SG_KIND_RANGE] = "range",
	[SG_KIND_LOCATED] = "located",
};

/* the sequences in schema seqgen that are default generators */
static const char *const default_names[SG_KIND_COUNT] = {
	[SG_KIND_SNOWFLAKE] = "snowflake_default",
	[SG_KIND_LOCATED] = "located_default",
};

/* columns of seqgen.generator */
#define Anum_generator_generator	1
#define Anum_generator_kind			2
#define Anum_generator_layout		3
#define Natts_generator				3

/* columns of seqgen.layout */
#define Anum_layout_name			1
#define Anum_layout_epoch			2
#define Anum_layout_unit_us			3
#define Anum_layout_time_bits		4
#define Anum_layout_node_bits		5
#define Anum_layout_sequence_bits	6
#define Anum_layout_node_last		7
#define Anum_layout_datacenter_bits	8
#define Anum_layout_builtin			9

/*
 * The type of seqgen.generator's key: regclass, but that a name need not
 * exist.  A publication of all tables sends the rows along, by name, and a
 * name that the subscriber lacks would stop its worker for good; a dump that
 * leaves a sequence out would lose the rows of all others.  The table's
 * trigger leaves rows without a sequence out.
 */
PG_FUNCTION_INFO_V1(sg_reggenerator_in);
Datum
sg_reggenerator_in(PG_FUNCTION_ARGS)
{
	char	   *name = PG_GETARG_CSTRING(0);
	Datum		relid;

	LOCAL_FCINFO(call, 1);

	if (IsLogicalWorker())
		PG_RETURN_OID(InvalidOid);
	if (name[0] == '-' || (name[0] >= '0' && name[0] <= '9'))
		return regclassin(fcinfo);

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(name);
	call->args[0].isnull = false;
	relid = to_regclass(call);
	if (!call->isnull)
		PG_RETURN_DATUM(relid);
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("sequence %s does not exist", name),
			 errdetail("A row of seqgen.generator for it is left out.")));
	PG_RETURN_OID(InvalidOid);
}

PG_FUNCTION_INFO_V1(sg_reggenerator_out);
Datum
sg_reggenerator_out(PG_FUNCTION_ARGS)
{
	return regclassout(fcinfo);
}

PG_FUNCTION_INFO_V1(sg_reggenerator_recv);
Datum
sg_reggenerator_recv(PG_FUNCTION_ARGS)
{
	Datum		relid = oidrecv(fcinfo);

	/* in binary, the publisher's own number */
	return IsLogicalWorker() ? ObjectIdGetDatum(InvalidOid) : relid;
}

PG_FUNCTION_INFO_V1(sg_reggenerator_send);
Datum
sg_reggenerator_send(PG_FUNCTION_ARGS)
{
	return oidsend(fcinfo);
}

Oid
sg_catalog_relation(const char *name)
{
	Oid			extension = get_extension_oid("seqgen", true);
	Oid			schema;
	Oid			relid;

	if (!OidIsValid(extension))
		return InvalidOid;
	schema = get_namespace_oid("seqgen", true);
	if (!OidIsValid(schema))
		return InvalidOid;
	relid = get_relname_relid(name, schema);
	if (!OidIsValid(relid) ||
		getExtensionOfObject(RelationRelationId, relid) != extension)
		return InvalidOid;
	return relid;
}

/* seqgen.generator as it was found last, for callbacks that must not look */
static Oid	generator_table = InvalidOid;

Oid
sg_catalog_generator_table(void)
{
	generator_table = sg_catalog_relation("generator");
	return generator_table;
}

bool
sg_catalog_is_generator_table(Oid relid)
{
	return OidIsValid(relid) && relid == generator_table;
}

Oid
sg_catalog_default_generator(SgKind kind)
{
	if (default_names[kind] == NULL)
		return InvalidOid;
	return sg_catalog_relation(default_names[kind]);
}

bool
sg_catalog_is_default_generator(Oid relid)
{
	for (int i = 0; i < SG_KIND_COUNT; i++)
		if (OidIsValid(relid) && relid == sg_catalog_default_generator(i))
			return true;
	return false;
}

/*
 * Find the row of a table that its primary key names, as a copy, and leave the
 * table open; NULL, with nothing open, if there is none.
 */
static HeapTuple
catalog_find(Oid relid, const char *index, ScanKey key, Relation *rel)
{
	Oid			indexid;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return NULL;

	/* an open DROP EXTENSION may win, and it drops the index first */
	*rel = try_table_open(relid, AccessShareLock);
	if (*rel == NULL)
		return NULL;
	indexid = get_relname_relid(index, RelationGetNamespace(*rel));
	scan = systable_beginscan(*rel, indexid, OidIsValid(indexid), NULL, 1, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	if (!HeapTupleIsValid(tuple))
		table_close(*rel, AccessShareLock);
	return tuple;
}

static HeapTuple
catalog_find_generator(Oid relid, Relation *rel)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_generator_generator, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	return catalog_find(sg_catalog_generator_table(), "generator_pkey", &key, rel);
}

/*
 * A column that is NOT NULL.  A later version of the extension may have more
 * columns than this library knows, never fewer.
 */
static Datum
column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d", attnum);
	return value;
}

/* The layout in a row of seqgen.layout. */
static void
layout_from_tuple(HeapTuple tuple, TupleDesc desc, SgLayout *layout)
{
	layout->epoch = sg_timestamp_to_unix(DatumGetTimestampTz(column(tuple, desc, Anum_layout_epoch)));
	layout->unit = DatumGetInt32(column(tuple, desc, Anum_layout_unit_us));
	layout->time_bits = DatumGetInt32(column(tuple, desc, Anum_layout_time_bits));
	layout->node_bits = DatumGetInt32(column(tuple, desc, Anum_layout_node_bits));
	layout->sequence_bits = DatumGetInt32(column(tuple, desc, Anum_layout_sequence_bits));
	layout->node_last = DatumGetBool(column(tuple, desc, Anum_layout_node_last));
	layout->datacenter_bits = DatumGetInt32(column(tuple, desc, Anum_layout_datacenter_bits));
}

static void
layout_check(const SgLayout *layout)
{
	const char *problem = sg_layout_problem(layout);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("layout is not sound"),
				 errdetail_internal("%s", problem)));
}

bool
sg_catalog_layout(const char *name, SgLayout *layout)
{
	ScanKeyData key;
	NameData	name_data;
	Relation	rel;
	HeapTuple	tuple;

	if (strlen(name) >= NAMEDATALEN)
		return false;
	namestrcpy(&name_data, name);
	ScanKeyInit(&key, Anum_layout_name, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&name_data));
	tuple = catalog_find(sg_catalog_relation("layout"), "layout_pkey", &key, &rel);
	if (tuple == NULL)
		return false;

	layout_from_tuple(tuple, RelationGetDescr(rel), layout);
	heap_freetuple(tuple);
	table_close(rel, AccessShareLock);
	layout_check(layout);
	return true;
}

void
sg_catalog_layout_require(const char *name, SgLayout *layout)
{
	if (!sg_catalog_layout(name, layout))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("layout \"%s\" does not exist", name),
				 errhint("See seqgen.layout for the layouts there are; write the name of a generator as 'name'::regclass.")));
}

void
sg_catalog_row(HeapTuple tuple, TupleDesc desc, SgCatalogGenerator *row)
{
	bool		isnull;
	Datum		kind = heap_getattr(tuple, Anum_generator_kind, desc, &isnull);
	Datum		layout;

	row->kind = SG_KIND_SNOWFLAKE;
	for (int i = 0; i < SG_KIND_COUNT; i++)
		if (!isnull && strcmp(NameStr(*DatumGetName(kind)), sg_kind_names[i]) == 0)
			row->kind = i;
	layout = heap_getattr(tuple, Anum_generator_layout, desc, &isnull);
	if (isnull)
		memset(&row->layout_name, 0, sizeof(NameData));
	else
		row->layout_name = *DatumGetName(layout);
}

bool
sg_catalog_generator(Oid relid, SgCatalogGenerator *row)
{
	Relation	rel;
	HeapTuple	tuple = catalog_find_generator(relid, &rel);

	if (tuple == NULL)
		return false;

	sg_catalog_row(tuple, RelationGetDescr(rel), row);
	heap_freetuple(tuple);
	table_close(rel, AccessShareLock);
	return true;
}

void
sg_catalog_generator_require(Oid relid, SgCatalogGenerator *row)
{
	if (get_rel_name(relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("sequence with OID %u does not exist", relid)));
	if (!sg_catalog_generator(relid, row))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a generator", get_rel_name(relid)),
				 errhint("seqgen.generator lists the generators.")));
}

void
sg_catalog_add_generator(Oid relid, SgKind kind, const char *layout_name)
{
	Relation	rel = table_open(sg_catalog_generator_table(), RowExclusiveLock);
	int			natts = RelationGetNumberOfAttributes(rel);
	Datum	   *values = palloc0(sizeof(Datum) * natts);
	bool	   *nulls = palloc(sizeof(bool) * natts);
	NameData	kind_data;
	NameData	layout_data;
	HeapTuple	tuple;

	for (int i = 0; i < natts; i++)
		nulls[i] = (i >= Natts_generator);
	namestrcpy(&kind_data, sg_kind_names[kind]);
	namestrcpy(&layout_data, layout_name ? layout_name : "");
	nulls[Anum_generator_layout - 1] = (layout_name == NULL);
	values[Anum_generator_generator - 1] = ObjectIdGetDatum(relid);
	values[Anum_generator_kind - 1] = NameGetDatum(&kind_data);
	values[Anum_generator_layout - 1] = NameGetDatum(&layout_data);
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

static void
pin_tag(Oid relid, LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, RelationRelationId, relid, 1);
}

bool
sg_catalog_pin(Oid relid)
{
	LOCKTAG		tag;

	pin_tag(relid, &tag);
	return LockAcquire(&tag, AccessShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
sg_catalog_remove_generator(Oid relid)
{
	Relation	rel;
	HeapTuple	tuple = catalog_find_generator(relid, &rel);
	LOCKTAG		tag;

	/* most sequences that are dropped never were generators */
	if (tuple == NULL)
		return false;
	LockRelationOid(RelationGetRelid(rel), RowExclusiveLock);
	CatalogTupleDelete(rel, &tuple->t_self);
	heap_freetuple(tuple);
	table_close(rel, NoLock);

	/* those who have it pinned are done soon; what they add is then seen */
	pin_tag(relid, &tag);
	(void) LockAcquire(&tag, AccessExclusiveLock, false, false);
	return true;
}

List *
sg_catalog_generators(void)
{
	List	   *relids = NIL;
	Oid			relid = sg_catalog_generator_table();
	Relation	rel = OidIsValid(relid) ? try_table_open(relid, AccessShareLock) : NULL;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (rel == NULL)
		return NIL;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		relids = lappend_oid(relids, DatumGetObjectId(column(tuple, RelationGetDescr(rel),
															 Anum_generator_generator)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relids;
}

void
sg_catalog_check_trigger(FunctionCallInfo fcinfo, const char *table)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) != TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) ||
		RelationGetRelid(trigger->tg_relation) != sg_catalog_relation(table))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function is for the triggers of seqgen.%s only", table)));
}

Oid
sg_catalog_row_relid(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_generator_generator, desc, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("a row of seqgen.generator needs a sequence")));
	return DatumGetObjectId(value);
}

void
sg_catalog_refuse_truncate(TriggerData *trigger, const char *hint)
{
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot truncate seqgen.%s", RelationGetRelationName(trigger->tg_relation)),
				 errhint("%s", hint)));
}

/* Does any generator, by the newest committed state, have the layout? */
static bool
layout_in_use(Name layout)
{
	ScanKeyData key;
	SysScanDesc scan;
	Relation	rel;
	bool		found;

	/* waits for every session that is adding a generator */
	rel = table_open(sg_catalog_generator_table(), ShareRowExclusiveLock);
	ScanKeyInit(&key, Anum_generator_layout, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(layout));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, NoLock);
	return found;
}

/*
 * Keep a layout that is built in, or in use, as it is: its ids could not be
 * read any more, and its generators would repeat some.
 */
static void
layout_guard_old(HeapTuple tuple, TupleDesc desc)
{
	Name		name = DatumGetName(column(tuple, desc, Anum_layout_name));

	if (DatumGetBool(column(tuple, desc, Anum_layout_builtin)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("layout \"%s\" is built in and cannot be changed or removed", NameStr(*name)),
				 errhint("Insert a layout of your own into seqgen.layout.")));
	if (layout_in_use(name))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("layout \"%s\" is in use and cannot be changed or removed", NameStr(*name)),
				 errhint("Drop the generators of the layout first; seqgen.generator lists them.")));
}

static void
layout_guard_new(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	SgLayout	layout;

	if (!creating_extension &&
		DatumGetBool(heap_getattr(tuple, Anum_layout_builtin, desc, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only the layouts of the extension itself are built in"),
				 errhint("Leave the column builtin out.")));

	/* NULLs are for the table's own constraints to refuse */
	if (HeapTupleHasNulls(tuple))
		return;
	layout_from_tuple(tuple, desc, &layout);
	layout_check(&layout);
}

PG_FUNCTION_INFO_V1(sg_layout_guard);
Datum
sg_layout_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;

	sg_catalog_check_trigger(fcinfo, "layout");
	sg_catalog_refuse_truncate(trigger, "Delete the layouts that are not built in and not in use.");

	/* a publication of all tables brings the publisher's rows along */
	if (IsLogicalWorker())
		PG_RETURN_POINTER(NULL);

	desc = RelationGetDescr(trigger->tg_relation);
	if (!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		layout_guard_old(trigger->tg_trigtuple, desc);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		layout_guard_new(trigger->tg_trigtuple, desc);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		layout_guard_new(trigger->tg_newtuple, desc);

	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
					  trigger->tg_newtuple : trigger->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(sg_layout_limits);
Datum
sg_layout_limits(PG_FUNCTION_ARGS)
{
	TimestampTz epoch = PG_GETARG_TIMESTAMPTZ(0);
	SgLayout	layout;
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};

	if (TIMESTAMP_NOT_FINITE(epoch))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("epoch of a layout cannot be infinite")));
	layout.epoch = sg_timestamp_to_unix(epoch);
	layout.unit = PG_GETARG_INT32(1);
	layout.time_bits = PG_GETARG_INT32(2);
	layout.node_bits = PG_GETARG_INT32(3);
	layout.sequence_bits = PG_GETARG_INT32(4);
	layout.node_last = false;
	layout.datacenter_bits = PG_GETARG_INT32(5);
	layout_check(&layout);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = TimestampTzGetDatum(sg_unix_to_timestamp(sg_layout_us(&layout, sg_layout_max_time(&layout) + 1)));
	values[1] = Int64GetDatum((sg_layout_max_sequence(&layout) + 1) * USECS_PER_SEC / layout.unit);
	values[2] = Int32GetDatum((int32) sg_layout_max_node(&layout));
	values[3] = Int32GetDatum((int32) sg_layout_max_own_node(&layout));
	values[4] = Int64GetDatum(sg_layout_max_id(&layout));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
