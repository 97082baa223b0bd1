/*-------------------------------------------------------------------------
 *
 * coordinator.c
 *	  The coordinator as a database names it.
 *
 * It is named the way dblink and postgres_fdw name another server, so that
 * passwords live where PostgreSQL keeps them.  Nobody has USAGE on the wrapper
 * unless he is given it, so superusers define the server, or those whom they
 * trust with it.
 *
 * The connection is made by a process of the server, which may have files and
 * an account of the operating system that let it in elsewhere.  The owner of
 * the foreign server must not borrow them: unless he is a superuser, the
 * mapping needs a password, the connection must have used it, and no option
 * names a file.
 *
 * Options are those that say where the coordinator is and how to be let in.
 * The session's settings are the worker's own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "coordinator.h"

#define WRAPPER				"seqgen_coordinator"
#define CONNECT_TIMEOUT		2	/* s */
#define MAX_CONNECT_TIMEOUT	600 /* s */

typedef enum OptionKind
{
	OPTION_TEXT,
	OPTION_FILE,				/* read with the server's own rights */
	OPTION_PORTS,				/* numbers separated by commas */
	OPTION_SECONDS,				/* 1 to MAX_CONNECT_TIMEOUT */
	OPTION_NUMBER,				/* 0 and up */
	OPTION_CHOICE,
} OptionKind;

typedef struct Option
{
	const char *name;
	bool		of_server;
	bool		of_mapping;
	OptionKind	kind;
	const char *choices;		/* separated by a comma and a space */
} Option;

static const Option options[] = {
	{"host", true, false, OPTION_TEXT, NULL},
	{"hostaddr", true, false, OPTION_TEXT, NULL},
	{"port", true, false, OPTION_PORTS, NULL},
	{"dbname", true, false, OPTION_TEXT, NULL},
	{"target_session_attrs", true, false, OPTION_CHOICE, "any, read-write, primary"},
	{"connect_timeout", true, false, OPTION_SECONDS, NULL},
	{"application_name", true, false, OPTION_TEXT, NULL},
	{"keepalives", true, false, OPTION_CHOICE, "0, 1"},
	{"keepalives_idle", true, false, OPTION_NUMBER, NULL},
	{"keepalives_interval", true, false, OPTION_NUMBER, NULL},
	{"keepalives_count", true, false, OPTION_NUMBER, NULL},
	{"tcp_user_timeout", true, false, OPTION_NUMBER, NULL},
	{"channel_binding", true, false, OPTION_CHOICE, "disable, prefer, require"},
	{"gssencmode", true, false, OPTION_CHOICE, "disable, prefer, require"},
	{"krbsrvname", true, false, OPTION_TEXT, NULL},
	{"requirepeer", true, false, OPTION_TEXT, NULL},
	{"sslmode", true, false, OPTION_CHOICE, "disable, allow, prefer, require, verify-ca, verify-full"},
	{"sslrootcert", true, false, OPTION_TEXT, NULL},
	{"sslcrl", true, false, OPTION_TEXT, NULL},
	{"sslcrldir", true, false, OPTION_TEXT, NULL},
	{"sslsni", true, false, OPTION_CHOICE, "0, 1"},
	{"ssl_min_protocol_version", true, false, OPTION_CHOICE, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"},
	{"ssl_max_protocol_version", true, false, OPTION_CHOICE, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"},
	{"sslcert", true, true, OPTION_FILE, NULL},
	{"sslkey", true, true, OPTION_FILE, NULL},
	{"user", false, true, OPTION_TEXT, NULL},
	{"password", false, true, OPTION_TEXT, NULL},
	{"passfile", false, true, OPTION_FILE, NULL},
	{"sslpassword", false, true, OPTION_TEXT, NULL},
};

static bool
option_is_of(const Option *option, Oid catalog)
{
	return (option->of_server && catalog == ForeignServerRelationId) ||
		(option->of_mapping && catalog == UserMappingRelationId);
}

static const Option *
option_find(const char *name, Oid catalog)
{
	for (int i = 0; i < (int) lengthof(options); i++)
		if (strcmp(options[i].name, name) == 0 && option_is_of(&options[i], catalog))
			return &options[i];
	return NULL;
}

static void
option_report_unknown(const char *name, Oid catalog)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(options); i++)
		if (option_is_of(&options[i], catalog))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", options[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 names.len > 0 ? errhint("Valid options in this context are: %s.", names.data) :
			 errhint("There are no valid options in this context.")));
}

