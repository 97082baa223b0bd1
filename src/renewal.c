/*-------------------------------------------------------------------------
 *
 * renewal.c
 *	  Node numbers from a coordinator: what the background worker does for them.
 *
 * For each pool of numbers that loaded generators draw from, the worker leases
 * a number, renews the lease, and brings it into the generators' slots.  A
 * number that was set by hand it registers instead.
 *
 * Promises:
 *	1. A slot gets a leased number only with its window, and only after both are
 *	   committed and flushed in seqgen.node_lease, where every later start finds
 *	   them.
 *	2. A row that another server wrote is not used: not that of a copy, of a
 *	   template, of the primary before a promotion, or of this server before the
 *	   machine went down.  The number is asked for anew, under a name and a key
 *	   of our own.
 *	3. A request is sent only after its key is committed, and repeated with that
 *	   key until it is answered, or the server is restarted: of two that were
 *	   resumed from one image, only one must get the answer.
 *	4. An answer that does not fit (tenure_rule.c) changes nothing but what
 *	   people are told.
 *	5. A window that we hold is used to its end, whatever the coordinator says,
 *	   and whether it says anything.  That is safe, as it grants no window of the
 *	   number that begins before; a number that it takes from us is one that it
 *	   does not renew.
 *	6. Nothing here waits for the network or for a standby.
 *
 * What the worker remembers of a pool is what the table says; after an error it
 * is read again.  One request is under way at a time.
 *
 * A number set by hand has no window.  It is used once the coordinator has
 * registered it, or has not answered for a while; and not any more once the
 * coordinator says that it is another server's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "clock.h"
#include "slot.h"
#include "generator.h"
#include "holding.h"
#include "identity.h"
#include "lease.h"
#include "node.h"
#include "worker.h"
#include "session.h"
#include "tenure.h"
#include "tenure_rule.h"
#include "renewal.h"

/* how long to rest after a failure: doubled each time, in us */
#define FIRST_REST			INT64CONST(100000)
#define LONGEST_REST		INT64CONST(2000000)

/* while a lease lasts, up to this part of it, and this long at most, in us */
#define PATIENT_REST_PART	100
#define PATIENT_REST		INT64CONST(30000000)

/* after an answer that is wrong, or a refusal, in us */
#define REST_AFTER_WRONG	INT64CONST(5000000)

/* how long a restarted server waits for its coordinator before it goes on, in us */
#define CHECK_IN_TIME		INT64CONST(2000000)

/* clocks may step, so the worker looks at them this often at least, in ms */
#define LONGEST_SLEEP		60000

/* for ids that are ahead of the clock a lease is renewed so often at most */
#define RENEWALS_PER_LEASE	20

/* lines of the registry that come with an answer */
#define ENTRIES_PER_ANSWER	200

/* A generator that is loaded and bears a node number. */
typedef struct Loaded
{
	Oid			relid;
	SgLayout	layout;
	SgPool		pool;
	SgLease		lease;			/* that its slot has */
	int64		id_time;		/* of its newest id, us since 1970 */
	int			error;			/* that its slot has noted */
	char		message[SG_MESSAGE_SIZE];
} Loaded;

typedef struct LoadedList
{
	int			count;
	int			size;
	Loaded	   *items;
} LoadedList;

/* Why a request came to nothing. */
typedef enum Denial
{
	DENIAL_NONE,
	DENIAL_NO_COORDINATOR,
	DENIAL_FAILED,				/* no connection, or an error */
	DENIAL_WAIT,
	DENIAL_HOLD,
	DENIAL_SKEWED,
	DENIAL_EXHAUSTED,
	DENIAL_REFUSED,
	DENIAL_REPLACED,			/* by another coordinator */
	DENIAL_WRONG,				/* the answer makes no sense */
	DENIAL_INTERNAL,
} Denial;

/* What the worker remembers of a pool. */
typedef struct Tenancy
{
	SgPool		pool;			/* hash key; 0 bits for a number set by hand */
	bool		known;			/* row is what the table says, and ours */
	SgTenure	row;
	bool		sure;			/* this life of the server holds the number */
	bool		alone;			/* set by hand, and used though not registered */
	bool		more;			/* the registry has more than came last */
	bool		replaced;		/* another coordinator has answered: it is
								 * asked when what is held has ended */
	int64		asking_since;	/* uptime, us; 0 if nothing is wanted */
	int64		rest_until;		/* uptime, us */
	int64		renew_from;		/* uptime, us: not before that for ids that
								 * are ahead of the clock */
	int			failures;		/* in a row */
	Denial		denial;			/* the newest, and what to tell those who wait */
	int			error;			/* 0 if it may come right soon */
	char		message[SG_MESSAGE_SIZE];
} Tenancy;

/* The question under way. */
typedef struct Call
{
	bool		under_way;
	SgPool		pool;
	int64		clock;			/* that was sent */
	int64		seen;			/* likewise */
} Call;

