/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The background worker of a database.
 *
 * Started by the first session of a database that needs it, one a database,
 * and idle otherwise.  What it does is registered by others (worker.h); this
 * file starts, wakes and ends it.
 *
 * Promises:
 *	1. At most one worker of a database is at work at any time.
 *	2. It ends within moments of DROP DATABASE, of the commit of DROP
 *	   EXTENSION, and before its database is copied, moved or renamed, so that
 *	   none of these has to wait for it.
 *	3. It holds no transaction, snapshot or lock while it waits.
 *	4. An error in one of its duties does not keep the others from being run.
 *
 * SG_LOCK_WORKERS guards the table of workers.  An entry is taken by whoever
 * starts a worker, and by nobody else until the worker has come and gone, or
 * has not come in time.  A worker that comes later than that finds its entry
 * taken, or gone, and ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "shmem.h"
#include "clock.h"
#include "catalog.h"
#include "worker.h"

/*
 * A change is told to the worker at the commit, but it sees it only a moment
 * later: so it looks again for this long (us), every so often (ms).
 */
#define WATCH_TIME			(5 * USECS_PER_SEC)
#define WATCH_INTERVAL		250

/* a worker that has not come after this long is given up, in us */
#define START_TIMEOUT		(10 * USECS_PER_SEC)

/* duties that can be registered */
#define MAX_DUTIES			4

/* after an error a duty is run again, in ms; and not before that, in us */
#define REST_AFTER_ERROR	1000
#define LEAST_REST			INT64CONST(200000)

/*
 * What somebody else has locked is tried again later; so soon that nobody else
 * is taken for the victim of a deadlock, as a DROP EXTENSION might be.
 */
#define LOCK_TIMEOUT		"200ms"

typedef struct WorkerEntry
{
	Oid			database;		/* invalid: free */
	uint32		ticket;			/* tells starts of one entry apart */
	int			pid;			/* 0: on its way */
	Latch	   *latch;			/* its own */
	int64		asked_at;		/* uptime of the start, us */
	bool		stop;			/* it shall end */
	int64		watch_until;	/* until then (uptime, us) it looks again
								 * every now and then */
	SgContact	contact;
} WorkerEntry;

typedef struct WorkerTable
{
	uint32		last_ticket;
	WorkerEntry entries[FLEXIBLE_ARRAY_MEMBER];
} WorkerTable;

typedef struct Duty
{
	const SgWorkerDuty *duty;
	bool		started;		/* in the worker */
	int64		rest_until;		/* uptime, us: after an error */
} Duty;

static WorkerTable *table = NULL;
static Duty duties[MAX_DUTIES];
static int	duty_count = 0;
static WorkerEntry *my_entry = NULL;	/* in the worker */
static bool concerned = false;	/* what a worker depends on was changed in
								 * this transaction, perhaps */

static object_access_hook_type prev_object_access_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;

PGDLLEXPORT void sg_worker_main(Datum arg);

static inline LWLock *
worker_lock(void)
{
	return sg_shmem_lock(SG_LOCK_WORKERS);
}

/* Is it the entry of a worker that should have come long ago? */
static bool
worker_is_overdue(const WorkerEntry *entry, int64 now)
{
	return entry->pid == 0 && now - entry->asked_at > START_TIMEOUT;
}

/* Find the entry of a database.  Under the lock. */
static WorkerEntry *
worker_find(Oid database)
{
	for (int i = 0; i < max_worker_processes; i++)
		if (table->entries[i].database == database)
			return &table->entries[i];
	return NULL;
}

/* Find an entry that is free, or that nobody came for.  Under the lock. */
static WorkerEntry *
worker_find_free(int64 now)
{
	for (int i = 0; i < max_worker_processes; i++)
		if (!OidIsValid(table->entries[i].database) ||
			worker_is_overdue(&table->entries[i], now))
			return &table->entries[i];
	return NULL;
}

