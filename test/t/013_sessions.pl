# Property: while any transaction that drew is running, in whatever form, its
# floor is shown and is not above its first id; when it ends, or its session
# does, the floor is gone; and no session grows by drawing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SeqgenTest;

my $node = seqgen_cluster('main', conf => <<'CONF');
max_prepared_transactions = 5
max_connections = 60
max_worker_processes = 8
max_parallel_workers = 8
timezone = 'UTC'
CONF

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# A session, with its process id.
sub open_session
{
	my $session = session($node);
	return ($session, $session->query_safe('SELECT pg_backend_pid()'));
}

# Whether the floor of these records is at or below the time of an id.
sub floor_covers
{
	my ($records, $id, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( value("SELECT count(*), bool_and(transaction_floor <= snowflake_timestamp($id))
				 FROM seqgen.stat_backend WHERE $records"),
		'1|t', $name);
	return;
}

value(<<'SQL');
SELECT snowflake_create('gen');
CREATE TABLE input AS SELECT i FROM generate_series(1, 200000) i;
ANALYZE input;
SQL

#
# Parallel plans
#
my $parallel = <<'SQL';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET parallel_leader_participation = off;
SQL

my ($leader, $leader_pid) = open_session();
$leader->query_safe($parallel);
my $plan = $leader->query_safe(<<'SQL');
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, VERBOSE)
CREATE TABLE made_in_parallel AS SELECT snowflake_nextval('gen') AS id FROM input
SQL
like($plan, qr/Workers Launched: [1-3]\b/, 'parallel workers were launched');
like($plan, qr/Gather.*Parallel Seq Scan[^\n]*\n\s*Output: snowflake_nextval/s, 'and it was they who drew');
is($leader->query_safe('SELECT count(*), count(DISTINCT id) FROM made_in_parallel'), '200000|200000',
	'ids drawn by parallel workers are all different');
is( value("SELECT snowflake_issued FROM seqgen.stat_backend WHERE pid = $leader_pid"),
	200000, 'and count as drawn by their leader');
is( value("SELECT issued FROM seqgen.stat_generator WHERE generator = 'gen'::regclass"),
	200000, 'and as drawn from their generator');

# Only workers draw in this transaction: the leader's record shows its floor.
$leader->query_safe('BEGIN');
my $first = $leader->query_safe("SELECT min(snowflake_nextval('gen')) FROM input");
floor_covers("pid = $leader_pid", $first, 'the floor of parallel workers is in the record of their leader');
is(value('SELECT count(*) FROM seqgen.stat_backend WHERE pid IS NOT NULL'), 1,
	'workers leave no record of their own');
$leader->query_safe('SELECT count(*) FROM input');
floor_covers("pid = $leader_pid", $first, 'and it outlives them');
$leader->query_safe('COMMIT');
is(value("SELECT transaction_floor FROM seqgen.stat_backend WHERE pid = $leader_pid"), '',
	'the commit clears it');

# Leader and workers together, and a parallel plan that fails.
$leader->query_safe('SET parallel_leader_participation = on');
is( $leader->query_safe(
		"SELECT count(DISTINCT id) FROM (SELECT snowflake_nextval('gen') AS id FROM input) drawn"),
	200000, 'leader and workers together');
$leader->query_safe('BEGIN');
fails($leader, "SELECT max(snowflake_nextval('gen') / (i - 150000)) FROM input", '22012', 'division by zero',
	'a worker fails');
$leader->query_safe('ROLLBACK');
is( value("SELECT transaction_floor FROM seqgen.stat_backend WHERE pid = $leader_pid"), '',
	'the rollback clears the floor');
$leader->quit;
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM seqgen.stat_backend WHERE pid = $leader_pid"),
	'the end of the session removes its record');