static HTAB *tenancies = NULL;
static Call call;
static Tenancy *working_on = NULL;	/* for errors */
static SgNodeOrigin origin_known;
static bool origin_is_known = false;
static bool finding_origin = false; /* for errors: of what is set */
static LoadedList loaded;
static SgIdentity me;
static MemoryContext run_context = NULL;

static const SgCaller caller;

static const SgLease none = {0};

static const Oid question_types[] = {
	TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, UUIDOID, TEXTOID, TEXTOID
};

/* columns of the answer */
enum
{
	ANSWER_STATUS,
	ANSWER_NUMBER,
	ANSWER_GENERATION,
	ANSWER_FROM,
	ANSWER_UNTIL,
	ANSWER_CLOCK,
	ANSWER_LEDGER,
	ANSWER_REGISTRY,
	ANSWER_MESSAGE,
};

#define QUESTION_PARAMS		11

static const SgQuestion question = {
	.sql = "SELECT status, granted_number, granted_generation, valid_from, valid_until,"
	" coordinator_clock, ledger_id, registry, message"
	" FROM seqgen.node_request($1::pg_catalog.uuid, $2::pg_catalog.uuid, $3::pg_catalog.text,"
	" $4::pg_catalog.int4, $5::pg_catalog.int4, $6::pg_catalog.int8, $7::pg_catalog.int8,"
	" $8::pg_catalog.uuid, $9::pg_catalog.text, $10::pg_catalog.int8, $11::pg_catalog.int8)",
	.param_count = QUESTION_PARAMS,
	.column_count = lengthof(question_types),
	.column_types = question_types,
};


/*
 * Transactions of the worker.  What is allocated lasts until the end of the
 * run.  The rows are about this server only, so no standby is waited for.
 */

static void
renewal_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(run_context);
	(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

static void
renewal_commit(void)
{
	CommitTransactionCommand();
	MemoryContextSwitchTo(run_context);
}

static bool
uuid_equal(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a, b, UUID_LEN) == 0;
}

static pg_uuid_t
uuid_draw(void)
{
	return *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
}

