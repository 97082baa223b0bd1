/*-------------------------------------------------------------------------
 *
 * registry_row.c
 *	  The rows of the registry of node numbers: seqgen.node, a row for each
 *	  number that was ever given, and seqgen.node_history, a row for each
 *	  holder.
 *
 * Rows are read by index, with a snapshot that is taken for it, so that after a
 * number is locked its row is as the one who had the lock before has left it:
 * locks are released after the transaction that holds them has ended.  They are
 * written through SPI, as the owner of the tables: callers have no privileges
 * on them.
 *
 * Locks of numbers and of keys are heavyweight locks that no other code takes,
 * as their class is a table of ours.  The history has one of its own, never held
 * to a transaction's end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "clock.h"
#include "lease.h"
#include "catalog.h"
#include "query.h"
#include "node.h"
#include "allocation.h"
#include "registry_row.h"

/* columns of seqgen.node */
#define Anum_node_bits			1
#define Anum_node_datacenter	2
#define Anum_node_number		3
#define Anum_node_state			4
#define Anum_node_node			5
#define Anum_node_role			6
#define Anum_node_identity		7
#define Anum_node_running		8
#define Anum_node_address		9
#define Anum_node_name			10
#define Anum_node_location		11
#define Anum_node_generation	12
#define Anum_node_key			13
#define Anum_node_valid_from	14
#define Anum_node_valid_until	15
#define Anum_node_length		16
#define Anum_node_last_seen		18
#define Natts_node				19

/* columns of seqgen.node_history */
#define Anum_history_ledger		1
#define Anum_history_serial		2
#define Anum_history_bits		3
#define Anum_history_datacenter 4
#define Anum_history_number		5
#define Anum_history_node		6
#define Anum_history_location	8
#define Anum_history_valid_from 10

/* lines that are told at once */
#define MAX_LINES		200

/* how far back a holder is looked for */
#define MAX_HOLDERS		1000


/*
 * Locks
 */

/* The tag has room for all there is: 30 bits of number, 5 of bits, 9 of datacenter. */
static void
number_tag(const SgPool *pool, int number, LOCKTAG *tag)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, sg_catalog_relation("node"), (uint32) number,
					   (uint16) (pool->bits << 9 | (pool->datacenter + 1)));
}

bool
sg_registry_lock_number(const SgPool *pool, int number)
{
	LOCKTAG		tag;

	number_tag(pool, number, &tag);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
sg_registry_unlock_number(const SgPool *pool, int number)
{
	LOCKTAG		tag;

	number_tag(pool, number, &tag);
	(void) LockRelease(&tag, ExclusiveLock, false);
}

bool
sg_registry_lock_key(const pg_uuid_t *key)
{
	LOCKTAG		tag;
	uint32		part;
	uint16		rest;

	memcpy(&part, key->data, sizeof(part));
	memcpy(&rest, key->data + sizeof(part), sizeof(rest));
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, sg_catalog_relation("node_history"), part, rest);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}


/*
 * Reading rows
 */

static char *
text_column(Datum value, bool isnull)
{
	return isnull ? NULL : TextDatumGetCString(value);
}