/* A whole number in decimal digits, at most INT_MAX; -1 if it is none. */
static int
number_parse(const char *text, size_t length)
{
	int64		value = 0;

	if (length == 0 || length > 10 || strspn(text, "0123456789") < length)
		return -1;
	for (size_t i = 0; i < length; i++)
		value = value * 10 + (text[i] - '0');
	return value <= INT_MAX ? (int) value : -1;
}

/* How many elements a list has; those of libpq may be empty. */
static int
list_length_of(const char *list)
{
	int			count = 1;

	if (list == NULL)
		return 0;
	for (; *list != '\0'; list++)
		count += (*list == ',');
	return count;
}

/*
 * An element of a list, as a copy.  Without a list all are empty, and a single
 * element stands for all.
 */
static char *
list_element(const char *list, int number)
{
	if (list == NULL)
		return pstrdup("");
	if (list_length_of(list) == 1)
		return pstrdup(list);
	for (; number > 0; number--)
		list = strchr(list, ',') + 1;
	return pnstrdup(list, strcspn(list, ","));
}

static bool
ports_are_valid(const char *list)
{
	for (;; list++)
	{
		size_t		length = strcspn(list, ",");
		int			port = number_parse(list, length);

		if (length > 0 && (port < 1 || port > 65535))
			return false;
		list += length;
		if (*list == '\0')
			return true;
	}
}

static bool
choice_is_valid(const char *choices, const char *value)
{
	size_t		length = strlen(value);

	for (;; choices += 2)
	{
		size_t		choice = strcspn(choices, ",");

		if (choice == length && strncmp(choices, value, length) == 0)
			return true;
		choices += choice;
		if (*choices == '\0')
			return false;
	}
}

/* NULL if the value is one, else what it should be. */
static const char *
option_problem(const Option *option, const char *value)
{
	int			number;

	switch (option->kind)
	{
		case OPTION_TEXT:
		case OPTION_FILE:
			return NULL;
		case OPTION_PORTS:
			return ports_are_valid(value) ? NULL :
				"Ports are numbers from 1 to 65535, separated by commas.";
		case OPTION_SECONDS:
			number = number_parse(value, strlen(value));
			return number >= 1 && number <= MAX_CONNECT_TIMEOUT ? NULL :
				"It is a number of seconds from 1 to 600, for each host.";
		case OPTION_NUMBER:
			return number_parse(value, strlen(value)) >= 0 ? NULL : "It is a whole number.";
		case OPTION_CHOICE:
			return choice_is_valid(option->choices, value) ? NULL :
				psprintf("It is one of: %s.", option->choices);
	}
	return NULL;
}

/* The value of an option, or NULL. */
static const char *
options_get(List *list, const char *name)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		DefElem    *def = lfirst_node(DefElem, cell);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

static int
options_host_count(List *list)
{
	return Max(1, Max(list_length_of(options_get(list, "host")),
					  list_length_of(options_get(list, "hostaddr"))));
}

/* Each host has its address and its port, or there is one port for all. */
static void
options_check_hosts(List *list)
{
	int			hosts = options_host_count(list);
	int			names = list_length_of(options_get(list, "host"));
	int			addresses = list_length_of(options_get(list, "hostaddr"));
	int			ports = list_length_of(options_get(list, "port"));

	if ((names > 0 && names != hosts) || (addresses > 0 && addresses != hosts) ||
		(ports > 1 && ports != hosts))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("options \"host\", \"hostaddr\" and \"port\" do not have the same number of elements"),
				 errdetail("They have %d, %d and %d elements.", names, addresses, ports),
				 errhint("Name as many addresses as hosts, and one port for all or one for each.")));
}

/* Never says the value of an option that may be secret. */
static void
options_check(List *list, Oid catalog)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		DefElem    *def = lfirst_node(DefElem, cell);
		const Option *option = option_find(def->defname, catalog);
		const char *problem;

		if (option == NULL)
			option_report_unknown(def->defname, catalog);
		problem = option_problem(option, defGetString(def));
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
					 errmsg("invalid value for option \"%s\": \"%s\"", def->defname, defGetString(def)),
					 errhint("%s", problem)));
	}
	if (catalog == ForeignServerRelationId)
		options_check_hosts(list);
}