/* A message, cut to what there is room for. */
static void
copy_message(char message[SG_MESSAGE_SIZE], const char *text)
{
	int			length = pg_mbcliplen(text, strlen(text), SG_MESSAGE_SIZE - 1);

	memcpy(message, text, length);
	message[length] = '\0';
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

static char *
int64_text(int64 value)
{
	return psprintf("%lld", (long long) value);
}

/* Whole ms from now until then, rounded up. */
static long
ms_until(int64 then)
{
	return (long) (Max(then - sg_clock_elapsed(), 0) / 1000 + 1);
}

/* Whichever of the waits ends first, where -1 is none. */
static long
sooner(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}


/*
 * Generators
 */

static void
loaded_count(SgSlot *slot, void *arg)
{
	(*(int *) arg)++;
}

static void
loaded_add(SgSlot *slot, void *arg)
{
	LoadedList *list = arg;
	Loaded	   *item = &list->items[list->count];
	uint32		serial;
	int64		tick;

	if (sg_kind_is_counter(slot->kind) || list->count == list->size ||
		!sg_node_pool(&slot->layout, &item->pool))
		return;
	item->relid = slot->relid;
	item->layout = slot->layout;
	sg_slot_get_lease(slot, &item->lease, &serial);
	item->error = sg_slot_lease_error(slot, item->message);
	tick = sg_slot_last_tick(slot, slot->layout.node_bits);
	tick = Min(Max(tick, 0), sg_layout_max_tick(&slot->layout));
	item->id_time = sg_layout_us(&slot->layout, tick >> slot->layout.sequence_bits);
	list->count++;
}

/* Find them; those that come meanwhile wake us again. */
static void
loaded_find(void)
{
	int			count = 0;

	sg_slot_visit(loaded_count, &count);
	loaded.count = 0;
	loaded.size = count;
	loaded.items = palloc(sizeof(Loaded) * Max(count, 1));
	sg_slot_visit(loaded_add, &loaded);
}

static bool
pool_equal(const SgPool *a, const SgPool *b)
{
	return a->bits == b->bits && a->datacenter == b->datacenter;
}

static bool
by_hand(const Tenancy *t)
{
	return t->pool.bits == 0;
}

/* Does a generator's number come from there?  One set by hand is for all. */
static bool
loaded_is_of(const Loaded *item, const Tenancy *t)
{
	return by_hand(t) || pool_equal(&item->pool, &t->pool);
}

/* Would a slot learn something from a lease? */
static bool
lease_is_news(const SgLease *lease, const SgLease *known)
{
	return lease->number != known->number || lease->from != known->from ||
		lease->until > known->until || lease->generation > known->generation;
}

static void
loaded_set_lease(Loaded *item, const SgLease *lease)
{
	if (!lease_is_news(lease, &item->lease))
		return;
	(void) sg_slot_set_lease(item->relid, &item->layout, lease);
	item->lease = *lease;
	if (lease->number != 0)
	{
		item->error = 0;
		item->message[0] = '\0';
	}
}

static void
loaded_note(Loaded *item, int error, const char *message)
{
	if (item->error == error && strcmp(item->message, message) == 0)
		return;
	(void) sg_slot_note_lease(item->relid, error, message);
	item->error = error;
	strlcpy(item->message, message, sizeof(item->message));
}

/*
 * A number that was set by hand.  It is looked at when a generator is loaded,
 * but the group of Citus may be another one since.
 */
static bool
loaded_set_own(Loaded *item, int64 number)
{
	SgLease		lease = {
		.number = number,
		.until = PG_INT64_MAX,
	};
	int64		largest = sg_layout_max_own_node(&item->layout);

	if (number <= largest)
	{
		loaded_set_lease(item, &lease);
		return true;
	}
	loaded_set_lease(item, &none);
	loaded_note(item, ERRCODE_INVALID_PARAMETER_VALUE,
				psprintf(_("node number %lld is too large for the layout, whose largest that is not leased is %lld"),
						 (long long) number, (long long) largest));
	return false;
}

/*
 * The time that ids of a pool have got to: windows are of that time.  None are
 * drawn further ahead of the clock than max_lead.
 */
static int64
pool_id_time(const Tenancy *t)
{
	int64		now = sg_clock_now();
	int64		id_time = now;

	for (int i = 0; i < loaded.count && !by_hand(t); i++)
		if (loaded_is_of(&loaded.items[i], t))
			id_time = Max(id_time, loaded.items[i].id_time);
	return Min(id_time, now + (int64) sg_max_lead * 1000);
}


/*
 * Rows
 */

static Tenancy *
tenancy_lookup(const SgPool *pool)
{
	bool		found;
	Tenancy    *t = hash_search(tenancies, pool, HASH_ENTER, &found);

	if (!found)
	{
		memset(t, 0, sizeof(Tenancy));
		t->pool = *pool;
	}
	return t;
}

/* All that there are: a scan would not survive the end of a transaction. */
static List *
tenancy_list(void)
{
	List	   *list = NIL;
	HASH_SEQ_STATUS scan;
	Tenancy    *t;

	hash_seq_init(&scan, tenancies);
	while ((t = hash_seq_search(&scan)) != NULL)
		list = lappend(list, t);
	return list;
}

static void
tenancy_save(Tenancy *t)
{
	renewal_begin();
	sg_tenure_put(&t->row);
	renewal_commit();
}

/* Does the row hold a number?  One set by hand must be that which is set now. */
static bool
tenancy_holds(const Tenancy *t)
{
	return t->known && t->row.state == SG_TENURE_HELD;
}

/* Has it been held since before a restart, so that the coordinator is asked first? */
static bool
tenancy_is_unconfirmed(const Tenancy *t)
{
	return tenancy_holds(t) && !t->sure;
}

/*
 * Is the request that a row tells of that for the number that is set by hand?
 * Then it keeps its key when the server or the machine has gone down, or the
 * registry would take the answer that was lost for one to another server.
 */
static bool
tenancy_keeps_key(const Tenancy *t, int64 number, SgIdentityMatch match)
{
	return by_hand(t) && match == SG_IDENTITY_REBOOTED && t->row.asking &&
		t->row.lease.number == number;
}

/* A new request, in a transaction.  A refusal lasts until the next answer. */
static void
tenancy_begin(Tenancy *t, int64 number, bool keep_key)
{
	SgTenure   *row = &t->row;

	row->pool = t->pool;
	if (row->state != SG_TENURE_REFUSED || number == 0 || row->lease.number != number)
	{
		row->state = SG_TENURE_ASKED;
		row->message[0] = '\0';
	}
	row->lease.number = number;
	row->lease.from = row->lease.until = 0;
	row->length = 0;
	row->asking = true;
	if (!keep_key)
		row->key = uuid_draw();
	row->node = sg_holding_node(&me);
	row->running = *sg_identity_incarnation();
	row->identity = me;
	sg_tenure_put(row);
}

/*
 * A request that was under way before a restart is another one now, in a
 * transaction: somebody who was copied with it may repeat it, too.
 */
static void
tenancy_change_key(Tenancy *t)
{
	SgTenure   *row = &t->row;

	if (!row->asking || uuid_equal(&row->running, sg_identity_incarnation()))
		return;
	/* a number set by hand has no window: see tenancy_keeps_key */
	if (!by_hand(t))
		row->key = uuid_draw();
	if (row->state != SG_TENURE_HELD)
		row->running = *sg_identity_incarnation();
	sg_tenure_put(row);
}

/* What a generation was counted by is not known any more. */
static void
tenure_forget_ledger(SgTenure *row)
{
	row->has_ledger = false;
	row->lease.generation = 0;
}

/*
 * Make of the row what this server may use: number is the one that is set by
 * hand, else 0.  Without a coordinator nothing is begun.
 */
static void
tenancy_load(Tenancy *t, int64 number, bool begin)
{
	bool		ours;
	SgIdentityMatch match = SG_IDENTITY_OTHER;

	if (t->known && (number == 0 || t->row.lease.number == number))
		return;
	t->known = t->sure = t->alone = false;
	renewal_begin();
	if (sg_tenure_get(&t->pool, &t->row))
		match = sg_identity_compare(&t->row.identity, &me);
	else
		memset(&t->row, 0, sizeof(SgTenure));
	ours = match == SG_IDENTITY_SAME && (number == 0 || t->row.lease.number == number);
	if (ours)
		tenancy_change_key(t);
	else if (begin)
	{
		if (match != SG_IDENTITY_SAME && match != SG_IDENTITY_REBOOTED)
			tenure_forget_ledger(&t->row);
		tenancy_begin(t, number, tenancy_keeps_key(t, number, match));
	}
	renewal_commit();
	t->known = ours || begin;
	t->sure = tenancy_holds(t) && uuid_equal(&t->row.running, sg_identity_incarnation());
	if (t->known && t->row.state == SG_TENURE_REFUSED)
	{
		t->error = ERRCODE_OBJECT_IN_USE;
		copy_message(t->message, t->row.message);
	}
}

/* The number is used by this life of the server: committed before it is. */
static void
tenancy_make_sure(Tenancy *t)
{
	t->row.running = *sg_identity_incarnation();
	t->row.identity = me;
	tenancy_save(t);
	t->sure = true;
}


/*
 * What sessions are told
 */

static void
tenancy_succeeded(Tenancy *t)
{
	t->failures = 0;
	t->rest_until = 0;
	t->asking_since = 0;
	t->denial = DENIAL_NONE;
	t->error = 0;
	t->message[0] = '\0';
}

/*
 * Note why there is no answer, or none that helps.  Sessions that wait are told
 * at once if error is not 0; else when they have waited long enough.  People
 * find it in the table; once for each kind, as the words may differ every time.
 */
static void
tenancy_note(Tenancy *t, Denial denial, int error, const char *message)
{
	bool		changed = t->denial != denial;

	t->denial = denial;
	t->error = error;
	copy_message(t->message, message);
	if (!changed || !t->known)
		return;
	copy_message(t->row.message, message);
	tenancy_save(t);
}

/* The same, and try again later. */
static void
tenancy_deny(Tenancy *t, Denial denial, int error, const char *message)
{
	int64		longest = LONGEST_REST;
	int64		rest;

	if (t->sure && pool_id_time(t) < t->row.lease.until)
		longest = Max(longest, Min(t->row.length / PATIENT_REST_PART, PATIENT_REST));
	rest = Min(FIRST_REST << Min(t->failures, 20), longest);
	if (denial == DENIAL_WRONG || denial == DENIAL_REFUSED)
		rest = REST_AFTER_WRONG;
	t->failures++;
	t->rest_until = sg_clock_elapsed() + rest;
	tenancy_note(t, denial, error, message);
}

/*
 * Bring into the slots what they may use, and the reason if it is nothing, or
 * will end.  A number that was set by hand, and is not any more, is taken away.
 */
static void
tenancy_push(Tenancy *t)
{
	bool		usable = t->sure || t->alone;
	bool		refused = t->known && t->row.state == SG_TENURE_REFUSED;

	for (int i = 0; i < loaded.count; i++)
	{
		Loaded	   *item = &loaded.items[i];

		if (!loaded_is_of(item, t))
			continue;
		if (usable && by_hand(t))
		{
			if (!loaded_set_own(item, t->row.lease.number))
				continue;
		}
		else if (usable)
			loaded_set_lease(item, &t->row.lease);
		else if (refused || (!by_hand(t) && item->lease.until == PG_INT64_MAX))
			loaded_set_lease(item, &none);
		loaded_note(item, t->error, t->message);
	}
}

/*
 * Nobody confirms the number that we had before the restart, or had set: go on
 * with it.
 */
static void
tenancy_go_on(Tenancy *t)
{
	bool		held = tenancy_is_unconfirmed(t);

	if (by_hand(t) ? t->alone || t->sure || t->row.state == SG_TENURE_REFUSED : !held)
		return;
	if (held)
		tenancy_make_sure(t);
	else
		t->alone = true;
	ereport(LOG,
			(errmsg("node number %lld is used without a word of the coordinator",
					(long long) t->row.lease.number),
			 by_hand(t) ?
			 errdetail("Whether it is another server's as well is not known.") :
			 errdetail("It is leased until %s.", sg_clock_text(t->row.lease.until))));
}


/*
 * Requests
 */

/* Send a request; only when the session is ready. */
static void
tenancy_ask(Tenancy *t)
{
	SgTenure   *row = &t->row;
	const char *params[QUESTION_PARAMS];

	renewal_begin();
	if (!row->asking)
	{
		row->asking = true;
		row->key = uuid_draw();
		sg_tenure_put(row);
	}
	call.seen = row->has_ledger ? sg_tenure_seen(&row->ledger_id) : 0;
	renewal_commit();

	call.pool = t->pool;
	call.clock = sg_clock_now();
	params[0] = uuid_text(&row->node);
	params[1] = uuid_text(sg_identity_incarnation());
	params[2] = sg_identity_text(&me);
	params[3] = int64_text(t->pool.bits);
	params[4] = int64_text(t->pool.datacenter);
	params[5] = row->lease.number > 0 ? int64_text(row->lease.number) : NULL;
	params[6] = row->lease.generation > 0 ? int64_text(row->lease.generation) : NULL;
	params[7] = uuid_text(&row->key);
	params[8] = sg_location_text ? sg_location_text : "";
	params[9] = int64_text(call.clock);
	params[10] = int64_text(call.seen);
	sg_session_ask(&caller, &question, params);
	call.under_way = true;
}

/* The columns of a grant; false if one is missing or no such value. */
static bool
answer_read(const SgRemoteAnswer *answer, SgTenureAnswer *grant, pg_uuid_t *ledger_id)
{
	bool		isnull[6];

	return sg_remote_int64(answer, ANSWER_NUMBER, &grant->lease.number, &isnull[0]) && !isnull[0] &&
		sg_remote_int64(answer, ANSWER_GENERATION, &grant->lease.generation, &isnull[1]) && !isnull[1] &&
		sg_remote_int64(answer, ANSWER_FROM, &grant->lease.from, &isnull[2]) && !isnull[2] &&
		sg_remote_int64(answer, ANSWER_UNTIL, &grant->lease.until, &isnull[3]) && !isnull[3] &&
		sg_remote_int64(answer, ANSWER_CLOCK, &grant->coordinator_clock, &isnull[4]) && !isnull[4] &&
		sg_remote_uuid(answer, ANSWER_LEDGER, ledger_id, &isnull[5]) && !isnull[5];
}

/* An answer is wrong: say so, and go on as if there had been none. */
static void
answer_wrong(Tenancy *t, const char *problem)
{
	if (t->denial != DENIAL_WRONG)
		ereport(LOG,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("an answer of the coordinator about a node number is not used"),
				 errdetail_internal("%s", problem)));
	tenancy_deny(t, DENIAL_WRONG, ERRCODE_PROTOCOL_VIOLATION,
				 psprintf(_("an answer of the coordinator is not used: %s"), problem));
	tenancy_go_on(t);
}

