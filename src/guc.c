/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Every setting of seqgen.
 *
 * No ordinary session can set anything that bears on uniqueness: settings are
 * fixed at server start or read from the configuration file, but for the
 * clock offset of the tests, which is a superuser's and which uniqueness
 * survives.
 *
 * The ranges of seqgen.reserve_ahead and seqgen.max_lead do not meet, so that
 * the ids of a window, all drawn at once after a restart, are within the lead
 * that is allowed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "guc.h"

/* the largest number a list may hold; each layout has a bound of its own */
#define NODE_ID_MAX		((1 << 30) - 1)

/* 200 years, in ms: more than any clock is wrong */
#define CLOCK_OFFSET_MAX	(200.0 * 365.25 * 86400.0 * 1000.0)

char	   *sg_node_id = NULL;
char	   *sg_location_text = NULL;
SgLocation	sg_location = {0};
int			sg_lease_timeout = 10000;
int			sg_max_generators = 1024;
int			sg_reserve_ahead = 3000;
int			sg_max_lead = 60000;
int			sg_max_clock_jump = 24 * 3600;
int64		sg_debug_clock_offset_us = 0;
int			sg_range_target = 900;
int			sg_range_timeout = 10000;
bool		sg_range_require_sync = false;
int			sg_range_report_interval = 10;
int			sg_lease = 3600;
int			sg_max_node_skew = 900;
char	   *sg_debug_boot_id = NULL;

static double debug_clock_offset = 0.0;

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* A node number from 1 on; returns NULL if there is none at p. */
static const char *
parse_number(const char *p, int *number)
{
	int64		value = 0;

	if (*p < '0' || *p > '9')
		return NULL;
	while (*p >= '0' && *p <= '9')
	{
		value = value * 10 + (*p++ - '0');
		if (value > NODE_ID_MAX)
			return NULL;
	}
	*number = (int) value;
	return value > 0 ? p : NULL;
}

/*
 * A database name up to its colon, plain or in double quotes, into name.
 * Returns a pointer to the colon, or NULL.
 */
static const char *
parse_database(const char *p, char *name)
{
	int			len = 0;
	bool		quoted = (*p == '"');

	if (quoted)
		p++;
	for (;; p++)
	{
		if (*p == '\0' || len >= NAMEDATALEN)
			return NULL;
		if (quoted && *p == '"')
		{
			if (p[1] != '"')
				break;
			p++;
		}
		else if (!quoted && (*p == ':' || *p == ','))
			break;
		name[len++] = *p;
	}
	if (quoted)
		p = skip_space(p + 1);
	else
		while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t'))
			len--;
	name[len] = '\0';
	return (len > 0 && *p == ':') ? p : NULL;
}

bool
sg_node_id_parse(const char *value, const char *dbname,
				 int *node, const char **problem)
{
	const char *p = skip_space(value);
	const char *end;
	int			number;

	*node = 0;
	if (*p == '\0')
		return true;

	end = parse_number(p, &number);
	if (end != NULL && *skip_space(end) == '\0')
	{
		*node = number;
		return true;
	}

	for (;;)
	{
		char		name[NAMEDATALEN + 1];

		p = parse_database(p, name);
		if (p == NULL)
		{
			*problem = "A node number is a whole number from 1, or a list such as \"shard1:1, shard2:2\".";
			return false;
		}
		p = parse_number(skip_space(p + 1), &number);
		if (p == NULL)
		{
			*problem = "Each database of the list needs a node number from 1, as in \"shard1:1, shard2:2\".";
			return false;
		}
		if (dbname != NULL && strcmp(dbname, name) == 0)
		{
			if (*node != 0)
			{
				*problem = "The list names a database twice.";
				return false;
			}
			*node = number;
		}
		p = skip_space(p);
		if (*p == '\0')
			return true;
		if (*p != ',')
		{
			*problem = "The databases of the list are separated by commas.";
			return false;
		}
		p = skip_space(p + 1);
	}
}

static bool
check_node_id(char **newval, void **extra, GucSource source)
{
	const char *problem;
	int			node;

	if (*newval == NULL || sg_node_id_parse(*newval, NULL, &node, &problem))
		return true;
	GUC_check_errdetail("%s", problem);
	return false;
}

/* A part of a location; returns what follows it, or NULL if there is none. */
static const char *
parse_location_part(const char *p, int *part)
{
	int			value = 0;
	int			digits = 0;

	for (; *p >= '0' && *p <= '9' && digits < 4; digits++)
		value = value * 10 + (*p++ - '0');
	*part = value;
	return digits > 0 && value <= 255 ? p : NULL;
}

bool
sg_location_parse(const char *value, SgLocation *location)
{
	const char *p = skip_space(value);

	memset(location, 0, sizeof(SgLocation));
	if (*p == '\0')
		return true;
	location->given = true;
	return (p = parse_location_part(p, &location->zone)) != NULL && *p == '/' &&
		(p = parse_location_part(p + 1, &location->datacenter)) != NULL && *p == '/' &&
		(p = parse_location_part(p + 1, &location->rack)) != NULL && *skip_space(p) == '\0';
}

