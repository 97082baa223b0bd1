# Property: whatever others have put into the schema of the extension before it is
# created, nothing of the extension uses it.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('node');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'seqgen'\nseqgen.node_id = 1\nmax_locks_per_transaction = 1000\n");
$node->start;

# For each operator, and for each function that the extension's views and checks
# may call, one for all types of the script for which the server has none: it is
# preferred to one of the server's that needs a conversion, or takes any type.
$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
CREATE ROLE stranger;
CREATE SCHEMA trap;
GRANT ALL ON SCHEMA trap TO stranger;
SET ROLE stranger;
CREATE FUNCTION trap.make(name text, arguments text, result text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF to_regprocedure(format('pg_catalog.%I(%s)', name, arguments)) IS NULL THEN
		EXECUTE format('CREATE OR REPLACE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
			name, arguments, result, 'BEGIN RAISE ''trap sprung''; END');
	END IF;
END
$$;
DO $$
DECLARE
	types regtype[] := '{boolean,smallint,integer,bigint,oid,numeric,double precision,text,name,uuid,interval,timestamptz,regclass,int8range,int8multirange}';
	operators text[] := '{=,<>,<,<=,>,>=,+,-,*,/,^,||}';
	functions text[] := '{array_agg,clock_timestamp,count,current_setting,extract,float8,int8,int8multirange,int8range,interval,isfinite,'
		'length,lower,max,min,now,numeric,pg_has_role,range_agg,round,string_agg,sum,text,timestamptz,to_timestamp,upper}';
	l regtype;
	r regtype;
	name text;
	result text;
BEGIN
	FOREACH l IN ARRAY types LOOP
		FOREACH name IN ARRAY functions LOOP
			PERFORM trap.make(name, l::text, l::text);
		END LOOP;
		FOREACH r IN ARRAY types LOOP
			FOREACH name IN ARRAY functions LOOP
				PERFORM trap.make(name, l || ',' || r, l::text);
			END LOOP;
			FOREACH name IN ARRAY operators LOOP
				result := CASE WHEN name ~ '[=<>]' THEN 'boolean' ELSE l::text END;
				IF to_regoperator(format('pg_catalog.%s(%s,%s)', name, l, r)) IS NULL THEN
					PERFORM trap.make('spring_' || replace(result, ' ', '_'), l || ',' || r, result);
					EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.%I)',
						name, l, r, 'spring_' || replace(result, ' ', '_'));
				END IF;
			END LOOP;
		END LOOP;
	END LOOP;
END
$$;
SQL

cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pg_operator WHERE oprowner = 'stranger'::regrole"),
	'>', 1000, 'operators of a stranger');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM pg_proc WHERE proowner = 'stranger'::regrole"),
	'>', 1000, 'functions of a stranger');
my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION seqgen SCHEMA trap');
is($err, '', 'the extension is created among them');
is($node->safe_psql('postgres', <<'SQL'), '', 'and uses none');
SELECT pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, 0)
  FROM pg_depend d
 WHERE (d.refclassid = 'pg_proc'::regclass
		AND d.refobjid IN (SELECT oid FROM pg_proc WHERE proowner = 'stranger'::regrole)
		OR d.refclassid = 'pg_operator'::regclass
		AND d.refobjid IN (SELECT oid FROM pg_operator WHERE oprowner = 'stranger'::regrole))
   AND NOT (d.classid = 'pg_operator'::regclass
			AND d.objid IN (SELECT oid FROM pg_operator WHERE oprowner = 'stranger'::regrole))
 ORDER BY 1, 2
SQL
is($node->safe_psql('postgres', <<'SQL'), '10', 'all views can be read');
SELECT count(query_to_xml('SELECT count(*) FROM ' || c.oid::regclass, false, false, ''))
  FROM pg_class c WHERE c.relnamespace = 'seqgen'::regnamespace AND c.relkind = 'v'
SQL
is($node->safe_psql('postgres', 'SELECT trap.snowflake_node(trap.snowflake_nextval())'),
	'1', 'functions are in the schema that was named');

$node->stop;
done_testing();