/* What a grant has to fit.  Another coordinator knows nothing of what we have. */
static void
answer_expect(const Tenancy *t, bool same_ledger, SgTenureExpected *expected)
{
	memset(expected, 0, sizeof(SgTenureExpected));
	if (by_hand(t))
		expected->first = expected->last = t->row.lease.number;
	else
		sg_lease_numbers(t->pool.bits, &expected->first, &expected->last);
	if (same_ledger && tenancy_holds(t) && !by_hand(t))
		expected->held = t->row.lease;
	if (same_ledger)
		expected->generation = t->row.lease.generation;
	expected->clock = call.clock;
}

/* Take over what was granted: first the row, then the slots. */
static void
answer_take(Tenancy *t, const SgTenureAnswer *grant, const pg_uuid_t *ledger_id)
{
	SgTenure   *row = &t->row;
	bool		held = row->state == SG_TENURE_HELD && !by_hand(t);
	bool		new = row->state != SG_TENURE_HELD || row->lease.number != grant->lease.number ||
	row->lease.from != grant->lease.from;

	row->state = SG_TENURE_HELD;
	row->lease = held ? sg_tenure_merge(&row->lease, &grant->lease) : grant->lease;

	/*
	 * two thirds of it before the end that the coordinator knows it is
	 * renewed
	 */
	row->length = sg_tenure_length(grant, call.clock) +
		(row->lease.until - grant->lease.until) / 2 * 3;
	row->asking = false;
	row->has_ledger = true;
	row->ledger_id = *ledger_id;
	row->message[0] = '\0';
	t->replaced = false;
	tenancy_make_sure(t);
	tenancy_succeeded(t);
	t->alone = false;
	t->renew_from = sg_clock_elapsed() + row->length / RENEWALS_PER_LEASE;
	if (new && !by_hand(t))
		ereport(LOG,
				(errmsg("node number %lld of %d bits is leased until %s",
						(long long) row->lease.number, t->pool.bits,
						sg_clock_text(row->lease.until))));
	tenancy_push(t);
}

