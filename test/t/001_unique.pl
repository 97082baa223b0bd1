# Property: however many backends draw, and in whichever way, no id is given
# out twice, and a draw that starts after another has ended gets a larger id.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Journal;
use SeqgenTest;

my $node = seqgen_cluster('main');
my $clients = 8;

# What a single value tells.
sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# Run pgbench scripts, each as often as the others on average.
sub load_with
{
	my ($transactions, $name, %scripts) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $all = $clients * $transactions;
	$node->pgbench(
		"--no-vacuum --client=$clients --jobs=2 --transactions=$transactions",
		0, [qr{processed: $all/$all}], [qr{^$}], $name, \%scripts);
	return;
}

# A million ids of the default generator: one by one, by statements that call
# for each row, and in blocks.  Each script draws 250.
journal_create($node);
load_with(
	500,
	'8 clients draw 1,000,000 ids',
	'001_each' => q{CALL journal.draw_each('snowflake_nextval()', 250);},
	'001_rows' => q{CALL journal.draw_set('SELECT snowflake_nextval() FROM generate_series(1, 250)');},
	'001_block' => q{CALL journal.draw_set('SELECT snowflake_nextvals(250)');});
journal_is_sound($node, 1_000_000, 'default generator');
is(value('SELECT DISTINCT snowflake_node(id) FROM journal.draw'), 1, 'all ids bear the node number');
is(value(q{SELECT issued FROM seqgen.stat_generator
		   WHERE generator = 'seqgen.snowflake_default'::regclass}),
	1_000_000, 'the generator counted them');

# Tables that share the default generator, and two with one of their own.
value(<<'SQL');
SELECT snowflake_create('ticket_id');
CREATE TABLE customer (id bigint DEFAULT snowflake_nextval() PRIMARY KEY, filler integer);
CREATE TABLE item (id bigint DEFAULT snowflake_nextval() PRIMARY KEY, filler integer);
CREATE TABLE payment (id bigint DEFAULT snowflake_nextval() PRIMARY KEY, filler integer);
CREATE TABLE ticket (id bigint DEFAULT snowflake_nextval('ticket_id') PRIMARY KEY, filler integer);
CREATE TABLE refund (id bigint DEFAULT snowflake_nextval('ticket_id') PRIMARY KEY, filler integer);
SQL
load_with(
	50,
	'inserts into five tables',
	'001_insert' => q{
		INSERT INTO customer (filler) VALUES (1);
		INSERT INTO item (filler) SELECT generate_series(1, 20);
		INSERT INTO ticket (filler) SELECT generate_series(1, 20);
		BEGIN;
		INSERT INTO payment (filler) VALUES (1), (2), (3);
		SAVEPOINT s;
		INSERT INTO refund (filler) VALUES (1), (2);
		ROLLBACK TO s;
		INSERT INTO refund (filler) VALUES (3), (4);
		COMMIT;
	});
is(value(q{SELECT count(*), count(DISTINCT id)
		   FROM (TABLE customer UNION ALL TABLE item UNION ALL TABLE payment) t}),
	'9600|9600', 'ids of one generator are unique over the tables that use it');
is(value('SELECT count(*), count(DISTINCT id) FROM (TABLE ticket UNION ALL TABLE refund) t'),
	'8800|8800', 'so are those of a named generator');
is(value(q{SELECT count(*) FROM (TABLE item UNION ALL TABLE ticket) t
		   JOIN journal.draw USING (id)}),
	0, 'later ids of the default generator are not earlier ones');

# Generators with an increment: a call is worth that many ids of one unit of
# time, of which it returns the first.
value(<<'SQL');
SELECT snowflake_create('pool', increment => 50);
SELECT snowflake_create('whole_unit', increment => 4096);
CREATE UNLOGGED TABLE pooled (generator regclass, width integer, id bigint);
SQL
load_with(
	50,
	'draws from pools',
	'001_pool' => q{
		INSERT INTO pooled SELECT 'pool', 50, snowflake_nextval('pool') FROM generate_series(1, 100);
		INSERT INTO pooled SELECT 'pool', 50, snowflake_nextvals(100, 'pool');
		INSERT INTO pooled SELECT 'whole_unit', 4096, snowflake_nextval('whole_unit');
		INSERT INTO pooled SELECT 'whole_unit', 4096, snowflake_nextvals(2, 'whole_unit');
	});
