/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Node numbers: what a coordinator answers to nodes that ask for one.
 *
 * Promises:
 *	1. The windows of a number never overlap: no time lies in the windows of
 *	   two holders, whatever clocks, retries, crashes and failovers do, as long
 *	   as the clocks of those who are coordinator one after the other differ by
 *	   no more than seqgen.max_node_skew.
 *	2. An answer is durable before anybody hears of it, and its generation is
 *	   larger than that of every answer before it.
 *	3. Nobody waits for anybody's open transaction.
 *
 * Why windows do not overlap.  In one registry: whoever changes the row of a
 * number holds its lock to the end of the transaction, and reads the row after
 * it has the lock, so changes of a row follow one another.  A row's until never
 * becomes less.  A new holder's window begins at or after the until of the
 * row, and a renewal leaves the beginning alone and is only granted to the
 * holder that the row names.  So a window ends where the next one begins, or
 * before, and no clock comes into it: clocks decide how soon a number is given
 * again, and what is promised is about the windows, which nodes keep to.  A
 * transaction that is rolled back has told nobody; a repeated attempt is
 * recognized by its key, and is told the same window.
 *
 * When the registry forgets, by a failover or a restore, what it has forgotten
 * are windows that end before the end of the hold that begins then (see
 * hold.c), and windows that were prolonged.  Numbers given anew, from then on
 * for ever, have windows that begin at the end of the hold or later.  Renewals
 * go on in the hold: a holder in the row that the registry remembers.  Had its
 * number been given to somebody else in what was forgotten, then at a time at
 * which the former coordinator's clock was past the until that is remembered,
 * by the skew.  A renewal is refused at a margin before it, so the clocks of
 * the two would have to differ by more than both.
 *
 * The asker is not trusted.  It is the holder of a number if its name (a uuid),
 * its login role and its identity are those of the row.  What it says of
 * numbers and generations that are not its own may lead to a hold, and to
 * nothing else.  Two of whom everything is the same, as of a machine that was
 * copied while it ran, are told apart by the generation: only one of them can
 * have the newest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "clock.h"
#include "identity.h"
#include "lease.h"
#include "catalog.h"
#include "coordinator.h"
#include "node.h"
#include "bound.h"
#include "allocation.h"
#include "hold.h"
#include "registry_row.h"

/* the longest texts that are taken, as the tables' CHECKs say */
#define MAX_IDENTITY	200
#define MAX_LOCATION	64

#define MIN_BITS		2
#define MAX_BITS		30
#define MAX_DATACENTER	255

typedef struct Request
{
	SgPool		pool;
	int			number;			/* 0 for none */
	int64		generation;		/* that the node knows, of the number if it
								 * names one, or 0 */
	pg_uuid_t	node;
	pg_uuid_t	running;
	pg_uuid_t	key;
	NameData	role;			/* the session's user */
	char	   *identity;
	char	   *location;
	int64		clock;			/* us since the Unix epoch */
	int64		seen;			/* serial of the history */
} Request;

typedef struct Answer
{
	char		status[16];
	SgLease		lease;			/* if granted */
	int64		clock;			/* our own; 0 if it was not read */
	SgLedgerState state;		/* of the registry, if has_state */
	bool		has_state;
	char		message[512];
} Answer;

static void
answer(Answer *answer, const char *status, const char *message)
{
	strlcpy(answer->status, status, sizeof(answer->status));
	strlcpy(answer->message, message, sizeof(answer->message));
}

static void
answer_row(Answer *answer, const SgNodeRow *row)
{
	strlcpy(answer->status, "granted", sizeof(answer->status));
	answer->lease.number = row->number;
	answer->lease.generation = row->generation;
	answer->lease.from = row->from;
	answer->lease.until = row->until;
}

/* Settings, in us. */
static int64
lease_length(void)
{
	return sg_lease * USECS_PER_SEC;
}

static int64
max_skew(void)
{
	return sg_max_node_skew * USECS_PER_SEC;
}