/*
 * Another coordinator has taken the place of the one that granted what we hold.
 * It does not know who else holds what: we go on to the end of our lease.
 */
static void
answer_replaced(Tenancy *t)
{
	t->row.asking = false;
	t->replaced = true;
	tenancy_deny(t, DENIAL_REPLACED, 0,
				 _("another coordinator has taken the place of the one that granted the lease: a new number is asked for when it has ended"));
	tenancy_save(t);
	tenancy_go_on(t);
}

static void
answer_granted(Tenancy *t, const SgRemoteAnswer *answer)
{
	SgTenureAnswer grant;
	SgTenureExpected expected;
	pg_uuid_t	ledger_id;
	bool		same_ledger;
	const char *problem;

	if (!answer_read(answer, &grant, &ledger_id))
	{
		sg_session_distrust();
		answer_wrong(t, _("The lease has no bounds."));
		return;
	}

	/* the coordinator's wait for its standby was cancelled: ask again */
	if (answer->warned)
	{
		tenancy_deny(t, DENIAL_WAIT, 0, _("the coordinator's standby did not confirm the lease"));
		return;
	}
	same_ledger = t->row.has_ledger && uuid_equal(&t->row.ledger_id, &ledger_id);
	if (!same_ledger && tenancy_holds(t) && !by_hand(t) && sg_clock_now() < t->row.lease.until)
	{
		answer_replaced(t);
		return;
	}
	answer_expect(t, same_ledger, &expected);
	problem = sg_tenure_problem(&grant, &expected);
	if (problem != NULL)
		answer_wrong(t, problem);
	else
		answer_take(t, &grant, &ledger_id);
}

