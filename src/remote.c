/*-------------------------------------------------------------------------
 *
 * remote.c
 *	  The worker's session with the coordinator.
 *
 * Promises:
 *	1. Nothing waits, except for the look-up of a host's name, which is kept
 *	   to about a second a name server.
 *	2. Every step has a deadline, and each host one of its own, so that one
 *	   that swallows packets does not keep us from the next.
 *	3. A call is answered only when its transaction has ended: a commit that
 *	   fails, or is not confirmed by a standby, shows after the row.
 *	4. What the coordinator sends is believed nowhere: it has exactly the
 *	   columns that were asked for or is malformed, and of an answer, of
 *	   whatever size, no more than MAX_ROW bytes are kept.
 *	5. No memory of libpq is lost: nothing between obtaining and freeing it
 *	   can raise an error.
 *
 * The only file that knows libpq.  It uses no fast-path call and no
 * cancellation (the latter waits): a call that is given up is ended by closing
 * the connection, and there by the statement_timeout that we set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <poll.h>
#ifdef __GLIBC__
#include <resolv.h>
#endif
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "libpq-fe.h"
#include "mb/pg_wchar.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"

#include "clock.h"
#include "remote.h"

#define USECS_PER_MS		INT64CONST(1000)

/* a result larger than this leaves libpq with buffers that are as large */
#define LARGE_RESULT		65536	/* bytes */

/*
 * What comes for a call has some hundred bytes, or the length of an error's
 * text.  Far above that it would only use up memory.  The kernel's own buffer
 * is kept smaller, so that not much more comes between two looks.
 */
#define MAX_RECEIVED		(4 * 1024 * 1024)	/* bytes */
#define SOCKET_BUFFER		65536	/* bytes */

/*
 * What is kept of a row's texts, with their ends, and what of it a column has
 * for itself: too much for a number, uuid or word to become one by being cut.
 */
#define MAX_ROW				32768	/* bytes */
#define COLUMN_SHARE		1024	/* bytes */

StaticAssertDecl(MAX_ROW >= SG_REMOTE_MAX_COLUMNS * COLUMN_SHARE, "each column has its share");

/*
 * The settings of the session there.  What was given up here may still be done
 * there, and is found by its key when it is asked for again; but not for long.
 * Warnings must come whatever the role's settings are: they tell of a wait for
 * a standby that was canceled.
 */
#define SESSION_OPTIONS \
	"-c statement_timeout=9s -c lock_timeout=5s -c search_path=pg_catalog " \
	"-c client_min_messages=warning -c default_transaction_isolation=read\\ committed"

typedef struct Session
{
	SgRemoteState state;
	PGconn	   *conn;			/* NULL if closed */
	int			first_host;		/* where to begin */
	int			tried;			/* hosts tried before the one under way */
	PostgresPollingStatusType wants;	/* CONNECTING: what to wait for */
	bool		unsent;			/* BUSY: not all of the call is sent */
	bool		has_row;		/* BUSY: a row has come */
	bool		oversized;		/* BUSY: to be closed after the answer */
	int64		received;		/* bytes since the last call began */
	int64		deadline;		/* us of sg_clock_elapsed; 0 if none */
	const SgQuestion *question; /* BUSY */
	SgRemoteAnswer answer;
	char		row[MAX_ROW];	/* where the answer's columns are */
	char		error[SG_REMOTE_TEXT_SIZE];
	SgCoordinator coordinator;
} Session;

static Session session;

/* ---- text of others */

/*
 * Append to a text of SG_REMOTE_TEXT_SIZE what fits, or of that the first line
 * only: what is no character becomes '?', and what would break the line a
 * space.
 */
static void
text_append(char *line, const char *more, bool first_line)
{
	int			encoding = GetDatabaseEncoding();
	int			length = strlen(line);
	int			left = strnlen(more, 4 * SG_REMOTE_TEXT_SIZE);

	while (left > 0 && !(first_line && *more == '\n'))
	{
		int			size = pg_encoding_verifymbchar(encoding, more, left);

		if (length + Max(size, 1) >= SG_REMOTE_TEXT_SIZE)
			break;
		if (size > 1)
			memcpy(line + length, more, size);
		else if (size < 1)
			line[length] = '?';
		else
			line[length] = ((unsigned char) *more < ' ' || *more == '\x7f') ? ' ' : *more;
		length += Max(size, 1);
		more += Max(size, 1);
		left -= Max(size, 1);
	}
	line[length] = '\0';
}

