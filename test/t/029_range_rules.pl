# Property: the bounds of what anybody can do to ranges hold.  By hand no more
# is leapt over than a largest block; a claim that is false moves a cursor by a
# bounded part; only those who own a node's generators declare it destroyed;
# and what goes wrong with one range, one transaction, one worker or one role
# is nothing to all others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Draw;
use RangeTest;
use SeqgenTest;

my $conf = <<'CONF';
seqgen.range_report_interval = '1h'
max_worker_processes = 24
max_prepared_transactions = 5
log_statement = none
CONF
my $coordinator = range_coordinator('coordinator', conf => $conf);
my $node = range_node('node', $coordinator, conf => $conf);
my $admin = session($coordinator);

sub database
{
	my ($name) = @_;
	$admin->query_safe("CREATE DATABASE $name");
	$coordinator->safe_psql($name, 'CREATE EXTENSION seqgen');
	return;
}

# What a node that is none asks for or reports: key and size of a block, or
# neither, and the highest value and ledger number that it claims to have seen.
sub request
{
	my ($database, $generator, $uuid, $key, $claim) = @_;
	return $coordinator->safe_psql($database, <<"SQL");
SELECT status FROM seqgen.range_request('public.$generator', $key, '$uuid', gen_random_uuid(),
	'1/3/1/1:1/x', $claim, NULL)
SQL
}
my $block_of_10 = 'gen_random_uuid(), 1, 10';
my $report = 'NULL, NULL, 0';
my @uuid = map { "${_}1111111-1111-4111-8111-111111111111" } 1 .. 3;

#
# Blocks by hand
#

my $session = session($coordinator);
$session->query_safe(<<'SQL');
SELECT range_create('leap', block_size => 100, max_value => 1000000);
DO $$ BEGIN
	FOR i IN 1..97 LOOP
		PERFORM range_reserve('leap', int8range(i * 10000, i * 10000 + 1));
	END LOOP;
END $$;
SQL
fails($session, q{SELECT range_alloc('leap', 15000)}, '2200H', 'generator "leap" has no room',
	'a block by hand does not leap over more than a largest block');
is($session->query_safe(q{SELECT range_alloc('leap', 9999)}),
	'[1,10000)', 'which takes nothing, and fewer values are given out');

create_range('released', '10, max_block_size => 10', $coordinator, $node);
$coordinator->safe_psql('postgres',
	q{SELECT range_reserve('released', '[5,25)'); SELECT range_release('released', '[5,25)')});
is($node->safe_psql('postgres', q{SELECT string_agg(v::text, ',') FROM range_nextvals('released', 20) v}),
	join(',', 1 .. 4, 25 .. 40), 'an interval above the cursor that was released goes to no node');

#
# What a node can claim
#

database('claims');
$coordinator->safe_psql('claims',
	q{SELECT range_create('small', block_size => 10, column_type => 'int2')});
is(request('claims', 'small', $uuid[0], $block_of_10, '0, 0, 0'), 'granted', 'a node gets a block');
is(request('claims', 'small', $uuid[1], $report, '32767, 1, 100000'),
	'hold', 'the claim to have seen more leads to a hold');
my $moved = $coordinator->safe_psql('claims', 'SELECT last_value FROM small_cursor');
cmp_ok($moved, '<=', 10 + 32757 / 8, 'in which it moves the cursor by no more than an eighth of what is left');
request('claims', 'small', $uuid[1], $report, '32767, 1, 100000') for 1 .. 3;
is($coordinator->safe_psql('claims', 'SELECT last_value FROM small_cursor'), $moved, 'nor does it by claiming on');

#
# Who may declare a node destroyed
#