/*
 * Holders
 */

static bool
is_same_node(const SgNodeRow *row, const Request *request)
{
	return memcmp(&row->node, &request->node, sizeof(pg_uuid_t)) == 0 &&
		strcmp(NameStr(row->role), NameStr(request->role)) == 0;
}

static bool
is_holder(const SgNodeRow *row, const Request *request)
{
	return is_same_node(row, request) && strcmp(row->identity, request->identity) == 0;
}

/* A number set by hand stays with its server when the machine goes down. */
static bool
is_same_server(const SgNodeRow *row, const Request *request)
{
	SgIdentity	before;
	SgIdentity	now;

	if (!is_same_node(row, request) ||
		!sg_identity_parse(row->identity, &before) ||
		!sg_identity_parse(request->identity, &now))
		return false;
	switch (sg_identity_compare(&before, &now))
	{
		case SG_IDENTITY_SAME:
		case SG_IDENTITY_REBOOTED:
			return true;
		default:
			return false;
	}
}

/*
 * Is it the same attempt?  Not if another life of the server makes it: then the
 * key may have been copied together with all else that the server is.
 */
static bool
is_same_attempt(const SgNodeRow *row, const Request *request)
{
	return memcmp(&row->key, &request->key, sizeof(pg_uuid_t)) == 0 &&
		memcmp(&row->running, &request->running, sizeof(pg_uuid_t)) == 0;
}

/* Where and who a holder is, for a message, palloc'd. */
static char *
holder_text(const SgNodeRow *row)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "server %s", row->identity);
	if (row->name != NULL)
		appendStringInfo(&text, " (%s)", row->name);
	if (row->address != NULL)
		appendStringInfo(&text, " at %s", row->address);
	appendStringInfo(&text, ", last seen %s", sg_clock_text(row->last_seen));
	return text.data;
}

/* What the asker is, put into a row. */
static void
row_take_asker(SgNodeRow *row, const Request *request)
{
	row->pool = request->pool;
	row->node = request->node;
	row->role = request->role;
	row->identity = request->identity;
	row->running = request->running;
	row->location = request->location;
	row->key = request->key;
	row->length = lease_length();
	row->released = false;
}


/*
 * Granting
 */

/* The same answer again, which may not have been confirmed as it should. */
static void
grant_again(const SgNodeRow *row, Answer *answer)
{
	sg_bound_flush(sg_hold_touch());
	answer_row(answer, row);
}

/*
 * Prolong the window of a row whose number is locked.  Another location than
 * before begins a row of the history.
 */
static void
grant_renewal(const Request *request, SgNodeRow *row, Answer *answer_to)
{
	bool		moved = strcmp(row->location, request->location) != 0;
	int64		now = answer_to->clock;

	sg_hold_require_durable();
	row_take_asker(row, request);
	row->until = Max(row->until, sg_lease_until(now, request->clock, row->length));
	if (moved)
		sg_registry_history_begin();
	row->generation = sg_hold_lease_count(now, row->until, &answer_to->state);
	if (moved)
	{
		int64		from = Max(row->from, now);

		sg_registry_history_close(&answer_to->state.id, &row->pool, row->number, from);
		sg_registry_history_insert(&answer_to->state.id, row, from);
		sg_registry_history_end();
	}
	if (!sg_registry_renew(row, now))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not change node number %d", row->number),
				 errdetail("Its row in seqgen.node is locked.")));
	answer_row(answer_to, row);
}

/*
 * Give a number that is locked to a new holder: row has the number, and the
 * window.  ended is where the window before it ended, if there was one.
 */