/* Files are a superuser's to name. */
static void
options_check_permission(List *list, Oid catalog)
{
	ListCell   *cell;

	if (superuser())
		return;
	foreach(cell, list)
	{
		DefElem    *def = lfirst_node(DefElem, cell);

		if (option_find(def->defname, catalog)->kind == OPTION_FILE)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to set option \"%s\"", def->defname),
					 errdetail("The file is read with the rights of the server."),
					 errhint("Only a superuser may set it.")));
	}
}

PG_FUNCTION_INFO_V1(sg_coordinator_validator);
Datum
sg_coordinator_validator(PG_FUNCTION_ARGS)
{
	List	   *list = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);

	options_check(list, catalog);
	options_check_permission(list, catalog);
	PG_RETURN_VOID();
}

static void
report_several_servers(Oid one, Oid another)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("more than one coordinator is defined"),
			 errdetail("The foreign servers \"%s\" and \"%s\" both use the wrapper %s.",
					   GetForeignServer(one)->servername, GetForeignServer(another)->servername, WRAPPER),
			 errhint("Drop all but one.")));
}

/* A server that uses the wrapper, or InvalidOid; and another one, if there is. */
static Oid
coordinator_server(Oid *another)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapperByName(WRAPPER, true);
	Oid			server = InvalidOid;
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	*another = InvalidOid;
	if (wrapper == NULL)
		return InvalidOid;

	rel = table_open(ForeignServerRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_foreign_server_srvfdw, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(wrapper->fdwid));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		*another = server;
		server = ((Form_pg_foreign_server) GETSTRUCT(tuple))->oid;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return server;
}

/* The owner of the extension's tables, or InvalidOid if they are gone. */
static Oid
extension_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(sg_catalog_generator_table()));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static UserMapping *
coordinator_mapping(ForeignServer *server, Oid user)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user),
							   ObjectIdGetDatum(server->serverid)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(server->serverid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no user mapping for the coordinator \"%s\"", server->servername),
				 errhint("Create a user mapping for %s, who owns the extension, or for PUBLIC.",
						 quote_identifier(GetUserNameFromId(user, false)))));
	return GetUserMapping(user, server->serverid);
}

/* What the owner of a server must heed who is no superuser. */
static void
coordinator_check_password(ForeignServer *server, UserMapping *mapping)
{
	const char *password = options_get(mapping->options, "password");
	const char *gssencmode = options_get(server->options, "gssencmode");
	bool		has_file = false;
	ListCell   *cell;

	foreach(cell, list_concat_copy(server->options, mapping->options))
	{
		const char *name = lfirst_node(DefElem, cell)->defname;
		const Option *option = option_find(name, UserMappingRelationId);

		has_file |= (option != NULL && option->kind == OPTION_FILE);
	}
	if (password == NULL || password[0] == '\0' || has_file ||
		(gssencmode != NULL && strcmp(gssencmode, "disable") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("password is required for the coordinator \"%s\"", server->servername),
				 errdetail("The owner of the foreign server is not a superuser, so the connection may use "
						   "a password of the user mapping, and neither files nor the account of the server."),
				 errhint("Set the option \"password\" of the user mapping and drop \"sslcert\", \"sslkey\", "
						 "\"passfile\" and \"gssencmode\", or let a superuser own the foreign server.")));
}

static void
coordinator_add_text(SgCoordinator *coordinator, const char *string)
{
	int			size = strlen(string) + 1;

	if (size > SG_COORDINATOR_TEXT_SIZE - coordinator->length)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("options of the coordinator \"%s\" are too long", coordinator->server),
				 errdetail("They can have %d bytes in all.", SG_COORDINATOR_TEXT_SIZE)));
	memcpy(&coordinator->text[coordinator->length], string, size);
	coordinator->length += size;
}

static void
coordinator_add_option(SgCoordinator *coordinator, const char *keyword, const char *value)
{
	coordinator_add_text(coordinator, keyword);
	coordinator_add_text(coordinator, value);
	coordinator->option_count++;
}

