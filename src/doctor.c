/*-------------------------------------------------------------------------
 *
 * doctor.c
 *	  seqgen.doctor(): what is wrong, or soon will be, and what to do.
 *
 * Promises:
 *	1. Each check gives one row, whatever happens to it: one that fails to find
 *	   out says "unknown", and why.
 *	2. Nothing is changed, and nobody is asked over the network: what is told of
 *	   a coordinator is what the background worker heard last.
 *	3. Without the preload the checks that do not need it still work.
 *
 * The verdicts, from good to bad: off (does not apply here), ok, unknown,
 * warning (will get worse, or weakens a promise), failed (ids are not drawn, or
 * could be drawn twice).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "layout.h"
#include "catalog.h"
#include "coordinator.h"
#include "generator.h"
#include "node.h"
#include "query.h"
#include "slot.h"
#include "worker.h"

/* a clock's error, and its difference to the coordinator's, worth a warning */
#define CLOCK_ERROR_WARNING	USECS_PER_SEC
#define SKEW_WARNING_PART	10	/* of seqgen.max_node_skew */

typedef enum Verdict
{
	VERDICT_OFF,
	VERDICT_OK,
	VERDICT_UNKNOWN,
	VERDICT_WARNING,
	VERDICT_FAILED,
} Verdict;

static const char *const verdict_names[] = {
	[VERDICT_OFF] = "off",
	[VERDICT_OK] = "ok",
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_WARNING] = "warning",
	[VERDICT_FAILED] = "failed",
};

/* What a check has found; the texts are palloc'd, or constants. */
typedef struct Finding
{
	Verdict		verdict;
	const char *detail;
	const char *hint;			/* NULL for none */
} Finding;

static void
report(Finding *finding, Verdict verdict, const char *detail, const char *hint)
{
	finding->verdict = verdict;
	finding->detail = detail;
	finding->hint = hint;
}

/* A finding among several of one check: the worst is told. */
static void
report_worse(Finding *finding, Verdict verdict, const char *detail, const char *hint)
{
	if (verdict > finding->verdict)
		report(finding, verdict, detail, hint);
}

/* A length of time for people. */
static const char *
duration_text(int64 us)
{
	if (us < USECS_PER_SEC)
		return psprintf("%.1f ms", (double) us / 1000);
	if (us < 3 * SECS_PER_MINUTE * USECS_PER_SEC)
		return psprintf("%.1f s", (double) us / USECS_PER_SEC);
	return psprintf("%.0f min", (double) us / USECS_PER_SEC / SECS_PER_MINUTE);
}

/*
 * A detail, followed by what the background worker noted, if it did: a message
 * that is no sentence, as errors are.
 */
static const char *
with_reason(const char *detail, const char *message)
{
	return message != NULL && message[0] != '\0' ?
		psprintf("%s The background worker reports: %s.", detail, message) : detail;
}

/* A text field of a row that SPI returned, copied to the given context. */
static char *
text_field(MemoryContext context, uint64 row, int column)
{
	bool		isnull;
	Datum		value = sg_query_field(row, column, &isnull);

	return isnull ? NULL : MemoryContextStrdup(context, TextDatumGetCString(value));
}