static void
grant_number(const Request *request, SgNodeRow *row, bool is_new, int64 ended, Answer *answer_to)
{
	bool		done = true;

	row_take_asker(row, request);
	row->name = sg_registry_name_of(&row->node, &row->role);

	sg_registry_history_begin();
	row->generation = sg_hold_lease_count(answer_to->clock, request->pool.bits > 0 ? row->until : 0,
										  &answer_to->state);
	if (!is_new)
		sg_registry_history_close(&answer_to->state.id, &row->pool, row->number, ended);
	sg_registry_history_insert(&answer_to->state.id, row, row->from);
	sg_registry_history_end();
	if (is_new)
		sg_registry_insert(row, answer_to->clock);
	else
		done = sg_registry_replace(row, answer_to->clock);

	/* another transaction with a hold, or somebody's lock, came in between */
	if (!done || (request->pool.bits > 0 && row->from < answer_to->state.lease_hold_until))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not grant node number %d due to a concurrent change", row->number)));
	answer_row(answer_to, row);
}


/*
 * Leased numbers
 */

typedef enum Renewal
{
	RENEWAL_GRANTED,
	RENEWAL_AGAIN,				/* the same attempt: the same answer */
	RENEWAL_OVER,				/* not the asker's any more: another number */
	RENEWAL_CONFLICT,			/* the same, and there were two holders */
} Renewal;

/* The rule, for a number of which the registry has a row. */
static Renewal
renewal_judge(const Request *request, const SgNodeRow *row, bool was_holder, int64 clock)
{
	bool		lasts = sg_lease_may_renew(row->until, clock, row->length, max_skew());

	if (!is_holder(row, request))
		return was_holder ? RENEWAL_OVER : RENEWAL_CONFLICT;
	if (request->generation < row->generation && is_same_attempt(row, request))
		return lasts ? RENEWAL_AGAIN : RENEWAL_OVER;
	if (request->generation < row->generation && !row->released)
		return RENEWAL_CONFLICT;
	return lasts && !row->released ? RENEWAL_GRANTED : RENEWAL_OVER;
}

static void
note_conflict(const Request *request, const SgNodeRow *row)
{
	sg_registry_note_conflict(&request->pool, request->number);
	ereport(LOG,
			(errmsg("node number %d has two holders", request->number),
			 errdetail("It is that of %s, generation %lld; server %s, role \"%s\", claims it with generation %lld and is given another.",
					   holder_text(row), (long long) row->generation,
					   request->identity, NameStr(request->role), (long long) request->generation)));
}

/*
 * A node has a number and wants it renewed.  Returns false if it is to have
 * another one.
 */
static bool
serve_renewal(const Request *request, Answer *answer_to)
{
	SgNodeRow	row;
	bool		found;
	bool		was_holder;

	if (!sg_registry_lock_number(&request->pool, request->number))
	{
		answer(answer_to, "wait", "the node number is being changed on the coordinator");
		return true;
	}
	found = sg_registry_read(&request->pool, request->number, &row);
	if (request->generation > (found ? row.generation : 0))
		sg_hold_lease_ahead(request->generation, answer_to->clock, &answer_to->state);
	if (!found)
		return false;

	was_holder = sg_registry_history_knows(&answer_to->state.id, &request->pool,
										   request->number, request->generation, &request->node);
	switch (renewal_judge(request, &row, was_holder, answer_to->clock))
	{
		case RENEWAL_GRANTED:
			grant_renewal(request, &row, answer_to);
			return true;
		case RENEWAL_AGAIN:
			grant_again(&row, answer_to);
			return true;
		case RENEWAL_CONFLICT:
			note_conflict(request, &row);
			break;
		case RENEWAL_OVER:
			/* whoever it belongs to need not wait for the asker */
			sg_registry_unlock_number(&request->pool, request->number);
			break;
	}
	return false;
}

static void
answer_exhausted(const SgPool *pool, int64 until, Answer *answer_to)
{
	int64		first;
	int64		last;

	sg_lease_numbers(pool->bits, &first, &last);
	answer(answer_to, "exhausted",
		   psprintf("all %lld node numbers of %d bits that are leased are in use; the first one can be given again at %s",
					(long long) (last - first + 1), pool->bits, sg_clock_text(until + max_skew())));
}