static void
coordinator_add_hosts(SgCoordinator *coordinator, List *list)
{
	coordinator->host_count = options_host_count(list);
	for (int i = 0; i < coordinator->host_count; i++)
	{
		coordinator_add_text(coordinator, list_element(options_get(list, "host"), i));
		coordinator_add_text(coordinator, list_element(options_get(list, "hostaddr"), i));
		coordinator_add_text(coordinator, list_element(options_get(list, "port"), i));
	}
}

/* All but the hosts; connect_timeout is ours to enforce. */
static void
coordinator_add_options(SgCoordinator *coordinator, List *list)
{
	ListCell   *cell;

	foreach(cell, list)
	{
		DefElem    *def = lfirst_node(DefElem, cell);

		if (strcmp(def->defname, "connect_timeout") == 0)
			coordinator->connect_timeout = atoi(defGetString(def));
		else if (strcmp(def->defname, "host") != 0 && strcmp(def->defname, "hostaddr") != 0 &&
				 strcmp(def->defname, "port") != 0)
			coordinator_add_option(coordinator, def->defname, defGetString(def));
	}
}

/*
 * A standby grants nothing.  With GSS encryption libpq may wait for a ticket
 * server, and it would use the tickets of the server's account.
 */
static void
coordinator_add_defaults(SgCoordinator *coordinator, List *list)
{
	static const char *const defaults[][2] = {
		{"target_session_attrs", "read-write"},
		{"gssencmode", "disable"},
		{"application_name", "seqgen worker"},
	};

	for (int i = 0; i < (int) lengthof(defaults); i++)
		if (options_get(list, defaults[i][0]) == NULL)
			coordinator_add_option(coordinator, defaults[i][0], defaults[i][1]);
}

bool
sg_coordinator_exists(void)
{
	Oid			another;

	return OidIsValid(extension_owner()) && OidIsValid(coordinator_server(&another));
}

bool
sg_coordinator_find(SgCoordinator *coordinator)
{
	Oid			owner = extension_owner();
	Oid			another;
	Oid			serverid = coordinator_server(&another);
	ForeignServer *server;
	UserMapping *mapping;

	if (!OidIsValid(owner) || !OidIsValid(serverid))
		return false;
	if (OidIsValid(another))
		report_several_servers(another, serverid);
	server = GetForeignServer(serverid);
	mapping = coordinator_mapping(server, owner);

	/* once more, as the wrapper may have been without its validator */
	options_check(server->options, ForeignServerRelationId);
	options_check(mapping->options, UserMappingRelationId);

	memset(coordinator, 0, sizeof(SgCoordinator));
	strlcpy(coordinator->server, server->servername, NAMEDATALEN);
	coordinator->connect_timeout = CONNECT_TIMEOUT;
	coordinator->password_required = !superuser_arg(server->owner);
	if (coordinator->password_required)
		coordinator_check_password(server, mapping);
	coordinator_add_hosts(coordinator, server->options);
	coordinator_add_options(coordinator, server->options);
	coordinator_add_options(coordinator, mapping->options);
	coordinator_add_defaults(coordinator, server->options);
	return true;
}

bool
sg_coordinator_equal(const SgCoordinator *a, const SgCoordinator *b)
{
	return strcmp(a->server, b->server) == 0 &&
		a->password_required == b->password_required &&
		a->connect_timeout == b->connect_timeout &&
		a->host_count == b->host_count &&
		a->option_count == b->option_count &&
		a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static const char *
next_string(const char **p)
{
	const char *string = *p;

	*p += strlen(string) + 1;
	return string;
}

int
sg_coordinator_params(const SgCoordinator *coordinator, int host,
					  const char **keywords, const char **values)
{
	static const char *const host_keywords[] = {"host", "hostaddr", "port"};
	const char *p = coordinator->text;
	int			count = 0;

	for (int i = 0; i < coordinator->host_count; i++)
		for (int k = 0; k < (int) lengthof(host_keywords); k++)
		{
			const char *value = next_string(&p);

			if (i != host || value[0] == '\0')
				continue;
			keywords[count] = host_keywords[k];
			values[count++] = value;
		}
	for (int i = 0; i < coordinator->option_count; i++)
	{
		keywords[count] = next_string(&p);
		values[count++] = next_string(&p);
	}
	Assert(count <= SG_COORDINATOR_MAX_PARAMS);
	return count;
}
