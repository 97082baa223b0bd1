# Property: in a cluster of Citus every database has the number of its group, and
# a generator can be drawn from on nodes that have no row for it: all ids are
# distinct over all nodes, sessions, restarts and changes of the sequence, and
# whatever would make them meet is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use SeqgenTest;
use RangeTest;
use CitusTest;

#
# The number of a database
#

my $node = seqgen_cluster('numbers', conf => "seqgen.node_id = ''");
my $generators = 0;

# Draw from a new generator, as nobody has drawn from it with another number.
sub new_draw
{
	my ($layout) = @_;
	my $name = 'generator_' . ++$generators;

	return "SELECT snowflake_create('$name', '$layout'); SELECT snowflake_node(snowflake_nextval('$name'), '$layout')";
}

sub draws_number
{
	my ($database, $layout, $number, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($drawn) = $node->safe_psql($database, new_draw($layout)) =~ /(\d+)\z/;

	is($drawn, $number, $name);
	return;
}

# What a new generator complains of, with detail and hint.
sub complaint
{
	my ($database, $layout) = @_;
	my ($status, $out, $err) = $node->psql($database, new_draw($layout),
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $err;
}

my $not_set = qr/ERROR:  55000: node number of database "postgres" is not set/;
my $complaint = complaint('postgres', 'default');
like($complaint, $not_set, 'without Citus a number is missing');
unlike($complaint, qr/Citus/, 'and Citus is not spoken of');

citus_install($node, 'postgres');
$complaint = complaint('postgres', 'default');
like($complaint, $not_set, 'group 0 without nodes is no number');
like($complaint, qr/Or add nodes to the cluster of Citus/, 'and the hint speaks of Citus');

citus_group($node, 'postgres', 0);
draws_number('postgres', 'default', 1, 'the coordinator has number 1');
$node->safe_psql('postgres', "CREATE DATABASE worker");
$node->safe_psql('worker', 'CREATE EXTENSION seqgen');
citus_install($node, 'worker', 3);
draws_number('worker', 'default', 4, 'group 3 has number 4, in another database of the server');
is($node->safe_psql('postgres', 'SELECT snowflake_node(snowflake_nextval())'),
	1, 'where the coordinator keeps its own');
$node->safe_psql('worker', 'CREATE ROLE somebody LOGIN; REVOKE ALL ON pg_dist_local_group, pg_dist_node FROM PUBLIC');
is($node->safe_psql('worker', 'SELECT snowflake_node(snowflake_nextval())',
	extra_params => [ '-U', 'somebody' ]), 4, 'it does not take the privilege to read the tables of Citus');

foreach my $case ([ 'default', 510, 511 ], [ 'js53', 14, 15 ], [ 'twitter', 0, 1 ], [ 'instagram', 4094, 4095 ])
{
	my ($layout, $group, $number) = @$case;

	citus_group($node, 'worker', $group);
	draws_number('worker', $layout, $number, "group $group has number $number in layout $layout");
}
foreach my $case ([ 'default', 511 ], [ 'js53', 15 ], [ 'default', 2147483647 ])
{
	my ($layout, $group) = @$case;

	citus_group($node, 'worker', $group);
	like(complaint('worker', $layout),
		qr/ERROR:  22023: group $group of Citus is too large for layout "$layout"
DETAIL:  The node number is the local group plus one; the largest .* is \d+\.
HINT:  Set seqgen\.node_id/, "group $group is refused in layout $layout, where the upper half is leased");
}

# a database that goes into another group while it is in use, with a worker that
# notices
citus_group($node, 'worker', 2);
$node->safe_psql('worker', <<'SQL');
SELECT range_create('range_id', 10, max_block_size => 10), snowflake_create('moving'), snowflake_create('moving_js', 'js53');
SELECT range_nextval('range_id'), snowflake_nextval('moving'), snowflake_nextval('moving_js');
SQL
citus_group($node, 'worker', 39);
ok($node->poll_query_until('worker', <<'SQL'), 'a generator that is loaded gets the number of the new group');
SELECT snowflake_node(snowflake_nextval('moving')) = 40 FROM range_nextval('range_id')
SQL
my ($status, $out, $err) = (0);
foreach my $round (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	# what was reserved with the number before is still drawn
	($status, $out, $err) = $node->psql('worker', q(SELECT snowflake_nextval('moving_js')),
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	last if $status != 0;
	usleep(100_000);
}
like($err, qr/ERROR:  22023: (generator "moving_js" has no node number|group 39 of Citus is too large for layout "js53")
DETAIL:  .* not leased is 15\./,
	'and none if its layout has no such');
citus_group($node, 'worker', 5);
ok($node->poll_query_until('worker', <<'SQL'), 'until there is one again');
SELECT snowflake_node(snowflake_nextval('moving_js'), 'js53') = 6 FROM range_nextval('range_id')
SQL

# a generator that is loaded goes on with the number that is right now
my $own_node = 'SELECT snowflake_node(snowflake_nextval())';
citus_group($node, 'worker', 8);
is($node->safe_psql('worker', $own_node), 9, 'a generator in use follows its database into another group');
citus_group($node, 'worker', 511);
like(($node->psql('worker', $own_node))[2], qr/group 511 of Citus is too large/, 'and not to one too large');

# tables that are not as expected give no number, nor one from elsewhere
sub unreadable
{
	my ($change, $table, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $database = 'broken_' . ++$generators;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION seqgen');
	citus_install($node, $database);
	$node->safe_psql($database, "SET allow_system_table_mods = on; $change");
	like(complaint($database, 'default'),
		qr/ERROR:  55000: could not read the group of this database in its cluster of Citus
DETAIL:  .* pg_catalog\.$table is not as expected/, $name);
	return;
}

unreadable('INSERT INTO pg_dist_local_group VALUES (1)', 'pg_dist_local_group', 'two groups');
unreadable('DELETE FROM pg_dist_local_group', 'pg_dist_local_group', 'no group');
unreadable('UPDATE pg_dist_local_group SET groupid = -1', 'pg_dist_local_group', 'a negative group');
unreadable('DROP TABLE pg_dist_local_group', 'pg_dist_local_group', 'no table of the group');
unreadable('ALTER TABLE pg_dist_local_group ALTER groupid TYPE bigint', 'pg_dist_local_group',
	'a group of another type');
unreadable('ALTER TABLE pg_dist_local_group RENAME groupid TO id', 'pg_dist_local_group',
	'a group of another name');
unreadable('DROP TABLE pg_dist_node', 'pg_dist_node', 'no table of nodes');

$node->append_conf('postgresql.conf', "seqgen.node_id = 'postgres:7, renamed:8'");
$node->restart;
draws_number('postgres', 'default', 7, 'a number that is set wins');
citus_group($node, 'worker', 3);
draws_number('worker', 'default', 4, 'and databases that it does not name keep their group');
is($node->safe_psql('worker', $own_node), 4, 'so does a generator in use');
$node->safe_psql('postgres', 'ALTER DATABASE worker RENAME TO renamed');
is($node->safe_psql('renamed', $own_node), 8, 'but not when the database is given a name that has a number');
$node->stop;

#
# With a coordinator that knows of all numbers
#

my $registry = range_coordinator('registry', conf => "seqgen.node_id = ''");
$registry->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole');
my $original = range_node('original', $registry, conf => "seqgen.node_id = ''", allows_streaming => 1);
citus_install($original, 'postgres', 1);
is($original->safe_psql('postgres', 'SELECT snowflake_node(snowflake_nextval())'), 2,
	'a group is used with a coordinator too');
ok($registry->poll_query_until('postgres', 'SELECT count(*) = 1 FROM seqgen.node WHERE number = 2 AND bits = 0'),
	'which is told');
$original->backup('copy');
my $twin = PostgreSQL::Test::Cluster->new('twin');
$twin->init_from_backup($original, 'copy');
$twin->start;
($status, $out, $err) = $twin->psql('postgres', 'SELECT snowflake_nextval()', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/ERROR:  \w{5}: generator "snowflake_default" has no node number
DETAIL:  .*node number 2 is that of /, 'a copy with the same group is refused');
citus_group($twin, 'postgres', 2);
ok($twin->poll_query_until('postgres', 'SELECT snowflake_node(snowflake_nextval()) = 3'),
	'until it is in a group of its own');
is($original->safe_psql('postgres', 'SELECT snowflake_node(snowflake_nextval())'), 2, 'the original did not notice');
$_->stop foreach ($twin, $original, $registry);

#
# One generator on three nodes
#

my $conf = <<'CONF';
seqgen.node_id = ''
seqgen.max_lead = '1h'
seqgen.max_generators = 20
max_worker_processes = 16
CONF
my $coordinator = seqgen_cluster('coordinator', conf => $conf);
my $worker1 = seqgen_cluster('worker1', conf => $conf, allows_streaming => 1);
citus_install($coordinator, 'postgres', 0);
citus_install($worker1, 'postgres', 1);

$coordinator->safe_psql('postgres', q(SELECT snowflake_create('orders_id')));
$worker1->safe_psql('postgres', 'CREATE SEQUENCE orders_id AS bigint; ' . citus_window('orders_id', 1));
foreach my $each ($coordinator, $worker1)
{
	$each->safe_psql('postgres', <<'SQL');
CREATE TABLE source (a int);
INSERT INTO source SELECT generate_series(1, 20000);
ALTER TABLE source SET (parallel_workers = 4);
ANALYZE source;
CREATE TABLE orders (id bigint DEFAULT snowflake_nextval('orders_id', 'default'), a int);
SQL
}

# a copy that was given a group of its own
$worker1->backup('copy');
my $worker2 = PostgreSQL::Test::Cluster->new('worker2');
$worker2->init_from_backup($worker1, 'copy');
$worker2->start;
citus_group($worker2, 'postgres', 2);
$worker2->safe_psql('postgres', citus_window('orders_id', 2));

my @nodes = ($coordinator, $worker1, $worker2);
my %drawn;	# by id, how often it came

# Gather what the nodes have in orders since the last time.
sub gather
{
	foreach my $each (@nodes)
	{
		$drawn{$_}++ foreach split /\n/,
		  $each->safe_psql('postgres', 'WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone');
	}
	return;
}

sub all_distinct
{
	my ($count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	gather();
	is(scalar(keys %drawn), $count, "$name: as many ids as were drawn");
	is(scalar(grep { $_ > 1 } values %drawn), 0, "$name: none came twice");
	%drawn = ();
	return;
}

# several sessions at once on every node, by value, by statement and by block
my @runs;
foreach my $each (@nodes)
{
	my $script = $each->basedir . '/insert.sql';
	append_to_file($script, <<'SQL');
INSERT INTO orders (a) SELECT a FROM source WHERE a <= 300;
INSERT INTO orders (a) VALUES (1), (2), (3);
INSERT INTO orders SELECT snowflake_nextvals(100, 'orders_id', 'default');
SQL
	push @runs, IPC::Run::start(
		[ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '20', '-f', $script, $each->connstr('postgres') ],
		'<', '/dev/null', '>', \my $out, '2>', \my $err);
}
$_->finish foreach @runs;
is(scalar(grep { $_->result(0) != 0 } @runs), 0, 'sessions draw on three nodes');
all_distinct(3 * 6 * 20 * 403, 'three nodes, six sessions each');

foreach my $each ($worker1, $worker2)
{
	my $plan = $each->safe_psql('postgres', <<'SQL');
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
EXPLAIN (ANALYZE, COSTS off) CREATE TABLE parallel AS SELECT snowflake_nextval('orders_id', 'default') AS id FROM source;
INSERT INTO orders SELECT id FROM parallel;
SQL
	like($plan, qr/Workers Launched: [1-9]/, 'parallel workers draw on ' . $each->name);
}
all_distinct(2 * 20000, 'parallel workers');
is($worker1->safe_psql('postgres', "SELECT snowflake_node(snowflake_nextval('orders_id', 'default'))"),
	2, 'ids bear the number of the group');
is($worker1->safe_psql('postgres', q(SELECT count(*) FROM seqgen.generator WHERE generator = 'orders_id'::regclass)),
	0, 'and no row was written');
$coordinator->stop;
$worker2->stop;

#
# The sequence stays within its window, and its bound holds
#

# Ids are drawn with the clock ahead.  After a crash it is far behind, so that
# nothing but the durable bound keeps new ids above the old ones.
my $ahead = '5min';
my $behind = '-50min';
my $last = 0;
my $session;

sub open_session
{
	my ($offset) = @_;
	$session->quit if $session;
	$session = session($worker1, offset => $offset);
	return;
}

sub crash_behind
{
	$session->quit;
	undef $session;
	crash($worker1);
	open_session($behind);
	return;
}

# Draw, and see that ids grow.
my $wrong = 0;

sub draw
{
	my ($name, $layout) = @_;

	$session->{stderr} = '';
	foreach my $id (split /\n/, $session->query_safe(
		"SELECT snowflake_nextval('$name', '$layout') FROM generate_series(1, 5)"))
	{
		if ($id <= $last)
		{
			$wrong++;
			diag("$name: $id came after $last");
		}
		$last = $id;
	}
	return $last;
}

sub grew
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($wrong, 0, $name);
	$wrong = 0;
	return;
}

sub run
{
	foreach my $statement (@_)
	{
		$session->{stderr} = '';
		$session->query_safe($statement);
	}
	return;
}

# After these statements, between draws with the clock ahead, ids go on above
# those before with the clock behind; and again after a crash.
sub goes_on_after
{
	my ($sequence, $layout, $name, @statements) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $kind ($layout =~ /default|js53/ ? 'at once' : (), 'after a crash')
	{
		open_session($ahead);
		draw($sequence, $layout);
		$_ eq 'draw' ? draw($sequence, $layout) : run($_) foreach @statements;
		$kind eq 'at once' ? open_session($behind) : crash_behind();
		draw($sequence, $layout);
		grew("$layout, $kind: $name");
	}
	return;
}

sub in_window
{
	my ($sequence, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($worker1->safe_psql('postgres', <<"SQL"), 't', $name);
SELECT last_value > seqmin AND last_value <= seqmax FROM $sequence, pg_sequence WHERE seqrelid = '$sequence'::regclass
SQL
	return;
}

# layouts whose ids in the window are of the past, of the future, with the node
# in the last bits, and with more time than the window has room for
$worker1->safe_psql('postgres', <<'SQL');
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('fine', '2025-01-01 00:00+00', 1, 54, 5, 3);
SQL
foreach my $layout ('default', 'js53', 'sonyflake', 'fine')
{
	my $sequence = "of_$layout";

	$last = 0;
	open_session($ahead);
	run("CREATE SEQUENCE $sequence AS bigint", citus_window($sequence, 1));
	draw($sequence, $layout);
	is($session->query_safe(<<"SQL"), 't', "$layout: ids are of the present");
SELECT snowflake_timestamp(snowflake_nextval('$sequence', '$layout'), '$layout') - clock_timestamp() BETWEEN interval '299 s' AND interval '310 s'
SQL
	in_window($sequence, "$layout: the bound lies in the window");
	goes_on_after($sequence, $layout, 'nothing happened');
	goes_on_after($sequence, $layout, 'RESTART', "ALTER SEQUENCE $sequence RESTART");
	goes_on_after($sequence, $layout, 'RESTART and draw', 'BEGIN', "ALTER SEQUENCE $sequence RESTART", 'draw', 'COMMIT');
	goes_on_after($sequence, $layout, 'RESTART, rolled back', 'BEGIN', "ALTER SEQUENCE $sequence RESTART", 'draw',
		'ROLLBACK');
	goes_on_after($sequence, $layout, 'plain nextval()', "SELECT nextval('$sequence')");
	goes_on_after($sequence, $layout, 'another option', "ALTER SEQUENCE $sequence CACHE 7");
	in_window($sequence, "$layout: the bound still lies in the window");
	goes_on_after($sequence, $layout, 'the window of another group', citus_window($sequence, 9));
	in_window($sequence, "$layout: the bound lies in the new window");
	goes_on_after($sequence, $layout, 'a window, drawn and rolled back', 'BEGIN', citus_window($sequence, 4), 'draw',
		'ROLLBACK');
	goes_on_after($sequence, $layout, 'no window, drawn and rolled back', 'BEGIN',
		"ALTER SEQUENCE $sequence NO MINVALUE NO MAXVALUE START 1", 'draw', 'ROLLBACK');
	in_window($sequence, "$layout: the bound lies in the window that came back");
	goes_on_after($sequence, $layout, 'no window', "ALTER SEQUENCE $sequence NO MINVALUE NO MAXVALUE START 1");
	goes_on_after($sequence, $layout, 'a window again', citus_window($sequence, 1));
	in_window($sequence, "$layout: the bound lies in it");
}

# a dump of the sequence goes into another database
$worker1->safe_psql('postgres', 'CREATE DATABASE restored');
$worker1->safe_psql('restored', 'CREATE EXTENSION seqgen');
citus_install($worker1, 'restored', 1);
$last = 0;
open_session($ahead);
draw('of_js53', 'js53');
my $dump = $worker1->basedir . '/dump.sql';
$worker1->command_ok([ 'pg_dump', '-f', $dump, '-t', 'of_js53', 'postgres' ], 'the sequence is dumped');
$worker1->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump ],
	'and restored');
$session->quit;
$session = session($worker1, database => 'restored', offset => $behind);
draw('of_js53', 'js53');
grew('what is restored goes on above');

# a row that comes later finds the bound
$last = 0;
open_session($ahead);
draw('of_default', 'default');
run(q(SELECT snowflake_attach('of_default')));
draw('of_default', 'default');
crash_behind();
draw('of_default', 'default');
is($session->query_safe("SELECT snowflake_nextval('of_default') > $last"), 't',
	'with a row it is drawn from either way');
grew('a row that is added finds the bound');

#
# What is refused
#

$session->quit;
$session = session($worker1);
run(<<'SQL');
CREATE SEQUENCE plain;
CREATE SEQUENCE windowed;
CREATE SEQUENCE small AS integer;
CREATE UNLOGGED SEQUENCE unlogged;
CREATE TEMPORARY SEQUENCE temporary;
CREATE TABLE identified (id bigint GENERATED ALWAYS AS IDENTITY);
SELECT range_create('range_id', 100);
SELECT snowflake_create('with_row', 'twitter');
CREATE ROLE drawer LOGIN;
GRANT USAGE ON SEQUENCE plain, windowed TO drawer;
SQL
run(citus_window('windowed', 1));

fails($session, "SELECT snowflake_nextval('plain')", '42809', 'sequence "plain" is not a generator\n'
	  . 'HINT:  .* or drawn from with its layout named in the call', 'without a row the layout is to be named');
run(q(SELECT snowflake_nextval('plain', 'default')));
fails($session, "SELECT snowflake_nextval('plain', 'default'), snowflake_nextval('plain')", '42809',
	'sequence "plain" is not a generator', 'also after a call that named it');
run(q(SELECT snowflake_nextval('plain', 'default')));
fails($session, "SELECT snowflake_nextval('plain', 'twitter')", '22023',
	'generator "plain" is not of layout "twitter"\nDETAIL:  It has no row in seqgen.generator, and is in use',
	'another layout is refused while the generator is in use');
run(q(SELECT snowflake_nextval('plain', 'default')));
fails($session, "SELECT snowflake_nextval('with_row', 'default')", '22023',
	'generator "with_row" is not of layout "default"\nDETAIL:  It is of layout "twitter"', 'and any but that of a row');
run(q(SELECT snowflake_nextval('with_row', 'twitter'), snowflake_nextval('with_row')));
fails($session, "SELECT snowflake_nextval('windowed', 'no such')", '42704', 'layout "no such" does not exist',
	'no such layout');
fails($session, "SELECT snowflake_nextval('windowed', repeat('x', 100))", '42704', 'layout "x+" does not exist',
	'a name too long for any');
fails($session, "SELECT snowflake_nextval('unlogged', 'default')", '0A000',
	'unlogged sequence "unlogged" cannot be a generator', 'an unlogged sequence');
fails($session, "SELECT snowflake_nextval('temporary', 'default')", '0A000',
	'temporary sequence "temporary" cannot be a generator', 'a temporary one');
fails($session, "SELECT snowflake_nextval('small', 'default')", '42809',
	'sequence "small" is of type integer, a generator of type bigint', 'one of another type');
fails($session, "SELECT snowflake_nextval('identified_id_seq', 'default')", '0A000',
	'sequence "identified_id_seq" of an identity column cannot be a generator', 'that of an identity column');
fails($session, "SELECT snowflake_nextval('source', 'default')", '42809', '"source" is not a sequence', 'a table');
fails($session, "SELECT snowflake_nextval('range_id', 'default')", '42809',
	'generator "range_id" is of kind range, not snowflake', 'a range');
fails($session, "SELECT snowflake_nextval('range_id_cursor', 'default')", '22023',
	'increment of generator "range_id_cursor" is out of range', 'the cursor of a range');
is($session->query_safe("SELECT count(*) FROM unnest(ARRAY[snowflake_nextval(NULL, 'default'), snowflake_nextval('plain', NULL)]) a WHERE a IS NULL"),
	2, 'nothing for nothing');

my $drawer = session($worker1, user => 'drawer');
fails($drawer, "SELECT snowflake_nextval('plain', 'default')", '42501',
	'permission denied for sequence plain\nDETAIL:  It has no row in seqgen.generator.',
	'USAGE is too little for a sequence that has neither row nor window');
like($drawer->query_safe(q(SELECT snowflake_nextval('windowed', 'default'))), qr/^\d+$/, 'it is enough in a window');
run('GRANT UPDATE ON SEQUENCE plain TO drawer');
like($drawer->query_safe(q(SELECT snowflake_nextval('plain', 'default'))), qr/^\d+$/, 'UPDATE is enough');
run('REVOKE UPDATE ON SEQUENCE plain FROM drawer');
fails($drawer, "SELECT snowflake_nextval('plain', 'default')", '42501', 'permission denied for sequence plain',
	'until it is revoked');
run('BEGIN', q(SELECT snowflake_nextval('plain', 'default')), 'SET LOCAL ROLE drawer');
fails($session, "SELECT snowflake_nextval('plain', 'default')", '42501', 'permission denied for sequence plain',
	'and whoever sets the role is as it is');
run('ROLLBACK');
run('REVOKE ALL ON SEQUENCE windowed FROM drawer');
fails($drawer, "SELECT snowflake_nextval('windowed', 'default')", '42501', 'permission denied for sequence windowed',
	'no privilege at all');
$drawer->quit;

# the rest of what can be done with a generator
my $id = $session->query_safe(q(SELECT snowflake_nextval('windowed', 'default')));
is($session->query_safe(q(SELECT snowflake_currval('windowed'))), $id, 'the current value');
my $later = $id + (5000 << 22);
run("SELECT snowflake_observe($later, 'windowed', 'default')");
is($session->query_safe("SELECT snowflake_nextval('windowed', 'default') > $later"), 't', 'an id that was observed');
$later += 5000 << 22;
is($session->query_safe("SELECT snowflake_nextval_after($later, 'windowed', 'default') > $later"), 't', 'the id after one');
fails($session, "SELECT snowflake_observe(1, 'windowed')", '42809', 'sequence "windowed" is not a generator',
	'observing without the layout');

is($session->query_safe("SELECT kind, layout, issued > 0, last_value > $later FROM seqgen.stat_generator WHERE generator = 'windowed'::regclass"),
	'snowflake||t|t', 'the view of generators shows it');

# slots are given back: there are 20
foreach my $i (1 .. 30)
{
	run('CREATE SEQUENCE passing', q(SELECT snowflake_nextval('passing', 'default')), 'DROP SEQUENCE passing',
		'BEGIN', 'CREATE SEQUENCE passing', q(SELECT snowflake_nextval('passing', 'default')), 'ROLLBACK');
}
is($session->query_safe('SELECT count(*) FROM seqgen.generator_state() WHERE generator NOT IN (SELECT oid FROM pg_class)'),
	0, 'no slot is left of a sequence that is gone');
run('CREATE SEQUENCE passing', q(SELECT snowflake_nextval('passing', 'twitter')));
pass('nor its layout');
$session->quit;
$worker1->stop;

done_testing();