is(value('SELECT generator, count(*) FROM pooled GROUP BY generator ORDER BY 2'),
	"whole_unit|1200\npool|80000", 'every call was answered');
is(value(q{SELECT count(*)
		   FROM (SELECT id < lag(id + width) OVER (PARTITION BY generator ORDER BY id) AS shared
				   FROM pooled) p
		   WHERE shared}),
	0, 'no two calls share an id of their pools');
is(value(q{SELECT count(*) FROM pooled
		   WHERE snowflake_timestamp(id) <> snowflake_timestamp(id + width - 1)
			  OR snowflake_node(id + width - 1) <> 1}),
	0, 'each pool lies inside one unit of time');

# Parallel workers, while others draw too.  The worker's process id shows who
# drew; its leader's neighbours in time show the order.
value(<<'SQL');
CREATE TABLE source AS SELECT g FROM generate_series(1, 100000) g;
ANALYZE source;
CREATE FUNCTION who() RETURNS integer VOLATILE PARALLEL SAFE
	LANGUAGE plpgsql AS 'BEGIN RETURN pg_backend_pid(); END';
TRUNCATE journal.draw;
SQL
my $parallel = q{
	SET parallel_setup_cost = 0;
	SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 3;
	SET parallel_leader_participation = off;
};
my $script = $node->basedir . '/001_neighbour';
append_to_file($script, q{CALL journal.draw_each('snowflake_nextval()', 100);});
my $neighbour = IPC::Run::start(
	[
		'pgbench', '--no-vacuum', '--client=2', '--time=600', "--file=$script",
		$node->connstr('postgres')
	],
	'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM journal.draw')
  or die 'the neighbours do not draw';
my $plan = value(qq{$parallel
	BEGIN;
	CREATE TABLE alone AS SELECT pg_backend_pid() AS pid, snowflake_nextval() AS before;
	EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, FORMAT JSON)
		CREATE TABLE parallel AS SELECT who() AS pid, snowflake_nextval() AS id FROM source;
	ALTER TABLE alone ADD COLUMN after bigint DEFAULT snowflake_nextval();
	COMMIT;
});
$neighbour->signal('INT');
$neighbour->finish;

my $gather = decode_json($plan)->[0]{Plan};
my $scan = $gather->{Plans}[0];
is($gather->{'Node Type'}, 'Gather', 'CREATE TABLE AS runs in parallel');
cmp_ok($gather->{'Workers Launched'}, '>=', 2, 'with several workers');
ok((grep { $_ eq 'snowflake_nextval()' } @{ $scan->{Output} }), 'they draw the ids');
is(value('SELECT count(*), count(DISTINCT id) FROM parallel'), '100000|100000',
	'workers draw different ids');
cmp_ok(value('SELECT count(DISTINCT pid) FROM parallel'), '>=', 2, 'more than one worker drew');
is(value('SELECT count(*) FROM parallel JOIN alone USING (pid)'), 0, 'the leader did not');
is(value(q{SELECT count(*)
		   FROM (SELECT id <= lag(id) OVER (PARTITION BY pid ORDER BY ctid) AS wrong FROM parallel) p
		   WHERE wrong}),
	0, 'the ids of each worker increase');
is(value('SELECT before < min(id) AND max(id) < after FROM alone, parallel GROUP BY before, after'),
	't', 'the leader drew a smaller id before them and a larger one after');
cmp_ok(value(q{SELECT count(*) FROM journal.draw d
			   WHERE id > (SELECT min(id) FROM parallel) AND id < (SELECT max(id) FROM parallel)}),
	'>', 0, 'others drew meanwhile');
is(value('SELECT count(*) FROM journal.draw JOIN parallel USING (id)'), 0, 'and got other ids');

$node->stop;
done_testing();