#
# Many sessions
#
my %session;
my %first_id;
foreach (1 .. 12)
{
	my ($session, $pid) = open_session();

	$session{$pid} = $session;
	$session->query_safe('BEGIN');
	$first_id{$pid} = take($session, 'gen', 1);
}
is( value('SELECT count(*), count(DISTINCT pid), count(transaction_floor), count(DISTINCT last_value)
			 FROM seqgen.stat_backend'),
	'12|12|12|12', 'each of 12 sessions has its record');
foreach my $pid (sort { $a <=> $b } keys %session)
{
	take($session{$pid}, 'gen', 5);
}
is( value('SELECT count(*) FROM (VALUES '
		  . join(', ', map { "($_, $first_id{$_})" } keys %first_id)
		  . ') drawn (pid, id) JOIN seqgen.stat_backend USING (pid)
			WHERE transaction_floor <= snowflake_timestamp(id)'),
	12, 'the floor of each is not above its first id');

# One commits, one rolls back, one fails, one is terminated.
my ($commits, $rolls_back, $is_terminated) = sort { $a <=> $b } keys %session;
my $floors = sub {
	return value("SELECT count(*), count(transaction_floor) FROM seqgen.stat_backend WHERE pid IN (@_)");
};
$session{$commits}->query_safe('COMMIT');
is($floors->($commits), '1|0', 'COMMIT clears the floor, and leaves the record');
$session{$rolls_back}->query_safe('ROLLBACK');
is($floors->($rolls_back), '1|0', 'so does ROLLBACK');
value("SELECT pg_terminate_backend($is_terminated)");
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM seqgen.stat_backend WHERE pid = $is_terminated"),
	'a session that is terminated has no record any more');

# A savepoint that is rolled back takes nothing away: the id was drawn.
$session{$rolls_back}->query_safe('BEGIN; SAVEPOINT s');
my $in_savepoint = take($session{$rolls_back}, 'gen', 1);
$session{$rolls_back}->query_safe('ROLLBACK TO s');
floor_covers("pid = $rolls_back", $in_savepoint, 'the floor outlives a savepoint that is rolled back');
$session{$rolls_back}->query_safe('COMMIT');

# Several generators: the lowest of all.
$session{$commits}->query_safe('BEGIN');
value("SELECT snowflake_create('ahead')");
value("SELECT seqgen.advance('ahead', snowflake_min(clock_timestamp() + interval '40 s'))");
my $far = take($session{$commits}, 'ahead', 1);
floor_covers("pid = $commits AND transaction_floor > now() + interval '10 s'", $far, 'the floor of a generator that is ahead');
my $near = take($session{$commits}, 'gen', 1);
floor_covers("pid = $commits", $near, 'gives way to the lower one of another');
$session{$commits}->query_safe('COMMIT');

# A new session may get the place of an old one: it starts with nothing.
foreach my $pid (keys %session)
{
	next if $pid == $is_terminated;
	$session{$pid}->quit;
}
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM seqgen.stat_backend'),
	'no record is left when all have gone');
$node->pgbench(
	'--no-vacuum --client=20 --jobs=2 --transactions=5 --connect',
	0, [qr{processed: 100/100}], [qr{^$}], '100 sessions, one after the other, 20 at a time',
	{ '013_draw' => "SELECT snowflake_nextval('gen');" });
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM seqgen.stat_backend'),
	'and of theirs');
ids_only_grew('all ids of all these sessions grew');