/* A number that is set by hand is another server's. */
static void
answer_refused(Tenancy *t, const char *message)
{
	if (by_hand(t) && t->row.state != SG_TENURE_REFUSED)
	{
		t->row.state = SG_TENURE_REFUSED;
		t->sure = t->alone = false;
		t->denial = DENIAL_NONE;	/* so that it is noted, and with that
									 * saved */
		ereport(LOG,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the coordinator refused node number %lld", (long long) t->row.lease.number),
				 errdetail_internal("%s", message)));
	}
	tenancy_deny(t, DENIAL_REFUSED, ERRCODE_OBJECT_IN_USE,
				 psprintf(_("the coordinator refused: %s"), message));
	if (!by_hand(t))
		tenancy_go_on(t);
}

/* A status that grants nothing. */
static void
answer_denied(Tenancy *t, const char *status, const char *message)
{
	if (strcmp(status, "refused") == 0)
	{
		answer_refused(t, message);
		return;
	}
	if (strcmp(status, "skewed") == 0)
		tenancy_deny(t, DENIAL_SKEWED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					 psprintf(_("the clocks of coordinator and node are too far apart: %s"), message));
	else if (strcmp(status, "exhausted") == 0)
		tenancy_deny(t, DENIAL_EXHAUSTED, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
					 psprintf(_("the coordinator has no free number: %s"), message));
	else if (strcmp(status, "hold") == 0)
		tenancy_deny(t, DENIAL_HOLD, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					 psprintf(_("the coordinator grants no new number yet: %s"), message));
	else if (strcmp(status, "wait") == 0)
	{
		/* of a number set by hand: somebody may be registering it just now */
		tenancy_deny(t, DENIAL_WAIT, 0, psprintf(_("the coordinator says to wait: %s"), message));
		return;
	}
	else
	{
		answer_wrong(t, _("It is of an unknown kind."));
		return;
	}
	tenancy_go_on(t);
}

/*
 * Keep what the answer tells of others, in a transaction of its own: it is only
 * for reading ids.
 */
static void
answer_mirror(Tenancy *t, const SgRemoteAnswer *answer)
{
	const char *line = answer->columns[ANSWER_REGISTRY];
	SgTenureEntry entry;
	pg_uuid_t	ledger_id;
	bool		isnull;
	int			count = 0;
	int64		above = call.seen;

	t->more = false;
	if (line == NULL || !sg_remote_uuid(answer, ANSWER_LEDGER, &ledger_id, &isnull) || isnull)
		return;
	renewal_begin();
	while (count < ENTRIES_PER_ANSWER && sg_tenure_entry(&line, above, &entry))
	{
		sg_tenure_mirror(&ledger_id, &entry);
		above = entry.serial;
		count++;
	}
	renewal_commit();
	t->more = count == ENTRIES_PER_ANSWER;
}

/* How far are the clocks apart, if the answer took as long each way? */
static void
answer_note_skew(const SgRemoteAnswer *answer)
{
	int64		theirs;
	int64		ours = call.clock + (sg_clock_now() - call.clock) / 2;
	bool		isnull;

	if (sg_remote_int64(answer, ANSWER_CLOCK, &theirs, &isnull) && !isnull &&
		theirs >= 0 && ours >= 0)
		sg_worker_note_skew(theirs - ours);
}