$session->query_safe(<<'SQL');
CREATE ROLE stranger;
GRANT CREATE ON SCHEMA public TO stranger;
GRANT EXECUTE ON FUNCTION range_reclaim TO stranger;
SELECT range_create('theirs', 10);
SQL
request('postgres', 'theirs', $uuid[2], $block_of_10, '0, 0, 0');
$session->query_safe(q{SET ROLE stranger; SELECT range_create('mine')});
fails($session, "SELECT range_reclaim('$uuid[2]', 0, 'mine', true)", '42501',
	'permission denied to declare a node destroyed',
	'a node is not declared destroyed by who owns none of the generators it has blocks of');
$session->query_safe('RESET ROLE; DROP SEQUENCE mine');
is($session->query_safe("SELECT destroyed FROM seqgen.range_node WHERE node = '$uuid[2]'"),
	'f', 'and it is not');
is(request('postgres', 'theirs', $uuid[2], $block_of_10, '0, 0, 0'), 'granted', 'it gets blocks on');

$session->query_safe(q{SELECT range_create('self', 10); SELECT range_nextval('self')});
my $self = node_uuid($coordinator);
fails($session, "SELECT range_reclaim('$self', 1, 'self', true)", '55000',
	'the node is this database itself', 'the database does not declare itself destroyed');
is($session->query_safe(q{SELECT range_nextval('self')}), '2', 'and goes on');

#
# What is wrong with one range is nothing to others
#

database('gone');
$coordinator->safe_psql('gone', <<'SQL');
SELECT range_create('lost');
SELECT range_create('kept');
SELECT range_nextval('kept');
DELETE FROM pg_depend WHERE objid = 'lost_cursor'::regclass;
DROP SEQUENCE lost_cursor;
SQL
is(request('gone', 'kept', $uuid[0], $report, '1, 9, 100000'), 'hold', 'a ledger is in hold');
my ($status, $out, $error) = $coordinator->psql('gone', 'SELECT seqgen.range_resume(0)');
is($status, 0, 'a range whose cursor is gone does not keep it there') or diag($error);
is($coordinator->safe_psql('gone', 'SELECT in_hold FROM seqgen.range_coordinator'), 'f', 'the hold has ended');
($status, $out, $error) = $coordinator->psql('gone', q{SELECT upper(b) - lower(b) FROM range_alloc('kept', 1) b});
is("$status $out", '0 1', 'and other ranges are given out again') or diag($error);

database('open');
$coordinator->safe_psql('open', q{SELECT range_create('other')});
my $open = session($coordinator, database => 'open');
$open->query_safe(q{BEGIN; SELECT range_create('first'); SELECT range_nextval('first')});
($status, $out, $error) = $coordinator->psql('open', q{SELECT range_nextval('other')});
is("$status $out", '0 1', 'an open transaction that made the first range stalls no other') or diag($error);
$open->query_safe('ROLLBACK');
$open->quit;

#
# What is nothing to the worker
#

$admin->query_safe('CREATE ROLE nobody_much LOGIN');
my $pid = worker_pid($admin, 'open');
isnt($pid, '', 'a database has a worker');
foreach my $statement ('CREATE DATABASE copy TEMPLATE open',
	'ALTER DATABASE open RENAME TO shut', 'ALTER DATABASE open SET TABLESPACE pg_default',
	'DROP DATABASE open')
{
	($status) = $coordinator->psql('postgres', $statement, extra_params => [ '-U', 'nobody_much' ]);
	isnt($status, 0, "a role without rights fails: $statement");
	usleep(200_000);
	is(worker_pid($admin, 'open'), $pid, 'which does not end the worker');
}

create_range('large', '100000, max_block_size => 100000', $coordinator, $node);
create_range('few', '10, max_block_size => 10', $coordinator, $node);
my $on_node = session($node);
$on_node->query_safe(q{SELECT range_nextval('large'), range_nextval('few')});
settle($node);
my $elsewhere = session($node, database => 'template1');
my $stopped = worker_pid($elsewhere, 'postgres');
kill('STOP', $stopped) or BAIL_OUT("could not stop process $stopped: $!");
my $waits = start_sql($node, 'postgres',
	q{SET seqgen.range_timeout = '2s'; SELECT count(*) FROM range_nextvals('few', 100)});