static int64
int_field(uint64 row, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = sg_query_field(row, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}


/*
 * The server
 */

static void
check_preloaded(Finding *finding)
{
	if (sg_shmem_ready())
		report(finding, VERDICT_OK, "The library was loaded at server start.", NULL);
	else
		report(finding, VERDICT_FAILED, "The library was not loaded at server start, so nothing can be drawn.",
			   "Add the line shared_preload_libraries = 'seqgen' to postgresql.conf and restart the server.");
}

static void
check_fsync(Finding *finding)
{
	if (enableFsync)
		report(finding, VERDICT_OK, "What is reserved is flushed to disk.", NULL);
	else
		report(finding, VERDICT_FAILED, "After a crash of the machine ids and values can be drawn a second time.",
			   "Set fsync = on.");
}

static void
check_full_page_writes(Finding *finding)
{
	if (fullPageWrites)
		report(finding, VERDICT_OK, "A page that was torn in a crash of the machine is restored.", NULL);
	else
		report(finding, VERDICT_WARNING, "A crash of the machine can tear pages of tables, among them those of leases and blocks.",
			   "Set full_page_writes = on, unless the file system keeps pages whole.");
}


/*
 * The node's number
 */

typedef struct LeaseRow
{
	int			bits;			/* 0 for a number set by hand */
	int64		number;			/* 0 if there is none */
	char		state[NAMEDATALEN];
	int64		until;			/* us since the Unix epoch; -1 if there is
								 * none */
	int64		length;			/* us */
	char	   *message;		/* NULL for none */
} LeaseRow;

/* The rows of seqgen.node_lease; returns how many. */
static int
lease_rows(LeaseRow **rows)
{
	static SgStatement statement = {
		.sql = "SELECT bits::pg_catalog.int8, number::pg_catalog.int8, state::pg_catalog.text, valid_until, length,"
		"       message"
		"  FROM seqgen.node_lease ORDER BY bits, datacenter",
	};
	MemoryContext context = CurrentMemoryContext;
	SgQueryContext query;
	int			count;

	sg_query_begin(&query);
	count = (int) sg_query_run(&statement, NULL, NULL);
	*rows = MemoryContextAllocZero(context, sizeof(LeaseRow) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		LeaseRow   *row = &(*rows)[i];
		int64		at;

		row->bits = (int) int_field(i, 1, 0);
		row->number = int_field(i, 2, 0);
		strlcpy(row->state, text_field(context, i, 3), NAMEDATALEN);
		at = int_field(i, 4, PG_INT64_MIN);
		row->until = at == PG_INT64_MIN ? -1 : sg_timestamp_to_unix(at);
		row->length = int_field(i, 5, 0);
		row->message = text_field(context, i, 6);
	}
	sg_query_end(&query);
	return count;
}

/* Does a loaded generator draw with the number? */
typedef struct Drawing
{
	int64		number;
	bool		found;
} Drawing;

static void
visit_drawing(SgSlot *slot, void *arg)
{
	Drawing    *drawing = arg;
	SgLease		lease;
	uint32		serial;

	if (sg_kind_is_counter(slot->kind) || slot->layout.node_bits == 0)
		return;
	sg_slot_get_lease(slot, &lease, &serial);
	drawing->found = drawing->found || lease.number == drawing->number;
}

/* A number that is not leased, where there is a coordinator: does it know? */
static void
check_registered(Finding *finding, int64 number)
{
	static const char *const hint = "Two servers that the coordinator does not know of can have the same number. See the check of the coordinator.";
	Drawing		drawing = {number, false};
	LeaseRow   *rows;
	int			count = lease_rows(&rows);
	const LeaseRow *row = NULL;

	for (int i = 0; i < count; i++)
		if (rows[i].bits == 0 && rows[i].number == number)
			row = &rows[i];
	if (row != NULL && strcmp(row->state, "refused") == 0)
	{
		report(finding, VERDICT_FAILED,
			   with_reason(psprintf("Number %lld is another server's.", (long long) number), row->message),
			   "Set seqgen.node_id to a number of its own for each server, or leave it out and lease one.");
		return;
	}
	if (row != NULL && strcmp(row->state, "held") == 0 && row->until > sg_clock_now())
		return;
	sg_slot_visit(visit_drawing, &drawing);
	if (drawing.found)
		report(finding, VERDICT_WARNING,
			   with_reason(psprintf("Number %lld is in use, but not registered with the coordinator.", (long long) number),
						   row ? row->message : NULL), hint);
}

static void
check_leased(Finding *finding)
{
	LeaseRow   *rows;
	int			count = lease_rows(&rows);
	int			leased = 0;
	StringInfoData numbers;

	initStringInfo(&numbers);
	report(finding, VERDICT_OFF, "The number is leased as soon as a generator needs one.", NULL);
	for (int i = 0; i < count; i++)
		if (rows[i].bits > 0 && rows[i].number == 0)
			report_worse(finding, VERDICT_FAILED,
						 with_reason(psprintf("The coordinator has not granted a number of %d bits yet.", rows[i].bits),
									 rows[i].message),
						 "See the check of the coordinator.");
		else if (rows[i].bits > 0)
			appendStringInfo(&numbers, "%s%lld", leased++ == 0 ? "" : ", ", (long long) rows[i].number);
	if (leased > 0)
		report_worse(finding, VERDICT_OK,
					 psprintf(leased == 1 ? "Number %s is leased from the coordinator." :
							  "Numbers %s, one of each width, are leased from the coordinator.", numbers.data),
					 NULL);
}

/* Neither is a number set, nor can one be leased. */
static void
check_none(Finding *finding)
{
	LeaseRow   *rows;
	int			count = lease_rows(&rows);
	const char *detail = "There is no node number, so generators whose ids bear one cannot be drawn from.";

	for (int i = 0; i < count; i++)
		if (rows[i].bits > 0 && rows[i].number != 0 && rows[i].until > sg_clock_now())
			detail = psprintf("Number %lld is leased, and cannot be renewed: no foreign server names a coordinator any more.",
							  (long long) rows[i].number);
	report(finding, VERDICT_WARNING, detail,
		   "Set seqgen.node_id, or name a coordinator that leases numbers.");
}

static void
check_node_number(Finding *finding)
{
	int64		number;
	SgNodeOrigin origin;

	if (RecoveryInProgress())
	{
		report(finding, VERDICT_OFF, "The server is in recovery, and draws no ids.", NULL);
		return;
	}
	origin = sg_node_own_number(&number);
	if (origin == SG_NODE_NONE && sg_coordinator_exists())
		check_leased(finding);
	else if (origin == SG_NODE_NONE)
		check_none(finding);
	else
	{
		report(finding, VERDICT_OK,
			   psprintf(origin == SG_NODE_CITUS ? "Number %lld is that of the local group of Citus." :
						"Number %lld is set by seqgen.node_id.", (long long) number), NULL);
		if (sg_coordinator_exists())
			check_registered(finding, number);
	}
}

/* The pure rule: how good is a lease of which so much is left? */
static Verdict
lease_verdict(int64 left, int64 length, bool renewals_fail)
{
	if (left <= 0)
		return VERDICT_FAILED;
	if (left < length / 3 || (renewals_fail && left < length / 3 * 2))
		return VERDICT_WARNING;
	return VERDICT_OK;
}

static void
check_lease(Finding *finding)
{
	LeaseRow   *rows;
	int64		now = sg_clock_now();
	int64		number;
	int			count;

	report(finding, VERDICT_OFF, "No number is leased.", NULL);
	if (RecoveryInProgress() || sg_node_own_number(&number) != SG_NODE_NONE)
		return;
	count = lease_rows(&rows);
	for (int i = 0; i < count; i++)
	{
		const LeaseRow *row = &rows[i];
		int64		left = row->until - now;
		const char *detail;

		if (row->bits == 0 || row->number == 0)
			continue;
		detail = left > 0 ?
			psprintf("Number %lld is leased until %s: %s are left.", (long long) row->number,
					 sg_clock_text(row->until), duration_text(left)) :
			psprintf("The lease of number %lld ended at %s.", (long long) row->number,
					 sg_clock_text(row->until));
		report_worse(finding, lease_verdict(left, row->length, row->message != NULL),
					 with_reason(detail, row->message),
					 left > 0 && row->message == NULL ? NULL :
					 "The background worker goes on trying to renew it. See the check of the coordinator.");
	}
}


/*
 * The coordinator
 */

/* How the ranges of this database that are loaded are served. */
static void
visit_supply(SgSlot *slot, void *arg)
{
	Finding    *finding = arg;

	if (!sg_kind_is_counter(slot->kind))
		return;
	LWLockAcquire(sg_shmem_lock(SG_LOCK_BLOCKS), LW_SHARED);
	if (slot->blocks.supply == SG_SUPPLY_WAITING || slot->blocks.supply == SG_SUPPLY_STOPPED)
	{
		/* no allocation here: the message is the caller's buffer */
		if (finding->verdict < VERDICT_WARNING)
			strlcpy(unconstify(char *, finding->detail), slot->blocks.message, SG_MESSAGE_SIZE);
		finding->verdict = VERDICT_WARNING;
	}
	else if (slot->blocks.supply == SG_SUPPLY_SOUND && finding->verdict < VERDICT_OK)
		finding->verdict = VERDICT_OK;
	LWLockRelease(sg_shmem_lock(SG_LOCK_BLOCKS));
}

/* A message that is no sentence, as errors are, and when it was heard last. */
static const char *
coordinator_says(const char *message, const char *heard)
{
	return psprintf("The background worker reports: %s. %s", message, heard);
}

static void
check_coordinator(Finding *finding)
{
	static const char *const hint = "The server's log has more. Check the foreign server, its user mapping, and the network.";
	Finding		ranges = {VERDICT_OFF, palloc0(SG_MESSAGE_SIZE), NULL};
	SgContact	contact;
	LeaseRow   *rows;
	const char *heard;
	int			count;

	if (!sg_coordinator_exists())
	{
		report(finding, VERDICT_OFF, "This database is its own coordinator: no foreign server names another.", NULL);
		return;
	}
	if (!sg_worker_contact(&contact))
	{
		report(finding, VERDICT_UNKNOWN, "The background worker does not run: nothing has needed the coordinator yet.", NULL);
		return;
	}
	heard = contact.heard_at == 0 ? "It has not answered since the worker started." :
		psprintf("It answered last at %s.", sg_clock_text(contact.heard_at));
	if (contact.failed_at != 0)
	{
		report(finding, VERDICT_WARNING, coordinator_says(contact.failure, heard), hint);
		return;
	}
	if (contact.heard_at == 0)
	{
		report(finding, VERDICT_UNKNOWN, "Nothing has come from the coordinator yet.", NULL);
		return;
	}

	/* it answers; is what it answers of use?  A refusal is that of the number */
	report(finding, VERDICT_OK, psprintf("The coordinator answers. %s", heard), NULL);
	count = lease_rows(&rows);
	for (int i = 0; i < count; i++)
		if (rows[i].message != NULL && strcmp(rows[i].state, "refused") != 0)
			report_worse(finding, VERDICT_WARNING, coordinator_says(rows[i].message, heard), hint);
	sg_slot_visit(visit_supply, &ranges);
	if (ranges.verdict == VERDICT_WARNING)
		report_worse(finding, VERDICT_WARNING, coordinator_says(ranges.detail, heard), hint);
}

static void
check_coordinator_clock(Finding *finding)
{
	int64		limit = (int64) sg_max_node_skew * USECS_PER_SEC;
	SgContact	contact;
	int64		skew;
	const char *detail;

	if (!sg_coordinator_exists())
	{
		report(finding, VERDICT_OFF, "There is no other coordinator.", NULL);
		return;
	}
	if (!sg_worker_contact(&contact) || !contact.has_skew)
	{
		report(finding, VERDICT_UNKNOWN, "The coordinator has not told its time yet: it does with node numbers.", NULL);
		return;
	}
	skew = contact.skew < 0 ? -contact.skew : contact.skew;
	detail = psprintf("The coordinator's clock was %s %s this server's when it was last heard.",
					  duration_text(skew), contact.skew < 0 ? "behind" : "ahead of");
	if (skew >= limit)
		report(finding, VERDICT_FAILED, detail,
			   "Correct the clocks: beyond seqgen.max_node_skew no number is leased, nor a lease renewed.");
	else if (skew >= limit / SKEW_WARNING_PART)
		report(finding, VERDICT_WARNING, detail, "Let an NTP service keep both clocks.");
	else
		report(finding, VERDICT_OK, detail, NULL);
}

/* Until when new node numbers are held back, from the row that SPI returned. */
static const char *
hold_text(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	const char *detail;
	bool		isnull;
	Datum		until = sg_query_field(0, 4, &isnull);

	detail = isnull ? "New node numbers are held back." :
		psprintf("New node numbers are held back until %s: grants may have been lost.",
				 timestamptz_to_str(DatumGetTimestampTz(until)));
	MemoryContextSwitchTo(old);
	return detail;
}

static void
check_hold(Finding *finding)
{
	static SgStatement statement = {
		.sql = "SELECT r.in_hold, r.reason, n.in_hold, n.\"until\", l.shared OR l.lease_generation OPERATOR(pg_catalog.>) 0"
		"  FROM seqgen.range_ledger l, seqgen.range_hold() r, seqgen.node_hold() n",
	};
	MemoryContext context = CurrentMemoryContext;
	SgQueryContext query;
	bool		isnull;

	report(finding, VERDICT_OFF, "This database has granted nothing to other servers.", NULL);
	if (RecoveryInProgress())
		return;
	sg_query_begin(&query);
	if (sg_query_run(&statement, NULL, NULL) == 1)
	{
		if (DatumGetBool(sg_query_field(0, 5, &isnull)))
			report(finding, VERDICT_OK, "As a coordinator, this database grants blocks and node numbers.", NULL);
		if (DatumGetBool(sg_query_field(0, 3, &isnull)) && !isnull)
			report_worse(finding, VERDICT_WARNING, hold_text(context),
						 "New node numbers are leased after the hold. If no node has a lease from before, SELECT seqgen.node_resume() ends it.");
		if (DatumGetBool(sg_query_field(0, 1, &isnull)) && !isnull)
			report_worse(finding, VERDICT_FAILED, text_field(context, 0, 2),
						 "No block of a range is granted until SELECT seqgen.range_resume() is called.");
	}
	sg_query_end(&query);
}


/*
 * The clock
 */

static void
check_clock(Finding *finding)
{
	int64		error;

	switch (sg_clock_state(&error))
	{
		case SG_CLOCK_SYNCHRONIZED:
			report(finding, error < CLOCK_ERROR_WARNING ? VERDICT_OK : VERDICT_WARNING,
				   psprintf("The kernel calls the clock synchronized, and wrong by %s at most.", duration_text(error)),
				   error < CLOCK_ERROR_WARNING ? NULL : "Check the NTP service of this machine.");
			break;
		case SG_CLOCK_UNSYNCHRONIZED:
			report(finding, VERDICT_WARNING, "The kernel calls the clock unsynchronized; nothing bounds its error.",
				   "Run an NTP service, such as chrony, on this machine.");
			break;
		case SG_CLOCK_SHIFTED:
			report(finding, VERDICT_WARNING, "The clock is shifted by seqgen.debug_clock_offset.",
				   "This setting is for tests.");
			break;
		case SG_CLOCK_UNKNOWN:
			report(finding, VERDICT_UNKNOWN, "The kernel does not tell whether the clock is synchronized.", NULL);
			break;
	}
}


/*
 * Generators
 */

/*
 * The time at which the ids of a generator end: of its layout, or of the
 * MAXVALUE of its sequence.
 */
static int64
end_of_life(Oid relid, const SgLayout *layout)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	int64		end = sg_layout_us(layout, sg_layout_max_time(layout) + 1);
	SgFields	fields;

	if (!HeapTupleIsValid(tuple))
		return end;
	if (sg_layout_unpack(layout, ((Form_pg_sequence) GETSTRUCT(tuple))->seqmax, &fields))
		end = sg_layout_us(layout, fields.time + 1);
	ReleaseSysCache(tuple);
	return end;
}