static void
answer_hold(Answer *answer_to)
{
	answer(answer_to, "hold",
		   psprintf("the coordinator may have lost leases in a failover or restore, and leases no new node numbers until %s",
					sg_clock_text(answer_to->state.lease_hold_until)));
}

/* A node wants a number. */
static void
serve_new(const Request *request, Answer *answer_to)
{
	int64		now = answer_to->clock;
	SgNodeRow	row;
	SgChoice	choice;
	int64		ended = 0;

	if (!sg_registry_lock_key(&request->key))
	{
		answer(answer_to, "wait", "an earlier attempt is under way");
		return;
	}
	if (sg_registry_read_by_key(&request->pool, &request->key, &row) &&
		is_holder(&row, request) && is_same_attempt(&row, request) && !row.released &&
		sg_lease_may_renew(row.until, now, row.length, max_skew()))
	{
		grant_again(&row, answer_to);
		return;
	}
	if (now < answer_to->state.lease_hold_until)
	{
		answer_hold(answer_to);
		return;
	}

	sg_hold_require_durable();
	memset(&row, 0, sizeof(row));
	choice = sg_registry_choose(&request->pool, now, max_skew(), &row);
	if (choice == SG_CHOICE_BUSY)
		answer(answer_to, "wait", "all free node numbers are being given to others");
	if (choice == SG_CHOICE_NONE)
		answer_exhausted(&request->pool, row.until, answer_to);
	if (choice == SG_CHOICE_BUSY || choice == SG_CHOICE_NONE)
		return;
	if (choice == SG_CHOICE_FREE)
		ended = row.until;
	row.from = Max(ended, answer_to->state.lease_hold_until);
	row.until = sg_lease_until(now, request->clock, lease_length());
	grant_number(request, &row, choice == SG_CHOICE_NEW, ended, answer_to);
}

static void
serve_leased(const Request *request, Answer *answer_to)
{
	if (request->number > 0 && serve_renewal(request, answer_to))
		return;
	serve_new(request, answer_to);
}


/*
 * Numbers set by hand
 */

/*
 * Has somebody who is the same server to all appearances registered the number
 * since the asker did?  A volume or a machine that was copied gives two such
 * servers: one of them has missed what the other was told.
 */
static bool
has_missed_renewal(const SgNodeRow *row, const Request *request)
{
	return request->generation > 0 && request->generation < row->generation &&
		memcmp(&row->key, &request->key, sizeof(pg_uuid_t)) != 0;
}

/*
 * A server says which number it has.  What its ids bear is not a matter of
 * windows, so a registration is no more than a word against a second server.
 */
static void
serve_own(const Request *request, Answer *answer_to)
{
	int64		now = answer_to->clock;
	int64		ours;
	SgNodeRow	row;
	bool		found;

	if (sg_node_own_number(&ours) != SG_NODE_NONE && ours == request->number)
	{
		answer(answer_to, "refused",
			   psprintf("node number %d is that of the coordinator itself", request->number));
		return;
	}
	if (!sg_registry_lock_number(&request->pool, request->number))
	{
		answer(answer_to, "wait", "the node number is being changed on the coordinator");
		return;
	}

	memset(&row, 0, sizeof(row));
	row.number = request->number;
	found = sg_registry_read(&request->pool, request->number, &row);
	if (found && !row.released && is_same_server(&row, request))
	{
		if (now < row.until && has_missed_renewal(&row, request))
		{
			answer(answer_to, "refused",
				   psprintf("node number %d has been registered since by %s: one is a copy of the other, or an older state",
							request->number, holder_text(&row)));
			return;
		}
		grant_renewal(request, &row, answer_to);
		return;
	}
	if (found && !row.released && now < row.until)
	{
		answer(answer_to, "refused",
			   psprintf("node number %d is that of %s", request->number, holder_text(&row)));
		return;
	}
	sg_hold_require_durable();
	row.from = found ? Max(row.from, now) : 0;
	row.until = Max(sg_lease_until(now, request->clock, lease_length()), row.from + 1);
	grant_number(request, &row, !found, row.from, answer_to);
}