static void
row_from_tuple(HeapTuple tuple, TupleDesc desc, SgNodeRow *row)
{
	Datum		values[Natts_node];
	bool		nulls[Natts_node];

	if (desc->natts != Natts_node)
		elog(ERROR, "seqgen.node is not as it should be");
	heap_deform_tuple(tuple, desc, values, nulls);

	row->pool.bits = DatumGetInt16(values[Anum_node_bits - 1]);
	row->pool.datacenter = DatumGetInt32(values[Anum_node_datacenter - 1]);
	row->number = DatumGetInt32(values[Anum_node_number - 1]);
	row->released = strcmp(NameStr(*DatumGetName(values[Anum_node_state - 1])), "held") != 0;
	row->node = *DatumGetUUIDP(values[Anum_node_node - 1]);
	row->role = *DatumGetName(values[Anum_node_role - 1]);
	row->identity = TextDatumGetCString(values[Anum_node_identity - 1]);
	row->running = *DatumGetUUIDP(values[Anum_node_running - 1]);
	row->address = nulls[Anum_node_address - 1] ? NULL :
		OidOutputFunctionCall(F_INET_OUT, values[Anum_node_address - 1]);
	row->name = text_column(values[Anum_node_name - 1], nulls[Anum_node_name - 1]);
	row->location = TextDatumGetCString(values[Anum_node_location - 1]);
	row->generation = DatumGetInt64(values[Anum_node_generation - 1]);
	row->key = *DatumGetUUIDP(values[Anum_node_key - 1]);
	row->from = sg_timestamp_to_unix(DatumGetTimestampTz(values[Anum_node_valid_from - 1]));
	row->until = sg_timestamp_to_unix(DatumGetTimestampTz(values[Anum_node_valid_until - 1]));
	row->length = DatumGetIntervalP(values[Anum_node_length - 1])->time;
	row->last_seen = sg_timestamp_to_unix(DatumGetTimestampTz(values[Anum_node_last_seen - 1]));
}

/* An ordered scan of a table by one of its indexes. */
typedef struct OrderedScan
{
	Relation	rel;
	Relation	index;
	SysScanDesc scan;
} OrderedScan;

static void
scan_begin(OrderedScan *scan, const char *table, const char *index, int nkeys, ScanKey keys)
{
	scan->rel = table_open(sg_catalog_relation(table), AccessShareLock);
	scan->index = index_open(get_relname_relid(index, RelationGetNamespace(scan->rel)),
							 AccessShareLock);
	scan->scan = systable_beginscan_ordered(scan->rel, scan->index, NULL, nkeys, keys);
}

static void
scan_end(OrderedScan *scan)
{
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->rel, AccessShareLock);
}

/* Keys of a pool, which are the first columns of the indexes of both tables. */
static void
pool_keys(const SgPool *pool, int bits_column, int datacenter_column, ScanKey keys)
{
	ScanKeyInit(&keys[0], bits_column, BTEqualStrategyNumber, F_INT2EQ,
				Int16GetDatum((int16) pool->bits));
	ScanKeyInit(&keys[1], datacenter_column, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(pool->datacenter));
}

bool
sg_registry_read(const SgPool *pool, int number, SgNodeRow *row)
{
	OrderedScan scan;
	ScanKeyData keys[3];
	HeapTuple	tuple;

	pool_keys(pool, Anum_node_bits, Anum_node_datacenter, keys);
	ScanKeyInit(&keys[2], Anum_node_number, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(number));
	scan_begin(&scan, "node", "node_pkey", 3, keys);
	tuple = systable_getnext_ordered(scan.scan, ForwardScanDirection);
	if (HeapTupleIsValid(tuple))
		row_from_tuple(tuple, RelationGetDescr(scan.rel), row);
	scan_end(&scan);
	return HeapTupleIsValid(tuple);
}

bool
sg_registry_read_by_key(const SgPool *pool, const pg_uuid_t *key, SgNodeRow *row)
{
	OrderedScan scan;
	ScanKeyData keys[1];
	HeapTuple	tuple;
	SgNodeRow	next;
	bool		found = false;

	ScanKeyInit(&keys[0], Anum_node_key, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(key));
	scan_begin(&scan, "node", "node_key", 1, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan.scan, ForwardScanDirection)))
	{
		row_from_tuple(tuple, RelationGetDescr(scan.rel), &next);
		if (next.pool.bits != pool->bits || next.pool.datacenter != pool->datacenter ||
			(found && next.generation < row->generation))
			continue;
		*row = next;
		found = true;
	}
	scan_end(&scan);
	return found;
}

List *
sg_registry_read_all(int number)
{
	Relation	rel = table_open(sg_catalog_relation("node"), AccessShareLock);
	List	   *rows = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_node_number, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(number));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		SgNodeRow  *row = palloc(sizeof(SgNodeRow));

		row_from_tuple(tuple, RelationGetDescr(rel), row);
		rows = lappend(rows, row);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