/* The pure rule: how close is a generator to its end? */
static Verdict
life_verdict(int64 epoch, int64 end, int64 now)
{
	if (now >= end)
		return VERDICT_FAILED;
	return (double) (now - epoch) >= 0.9 * (double) (end - epoch) ? VERDICT_WARNING : VERDICT_OK;
}

static void
check_life(Finding *finding, Oid relid, int64 now)
{
	SgCatalogGenerator row;
	SgLayout	layout;
	int64		end;

	if (!sg_catalog_generator(relid, &row) || sg_kind_is_counter(row.kind) ||
		get_rel_name(relid) == NULL || !sg_catalog_layout(NameStr(row.layout_name), &layout))
		return;
	end = end_of_life(relid, &layout);
	report_worse(finding, life_verdict(layout.epoch, end, now),
				 psprintf(now >= end ? "Generator \"%s\" has no ids left: they ended at %s." :
						  "Generator \"%s\" has used 90 %% of its time: its ids end at %s.",
						  get_rel_name(relid), sg_clock_text(end)),
				 "Create a generator with a layout that has more bits of time or a later epoch, or raise MAXVALUE if it is the sequence's.");
}

/* Ranges that this database grants blocks of. */
static void
check_ranges(Finding *finding)
{
	static SgStatement statement = {
		.sql = "SELECT generator::pg_catalog.text, percent_used::pg_catalog.text, remaining OPERATOR(pg_catalog.=) 0"
		"  FROM seqgen.range_usage WHERE percent_used OPERATOR(pg_catalog.>=) 90"
		" ORDER BY remaining LIMIT 1",
	};
	MemoryContext context = CurrentMemoryContext;
	SgQueryContext query;
	bool		isnull;

	sg_query_begin(&query);
	if (sg_query_run(&statement, NULL, NULL) == 1)
	{
		const char *name = text_field(context, 0, 1);
		const char *used = text_field(context, 0, 2);
		MemoryContext old = MemoryContextSwitchTo(context);

		report_worse(finding, DatumGetBool(sg_query_field(0, 3, &isnull)) ? VERDICT_FAILED : VERDICT_WARNING,
					 psprintf("Of range \"%s\", %s %% are given out.", name, used),
					 "Create a range with a larger maximum, or release values that are not in use, for range_alloc(within => ...).");
		MemoryContextSwitchTo(old);
	}
	sg_query_end(&query);
}