static void
text_set(char *line, const char *to)
{
	line[0] = '\0';
	text_append(line, to, false);
}

static bool
parse_int64(const char *string, int64 *value)
{
	const char *digits = string + (string[0] == '-');
	size_t		length = strlen(digits);
	char	   *end;

	if (length < 1 || length > 19 || strspn(digits, "0123456789") != length)
		return false;
	errno = 0;
	*value = strtoll(string, &end, 10);
	return errno == 0 && *end == '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As uuid_out writes it. */
static bool
parse_uuid(const char *text, pg_uuid_t *uuid)
{
	const char *p = text;

	if (strlen(text) != 36)
		return false;
	for (int i = 0; i < UUID_LEN; i++)
	{
		int			high;
		int			low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
			return false;
		high = hex_digit(*p++);
		low = hex_digit(*p++);
		if (high < 0 || low < 0)
			return false;
		uuid->data[i] = (unsigned char) (high << 4 | low);
	}
	return true;
}

/* ---- the end of a connection */

static void
session_disconnect(void)
{
	if (session.conn == NULL)
		return;
	PQfinish(session.conn);
	session.conn = NULL;
	ReleaseExternalFD();
}

static void
session_set(SgRemoteState state, int64 timeout_ms)
{
	session.state = state;
	session.deadline = timeout_ms > 0 ? sg_clock_elapsed() + timeout_ms * USECS_PER_MS : 0;
}

static bool
session_is_late(void)
{
	return session.deadline != 0 && sg_clock_elapsed() >= session.deadline;
}

/* The connection is of no more use. */
static void
session_fail(const char *reason)
{
	session.error[0] = '\0';
	text_append(session.error, reason, true);
	session_disconnect();
	session_set(SG_REMOTE_FAILED, 0);
}

/* The call has come to its end. */
static void
session_answered(SgRemoteOutcome outcome)
{
	session.answer.outcome = outcome;
	session_set(SG_REMOTE_ANSWERED, 0);
}

/* Nothing that follows can be trusted either. */
static void
session_malformed(const char *problem)
{
	memset(&session.answer, 0, sizeof(SgRemoteAnswer));
	text_set(session.answer.message, problem);
	session_disconnect();
	session_answered(SG_REMOTE_MALFORMED);
}

/* ---- connecting */

/*
 * With its defaults the resolver of glibc waits ten seconds for each name
 * server that is down, and meanwhile this process would serve no interrupts.
 */
static void
resolver_hurry(void)
{
#ifdef __GLIBC__
	static bool done = false;

	if (done || res_init() != 0)
		return;
	_res.retrans = 1;			/* s */
	_res.retry = 1;
	done = true;
#endif
}

static int
current_host(void)
{
	return (session.first_host + session.tried) % session.coordinator.host_count;
}

/* Note why the current host will not do, for the case that none does. */
static void
host_note(const char *reason)
{
	if (session.error[0] != '\0')
		text_append(session.error, "; ", true);
	text_append(session.error, reason, true);
	session_disconnect();
}

/* The severity in English, whatever the language of the other side. */
static bool
result_has_severity(const PGresult *result, const char *severity)
{
	const char *found = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return found != NULL && strcmp(found, severity) == 0;
}

static void
receive_notice(void *arg, const PGresult *result)
{
	if (result_has_severity(result, "WARNING"))
		session.answer.warned = true;
}

/* Returns false, with the reason noted, if the attempt fails at once. */
static bool
host_start(void)
{
	const char *keywords[SG_COORDINATOR_MAX_PARAMS + 4];
	const char *values[SG_COORDINATOR_MAX_PARAMS + 4];
	int			count = sg_coordinator_params(&session.coordinator, current_host(), keywords, values);

	keywords[count] = "client_encoding";
	values[count++] = GetDatabaseEncodingName();
	keywords[count] = "options";
	values[count++] = SESSION_OPTIONS;
	keywords[count] = NULL;
	values[count] = NULL;

	if (!AcquireExternalFD())
	{
		host_note("too many files are open for a connection to the coordinator");
		return false;
	}
	session.conn = PQconnectStartParams(keywords, values, 0);
	if (session.conn == NULL)
	{
		ReleaseExternalFD();
		host_note("out of memory for a connection to the coordinator");
		return false;
	}
	PQsetNoticeReceiver(session.conn, receive_notice, NULL);
	if (PQstatus(session.conn) == CONNECTION_BAD)
	{
		host_note(PQerrorMessage(session.conn));
		return false;
	}
	session.wants = PGRES_POLLING_WRITING;
	session_set(SG_REMOTE_CONNECTING, session.coordinator.connect_timeout * INT64CONST(1000));
	return true;
}

/* Start with the current host, or with the first after it that can be tried. */
static void
host_start_any(void)
{
	for (; session.tried < session.coordinator.host_count; session.tried++)
		if (host_start())
			return;
	session_set(SG_REMOTE_FAILED, 0);
}

static void
host_failed(const char *reason)
{
	host_note(reason);
	session.tried++;
	host_start_any();
}

static void
host_late(void)
{
	char		reason[SG_REMOTE_TEXT_SIZE];
	const char *host = PQhost(session.conn);

	snprintf(reason, sizeof(reason), "connection to \"%s\", port %s, timed out after %d s",
			 host ? host : "", PQport(session.conn), session.coordinator.connect_timeout);
	host_failed(reason);
}

static void
host_connected(void)
{
	int			size = SOCKET_BUFFER;

	if (session.coordinator.password_required && !PQconnectionUsedPassword(session.conn))
		host_failed("the coordinator did not ask for a password, and the owner of the foreign server is not a superuser");
	else if (PQsetnonblocking(session.conn, 1) != 0)
		host_failed(PQerrorMessage(session.conn));
	else
	{
		(void) setsockopt(PQsocket(session.conn), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		session.first_host = current_host();
		session.received = 0;
		session_set(SG_REMOTE_IDLE, 0);
	}
}

/* libpq must not be asked to go on before the socket is ready. */
static bool
socket_is_ready(void)
{
	struct pollfd fd = {
		.fd = PQsocket(session.conn),
		.events = session.wants == PGRES_POLLING_READING ? POLLIN : POLLOUT,
	};

	return fd.fd < 0 || poll(&fd, 1, 0) > 0;
}

static void
session_connect(void)
{
	if (socket_is_ready())
	{
		session.wants = PQconnectPoll(session.conn);
		if (session.wants == PGRES_POLLING_FAILED)
			return host_failed(PQerrorMessage(session.conn));
		if (session.wants == PGRES_POLLING_OK)
			return host_connected();
	}
	if (session_is_late())
		host_late();
}

/* ---- an answer */

/* Texts that libpq shows us shorter than they came have a zero byte inside. */
static bool
row_has_shape(const PGresult *result, const SgQuestion *question)
{
	if (PQntuples(result) != 1 || PQnfields(result) != question->column_count)
		return false;
	for (int i = 0; i < question->column_count; i++)
		if (PQftype(result, i) != question->column_types[i] || PQfformat(result, i) != 0 ||
			strlen(PQgetvalue(result, 0, i)) != (size_t) PQgetlength(result, 0, i))
			return false;
	return true;
}

/*
 * Keep the columns, each cut to what is left when those behind it have their
 * share.
 */
static void
row_copy(const PGresult *result)
{
	int			count = PQnfields(result);
	char	   *p = session.row;

	for (int i = 0; i < count; i++)
	{
		int			room = MAX_ROW - (int) (p - session.row) - (count - 1 - i) * COLUMN_SHARE;
		int			length = Min(PQgetlength(result, 0, i), room - 1);

		if (PQgetisnull(result, 0, i))
			continue;
		session.answer.columns[i] = memcpy(p, PQgetvalue(result, 0, i), length);
		p[length] = '\0';
		p += length + 1;
	}
}

static void
session_take_row(const PGresult *result)
{
	if (session.has_row)
		return session_malformed("The answer has more than one row.");
	session.has_row = true;
	if (!row_has_shape(result, session.question))
		session_malformed("The row does not have the columns of a coordinator's answer.");
	else
		row_copy(result);
}

/*
 * An error of the call, or the end of the connection: that has the severity
 * FATAL if it is the other side's, and no SQLSTATE if it is libpq's.
 */
static void
session_take_error(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (sqlstate == NULL || strlen(sqlstate) != 5 || !result_has_severity(result, "ERROR"))
		return session_fail(message != NULL ? message : PQresultErrorMessage(result));

	memset(&session.answer, 0, sizeof(SgRemoteAnswer));
	session.answer.outcome = SG_REMOTE_ERROR;
	for (int i = 0; i < 5; i++)
		session.answer.sqlstate[i] = isalnum((unsigned char) sqlstate[i]) ? sqlstate[i] : '?';
	text_set(session.answer.message, message != NULL ? message : "");
}

/* A result that is not the end; it is freed by the caller. */
static void
session_take(const PGresult *result)
{
	session.oversized |= PQresultMemorySize(result) > LARGE_RESULT;
	switch (PQresultStatus(result))
	{
		case PGRES_SINGLE_TUPLE:
			return session_take_row(result);
		case PGRES_TUPLES_OK:
			/* what follows the rows */
			return;
		case PGRES_FATAL_ERROR:
			return session_take_error(result);
		default:
			return session_malformed("The answer is not the result of a query.");
	}
}

/* No more results: the transaction has ended. */
static void
session_take_end(void)
{
	if (session.answer.outcome == SG_REMOTE_ERROR)
		session_answered(SG_REMOTE_ERROR);
	else if (!session.has_row)
		session_malformed("The answer has no row.");
	else if (PQtransactionStatus(session.conn) != PQTRANS_IDLE)
		session_malformed("The answer leaves a transaction open.");
	else
		session_answered(SG_REMOTE_ROW);
	if (session.oversized)
		session_disconnect();
}

/* Nobody asked for them, so they are not kept. */
static void
session_drop_notifications(void)
{
	PGnotify   *notify;

	while ((notify = PQnotifies(session.conn)) != NULL)
		PQfreemem(notify);
}

/* Has more come, with what waits in the socket, than a coordinator sends? */
static bool
session_is_flooded(void)
{
	int			waiting = 0;

	if (ioctl(PQsocket(session.conn), FIONREAD, &waiting) == 0)
		session.received += waiting;
	return session.received > MAX_RECEIVED;
}

static void
session_flooded(void)
{
	if (session.state == SG_REMOTE_BUSY)
		session_malformed("The answer is too long.");
	else
		session_fail("the coordinator sent too much that it was not asked for");
}

static void
session_talk(void)
{
	if (session_is_flooded())
		return session_flooded();
	if (session.unsent)
	{
		int			flushed = PQflush(session.conn);

		if (flushed < 0)
			return session_fail(PQerrorMessage(session.conn));
		session.unsent = flushed > 0;
	}
	if (!PQconsumeInput(session.conn))
		return session_fail(PQerrorMessage(session.conn));

	while (!PQisBusy(session.conn) && session.state == SG_REMOTE_BUSY)
	{
		PGresult   *result = PQgetResult(session.conn);

		if (result == NULL)
			return session_take_end();
		session_take(result);
		PQclear(result);
		if (session.conn == NULL)
			return;
	}
	session_drop_notifications();
	if (session_is_late())
		session_fail("the coordinator did not answer in time");
}

/* ---- the interface */

static void
session_at_exit(int code, Datum arg)
{
	sg_remote_close();
}

void
sg_remote_open(const SgCoordinator *coordinator)
{
	static bool registered = false;

	if (!registered)
		on_proc_exit(session_at_exit, (Datum) 0);
	registered = true;
	resolver_hurry();

	session_disconnect();
	if (!sg_coordinator_equal(coordinator, &session.coordinator))
		session.first_host = 0;
	session.coordinator = *coordinator;
	session.tried = 0;
	session.error[0] = '\0';
	host_start_any();
}

void
sg_remote_close(void)
{
	session_disconnect();
	session_set(SG_REMOTE_CLOSED, 0);
}

void
sg_remote_turn_away(void)
{
	if (session.coordinator.host_count < 2)
		return;
	sg_remote_close();
	session.first_host = (session.first_host + 1) % session.coordinator.host_count;
}

SgRemoteState
sg_remote_poll(void)
{
	if (session.state == SG_REMOTE_CONNECTING)
		session_connect();
	else if (session.state == SG_REMOTE_IDLE || session.state == SG_REMOTE_BUSY)
		session_talk();
	return session.state;
}

int
sg_remote_events(pgsocket *socket)
{
	*socket = session.conn != NULL ? PQsocket(session.conn) : PGINVALID_SOCKET;
	switch (session.state)
	{
		case SG_REMOTE_CONNECTING:
			return session.wants == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
		case SG_REMOTE_IDLE:
			return WL_SOCKET_READABLE;
		case SG_REMOTE_BUSY:
			return WL_SOCKET_READABLE | (session.unsent ? WL_SOCKET_WRITEABLE : 0);
		default:
			return 0;
	}
}

long
sg_remote_time_left(void)
{
	int64		left;

	if (session.deadline == 0)
		return -1;
	left = session.deadline - sg_clock_elapsed();
	return left > 0 ? (long) ((left + USECS_PER_MS - 1) / USECS_PER_MS) : 0;
}

void
sg_remote_call(const SgQuestion *question, const char *const *params)
{
	Assert(question->column_count <= SG_REMOTE_MAX_COLUMNS);
	if (session.state != SG_REMOTE_IDLE)
		elog(ERROR, "the session with the coordinator is not ready for a call");

	memset(&session.answer, 0, sizeof(SgRemoteAnswer));
	session.question = question;
	session.received = 0;
	session.has_row = false;
	session.oversized = false;
	session.unsent = true;

	/*
	 * An answer takes no longer than a connection.  Asking again with the
	 * same key is safe, and the sooner we do, the sooner we are back after an
	 * outage that swallowed the question.
	 */
	session_set(SG_REMOTE_BUSY, session.coordinator.connect_timeout * INT64CONST(1000));
	if (!PQsendQueryParams(session.conn, question->sql, question->param_count, NULL, params, NULL, NULL, 0) ||
		!PQsetSingleRowMode(session.conn))
		session_fail(PQerrorMessage(session.conn));
	else
		session_talk();
}

const SgRemoteAnswer *
sg_remote_answer(void)
{
	if (session.state != SG_REMOTE_ANSWERED)
		elog(ERROR, "the coordinator has not answered");
	session_set(session.conn != NULL ? SG_REMOTE_IDLE : SG_REMOTE_CLOSED, 0);
	return &session.answer;
}

bool
sg_remote_int64(const SgRemoteAnswer *answer, int column, int64 *value, bool *isnull)
{
	const char *text = answer->columns[column];

	*value = 0;
	*isnull = (text == NULL);
	return text == NULL || parse_int64(text, value);
}

bool
sg_remote_uuid(const SgRemoteAnswer *answer, int column, pg_uuid_t *value, bool *isnull)
{
	const char *text = answer->columns[column];

	memset(value, 0, sizeof(pg_uuid_t));
	*isnull = (text == NULL);
	return text == NULL || parse_uuid(text, value);
}

bool
sg_remote_word(const SgRemoteAnswer *answer, int column, char word[SG_REMOTE_STATUS_SIZE])
{
	const char *text = answer->columns[column];
	size_t		length = text == NULL ? 0 : strlen(text);

	word[0] = '\0';
	if (length < 1 || length >= SG_REMOTE_STATUS_SIZE ||
		strspn(text, "abcdefghijklmnopqrstuvwxyz") != length)
		return false;
	strcpy(word, text);
	return true;
}

void
sg_remote_text(const SgRemoteAnswer *answer, int column, char text[SG_REMOTE_TEXT_SIZE])
{
	text_set(text, answer->columns[column] != NULL ? answer->columns[column] : "");
}

const char *
sg_remote_error(void)
{
	return session.error;
}