char *
sg_registry_name_of(const pg_uuid_t *node, const NameData *role)
{
	OrderedScan scan;
	ScanKeyData keys[1];
	HeapTuple	tuple;
	SgNodeRow	row;
	char	   *name = NULL;
	int64		newest = 0;

	ScanKeyInit(&keys[0], Anum_node_node, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(node));
	scan_begin(&scan, "node", "node_node", 1, keys);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan.scan, ForwardScanDirection)))
	{
		row_from_tuple(tuple, RelationGetDescr(scan.rel), &row);
		if (row.generation < newest || strcmp(NameStr(row.role), NameStr(*role)) != 0)
			continue;
		newest = row.generation;
		name = row.name;
	}
	scan_end(&scan);
	return name;
}


/*
 * Choosing a number
 */

/* Lock a number and find out whether it still is as it was seen. */
static bool
take_unused(const SgPool *pool, int number, bool *busy)
{
	SgNodeRow	row;

	if (!sg_registry_lock_number(pool, number))
	{
		*busy = true;
		return false;
	}
	if (!sg_registry_read(pool, number, &row))
		return true;
	sg_registry_unlock_number(pool, number);
	return false;
}

static bool
take_free(const SgPool *pool, int64 clock, int64 max_skew, SgNodeRow *row, bool *busy)
{
	int			number = row->number;

	if (!sg_registry_lock_number(pool, number))
	{
		*busy = true;
		return false;
	}
	if (sg_registry_read(pool, number, row) && sg_lease_is_free(row->until, clock, max_skew))
		return true;
	sg_registry_unlock_number(pool, number);
	return false;
}

/* Numbers are given in their order at first, so what follows the last one is new. */
static bool
choose_new(const SgPool *pool, SgNodeRow *row, bool *busy)
{
	OrderedScan scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	int64		number;
	int64		last;

	sg_lease_numbers(pool->bits, &number, &last);
	pool_keys(pool, Anum_node_bits, Anum_node_datacenter, keys);
	scan_begin(&scan, "node", "node_pkey", 2, keys);
	tuple = systable_getnext_ordered(scan.scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		row_from_tuple(tuple, RelationGetDescr(scan.rel), row);
		number = Max(number, (int64) row->number + 1);
	}
	scan_end(&scan);

	for (; number <= last; number++)
	{
		CHECK_FOR_INTERRUPTS();
		if (take_unused(pool, (int) number, busy))
		{
			row->number = (int) number;
			return true;
		}
	}
	return false;
}

/* Sets *end to the end of the first window that lasts, if there is one. */
static bool
choose_free(const SgPool *pool, int64 clock, int64 max_skew, SgNodeRow *row, bool *busy, int64 *end)
{
	OrderedScan scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	bool		found = false;

	*end = 0;
	pool_keys(pool, Anum_node_bits, Anum_node_datacenter, keys);
	scan_begin(&scan, "node", "node_free", 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext_ordered(scan.scan, ForwardScanDirection)))
	{
		CHECK_FOR_INTERRUPTS();
		row_from_tuple(tuple, RelationGetDescr(scan.rel), row);
		if (!sg_lease_is_free(row->until, clock, max_skew))
		{
			*end = row->until;
			break;
		}
		found = take_free(pool, clock, max_skew, row, busy);
	}
	scan_end(&scan);
	return found;
}

/* A number that was passed over, as somebody had it who came to nothing. */
static bool
choose_gap(const SgPool *pool, SgNodeRow *row, bool *busy)
{
	OrderedScan scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	int64		number;
	int64		last;
	bool		found = false;

	sg_lease_numbers(pool->bits, &number, &last);
	pool_keys(pool, Anum_node_bits, Anum_node_datacenter, keys);
	scan_begin(&scan, "node", "node_pkey", 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext_ordered(scan.scan, ForwardScanDirection)))
	{
		CHECK_FOR_INTERRUPTS();
		row_from_tuple(tuple, RelationGetDescr(scan.rel), row);
		for (; !found && number < row->number; number++)
		{
			found = take_unused(pool, (int) number, busy);
			if (found)
				row->number = (int) number;
		}
		if (!found)
			number = (int64) row->number + 1;
	}
	scan_end(&scan);
	return found;
}