static void
check_bounds(Finding *finding)
{
	ListCell   *cell;
	int64		now = sg_clock_now();

	report(finding, VERDICT_OK, "No generator has used 90 % of its ids.", NULL);
	foreach(cell, sg_catalog_generators())
		check_life(finding, lfirst_oid(cell), now);
	check_ranges(finding);
}

static void
check_lead(Finding *finding)
{
	SgGeneratorState *states;
	int			count = sg_generator_states(&states);
	int64		limit = (int64) sg_max_lead * 1000;
	int			worst = -1;

	for (int i = 0; i < count; i++)
		if (states[i].lead >= 0 && (worst < 0 || states[i].lead > states[worst].lead))
			worst = i;
	if (worst < 0 || states[worst].lead <= limit / 2)
		report(finding, VERDICT_OK, "No generator is ahead of the clock by more than half of seqgen.max_lead.", NULL);
	else
		report(finding, states[worst].lead >= limit ? VERDICT_FAILED : VERDICT_WARNING,
			   psprintf("Generator \"%s\" is %s ahead of the clock; seqgen.max_lead is %s.",
						get_rel_name(states[worst].relid) ? get_rel_name(states[worst].relid) : "?",
						duration_text(states[worst].lead), duration_text(limit)),
			   "Was the clock set back, or are more ids drawn than the layout has for the time? Beyond seqgen.max_lead drawing waits, or fails.");
}