static void
answer_row(Tenancy *t, const SgRemoteAnswer *answer)
{
	char		status[SG_REMOTE_STATUS_SIZE];
	char		message[SG_REMOTE_TEXT_SIZE];
	bool		hold;

	if (!sg_remote_word(answer, ANSWER_STATUS, status))
	{
		sg_session_distrust();
		answer_wrong(t, _("It has no status."));
		return;
	}
	sg_remote_text(answer, ANSWER_MESSAGE, message);
	answer_note_skew(answer);
	hold = strcmp(status, "hold") == 0;
	if (strcmp(status, "granted") == 0)
		answer_granted(t, answer);
	else
		answer_denied(t, status, message);
	answer_mirror(t, answer);
	if (hold)
		sg_session_turn_away();
}

static void
renewal_answered(const SgRemoteAnswer *answer, const char *failure)
{
	Tenancy    *t = tenancy_lookup(&call.pool);

	call.under_way = false;
	if (!t->known)
		return;
	working_on = t;
	if (failure != NULL)
		tenancy_deny(t, DENIAL_FAILED, 0, failure);
	else if (answer->outcome == SG_REMOTE_ERROR)
	{
		tenancy_deny(t, DENIAL_FAILED, 0,
					 psprintf(_("the coordinator answered: %s"), answer->message));
		tenancy_go_on(t);
	}
	else if (answer->outcome == SG_REMOTE_MALFORMED)
		answer_wrong(t, answer->message);
	else
		answer_row(t, answer);
	working_on = NULL;
}

/* There is no session: tell those who wait for an answer. */
static void
renewal_unconnected(const char *message)
{
	ListCell   *cell;

	foreach(cell, tenancy_list())
	{
		Tenancy    *t = lfirst(cell);

		if (t->asking_since == 0)
			continue;
		working_on = t;
		tenancy_deny(t, DENIAL_FAILED, 0, message);
		working_on = NULL;
	}
}

static void
renewal_moved(bool own_changed)
{
	ListCell   *cell;

	call.under_way = false;
	foreach(cell, tenancy_list())
	{
		Tenancy    *t = lfirst(cell);

		tenancy_succeeded(t);
		t->replaced = false;
	}
}


/*
 * One pool after the other
 */

/* Is an answer wanted? */
static bool
tenancy_wants(const Tenancy *t)
{
	int64		until = t->row.lease.until;
	int64		length = t->row.length;

	if (t->replaced)
		return false;
	return !t->sure || t->row.asking || t->more ||
		sg_lease_is_due(sg_clock_now(), until, length) ||
		(sg_clock_elapsed() >= t->renew_from && sg_lease_is_due(pool_id_time(t), until, length));
}

/* When to look at a lease again that is not to be renewed yet, in ms. */
static long
ms_until_due(const Tenancy *t)
{
	int64		at = t->replaced ? t->row.lease.until :
	sg_tenure_renew_at(t->row.lease.until, t->row.length);
	int64		left = at - sg_clock_now();

	if (!t->replaced)
		left = Min(left, Max(at - pool_id_time(t), t->renew_from - sg_clock_elapsed()));
	return (long) Min(Max(left, 0) / 1000 + 1, LONGEST_SLEEP);
}

/* Get an answer; returns when to come again, in ms. */
static long
tenancy_pursue(Tenancy *t)
{
	int64		now = sg_clock_elapsed();
	int64		patience;

	if (t->asking_since == 0)
		t->asking_since = now;
	patience = t->asking_since + CHECK_IN_TIME;
	if (!call.under_way && now >= t->rest_until && sg_session_is_ready(&caller))
		tenancy_ask(t);
	if (now >= patience)
	{
		tenancy_go_on(t);
		return ms_until(Max(t->rest_until, now + FIRST_REST));
	}
	return ms_until(Min(Max(t->rest_until, now + FIRST_REST), patience));
}

/* What was held from another coordinator has ended. */
static void
tenancy_begin_anew(Tenancy *t)
{
	t->replaced = t->sure = false;
	tenure_forget_ledger(&t->row);
	renewal_begin();
	tenancy_begin(t, 0, false);
	renewal_commit();
}

/* There is nobody to ask. */
static void
tenancy_without_coordinator(Tenancy *t)
{
	t->asking_since = 0;
	tenancy_note(t, DENIAL_NO_COORDINATOR, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
				 _("no foreign server names a coordinator any more"));
	if (t->known)
		tenancy_go_on(t);
}

/*
 * Do what is due for a pool; number is the one that is set by hand, else 0.
 * Returns when to come again, in ms, or -1.
 */
static long
tenancy_run(Tenancy *t, int64 number)
{
	const char *problem = sg_session_problem();
	bool		own = problem == NULL && sg_session_is_own();
	long		wait = -1;

	working_on = t;
	tenancy_load(t, number, !own);
	if (t->replaced && sg_clock_now() >= t->row.lease.until)
		tenancy_begin_anew(t);
	if (own)
		tenancy_without_coordinator(t);
	else if (problem != NULL)
	{
		tenancy_note(t, DENIAL_NO_COORDINATOR, 0, problem);
		tenancy_go_on(t);
	}
	else if (tenancy_wants(t))
		wait = tenancy_pursue(t);
	else
	{
		t->asking_since = 0;
		wait = ms_until_due(t);
	}
	tenancy_push(t);
	working_on = NULL;
	return wait;
}