void
sg_worker_add_duty(const SgWorkerDuty *duty)
{
	if (duty_count == MAX_DUTIES)
		elog(ERROR, "too many duties of the worker");
	duties[duty_count++].duty = duty;
}

long
sg_worker_sooner(long a, long b)
{
	if (a < 0)
		return b;
	return b < 0 ? a : Min(a, b);
}

long
sg_worker_ms_until(int64 then)
{
	return (long) (Max(then - sg_clock_elapsed(), 0) / 1000 + 1);
}


/*
 * Starting and waking
 */

/*
 * Take an entry for a worker that is to be started; its ticket, or 0 if there
 * is nothing to do, or no entry (then *full is set).
 */
static uint32
worker_take_entry(bool *full)
{
	WorkerEntry *entry;
	uint32		ticket = 0;
	int64		now = sg_clock_elapsed();

	*full = false;
	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	entry = worker_find(MyDatabaseId);
	if (entry != NULL && entry->pid != 0)
		SetLatch(entry->latch);
	else if (entry == NULL || worker_is_overdue(entry, now))
	{
		if (entry == NULL)
			entry = worker_find_free(now);
		if (entry == NULL)
			*full = true;
		else
		{
			if (++table->last_ticket == 0)
				++table->last_ticket;
			ticket = table->last_ticket;
			memset(entry, 0, sizeof(WorkerEntry));
			entry->database = MyDatabaseId;
			entry->ticket = ticket;
			entry->asked_at = now;
		}
	}
	LWLockRelease(worker_lock());
	return ticket;
}

static void
worker_give_up_entry(uint32 ticket)
{
	WorkerEntry *entry;

	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	entry = worker_find(MyDatabaseId);
	if (entry != NULL && entry->ticket == ticket && entry->pid == 0)
		entry->database = InvalidOid;
	LWLockRelease(worker_lock());
}

static bool
worker_register(uint32 ticket)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId),
		.bgw_notify_pid = 0,
	};

	strlcpy(worker.bgw_library_name, "seqgen", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "sg_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "seqgen worker for database %u", MyDatabaseId);
	strlcpy(worker.bgw_type, "seqgen worker", sizeof(worker.bgw_type));
	memcpy(worker.bgw_extra, &ticket, sizeof(ticket));
	return RegisterDynamicBackgroundWorker(&worker, NULL);
}

const char *
sg_worker_wake(void)
{
	bool		full;
	uint32		ticket;

	if (IsBinaryUpgrade)
		return _("no background worker runs during a binary upgrade");
	ticket = worker_take_entry(&full);
	if (!full && (ticket == 0 || worker_register(ticket)))
		return NULL;
	if (ticket != 0)
		worker_give_up_entry(ticket);
	return _("all background workers that max_worker_processes allows are in use");
}

/*
 * Wake the worker of a database if it runs, and perhaps tell it to end, or to
 * watch out.
 */
static void
worker_signal(Oid database, bool stop, bool watch)
{
	WorkerEntry *entry;

	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	entry = worker_find(database);
	if (entry != NULL)
	{
		entry->stop = entry->stop || stop;
		if (watch)
			entry->watch_until = sg_clock_elapsed() + WATCH_TIME;
		if (entry->pid != 0)
			SetLatch(entry->latch);

		/* whatever it waits for; it leaves the table before it ends */
		if (entry->pid != 0 && stop)
			(void) kill(entry->pid, SIGTERM);
	}
	LWLockRelease(worker_lock());
}

void
sg_worker_nudge(void)
{
	worker_signal(MyDatabaseId, false, false);
}

int
sg_worker_pid(void)
{
	WorkerEntry *entry;
	int			pid;

	LWLockAcquire(worker_lock(), LW_SHARED);
	entry = worker_find(MyDatabaseId);
	pid = entry ? entry->pid : 0;
	LWLockRelease(worker_lock());
	return pid;
}

void
sg_worker_note_answer(void)
{
	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	my_entry->contact.heard_at = sg_clock_now();
	my_entry->contact.failed_at = 0;
	LWLockRelease(worker_lock());
}