my $start = time;
is($on_node->query_safe(q{SELECT count(range_nextval('large')) FROM generate_series(1, 40000)}),
	'40000', 'while its worker is stopped, a node gives out what it has');
note('in ' . (time - $start) . ' s');
finish_sql($waits);
like($waits->{stderr}, qr/ERROR:  08006: /, 'and who needs more gets an error after the timeout');
kill('CONT', $stopped);
is($on_node->query_safe(q{SELECT count(*) FROM range_nextvals('few', 100)}),
	'100', 'it goes on when the worker does');
$elsewhere->quit;

#
# The blocks of a database's own ledger, once it has a coordinator
#

# the coordinator is past all values and numbers of the two
$coordinator->safe_psql('postgres', <<'SQL');
SELECT range_create('moved', 50000, max_block_size => 100000);
SELECT count(range_alloc('moved', 20000)) FROM generate_series(1, 10);
SQL
foreach my $case ('idles', 'is_gone')
{
	my $database = "worker_$case";

	(my $worker = $case) =~ tr/_/ /;
	database($database);
	$coordinator->safe_psql($database, q{SELECT range_create('moved', 50000, max_block_size => 100000)});
	is($coordinator->safe_psql($database, q{SELECT range_nextval('moved')}), '1', 'a database serves itself');
	await('a worker', sub { worker_pid($admin, $database) ne '' });
	if ($case eq 'is_gone')
	{
		my $own = worker_pid($admin, $database);
		$admin->query_safe("SELECT pg_terminate_backend($own, 10000)");
		await('the end of the worker', sub { worker_pid($admin, $database) eq '' });
	}
	name_coordinator($coordinator, $coordinator, $database);
	my $in_doubt = "SELECT count(*) = 1 FROM seqgen.range_in_doubt WHERE block = '[1,50001)'";
	await('an idle worker to notice', sub { $coordinator->safe_psql($database, $in_doubt) eq 't' })
	  if $case eq 'idles';
	($status, $out, $error) = $coordinator->psql($database, q{SELECT range_nextval('moved')});
	is("$status $out", '0 ' . ($case eq 'idles' ? 200001 : 250001),
		"CREATE SERVER takes its own blocks away while the worker $worker")
	  or diag($error);
	is($coordinator->safe_psql($database, $in_doubt), 't', 'they are in doubt');
}

#
# What cannot be prepared, and what is not drawn twice in parallel
#

$on_node->query_safe(q{BEGIN; SELECT seqgen.range_restart('few')});
fails($on_node, q{PREPARE TRANSACTION 'restart'}, '0A000', 'cannot PREPARE',
	'a transaction that restarted a generator is not prepared');
is($on_node->query_safe('SELECT count(*) FROM pg_prepared_xacts'), '0', 'it was not');
cmp_ok($on_node->query_safe(q{SELECT range_nextval('few')}), '>', 0, 'and the generator goes on');
$on_node->quit;

$session->query_safe(<<'SQL');
SELECT range_create('spread', 100, max_block_size => 100);
CREATE FUNCTION spread() RETURNS bigint LANGUAGE sql PARALLEL SAFE AS $$SELECT range_nextval('spread')$$;
CREATE TABLE many AS SELECT i FROM generate_series(1, 20000) i;
ANALYZE many;
ALTER TABLE many SET (parallel_workers = 4);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 4;
SQL
like(
	$session->query_safe(
		'EXPLAIN (ANALYZE, VERBOSE, COSTS off) CREATE TABLE drawn AS SELECT spread() AS value FROM many'),
	qr/Workers Launched: [1-9].*Parallel Seq Scan.*range_nextval/s,
	'parallel workers draw');
is($session->query_safe('SELECT count(*), count(DISTINCT value) FROM drawn'),
	'20000|20000', 'distinct values');
ledger_is_sound($coordinator, 'spread', 'parallel workers');

$_->quit foreach $session, $admin;
$_->stop foreach $node, $coordinator;
done_testing();
