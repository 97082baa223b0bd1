/*-------------------------------------------------------------------------
 *
 * session.c
 *	  The worker's questions to the coordinator, one at a time.
 *
 * Promises:
 *	1. Every question is delivered once: its answer, or that it failed, or that
 *	   it is void; to the duty that asked, and within it, so that an error there
 *	   is that duty's alone.
 *	2. No answer of one coordinator is delivered after another has taken its
 *	   place.
 *	3. Whoever asked last lets others go first that wait, so that each of them
 *	   is answered however much another has to ask.
 *	4. Nothing here waits: remote.c is polled.
 *
 * All of it is the worker's own memory; other processes find it as it is when
 * the library is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "clock.h"
#include "coordinator.h"
#include "remote.h"
#include "worker.h"
#include "session.h"

/* how long to rest after a failure: doubled each time, in us */
#define FIRST_REST			INT64CONST(100000)
#define LONGEST_REST		INT64CONST(500000)

#define MAX_CALLERS			4

typedef struct Caller
{
	const SgCaller *caller;

	/* a round is from one run of the session's duty to the next */
	bool		waits;			/* it was refused the session in this round */
	bool		waited;			/* and in the round before */

	/* to be delivered */
	bool		moved;
	bool		own_changed;	/* if moved */
	bool		lost;			/* its question failed */
	bool		failed;			/* the session failed */
} Caller;

typedef struct Session
{
	Caller		callers[MAX_CALLERS];
	int			caller_count;

	/* the next two are of that many changes of what names a coordinator */
	uint64		changes;
	uint64		known;
	char	   *problem;		/* why it is not known, or NULL */
	bool		own;			/* this database is its own coordinator */
	SgCoordinator coordinator;	/* if not own */

	const SgCaller *asking;		/* whose question is under way, or NULL */
	const SgCaller *turn;		/* who was let ask last */
	bool		wanted;			/* somebody wants the session in this round */
	int64		connect_at;		/* uptime, us: not before that */
	int			failures;		/* in a row */
	char		failure[SG_REMOTE_TEXT_SIZE];	/* of the last */
} Session;

static Session session = {.changes = 1,.own = true};

static Caller *
session_find(const SgCaller *caller)
{
	for (int i = 0; i < session.caller_count; i++)
		if (session.callers[i].caller == caller)
			return &session.callers[i];
	elog(ERROR, "nobody asks the coordinator under this name");
}


/*
 * Who the coordinator is
 */

/* What was asked is void, and everybody is to look at what he has again. */
static void
session_move(bool own_changed)
{
	sg_remote_close();
	session.asking = NULL;
	session.connect_at = 0;
	for (int i = 0; i < session.caller_count; i++)
	{
		Caller	   *c = &session.callers[i];

		c->moved = true;
		c->own_changed |= own_changed;
		c->lost = false;
		c->failed = false;
	}
}

static void
session_set_problem(const char *message)
{
	char	   *problem = message ? MemoryContextStrdup(TopMemoryContext, message) : NULL;

	if (session.problem != NULL)
		pfree(session.problem);
	session.problem = problem;
}

/* Find the coordinator, or that this database is its own. */
static void
session_find_coordinator(void)
{
	SgCoordinator found;
	uint64		changes = session.changes;
	bool		none;

	if (session.known == changes)
		return;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	none = !sg_coordinator_find(&found);
	CommitTransactionCommand();
	session.known = changes;
	session_set_problem(NULL);
	if (none == session.own && (none || sg_coordinator_equal(&found, &session.coordinator)))
		return;
	session_move(none != session.own);
	session.own = none;
	if (!none)
		session.coordinator = found;
}

static void
session_coordinator_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	session.changes++;
}

const char *
sg_session_problem(void)
{
	return session.problem;
}

bool
sg_session_is_own(void)
{
	return session.own;
}

const char *
sg_session_server(void)
{
	return session.coordinator.server;
}


/*
 * The worker's duty
 */

/* The question under way gets no answer. */
static void
session_lose(const char *why)
{
	strlcpy(session.failure, why,
			pg_mbcliplen(why, strlen(why), sizeof(session.failure) - 1) + 1);
	sg_remote_close();
	if (session.asking != NULL)
		session_find(session.asking)->lost = true;
	session.asking = NULL;
}

/* The connection failed: say so, and try again soon. */
static void
session_failed(void)
{
	session_lose(sg_remote_error());
	sg_worker_note_failure(session.failure);
	session.connect_at = sg_clock_elapsed() +
		Min(FIRST_REST << Min(session.failures, 10), LONGEST_REST);
	session.failures++;
	for (int i = 0; i < session.caller_count; i++)
		session.callers[i].failed = true;
}

/* Get on with the session and the question under way. */
static void
session_progress(void)
{
	SgRemoteState state = sg_remote_poll();

	if (state == SG_REMOTE_FAILED)
		session_failed();
	else if (state == SG_REMOTE_IDLE || state == SG_REMOTE_ANSWERED)
		session.failures = 0;
	else if (state == SG_REMOTE_CLOSED && session.wanted &&
			 sg_clock_elapsed() >= session.connect_at)
		sg_remote_open(&session.coordinator);
}