/*
 * Requests
 */

/*
 * Lock the tables to the end of the transaction, so that nothing after it has
 * to wait for a lock.
 */
static bool
lock_tables(void)
{
	static const char *const tables[] = {"node", "node_history", "range_ledger"};

	for (size_t i = 0; i < lengthof(tables); i++)
		if (!ConditionalLockRelationOid(sg_catalog_relation(tables[i]), RowExclusiveLock))
			return false;
	return true;
}

/* Is the asker this database itself? */
static bool
is_ourselves(const Request *request)
{
	SgIdentity	identity;
	SgIdentity	ours;

	if (!sg_identity_parse(request->identity, &identity))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("identity of the node is malformed")));
	/* servers made from one image differ in less than they should */
	sg_identity_get(&ours);
	return sg_identity_compare(&identity, &ours) == SG_IDENTITY_SAME;
}

/*
 * Is the registry what it was when it answered last, as far as it and the asker
 * know?  If not, a hold begins, and later generations are larger than any that
 * the asker knows.
 */
static void
take_up(const Request *request, Answer *answer_to)
{
	int64		known = Max(request->generation, request->seen);

	sg_hold_lease_check(answer_to->clock, &answer_to->state);
	answer_to->has_state = true;
	if (known > sg_hold_lease_max_claim(&answer_to->state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("generation or serial of a request is out of range")));
	if (known > answer_to->state.lease_generation)
		sg_hold_lease_ahead(known, answer_to->clock, &answer_to->state);
}

/* A node's clock, which may be any number, for a message. */
static char *
clock_text(int64 clock)
{
	return sg_clock_text(Max(clock, -(INT64CONST(1) << 57)));
}

static void
request_serve(const Request *request, Answer *answer_to)
{
	if (is_ourselves(request))
	{
		answer(answer_to, "refused", "the coordinator is this database itself");
		return;
	}
	if (sg_coordinator_exists())
	{
		answer(answer_to, "refused", "this database has a coordinator of its own");
		return;
	}
	if (!lock_tables())
	{
		answer(answer_to, "wait", "the registry of node numbers is being altered");
		return;
	}
	answer_to->clock = sg_clock_now();
	if (sg_lease_is_skewed(answer_to->clock, request->clock, max_skew()))
	{
		answer(answer_to, "skewed",
			   psprintf("the node's clock says %s and the coordinator's %s, further apart than %d s",
						clock_text(request->clock), sg_clock_text(answer_to->clock),
						sg_max_node_skew));
		return;
	}
	take_up(request, answer_to);
	if (request->pool.bits == 0)
		serve_own(request, answer_to);
	else
		serve_leased(request, answer_to);
}

static void
check_not_null(FunctionCallInfo fcinfo, int argno)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a request needs node, running, identity, bits, datacenter, key and clock")));
}

/* A text of at most so many bytes, palloc'd. */
static char *
text_argument(FunctionCallInfo fcinfo, int argno, size_t max_size, const char *name)
{
	text	   *value = PG_GETARG_TEXT_PP(argno);

	if (VARSIZE_ANY_EXHDR(value) > max_size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of the node is too long", name)));
	return text_to_cstring(value);
}

static void
check_pool(const SgPool *pool)
{
	if (pool->bits == 0 && pool->datacenter == -1)
		return;
	if (pool->bits < MIN_BITS || pool->bits > MAX_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bits of a node number must be between %d and %d", MIN_BITS, MAX_BITS)));
	if (pool->datacenter < -1 || pool->datacenter > MAX_DATACENTER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("datacenter of a node number must be between 0 and %d, or -1 for none", MAX_DATACENTER)));
}

static void
number_argument(FunctionCallInfo fcinfo, int argno, Request *request)
{
	int64		number = PG_ARGISNULL(argno) ? 0 : PG_GETARG_INT64(argno);
	int64		first = 1;
	int64		last = (INT64CONST(1) << MAX_BITS) - 1;

	if (PG_ARGISNULL(argno) && request->pool.bits > 0)
		return;
	if (request->pool.bits > 0)
		sg_lease_numbers(request->pool.bits, &first, &last);
	if (number < first || number > last)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node number of the request must be between %lld and %lld",
						(long long) first, (long long) last)));
	request->number = (int) number;
}