void
sg_worker_note_failure(const char *message)
{
	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	my_entry->contact.failed_at = sg_clock_now();
	strlcpy(my_entry->contact.failure, message,
			pg_mbcliplen(message, strlen(message), SG_CONTACT_SIZE - 1) + 1);
	LWLockRelease(worker_lock());
}

void
sg_worker_note_skew(int64 skew)
{
	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	my_entry->contact.has_skew = true;
	my_entry->contact.skew = skew;
	LWLockRelease(worker_lock());
}

bool
sg_worker_contact(SgContact *contact)
{
	WorkerEntry *entry;
	bool		runs;

	LWLockAcquire(worker_lock(), LW_SHARED);
	entry = worker_find(MyDatabaseId);
	runs = entry != NULL && entry->pid != 0;
	if (runs)
		*contact = entry->contact;
	LWLockRelease(worker_lock());
	return runs;
}


/*
 * The worker itself
 */

static void
worker_leave(int code, Datum arg)
{
	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	my_entry->database = InvalidOid;
	my_entry->pid = 0;
	LWLockRelease(worker_lock());
}

/*
 * Find the entry that was taken for us; false if it is not ours any more, or
 * we are to end before we have begun.
 */
static bool
worker_enter(Oid database, uint32 ticket)
{
	WorkerEntry *entry;

	LWLockAcquire(worker_lock(), LW_EXCLUSIVE);
	entry = worker_find(database);
	if (entry != NULL && entry->ticket == ticket && entry->pid == 0)
	{
		if (entry->stop)
			entry->database = InvalidOid;
		else
		{
			my_entry = entry;
			entry->pid = MyProcPid;
			entry->latch = MyLatch;
		}
	}
	LWLockRelease(worker_lock());
	if (my_entry == NULL)
		return false;
	before_shmem_exit(worker_leave, (Datum) 0);
	return true;
}

static bool
worker_told_to_stop(void)
{
	bool		stop;

	LWLockAcquire(worker_lock(), LW_SHARED);
	stop = my_entry->stop;
	LWLockRelease(worker_lock());
	return stop;
}

static bool
worker_told_to_watch(void)
{
	bool		watch;

	LWLockAcquire(worker_lock(), LW_SHARED);
	watch = sg_clock_elapsed() < my_entry->watch_until;
	LWLockRelease(worker_lock());
	return watch;
}

/*
 * Whatever we are waiting for is to end, with an error that is caught, and
 * then we end in good order.
 */
static void
worker_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

static bool
worker_has_extension(void)
{
	bool		there;

	StartTransactionCommand();
	there = OidIsValid(sg_catalog_generator_table());
	CommitTransactionCommand();
	return there;
}

/*
 * Errors are logged, and told to the duty, or to all if it is NULL; those of
 * other kinds end us.
 */
static void
worker_recover(const SgWorkerDuty *duty, MemoryContext context)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	EmitErrorReport();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	FlushErrorState();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(context);
	for (int i = 0; i < duty_count; i++)
		if ((duty == NULL || duty == duties[i].duty) && duties[i].duty->failed)
			duties[i].duty->failed(error);
	FreeErrorData(error);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Is there work?  If that cannot be told, *failed is set. */
static bool
worker_look(MemoryContext context, bool *failed)
{
	volatile bool there = true;

	*failed = true;
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		there = worker_has_extension();
		*failed = false;
	}
	PG_CATCH();
	{
		worker_recover(NULL, context);
	}
	PG_END_TRY();
	return there;
}

/*
 * Start a duty, unless that is done, and run it.  Returns what that returns.
 * One that fails each time fails no more often for what the others do.
 */