/* A number that is set by hand, where nobody has to be asked. */
static void
renewal_push_own(int64 number)
{
	for (int i = 0; i < loaded.count; i++)
		(void) loaded_set_own(&loaded.items[i], number);
}

/* Is a generator the first of its pool? */
static bool
loaded_is_first(int index)
{
	for (int i = 0; i < index; i++)
		if (pool_equal(&loaded.items[i].pool, &loaded.items[index].pool))
			return false;
	return true;
}

/* Read all rows again. */
static void
renewal_forget(void)
{
	ListCell   *cell;

	foreach(cell, tenancy_list())
	{
		Tenancy    *t = lfirst(cell);

		t->known = t->sure = false;
	}
}

/* Where the number comes from; rows of the other kind are of no use then. */
static SgNodeOrigin
renewal_origin(int64 *number)
{
	SgNodeOrigin origin;
	bool		changed;

	finding_origin = true;
	renewal_begin();
	origin = sg_node_own_number(number);
	finding_origin = false;
	changed = !origin_is_known || (origin == SG_NODE_NONE) != (origin_known == SG_NODE_NONE);
	if (changed)
		sg_tenure_forget(origin == SG_NODE_NONE);
	renewal_commit();
	if (changed)
		renewal_forget();
	origin_known = origin;
	origin_is_known = true;
	return origin;
}

static long
renewal_run(void)
{
	static const SgPool hand = {0, -1};
	int64		number;
	long		wait = -1;

	run_context = CurrentMemoryContext;
	loaded_find();
	sg_session_deliver(&caller);
	if (loaded.count == 0)
		return -1;
	if (renewal_origin(&number) == SG_NODE_NONE)
	{
		for (int i = 0; i < loaded.count; i++)
			if (loaded_is_first(i))
				wait = sooner(wait, tenancy_run(tenancy_lookup(&loaded.items[i].pool), 0));
	}
	else if (sg_session_problem() == NULL && sg_session_is_own())
		renewal_push_own(number);
	else
		wait = tenancy_run(tenancy_lookup(&hand), number);
	return wait;
}

/*
 * An error: nothing is lost, and what was due is due again.  What was under way
 * is asked for again, with the same key.
 */
static void
renewal_failed(ErrorData *error)
{
	Tenancy    *t = working_on;
	char		message[SG_MESSAGE_SIZE];

	copy_message(message, error->message ? error->message : "");
	working_on = NULL;
	call.under_way = false;
	sg_session_give_up(&caller);
	if (t != NULL)
	{
		t->known = false;
		t->sure = false;
		t->rest_until = sg_clock_elapsed() + FIRST_REST;
		t->denial = DENIAL_INTERNAL;
		t->error = 0;
		copy_message(t->message, message);
	}
	loaded_find();
	for (int i = 0; i < loaded.count; i++)
		if (t == NULL || loaded_is_of(&loaded.items[i], t))
			loaded_note(&loaded.items[i], finding_origin ? error->sqlerrcode : 0, message);
	finding_origin = false;
}

static void
renewal_start(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(SgPool),
		.entrysize = sizeof(Tenancy),
		.hcxt = TopMemoryContext,
	};

	if (tenancies == NULL)
		tenancies = hash_create("seqgen node numbers of the worker", 16, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	run_context = CurrentMemoryContext;
	renewal_begin();
	sg_identity_get(&me);
	renewal_commit();
}

static const SgWorkerDuty renewal_duty = {
	.start = renewal_start,
	.run = renewal_run,
	.failed = renewal_failed,
};

static const SgCaller caller = {
	.moved = renewal_moved,
	.answered = renewal_answered,
	.failed = renewal_unconnected,
};

void
sg_renewal_init(void)
{
	sg_worker_add_duty(&renewal_duty);
	sg_session_add(&caller);
	sg_generator_lease_wanted = sg_worker_wake;
}


/*
 * For people
 */

/* The number that nobody grants, where it comes from, and the time. */
PG_FUNCTION_INFO_V1(sg_node_own);
Datum
sg_node_own(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[SG_NODE_NONE] = "leased",
		[SG_NODE_SET] = "set",
		[SG_NODE_CITUS] = "citus",
	};
	TupleDesc	desc;
	int64		number;
	SgNodeOrigin origin = sg_node_own_number(&number);
	Datum		values[3] = {
		Int64GetDatum(number),
		CStringGetTextDatum(names[origin]),
		TimestampTzGetDatum(sg_unix_to_timestamp(sg_clock_now())),
	};
	bool		nulls[3] = {origin == SG_NODE_NONE, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