SgChoice
sg_registry_choose(const SgPool *pool, int64 clock, int64 max_skew, SgNodeRow *row)
{
	bool		busy = false;
	int64		end;

	if (choose_new(pool, row, &busy))
		return SG_CHOICE_NEW;
	if (choose_free(pool, clock, max_skew, row, &busy, &end))
		return SG_CHOICE_FREE;
	if (choose_gap(pool, row, &busy))
		return SG_CHOICE_NEW;
	row->until = end;
	return busy || end == 0 ? SG_CHOICE_BUSY : SG_CHOICE_NONE;
}


/*
 * Writing rows
 */

#define ROW_PARAMS	15

static uint64
row_write(SgStatement *statement, const SgNodeRow *row, int64 clock)
{
	Interval	length = {.time = row->length};
	Datum		values[ROW_PARAMS] = {
		Int16GetDatum((int16) row->pool.bits),
		Int32GetDatum(row->pool.datacenter),
		Int32GetDatum(row->number),
		UUIDPGetDatum(&row->node),
		NameGetDatum(&row->role),
		CStringGetTextDatum(row->identity),
		UUIDPGetDatum(&row->running),
		row->name ? CStringGetTextDatum(row->name) : (Datum) 0,
		CStringGetTextDatum(row->location),
		Int64GetDatum(row->generation),
		UUIDPGetDatum(&row->key),
		TimestampTzGetDatum(sg_unix_to_timestamp(row->from)),
		TimestampTzGetDatum(sg_unix_to_timestamp(row->until)),
		IntervalPGetDatum(&length),
		TimestampTzGetDatum(sg_unix_to_timestamp(clock)),
	};
	char		nulls[ROW_PARAMS + 1] = "               ";

	if (row->name == NULL)
		nulls[7] = 'n';
	return sg_allocation_execute(statement, values, nulls);
}

#define ROW_TYPES \
	{INT2OID, INT4OID, INT4OID, UUIDOID, NAMEOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, \
	INT8OID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INTERVALOID, TIMESTAMPTZOID}

/* A row that somebody has locked by hand is not waited for. */
#define WHERE_ROW \
	" WHERE ctid OPERATOR(pg_catalog.=) (SELECT ctid FROM seqgen.node" \
	"   WHERE bits OPERATOR(pg_catalog.=) $1 AND datacenter OPERATOR(pg_catalog.=) $2" \
	"     AND number OPERATOR(pg_catalog.=) $3 FOR UPDATE SKIP LOCKED)"

void
sg_registry_insert(const SgNodeRow *row, int64 clock)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.node (bits, datacenter, number, state, node, role, identity,"
		" running, address, name, location, generation, key, valid_from, valid_until,"
		" length, granted_at, last_seen)"
		" VALUES ($1, $2, $3, 'held', $4, $5, $6, $7, pg_catalog.inet_client_addr(), $8, $9,"
		" $10, $11, $12, $13, $14, $15, $15)",
		ROW_PARAMS, ROW_TYPES, NULL
	};

	(void) row_write(&insert, row, clock);
}

bool
sg_registry_replace(const SgNodeRow *row, int64 clock)
{
	static SgStatement update = {
		"UPDATE seqgen.node SET state = 'held', node = $4, role = $5, identity = $6,"
		" running = $7, address = pg_catalog.inet_client_addr(), name = $8, location = $9,"
		" generation = $10, key = $11, valid_from = $12, valid_until = $13, length = $14,"
		" granted_at = $15, last_seen = $15" WHERE_ROW,
		ROW_PARAMS, ROW_TYPES, NULL
	};

	return row_write(&update, row, clock) > 0;
}