static long
worker_run_duty(Duty *d, MemoryContext context)
{
	volatile long wait = REST_AFTER_ERROR;

	if (sg_clock_elapsed() < d->rest_until)
		return sg_worker_ms_until(d->rest_until);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		if (!d->started && d->duty->start)
		{
			d->duty->start();
			MemoryContextSwitchTo(context);
		}
		d->started = true;
		wait = d->duty->run();
	}
	PG_CATCH();
	{
		worker_recover(d->duty, context);
		d->rest_until = sg_clock_elapsed() + LEAST_REST;
	}
	PG_END_TRY();
	MemoryContextReset(context);
	return wait;
}

/*
 * Do what is due.  Returns when to come again, in ms, or -1; sets *gone if the
 * extension is.
 */
static long
worker_run(MemoryContext context, bool *gone)
{
	bool		failed;
	long		wait = -1;

	*gone = !worker_look(context, &failed);
	MemoryContextReset(context);
	if (failed)
		return REST_AFTER_ERROR;
	for (int i = 0; i < duty_count && !*gone && !ShutdownRequestPending; i++)
		wait = sg_worker_sooner(wait, worker_run_duty(&duties[i], context));
	for (int i = 0; i < duty_count; i++)
		if (duties[i].duty->time_left)
			wait = sg_worker_sooner(wait, duties[i].duty->time_left());
	return wait;
}

/* The events of the one duty that waits for a socket; 0 if none does. */
static int
worker_socket(pgsocket *sock)
{
	for (int i = 0; i < duty_count; i++)
		if (duties[i].duty->socket)
			return duties[i].duty->socket(sock);
	return 0;
}

static void
worker_wait(long timeout)
{
	static uint32 wait_main = 0;
	static uint32 wait_coordinator = 0;
	pgsocket	sock = PGINVALID_SOCKET;
	int			events = worker_socket(&sock);
	int			mask = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | events;

	if (wait_main == 0)
	{
		wait_main = WaitEventExtensionNew("SeqgenWorkerMain");
		wait_coordinator = WaitEventExtensionNew("SeqgenCoordinator");
	}
	if (timeout >= 0)
		mask |= WL_TIMEOUT;
	if (events != 0)
		(void) WaitLatchOrSocket(MyLatch, mask, sock, timeout, wait_coordinator);
	else
		(void) WaitLatch(MyLatch, mask, timeout, wait_main);
	ResetLatch(MyLatch);
}

/* One last thing of a duty, unless the database is going. */
static void
worker_stop(const SgWorkerDuty *duty, MemoryContext context)
{
	QueryCancelPending = false;
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (duty->stop)
			duty->stop();
	}
	PG_CATCH();
	{
		worker_recover(duty, context);
	}
	PG_END_TRY();
	MemoryContextReset(context);
}

void
sg_worker_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	MemoryContext context;
	uint32		ticket;
	bool		gone = false;

	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, worker_sigterm);
	BackgroundWorkerUnblockSignals();

	if (!worker_enter(database, ticket))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	context = AllocSetContextCreate(TopMemoryContext, "seqgen worker", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!ShutdownRequestPending && !worker_told_to_stop())
	{
		long		timeout = worker_run(context, &gone);

		if (gone)
			proc_exit(0);
		if (worker_told_to_watch() && (timeout < 0 || timeout > WATCH_INTERVAL))
			timeout = WATCH_INTERVAL;
		if (ShutdownRequestPending)
			break;
		worker_wait(timeout);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	for (int i = 0; i < duty_count; i++)
		worker_stop(duties[i].duty, context);
	proc_exit(0);
}


/*
 * What ends it
 */

static void
worker_object_access(ObjectAccessType access, Oid classId, Oid objectId,
					 int subId, void *arg)
{
	if (prev_object_access_hook)
		prev_object_access_hook(access, classId, objectId, subId, arg);

	if (access != OAT_DROP || !sg_shmem_ready())
		return;
	if (classId == DatabaseRelationId)
		worker_signal(objectId, true, false);
	else if (classId == ExtensionRelationId &&
			 objectId == get_extension_oid("seqgen", true))
		concerned = true;
}