static void
session_start(void)
{
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, session_coordinator_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, session_coordinator_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(USERMAPPINGOID, session_coordinator_callback, (Datum) 0);
}

static long
session_run(void)
{
	AcceptInvalidationMessages();
	session_find_coordinator();
	if (!session.own)
		session_progress();
	session.wanted = false;
	for (int i = 0; i < session.caller_count; i++)
	{
		session.callers[i].waited = session.callers[i].waits;
		session.callers[i].waits = false;
	}
	return -1;
}

/* The coordinator is not known: nothing that it says counts, until it is. */
static void
session_error(ErrorData *error)
{
	session.known = 0;
	session_set_problem(error->message ? error->message : "");
	session_lose(session.problem);
	sg_worker_note_failure(session.problem);
}

static bool
session_is_waited_for(void)
{
	for (int i = 0; i < session.caller_count; i++)
		if (session.callers[i].waits)
			return true;
	return false;
}

static long
session_time_left(void)
{
	if (session.own || session.problem != NULL)
		return -1;
	switch (sg_remote_poll())
	{
		case SG_REMOTE_ANSWERED:
		case SG_REMOTE_FAILED:
			/* what came in meanwhile is not announced by the socket again */
			return 0;
		case SG_REMOTE_CLOSED:
			return session.wanted ? sg_worker_ms_until(session.connect_at) : -1;
		case SG_REMOTE_IDLE:
			/* somebody let another go first, who did not go */
			return session_is_waited_for() ? 0 : -1;
		default:
			return sg_remote_time_left();
	}
}

static int
session_socket(pgsocket *sock)
{
	return session.own || session.problem != NULL ? 0 : sg_remote_events(sock);
}

static const SgWorkerDuty session_duty = {
	.start = session_start,
	.run = session_run,
	.time_left = session_time_left,
	.socket = session_socket,
	.failed = session_error,
	.stop = sg_remote_close,
};

void
sg_session_init(void)
{
	sg_worker_add_duty(&session_duty);
}


/*
 * For callers
 */

void
sg_session_add(const SgCaller *caller)
{
	if (session.caller_count == MAX_CALLERS)
		elog(ERROR, "too many ask the coordinator");
	session.callers[session.caller_count++].caller = caller;
}

void
sg_session_deliver(const SgCaller *caller)
{
	Caller	   *c = session_find(caller);

	if (c->moved)
	{
		caller->moved(c->own_changed);
		c->moved = c->own_changed = false;
	}
	if (session.asking == caller && sg_remote_poll() == SG_REMOTE_ANSWERED)
	{
		session.asking = NULL;
		sg_worker_note_answer();
		caller->answered(sg_remote_answer(), NULL);
	}
	else if (c->lost)
	{
		c->lost = false;
		caller->answered(NULL, session.failure);
	}
	if (c->failed)
	{
		c->failed = false;
		if (caller->failed)
			caller->failed(session.failure);
	}
}

bool
sg_session_is_open(void)
{
	SgRemoteState state = sg_remote_poll();

	return state == SG_REMOTE_IDLE || state == SG_REMOTE_BUSY || state == SG_REMOTE_ANSWERED;
}

/* Does another caller wait whose turn it is? */
static bool
session_must_yield(const SgCaller *caller)
{
	if (session.turn != caller)
		return false;
	for (int i = 0; i < session.caller_count; i++)
	{
		const Caller *c = &session.callers[i];

		if (c->caller != caller && (c->waits || c->waited))
			return true;
	}
	return false;
}

bool
sg_session_is_ready(const SgCaller *caller)
{
	Caller	   *c = session_find(caller);

	if (session.own || session.problem != NULL)
		return false;
	session.wanted = true;
	c->waits = true;
	if (session.asking != NULL)
		return false;
	if (sg_remote_poll() == SG_REMOTE_CLOSED && sg_clock_elapsed() >= session.connect_at)
		sg_remote_open(&session.coordinator);
	if (sg_remote_poll() != SG_REMOTE_IDLE || session_must_yield(caller))
		return false;
	session.turn = caller;
	c->waits = c->waited = false;
	return true;
}

void
sg_session_ask(const SgCaller *caller, const SgQuestion *question, const char *const *params)
{
	if (session.asking != NULL)
		elog(ERROR, "a question to the coordinator is under way");
	sg_remote_call(question, params);
	session.asking = caller;
}

bool
sg_session_is_asking(const SgCaller *caller)
{
	return session.asking == caller || session_find(caller)->lost;
}

void
sg_session_give_up(const SgCaller *caller)
{
	session_find(caller)->lost = false;
	if (session.asking != NULL && session.asking != caller)
		return;
	session.asking = NULL;
	sg_remote_close();
}

void
sg_session_distrust(void)
{
	sg_remote_close();
}

void
sg_session_turn_away(void)
{
	sg_remote_turn_away();
}