bool
sg_registry_renew(const SgNodeRow *row, int64 clock)
{
	static SgStatement update = {
		"UPDATE seqgen.node SET identity = $6, running = $7,"
		" address = pg_catalog.inet_client_addr(), location = $9, generation = $10,"
		" key = $11, valid_until = $13, length = $14, last_seen = $15" WHERE_ROW,
		ROW_PARAMS, ROW_TYPES, NULL
	};

	return row_write(&update, row, clock) > 0;
}

bool
sg_registry_release(const SgNodeRow *row)
{
	static SgStatement update = {
		"UPDATE seqgen.node SET state = 'released', generation = $10, valid_until = $13" WHERE_ROW,
		ROW_PARAMS, ROW_TYPES, NULL
	};

	return row_write(&update, row, 0) > 0;
}

bool
sg_registry_rename(const SgNodeRow *row)
{
	static SgStatement update = {
		"UPDATE seqgen.node SET name = $8" WHERE_ROW,
		ROW_PARAMS, ROW_TYPES, NULL
	};
	static SgStatement history = {
		"UPDATE seqgen.node_history SET name = $8 WHERE bits OPERATOR(pg_catalog.=) $1"
		" AND datacenter OPERATOR(pg_catalog.=) $2 AND number OPERATOR(pg_catalog.=) $3"
		" AND valid_until IS NULL",
		ROW_PARAMS, ROW_TYPES, NULL
	};

	if (row_write(&update, row, 0) == 0)
		return false;
	(void) row_write(&history, row, 0);
	return true;
}

void
sg_registry_note_conflict(const SgPool *pool, int number)
{
	static SgStatement update = {
		"UPDATE seqgen.node SET conflicts = conflicts OPERATOR(pg_catalog.+) 1" WHERE_ROW,
		3, {INT2OID, INT4OID, INT4OID}, NULL
	};
	Datum		values[3] = {
		Int16GetDatum((int16) pool->bits),
		Int32GetDatum(pool->datacenter),
		Int32GetDatum(number),
	};

	(void) sg_allocation_execute(&update, values, NULL);
}


/*
 * The history
 */

void
sg_registry_history_begin(void)
{
	LockDatabaseObject(RelationRelationId, sg_catalog_relation("node_history"), 0, ExclusiveLock);
}

void
sg_registry_history_end(void)
{
	UnlockDatabaseObject(RelationRelationId, sg_catalog_relation("node_history"), 0, ExclusiveLock);
}

void
sg_registry_history_insert(const pg_uuid_t *ledger, const SgNodeRow *row, int64 from)
{
	static SgStatement insert = {
		"INSERT INTO seqgen.node_history (ledger_id, serial, bits, datacenter, number, node,"
		" name, location, generation, valid_from)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $2, $9)",
		9, {UUIDOID, INT8OID, INT2OID, INT4OID, INT4OID, UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}, NULL
	};
	Datum		values[9] = {
		UUIDPGetDatum(ledger),
		Int64GetDatum(row->generation),
		Int16GetDatum((int16) row->pool.bits),
		Int32GetDatum(row->pool.datacenter),
		Int32GetDatum(row->number),
		UUIDPGetDatum(&row->node),
		row->name ? CStringGetTextDatum(row->name) : (Datum) 0,
		CStringGetTextDatum(row->location),
		TimestampTzGetDatum(sg_unix_to_timestamp(from)),
	};

	(void) sg_allocation_execute(&insert, values, row->name ? NULL : "      n  ");
}

void
sg_registry_history_close(const pg_uuid_t *ledger, const SgPool *pool, int number, int64 until)
{
	static SgStatement update = {
		"UPDATE seqgen.node_history SET valid_until = $4 WHERE bits OPERATOR(pg_catalog.=) $1"
		" AND datacenter OPERATOR(pg_catalog.=) $2 AND number OPERATOR(pg_catalog.=) $3"
		" AND valid_until IS NULL AND ledger_id OPERATOR(pg_catalog.=) $5",
		5, {INT2OID, INT4OID, INT4OID, TIMESTAMPTZOID, UUIDOID}, NULL
	};
	Datum		values[5] = {
		Int16GetDatum((int16) pool->bits),
		Int32GetDatum(pool->datacenter),
		Int32GetDatum(number),
		TimestampTzGetDatum(sg_unix_to_timestamp(until)),
		UUIDPGetDatum(ledger),
	};

	(void) sg_allocation_execute(&update, values, NULL);
}