/* How often two holders of a number were found by this database as a coordinator. */
static int64
count_conflicts(void)
{
	static SgStatement statement = {
		.sql = "SELECT pg_catalog.sum(conflicts)::pg_catalog.int8 FROM seqgen.node",
	};
	SgQueryContext query;
	int64		conflicts = 0;

	sg_query_begin(&query);
	if (sg_query_run(&statement, NULL, NULL) == 1)
		conflicts = int_field(0, 1, 0);
	sg_query_end(&query);
	return conflicts;
}

static void
check_duplicate_nodes(Finding *finding)
{
	SgGeneratorState *states;
	int			count = sg_generator_states(&states);
	int64		foreign = 0;
	int64		conflicts;

	for (int i = 0; i < count; i++)
		foreign += states[i].foreign_ids;
	if (foreign > 0)
	{
		report(finding, VERDICT_FAILED,
			   psprintf("%lld observed ids bear this node's number, but were not drawn here.", (long long) foreign),
			   "Find the server that uses the same number. seqgen.stat_generator.foreign_ids tells which generator saw them; seqgen.stat_reset() forgets them.");
		return;
	}
	conflicts = count_conflicts();
	if (conflicts > 0)
		report(finding, VERDICT_WARNING,
			   psprintf("As a coordinator, this database has found two holders of a number %lld times.", (long long) conflicts),
			   "The view seqgen.nodes tells which; the log tells who. Was a virtual machine started twice?");
	else
		report(finding, VERDICT_OK, "No second server with the same number was noticed.", NULL);
}