static void
generation_argument(FunctionCallInfo fcinfo, int argno, Request *request)
{
	if (!PG_ARGISNULL(argno))
		request->generation = PG_GETARG_INT64(argno);
	if (request->generation < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("generation of a node number must not be negative")));
	if (request->generation == 0 && request->pool.bits > 0 && request->number > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a node number that is to be renewed needs its generation")));
}

static void
location_argument(FunctionCallInfo fcinfo, int argno, Request *request)
{
	SgLocation	location;

	request->location = PG_ARGISNULL(argno) ? "" :
		text_argument(fcinfo, argno, MAX_LOCATION, "location");
	if (!sg_location_parse(request->location, &location))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("location of the node is malformed")));

	/* others are told of it in a line with other words */
	request->location = !location.given ? "" :
		psprintf("%d/%d/%d", location.zone, location.datacenter, location.rack);
}

static void
request_read(FunctionCallInfo fcinfo, Request *request)
{
	static const int required[] = {0, 1, 2, 3, 4, 7, 9};

	memset(request, 0, sizeof(Request));
	for (size_t i = 0; i < lengthof(required); i++)
		check_not_null(fcinfo, required[i]);
	request->node = *PG_GETARG_UUID_P(0);
	request->running = *PG_GETARG_UUID_P(1);
	request->identity = text_argument(fcinfo, 2, MAX_IDENTITY, "identity");
	request->pool.bits = PG_GETARG_INT32(3);
	request->pool.datacenter = PG_GETARG_INT32(4);
	check_pool(&request->pool);
	number_argument(fcinfo, 5, request);
	generation_argument(fcinfo, 6, request);
	request->key = *PG_GETARG_UUID_P(7);
	location_argument(fcinfo, 8, request);
	request->clock = PG_GETARG_INT64(9);
	request->seen = PG_ARGISNULL(10) ? 0 : PG_GETARG_INT64(10);
	namestrcpy(&request->role, GetUserNameFromId(GetSessionUserId(), false));
}

PG_FUNCTION_INFO_V1(sg_node_request);
Datum
sg_node_request(PG_FUNCTION_ARGS)
{
	Request		request;
	Answer		answer_to = {0};
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};
	char	   *lines = NULL;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("seqgen.node_request()");
	PreventCommandDuringRecovery("seqgen.node_request()");
	request_read(fcinfo, &request);
	request_serve(&request, &answer_to);
	if (answer_to.lease.number > 0)
		lines = sg_registry_history_lines(&answer_to.state.id, request.seen);

	values[0] = CStringGetTextDatum(answer_to.status);
	nulls[1] = nulls[2] = nulls[3] = nulls[4] = (answer_to.lease.number == 0);
	values[1] = Int64GetDatum(answer_to.lease.number);
	values[2] = Int64GetDatum(answer_to.lease.generation);
	values[3] = Int64GetDatum(answer_to.lease.from);
	values[4] = Int64GetDatum(answer_to.lease.until);
	nulls[5] = (answer_to.clock == 0);
	values[5] = Int64GetDatum(answer_to.clock);
	nulls[6] = !answer_to.has_state;
	values[6] = UUIDPGetDatum(&answer_to.state.id);
	nulls[7] = (lines == NULL);
	values[7] = lines ? CStringGetTextDatum(lines) : (Datum) 0;
	nulls[8] = (answer_to.message[0] == '\0');
	values[8] = CStringGetTextDatum(answer_to.message);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