static bool
check_location(char **newval, void **extra, GucSource source)
{
	SgLocation	location;

	if (*newval == NULL || sg_location_parse(*newval, &location))
		return true;
	GUC_check_errdetail("A location is zone/datacenter/rack, three numbers from 0 to 255, as in \"3/5/1\".");
	return false;
}

static void
assign_location(const char *newval, void *extra)
{
	if (newval != NULL)
		(void) sg_location_parse(newval, &sg_location);
}

static void
assign_debug_clock_offset(double newval, void *extra)
{
	sg_debug_clock_offset_us = (int64) rint(newval * 1000.0);
}

/* Those of the server's start, which cannot be defined later. */
static void
define_start_settings(void)
{
	DefineCustomStringVariable("seqgen.node_id",
							   "Sets this server's node number, or the node numbers of its databases.",
							   "A number, or a list such as \"shard1:1, shard2:2\".",
							   &sg_node_id,
							   "",
							   PGC_POSTMASTER,
							   0,
							   check_node_id, NULL, NULL);
	DefineCustomStringVariable("seqgen.location",
							   "Sets where this server is, as zone/datacenter/rack.",
							   "Three numbers from 0 to 255, as in \"3/5/1\".",
							   &sg_location_text,
							   "",
							   PGC_POSTMASTER,
							   0,
							   check_location, assign_location, NULL);
	DefineCustomIntVariable("seqgen.max_generators",
							"Sets the maximum number of generators in use over all databases.",
							"Each takes about 900 bytes of shared memory.",
							&sg_max_generators,
							1024, 16, 1000000,
							PGC_POSTMASTER,
							0,
							NULL, NULL, NULL);
	DefineCustomStringVariable("seqgen.debug_boot_id",
							   "Replaces the kernel's boot id, for tests.",
							   NULL,
							   &sg_debug_boot_id,
							   "",
							   PGC_POSTMASTER,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
}

static void
define_clock_settings(void)
{
	DefineCustomIntVariable("seqgen.reserve_ahead",
							"Sets how far ahead of the clock ids are reserved.",
							"A crash can leave ids ahead of the clock by this much.",
							&sg_reserve_ahead,
							3000, 100, 10000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.max_lead",
							"Sets how far ahead of the clock an id may be.",
							"Beyond it a generator waits up to one second, and then fails.",
							&sg_max_lead,
							60000, 11000, 3600000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.max_clock_jump",
							"Sets how far the clock may jump forward before it is distrusted.",
							"Zero trusts every jump. A clock that the kernel calls synchronized is trusted.",
							&sg_max_clock_jump,
							24 * 3600, 0, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomRealVariable("seqgen.debug_clock_offset",
							 "Shifts every reading of the clock, for tests.",
							 NULL,
							 &debug_clock_offset,
							 0.0, -CLOCK_OFFSET_MAX, CLOCK_OFFSET_MAX,
							 PGC_SUSET,
							 GUC_UNIT_MS | GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							 NULL, assign_debug_clock_offset, NULL);
}

static void
define_node_settings(void)
{
	DefineCustomIntVariable("seqgen.lease",
							"Sets how long a coordinator leases a node number for.",
							"The servers that may become the coordinator should have the same setting.",
							&sg_lease,
							3600, 1, 30 * 86400,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.max_node_skew",
							"Sets how far the clocks of nodes may be from their coordinator's.",
							"Beyond it no node number is leased, nor renewed.",
							&sg_max_node_skew,
							900, 1, 86400,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.lease_timeout",
							"Sets how long a session waits for a node number.",
							NULL,
							&sg_lease_timeout,
							10000, 0, 3600000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static void
define_range_settings(void)
{
	DefineCustomIntVariable("seqgen.range_target",
							"Sets how long a block of a range should last.",
							"Blocks that last less grow, blocks that last more than twice as long shrink.",
							&sg_range_target,
							900, 1, 7 * 86400,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.range_timeout",
							"Sets how long a session waits for a range's next block.",
							NULL,
							&sg_range_timeout,
							10000, 0, 3600000,
							PGC_USERSET,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("seqgen.range_require_sync",
							 "Grants blocks and node numbers only if a synchronous standby confirms them.",
							 "A promoted standby then goes on granting by itself.",
							 &sg_range_require_sync,
							 false,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("seqgen.range_report_interval",
							"Sets how often a node reports to the coordinator of its ranges.",
							"The coordinator should have the same setting as its nodes.",
							&sg_range_report_interval,
							10, 1, 3600,
							PGC_SIGHUP,
							GUC_UNIT_S,
							NULL, NULL, NULL);
}

void
sg_guc_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		define_start_settings();
	define_clock_settings();
	define_node_settings();
	define_range_settings();

	/*
	 * Without the preload the settings of the server's start are unknown
	 * here, and would be taken for mistakes.
	 */
	if (process_shared_preload_libraries_in_progress)
		MarkGUCPrefixReserved("seqgen");
}