static bool
uuid_equal(Datum value, const pg_uuid_t *uuid)
{
	return memcmp(DatumGetUUIDP(value), uuid, sizeof(pg_uuid_t)) == 0;
}

/* The newest row whose serial is not above the generation tells who it was. */
bool
sg_registry_history_knows(const pg_uuid_t *ledger, const SgPool *pool, int number,
						  int64 generation, const pg_uuid_t *node)
{
	OrderedScan scan;
	ScanKeyData keys[3];
	HeapTuple	tuple;
	bool		known = false;

	pool_keys(pool, Anum_history_bits, Anum_history_datacenter, keys);
	ScanKeyInit(&keys[2], Anum_history_number, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(number));
	scan_begin(&scan, "node_history", "node_history_number", 3, keys);
	for (int i = 0; i < MAX_HOLDERS; i++)
	{
		bool		isnull;
		TupleDesc	desc = RelationGetDescr(scan.rel);

		tuple = systable_getnext_ordered(scan.scan, BackwardScanDirection);
		if (!HeapTupleIsValid(tuple))
			break;
		if (!uuid_equal(heap_getattr(tuple, Anum_history_ledger, desc, &isnull), ledger) ||
			DatumGetInt64(heap_getattr(tuple, Anum_history_serial, desc, &isnull)) > generation)
			continue;
		known = uuid_equal(heap_getattr(tuple, Anum_history_node, desc, &isnull), node);
		break;
	}
	scan_end(&scan);
	return known;
}

static void
append_line(StringInfo lines, TupleTableSlot *slot)
{
	Datum	   *values;

	slot_getallattrs(slot);
	values = slot->tts_values;
	appendStringInfo(lines, "%lld %d %d %d %lld %s %s\n",
					 (long long) DatumGetInt64(values[Anum_history_serial - 1]),
					 DatumGetInt16(values[Anum_history_bits - 1]),
					 DatumGetInt32(values[Anum_history_datacenter - 1]),
					 DatumGetInt32(values[Anum_history_number - 1]),
					 (long long) sg_timestamp_to_unix(DatumGetTimestampTz(values[Anum_history_valid_from - 1])),
					 OidOutputFunctionCall(F_UUID_OUT, values[Anum_history_node - 1]),
					 TextDatumGetCString(values[Anum_history_location - 1]));
}

/*
 * A dirty snapshot shows rows of transactions in flight, and rows are inserted
 * in the order of their serials.  So all that comes before the first row in
 * flight is there for good, or never will be.  A row that somebody is just
 * changing, as its end is noted, is shown twice: as it was, and as it may be.
 */
char *
sg_registry_history_lines(const pg_uuid_t *ledger, int64 seen)
{
	Relation	rel = table_open(sg_catalog_relation("node_history"), AccessShareLock);
	Relation	index = index_open(get_relname_relid("node_history_pkey", RelationGetNamespace(rel)),
								   AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	StringInfoData lines;
	ScanKeyData keys[2];
	SnapshotData snapshot;
	IndexScanDesc scan;
	int64		last = seen;
	int			count = 0;

	initStringInfo(&lines);
	/* columns of the index */
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(ledger));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(seen));
	InitDirtySnapshot(snapshot);
	scan = IndexBeginScan(rel, index, &snapshot, 2);
	index_rescan(scan, keys, 2, NULL, 0);
	while (count < MAX_LINES && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		int64		serial = DatumGetInt64(slot_getattr(slot, Anum_history_serial, &isnull));

		if (serial == last)
			continue;
		if (TransactionIdIsValid(snapshot.xmin))
			break;
		append_line(&lines, slot);
		last = serial;
		count++;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return count > 0 ? lines.data : NULL;
}