/*
 * All of them
 */

typedef struct Check
{
	const char *name;
	bool		needs_preload;
	void		(*run) (Finding *finding);
} Check;

static const Check checks[] = {
	{"preloaded", false, check_preloaded},
	{"node_number", true, check_node_number},
	{"lease", true, check_lease},
	{"coordinator", true, check_coordinator},
	{"clock", false, check_clock},
	{"coordinator_clock", true, check_coordinator_clock},
	{"bounds", false, check_bounds},
	{"lead", true, check_lead},
	{"duplicate_nodes", true, check_duplicate_nodes},
	{"hold", true, check_hold},
	{"fsync", false, check_fsync},
	{"full_page_writes", false, check_full_page_writes},
};

/* Run a check; an error in it is a finding, unless it is a request to end. */
static void
run_check(const Check *check, Finding *finding)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (check->needs_preload && !sg_shmem_ready())
	{
		report(finding, VERDICT_UNKNOWN, "The library was not loaded at server start.", NULL);
		return;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		check->run(finding);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		report(finding, VERDICT_UNKNOWN, psprintf("The check raised an error: %s", error->message), error->hint);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

PG_FUNCTION_INFO_V1(sg_doctor);
Datum
sg_doctor(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(checks); i++)
	{
		Finding		finding = {VERDICT_UNKNOWN, "", NULL};
		Datum		values[4];
		bool		nulls[4] = {false};

		run_check(&checks[i], &finding);
		values[0] = CStringGetTextDatum(checks[i].name);
		values[1] = CStringGetTextDatum(verdict_names[finding.verdict]);
		values[2] = CStringGetTextDatum(finding.detail);
		nulls[3] = finding.hint == NULL;
		values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(finding.hint);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