#
# Prepared transactions
#
my ($preparer, $preparer_pid) = open_session();
my %prepared_id;
foreach my $name ('commits', 'rolls back', 'stays')
{
	$preparer->query_safe('BEGIN; SELECT pg_current_xact_id()');
	$prepared_id{$name} = take($preparer, 'gen', 1);
	my $shown = value("SELECT transaction_floor FROM seqgen.stat_backend WHERE pid = $preparer_pid");
	my $xid = $preparer->query_safe('SELECT pg_current_xact_id()::xid');
	$preparer->query_safe("PREPARE TRANSACTION '$name'");

	floor_covers("prepared_xid = '$xid'", $prepared_id{$name}, "PREPARE hands the floor over: $name");
	is( value("SELECT transaction_floor, pid, snowflake_issued, datname FROM seqgen.stat_backend WHERE prepared_xid = '$xid'"),
		"$shown|||postgres", 'as it was');
	is(value("SELECT transaction_floor FROM seqgen.stat_backend WHERE pid = $preparer_pid"), '',
		'and the session is rid of it');
	take($preparer, 'gen', 3);
}
my $prepared = 'SELECT count(*) FROM seqgen.stat_backend WHERE prepared_xid IS NOT NULL';
is(value($prepared), 3, 'three are prepared');
$preparer->quit;
is(value($prepared), 3, 'and stay when their session has gone');
value("COMMIT PREPARED 'commits'");
is(value($prepared), 2, 'COMMIT PREPARED ends the floor');
value("ROLLBACK PREPARED 'rolls back'");
is(value($prepared), 1, 'so does ROLLBACK PREPARED');
floor_covers('prepared_xid IS NOT NULL', $prepared_id{stays}, 'that of the third remains');

# Their places serve again, as often as there are transactions to prepare.
foreach my $round (1 .. 12)
{
	value("BEGIN; SELECT pg_current_xact_id(), snowflake_nextval('gen'); PREPARE TRANSACTION 'round $round'");
	is(value($prepared), 2, "round $round of preparing") if $round % 4 == 0;
	value("COMMIT PREPARED 'round $round'");
}
value("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'draws nothing'");
is(value($prepared), 1, 'a prepared transaction that drew nothing has no floor');
value("COMMIT PREPARED 'draws nothing'");
value("COMMIT PREPARED 'stays'");
is(value($prepared), 0, 'none is left');
ids_only_grew('ids grew over all of it');

#
# Memory
#
my $used = 'SELECT sum(used_bytes) FROM pg_backend_memory_contexts';
my ($drawer) = open_session();
$drawer->query_safe('SET max_parallel_workers_per_gather = 0');
my %drawing = (
	'in one set' => 'SELECT count(*) FROM (SELECT snowflake_nextvals(%d)) drawn',
	'one by one' => 'SELECT count(snowflake_nextval()) FROM generate_series(1, %d)');
foreach my $how (sort keys %drawing)
{
	# Once to fill the caches, and once more to let them settle.
	$drawer->query_safe(sprintf $drawing{$how}, 1000) foreach 1 .. 2;
	$drawer->query_safe($used) foreach 1 .. 2;
	my $before = $drawer->query_safe($used);
	is($drawer->query_safe(sprintf $drawing{$how}, 5_000_000), 5_000_000, "5,000,000 ids, $how");
	my $after = $drawer->query_safe($used);
	cmp_ok($after - $before, '<', 32 * 1024, "leave the session as it was: $how");
}

# Half way through a set of ten million, nothing has been stored.
$drawer->query_safe('BEGIN');
$drawer->query_safe('DECLARE drawn CURSOR FOR SELECT snowflake_nextvals(10000000)');
$drawer->query_safe('MOVE 10 IN drawn');
my $at_start = $drawer->query_safe($used);
is($drawer->query_safe('MOVE 5000000 IN drawn; SELECT 1'), 1, '5,000,000 of 10,000,000 ids');
cmp_ok($drawer->query_safe($used) - $at_start, '<', 32 * 1024, 'are not kept');
$drawer->query_safe('COMMIT');

# Transactions and savepoints add nothing either.
my $many = 'DO $$ BEGIN FOR i IN 1 .. 20000 LOOP
	BEGIN PERFORM snowflake_nextval(); EXCEPTION WHEN division_by_zero THEN NULL; END; COMMIT;
	END LOOP; END $$';
$drawer->query_safe($many);
$drawer->query_safe($used);
my $before = $drawer->query_safe($used);
$drawer->query_safe($many);
cmp_ok($drawer->query_safe($used) - $before, '<', 32 * 1024, '20,000 transactions leave the session as it was');
$drawer->quit;

done_testing();