/* The database that a statement needs for itself, if any. */
static Oid
worker_database_wanted(Node *stmt)
{
	if (IsA(stmt, CreatedbStmt))
	{
		const char *template = "template1";
		ListCell   *cell;

		foreach(cell, ((CreatedbStmt *) stmt)->options)
		{
			DefElem    *option = lfirst_node(DefElem, cell);

			if (strcmp(option->defname, "template") == 0 && option->arg)
				template = defGetString(option);
		}
		return get_database_oid(template, true);
	}
	if (IsA(stmt, AlterDatabaseStmt) &&
		list_length(((AlterDatabaseStmt *) stmt)->options) == 1 &&
		strcmp(linitial_node(DefElem, ((AlterDatabaseStmt *) stmt)->options)->defname, "tablespace") == 0)
		return get_database_oid(((AlterDatabaseStmt *) stmt)->dbname, true);
	if (IsA(stmt, RenameStmt) && ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
		return get_database_oid(((RenameStmt *) stmt)->subname, true);
	return InvalidOid;
}

/* May a statement have changed what names the coordinator? */
static bool
worker_may_concern(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateForeignServerStmt:
		case T_AlterForeignServerStmt:
		case T_CreateUserMappingStmt:
		case T_AlterUserMappingStmt:
		case T_DropUserMappingStmt:
		case T_AlterOwnerStmt:
		case T_DropStmt:
		case T_DropOwnedStmt:
			return true;
		default:
			return false;
	}
}

/*
 * May the user do with the database what the statement wants?  If not it fails,
 * and need not have the worker ended.
 */
static bool
worker_user_may(Node *stmt, Oid database)
{
	HeapTuple	tuple;
	bool		may;

	if (object_ownercheck(DatabaseRelationId, database, GetUserId()))
		return true;
	if (!IsA(stmt, CreatedbStmt) || !have_createdb_privilege())
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	may = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return may;
}

static void
worker_process_utility(PlannedStmt *pstmt, const char *queryString,
					   bool readOnlyTree, ProcessUtilityContext context,
					   ParamListInfo params, QueryEnvironment *queryEnv,
					   DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = InvalidOid;
	bool		commit_prepared = IsA(pstmt->utilityStmt, TransactionStmt) &&
	((TransactionStmt *) pstmt->utilityStmt)->kind == TRANS_STMT_COMMIT_PREPARED;

	/* in a transaction that failed, no catalog can be read */
	if (IsTransactionState())
		database = worker_database_wanted(pstmt->utilityStmt);

	/* its next user starts it again; the statement waits for it to end */
	if (OidIsValid(database) && worker_user_may(pstmt->utilityStmt, database))
		worker_signal(database, true, false);

	if (prev_process_utility_hook)
		prev_process_utility_hook(pstmt, queryString, readOnlyTree, context,
								  params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context,
								params, queryEnv, dest, qc);

	if (worker_may_concern(pstmt->utilityStmt))
		concerned = true;
	if (commit_prepared)
		worker_signal(MyDatabaseId, false, true);
}

static void
worker_xact_callback(XactEvent event, void *arg)
{
	if (concerned && event == XACT_EVENT_COMMIT)
		worker_signal(MyDatabaseId, false, true);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		concerned = false;
}


/*
 * Start of the library
 */

static Size
worker_shmem_size(void)
{
	return add_size(offsetof(WorkerTable, entries),
					mul_size(max_worker_processes, sizeof(WorkerEntry)));
}

static void
worker_shmem_attach(void *area, bool initialize)
{
	table = area;
	if (initialize)
		memset(table, 0, worker_shmem_size());
}

static const SgShmemArea worker_area = {
	.name = "seqgen workers",
	.size = worker_shmem_size,
	.attach = worker_shmem_attach,
};

void
sg_worker_init(void)
{
	sg_shmem_add(&worker_area);

	prev_object_access_hook = object_access_hook;
	object_access_hook = worker_object_access;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = worker_process_utility;
	RegisterXactCallback(worker_xact_callback, NULL);
}
