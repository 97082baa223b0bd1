# Property: whatever is copied - a dump, a template, a data directory, a
# standby, a past - no value of a coordinator's blocks is given out twice, the
# copy says in which state it is, and the original goes on as if nothing had
# been.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;
use RangeTest;

my $conf = "seqgen.range_report_interval = '1s'\nmax_worker_processes = 24";

my $coordinator = range_coordinator('coordinator', allows_streaming => 1, conf => $conf);
my $node = range_node('node', $coordinator, allows_streaming => 1,
	conf => "$conf\nseqgen.debug_boot_id = 'first'");

# Blocks of ten values, and of so many that a crash loses part of one only.
my $odd = '"Odd Schema"."Odd ""Name"""';
my @generators = ('orders_id', $odd, 'wide_id');
foreach my $cluster ($coordinator, $node)
{
	$cluster->safe_psql('postgres', <<"SQL");
CREATE SCHEMA "Odd Schema";
SELECT range_create('orders_id', 10, max_block_size => 10);
SELECT range_create('$odd', 10, 501, 32767, 'smallint', max_block_size => 10);
SELECT range_create('wide_id', 5000, max_block_size => 5000);
SQL
}

my %values;	# by generator and value, who drew it
my %last;	# by place and generator
my $twice = 0;
my $failed = 0;

# Draw so many values in a database, and return the last.  Each is noted; no
# value may come a second time, wherever it was drawn, and in one place they
# only grow.  Afterwards: none_twice.
sub draw
{
	my ($cluster, $database, $generator, $count) = @_;
	my $place = $cluster->name . '/' . $database;

	my ($status, $stdout, $stderr) = $cluster->psql($database, "SELECT range_nextvals('$generator', $count)");
	if ($status != 0)
	{
		$failed++;
		diag("$place: $stderr");
	}
	foreach my $value (split /\n/, $stdout)
	{
		my $before = $last{"$place/$generator"} // 0;
		if (defined $values{$generator}{$value} || $value <= $before)
		{
			$twice++;
			diag("$place: $value of $generator came after $before, and was drawn by " . ($values{$generator}{$value} // 'nobody'));
		}
		$values{$generator}{$value} = $place;
		$last{"$place/$generator"} = $value;
	}
	return $last{"$place/$generator"} // 0;
}

# The same as soon as it can be done.
sub draw_soon
{
	my ($cluster, $database, $generator, $count) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $status;

	do
	{
		($status, my $value) = $cluster->psql($database, "SELECT range_nextval('$generator')");
		if ($status == 0)
		{
			$twice++ if $values{$generator}{$value};
			$values{$generator}{$value} = $cluster->name . '/' . $database;
			$last{ $cluster->name . "/$database/$generator" } = $value;
		}
	} while ($status != 0 && time < $deadline);
	return draw($cluster, $database, $generator, $count);
}

sub none_twice
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is("$failed $twice", '0 0', "$name: no draw failed, no value came twice, and values only grew");
	$failed = $twice = 0;
	return;
}

# Drawing fails within two seconds, so and not otherwise.
sub draws_nothing
{
	my ($cluster, $database, $generator, $sqlstate, $message, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $stdout, $stderr) = $cluster->psql($database,
		"\\set VERBOSITY verbose\nSET seqgen.range_timeout = '2s';\nSELECT range_nextval('$generator')");

	like($stderr, qr/ERROR:  $sqlstate: .*$message/s, $name) or diag("drew $stdout");
	return;
}

sub doubts
{
	my ($cluster, $database) = @_;
	return $cluster->safe_psql($database, 'SELECT count(*) FROM seqgen.range_in_doubt');
}

# What a coordinator gives out from now on is larger than all of this.
sub alloc
{
	my ($cluster, $database, $generator) = @_;
	return $cluster->safe_psql($database, "SELECT lower(range_alloc('$generator', 3))");
}

# Restore what a node or a coordinator was dumped to into a new database.
sub restore
{
	my ($cluster, $database, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$cluster->command_ok([ 'pg_restore', '-e', '-d', $database, @options ], "restore into database $database");
	return;
}

my $contents = <<'SQL';
SELECT generator, block, state, owner, node, incarnation, request, epoch, allocated_at
  FROM seqgen.range_allocation ORDER BY generator::text, block;
SELECT generator, cursor, min_value, max_value, block_size, min_block_size, max_block_size
  FROM seqgen.range_generator ORDER BY generator::text;
SELECT node, role, identity, running, destroyed FROM seqgen.range_node ORDER BY 1;
SELECT schemaname, sequencename, increment_by, max_value, last_value FROM pg_sequences ORDER BY 1, 2;
SELECT ledger_id, epoch FROM seqgen.range_coordinator;
SQL

#
# A dump of the coordinator
#

draw($node, 'postgres', $_, 25) foreach (@generators);
$coordinator->safe_psql('postgres', <<'SQL');
SELECT range_alloc('orders_id', 7);
SELECT range_reserve('orders_id', '[500,600)');
SELECT range_release('orders_id', '[550,560)');
SQL
my $files = $coordinator->basedir;
$coordinator->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$files/folder", 'postgres' ], 'dump the coordinator in parallel');
my $dumped = $coordinator->safe_psql('postgres', $contents);

$coordinator->safe_psql('postgres', "CREATE DATABASE $_") foreach ('jobs', 'sections', 'plain');
restore($coordinator, 'jobs', '-j', '4', "$files/folder");
restore($coordinator, 'sections', "--section=$_", "$files/folder") foreach ('pre-data', 'data', 'post-data');
$coordinator->command_ok([ 'pg_dump', '-f', "$files/plain.sql", 'postgres' ], 'dump the coordinator as a script');
$coordinator->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$files/plain.sql" ],
	'restore it with psql');
foreach my $database ('jobs', 'sections', 'plain')
{
	is($coordinator->safe_psql($database, $contents), $dumped, "$database: the ledger, its ranges, nodes and cursors came along");
	is($coordinator->safe_psql($database, 'SELECT in_hold, reason IS NOT NULL FROM seqgen.range_coordinator'),
		't|t', "$database: the copy is in hold, and says why");
}
is($coordinator->safe_psql('postgres', 'SELECT in_hold FROM seqgen.range_coordinator'), 'f', 'the original is not');

# what the original grants from now on, no copy of it knows
draw($node, 'postgres', $_, 25) foreach (@generators);
none_twice('the original goes on after the dump');

# the node is told to take its blocks from a copy
sub point_to
{
	my ($cluster, $node_database, $database) = @_;

	$cluster->safe_psql($node_database, "ALTER SERVER coordinator OPTIONS (SET dbname '$database')");
	return;
}
my $session = session($coordinator, database => 'jobs');
fails($session, "SELECT range_alloc('orders_id', 1)", '55000', 'coordinator holds its blocks back',
	'in hold nothing is allocated by hand');
fails($session, "SELECT range_reserve('orders_id', '[900,901)')", '55000', 'coordinator holds its blocks back',
	'nor reserved');
point_to($node, 'postgres', 'jobs');
my ($status, $stdout, $stderr) = (0, '', '');
my $served = 0;
while ($status == 0 && $served < 50)
{
	($status, $stdout, $stderr) =
	  $node->psql('postgres', "SET seqgen.range_timeout = '2s'; SELECT range_nextval('orders_id')");
	next if $status != 0;
	$served++;
	$twice++ if $values{orders_id}{$stdout};
	$values{orders_id}{$stdout} = 'node/postgres';
	$last{'node/postgres/orders_id'} = $stdout;
}
cmp_ok($served, '>=', 5, 'the node serves what it has');
cmp_ok($served, '<=', 20, 'and not more');
like($stderr, qr/got no block within 2000 ms.*reports: /s, 'then it has nothing');
like($node->safe_psql('postgres', q(SELECT state, message FROM seqgen.range_block WHERE generator = 'orders_id'::regclass)),
	qr/^waiting\|./, 'and waits for the end of the hold');
$session->query_safe('SELECT seqgen.range_resume(1)');
fails($session, 'SELECT seqgen.range_resume(1)', '55000', 'coordinator does not hold its blocks back',
	'a hold is ended once');
draw($node, 'postgres', $_, 25) foreach (@generators);
none_twice('after the hold, with blocks of the original that the copy did not know');
my $highest = (sort { $b <=> $a } keys %{ $values{orders_id} })[0];
cmp_ok(alloc($coordinator, 'jobs', 'orders_id'), '>', $highest, 'nor does the copy allocate what is known');
is($coordinator->safe_psql('jobs', q{SELECT range_alloc('orders_id', 10, within => '[500,600)')}), '[550,560)',
	'what was released before is released in the copy');
$session->quit;

#
# A dump of the node
#

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$files/node", 'postgres' ], 'dump the node');
my ($list) = run_command([ 'pg_restore', '-l', "$files/node" ]);
append_to_file("$files/list", join("\n", grep { !/SERVER|USER MAPPING/ } split /\n/, $list) . "\n");
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach ('restored', 'alone');
restore($node, 'restored', "$files/node");
restore($node, 'alone', '-L', "$files/list", "$files/node");
foreach my $database ('restored', 'alone')
{
	is($node->safe_psql($database,
			'SELECT (SELECT count(*) FROM seqgen.range_holding), (SELECT count(*) FROM seqgen.range_identity)'),
		'0|0', "$database: a dump carries neither blocks nor the node's name");
}
draw($node, $_, 'orders_id', 25) foreach ('restored', 'postgres');
none_twice('a restored node beside the original');
isnt(node_uuid($node, 'restored'), node_uuid($node), 'a restored node is another node');

# without its coordinator it must not take itself for one
sub alone_draws_nothing
{
	my ($when) = @_;

	draws_nothing($node, 'alone', $_, '55000', 'coordinator', "a node restored without its foreign server draws nothing, $when: $_")
	  foreach (@generators);
	return;
}
alone_draws_nothing('at first');
$node->restart;
alone_draws_nothing('after a restart');
is($node->safe_psql('alone', 'SELECT count(*) FROM seqgen.range_allocation'), '0', 'and has allocated nothing');
name_coordinator($node, $coordinator, 'alone');
point_to($node, 'alone', 'jobs');
draw_soon($node, 'alone', $_, 25) foreach (@generators);
draw($node, $_, 'orders_id', 25) foreach ('restored', 'postgres');
none_twice('a node that was given its foreign server back');

#
# Template copies
#

# the worker of the original is at work, and gives way
my $before = draw($node, 'postgres', 'wide_id', 1);
$node->safe_psql('postgres', 'CREATE DATABASE template_copy TEMPLATE restored');
$node->safe_psql('restored', 'SELECT 1');
draw($node, $_, 'orders_id', 25) foreach ('template_copy', 'restored', 'template_copy', 'restored');
none_twice('a template copy of a node');
cmp_ok(doubts($node, 'template_copy'), '>=', 1, 'the copy says which blocks it found and does not use');
is(doubts($node, 'restored'), 0, 'the original is sure of its own');
isnt(node_uuid($node, 'template_copy'), node_uuid($node, 'restored'), 'they are two nodes');
is(draw($node, 'postgres', 'wide_id', 1), $before + 1, 'another database of the server does not notice');

# a database that is its own coordinator: both go on where the copy was made
$coordinator->safe_psql('postgres', 'CREATE DATABASE own');
$coordinator->safe_psql('own', <<'SQL');
CREATE EXTENSION seqgen;
SELECT range_create('own_id', 10, max_block_size => 10);
CREATE TABLE own (id bigint DEFAULT range_nextval('own_id') PRIMARY KEY);
INSERT INTO own SELECT FROM generate_series(1, 13);
SQL
$coordinator->safe_psql('postgres', 'CREATE DATABASE own_copy TEMPLATE own');
foreach my $database ('own', 'own_copy')
{
	$coordinator->safe_psql($database, 'INSERT INTO own SELECT FROM generate_series(1, 100)');
	is($coordinator->safe_psql($database, 'SELECT count(*), min(id), count(*) FILTER (WHERE id <= 14) FROM own'),
		'113|1|14', "$database: the original and a template copy go on with their block");
	is($coordinator->safe_psql($database, 'SELECT in_hold FROM seqgen.range_coordinator'), 'f', "$database: without a hold");
}
is($coordinator->safe_psql('own', 'SELECT max(id) FROM own'), '113', 'nothing is lost of the original');
$coordinator->command_ok([ 'pg_dump', '-Fc', '-f', "$files/own", 'own' ], 'dump a plain database');
$coordinator->safe_psql('postgres', 'CREATE DATABASE own_restored');
restore($coordinator, 'own_restored', "$files/own");
is( $coordinator->safe_psql('own_restored', <<'SQL'), 't', 'and a restored one goes on above what it has');
INSERT INTO own SELECT FROM generate_series(1, 100);
SELECT count(*) = 213 AND count(*) FILTER (WHERE id > 113) = 100 FROM own;
SQL

#
# A clone of a data directory, and one that takes the original's place
#

$before = draw($node, 'postgres', 'wide_id', 1);
$node->stop;
$node->backup_fs_cold('cold');

# nobody is connected to the coordinator now
$coordinator->safe_psql('postgres', 'CREATE DATABASE coordinator_copy TEMPLATE jobs');
$node->start;
is(draw($node, 'postgres', 'wide_id', 1), $before + 1, 'a clean stop loses nothing');
is($coordinator->safe_psql('coordinator_copy', 'SELECT in_hold FROM seqgen.range_coordinator'), 't',
	'a template copy of a coordinator is in hold');
is($coordinator->safe_psql('jobs', 'SELECT in_hold FROM seqgen.range_coordinator'), 'f', 'the original is not');
($status, $stdout, $stderr) = $coordinator->psql('coordinator_copy', "SELECT range_alloc('orders_id', 3)");
like($stderr, qr/coordinator holds its blocks back/, 'the copy allocates nothing');
$coordinator->safe_psql('coordinator_copy', 'SELECT seqgen.range_resume(0)');
cmp_ok(alloc($coordinator, 'coordinator_copy', 'orders_id'), '>',
	$coordinator->safe_psql('coordinator_copy', 'SELECT max(upper(block)) - 1 FROM seqgen.range_allocation'
		  . q( WHERE generator = 'orders_id'::regclass AND state = 'granted')),
	'until it is told to, and then above all it knows of');

my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($node, 'cold');
$clone->start;
foreach my $round (1, 2)
{
	draw($_, 'postgres', 'orders_id', 25) foreach ($clone, $node);
	draw($_, 'postgres', 'wide_id', 2) foreach ($clone, $node);
}
none_twice('a clone of a stopped node beside the original');
cmp_ok(doubts($clone, 'postgres'), '>=', 2, 'the clone says which blocks it found and does not use');
is(doubts($node, 'postgres'), 0, 'the original is sure of its own');
isnt(node_uuid($clone), node_uuid($node), 'they are two nodes');
is($last{'node/postgres/wide_id'}, $before + 5, 'the original went on with its block');

# the clone is cloned again, and its clone started where it was
my $moved = PostgreSQL::Test::Cluster->new('moved');
$before = draw($clone, 'postgres', 'wide_id', 1);
$clone->stop;
rename($clone->data_dir, $moved->data_dir) or BAIL_OUT("could not rename a data directory: $!");
PostgreSQL::Test::RecursiveCopy::copypath($moved->data_dir, $clone->data_dir);
chmod 0700, $clone->data_dir;
$moved->append_conf('postgresql.conf', 'port = ' . $moved->port);
$_->start foreach ($clone, $moved);
$last{"moved/postgres/$_"} = delete $last{"clone/postgres/$_"} foreach ('orders_id', 'wide_id');
foreach my $round (1, 2)
{
	draw($_, 'postgres', 'orders_id', 25) foreach ($clone, $moved);
	draw($_, 'postgres', 'wide_id', 2) foreach ($clone, $moved);
}
none_twice('a clone at the path of the original');
is($last{'moved/postgres/wide_id'}, $before + 4, 'the original at another path went on with its block');
isnt(node_uuid($clone), node_uuid($moved), 'they are two nodes');

# the same files, but another timeline
my $doubts = doubts($clone, 'postgres');
my $name = node_uuid($clone);
$clone->stop;
append_to_file($clone->data_dir . '/standby.signal', '');
$clone->start;
$clone->promote;
draw($clone, 'postgres', 'wide_id', 2);
none_twice('a node that was promoted without a primary');
cmp_ok(doubts($clone, 'postgres'), '>', $doubts, 'it says which block it does not use any more');
isnt(node_uuid($clone), $name, 'it is another node');
$clone->stop;

#
# A standby that is promoted while its primary still runs
#

$node->backup('online');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'online', has_streaming => 1);
$standby->start;
draw($node, 'postgres', $_, 25) foreach (@generators);
$node->wait_for_catchup($standby);
draws_nothing($standby, 'postgres', 'orders_id', '25006', '', 'a standby draws nothing');
$standby->promote;
foreach my $round (1, 2)
{
	draw($_, 'postgres', 'orders_id', 25) foreach ($standby, $node);
	draw($_, 'postgres', 'wide_id', 2) foreach ($standby, $node);
}
none_twice('a promoted standby beside its primary');
cmp_ok(doubts($standby, 'postgres'), '>=', 2, 'the promoted one says which blocks it found and does not use');
is(doubts($node, 'postgres'), 0, 'the primary is sure of its own');
isnt(node_uuid($standby), node_uuid($node), 'they are two nodes');

#
# A machine that was rebooted
#

# The node has another boot id; the coordinator confirms its blocks as soon as
# three reports of the node before are due.
$before = draw($node, 'postgres', 'wide_id', 1);
my $uuid = node_uuid($node);
$node->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'second'");
$node->restart;
is(draw($node, 'postgres', 'wide_id', 1), $before + 1, 'after a clean stop and a reboot the block is used on');
$before = $last{'node/postgres/wide_id'};
$node->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'third'");
$node->stop('immediate');
$node->start;
my $after = draw($node, 'postgres', 'wide_id', 1);
cmp_ok($after - $before, '>=', 1, 'after a crash and a reboot');
cmp_ok($after - $before, '<=', 1025, 'so it is, but for a step');
draw($node, 'postgres', 'orders_id', 25);
none_twice('reboots');
is(doubts($node, 'postgres'), 0, 'a node that was rebooted is sure of its own');
is(node_uuid($node), $uuid, 'and the same node');

# A virtual machine resumed twice: the same files, but another boot.
my $twin = PostgreSQL::Test::Cluster->new('twin');
$node->stop;
PostgreSQL::Test::RecursiveCopy::copypath($node->data_dir, $twin->data_dir, filterfn => sub { return $_[0] ne 'log'; });
chmod 0700, $twin->data_dir;
unlink $twin->data_dir . '/global/pg_control';
link($node->data_dir . '/global/pg_control', $twin->data_dir . '/global/pg_control')
  or BAIL_OUT("could not link a file: $!");
$twin->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'fourth'\nport = " . $twin->port);
$node->start;
draw($node, 'postgres', $_, 1) foreach ('orders_id', 'wide_id');
$twin->start;
foreach my $round (1, 2)
{
	draws_nothing($twin, 'postgres', 'wide_id', '08006', 'incarnation', 'a twin is told that the other is alive');
	draw($node, 'postgres', $_, 1) foreach ('orders_id', 'wide_id');
}
none_twice('a twin beside the node that reports');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT state, ',') FROM seqgen.range_block"), 'sound',
	'which is not disturbed');
$twin->stop('immediate');

#
# Keys of other nodes, and one login role for all
#

my ($incarnation, $request, $block) = split /\|/, $node->safe_psql('postgres', <<'SQL');
SELECT incarnation, request, block FROM seqgen.range_holding
 WHERE state = 'held' AND generator = 'wide_id'::regclass ORDER BY block LIMIT 1
SQL
my $other_uuid = node_uuid($moved);
my ($running, $identity) = split /\|/,
  $coordinator->safe_psql('jobs', "SELECT running, identity FROM seqgen.range_node WHERE node = '$uuid'");
my ($other_running, $other_identity) = split /\|/,
  $coordinator->safe_psql('jobs', "SELECT running, identity FROM seqgen.range_node WHERE node = '$other_uuid'");
$coordinator->safe_psql('jobs', <<'SQL');
CREATE ROLE otherrole LOGIN;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO otherrole;
CREATE ROLE norole LOGIN;
SQL

# Ask with these properties of a node; returns status, lo and hi.
sub ask
{
	my ($role, $size, $node_uuid, $node_running, $node_identity, $node_incarnation) = @_;
	my $answer = $coordinator->safe_psql('jobs', <<"SQL", extra_params => [ '-U', $role ]);
SELECT status, lo, hi FROM seqgen.range_request('public.wide_id', '$node_incarnation', $request, $size,
	'$node_uuid', '$node_running', '$node_identity', 0, 0, 0, NULL)
SQL
	return $answer;
}
my ($lo, $hi) = $block =~ /\[(\d+),(\d+)\)/;
is(ask('noderole', 5000, $uuid, $running, $identity, $incarnation), "granted|$lo|$hi", 'a node that asks again gets the same block');
is(ask('noderole', 0, $uuid, $running, $identity, $incarnation), "confirmed|$lo|$hi", 'and hears that it is its own');
foreach my $size (5000, 0)
{
	is(ask('noderole', $size, $other_uuid, $other_running, $other_identity, $incarnation), 'refused||',
		"another node with the same login role does not get it, size $size");
	is(ask('noderole', $size, $uuid, $other_running, $other_identity, $incarnation), 'refused||',
		"nor in the name of the first, size $size");
	is(ask('otherrole', $size, $uuid, $running, $identity, $incarnation), 'refused||',
		"nor with another login role, size $size");
	is(ask('otherrole', $size, 'aaaaaaaa-0000-4000-8000-00000000000' . ($size ? 1 : 2), $running, '1/1/1/1:1/b', $incarnation),
		'refused||', "nor as a node that nobody knows, size $size");
}
($status, $stdout, $stderr) = $coordinator->psql('jobs', <<"SQL", extra_params => [ '-U', 'norole' ]);
SELECT status, lo, hi FROM seqgen.range_request('public.wide_id', '$incarnation', $request, 0,
	'$uuid', '$running', '$identity', 0, 0, 0, NULL)
SQL
like($stderr, qr/permission denied for function range_request/, 'and nobody asks without the privilege');
draw($_, 'postgres', 'wide_id', 1) foreach ($node, $moved);
none_twice('after these questions');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT state, ',') FROM seqgen.range_block"), 'sound',
	'and the nodes are not disturbed');

#
# A node that is given up, and comes back
#

# more than half of a block, so that it holds two
$uuid = node_uuid($moved);
draw($moved, 'postgres', 'wide_id', 3000);
draw($moved, 'postgres', 'orders_id', 8);
$moved->poll_query_until('postgres',
	q(SELECT bool_and(next_block IS NOT NULL) FROM seqgen.range_block WHERE generator = 'wide_id'::regclass));
my $used = $last{'moved/postgres/wide_id'};
my $used_orders = $last{'moved/postgres/orders_id'};
ok( $coordinator->poll_query_until('jobs', <<"SQL"), 'a node reports how far it is');
SELECT max(saved) >= $used FROM seqgen.range_allocation WHERE node = '$uuid' AND generator = 'wide_id'::regclass
SQL
is($coordinator->safe_psql('jobs', q(SELECT count(*) FROM seqgen.range_usage WHERE silent_nodes IS NOT NULL)), '0',
	'who was heard of lately is not silent')
  if $coordinator->safe_psql('jobs', q(SELECT bool_and(last_seen > now() - interval '5 minutes') FROM seqgen.range_node)) eq 't';
$moved->stop('immediate');
$coordinator->safe_psql('jobs', "UPDATE seqgen.range_node SET last_seen = now() - interval '1 hour' WHERE node = '$uuid'");
my $unfinished = $coordinator->safe_psql('jobs', <<"SQL");
SELECT range_agg(block) FROM seqgen.range_allocation
 WHERE node = '$uuid' AND generator = 'wide_id'::regclass AND state = 'granted' AND upper(block) > $used + 1
SQL
is($coordinator->safe_psql('jobs', <<"SQL"), "t|t", 'seqgen.range_usage lists who fell silent, and what he holds');
SELECT '$uuid' = ANY (silent_nodes), silent_blocks \@> '$unfinished'::int8multirange
  FROM seqgen.range_usage WHERE generator = 'wide_id'::regclass
SQL

$session = session($coordinator, database => 'jobs');
fails($session, "SELECT range_reclaim('$uuid', $used, 'wide_id')", '55000', 'blocks are reclaimed of destroyed nodes only',
	'somebody must say that the node is gone');
fails($session, "SELECT range_reclaim('aaaaaaaa-0000-4000-8000-00000000000f', 1, 'wide_id', true)", '42704',
	'node .* is not known', 'a node that nobody knows is not reclaimed');
fails($session, "SELECT range_reclaim('$uuid', $used, node_is_destroyed => true)", '22023',
	'node has blocks of several generators', 'and each generator has its own position');
fails($session, "SELECT range_reclaim('$uuid', $used - 1, 'wide_id', true)", '22023', 'node has used more than that',
	'what the node itself reported as used is not freed');
my $vouched = $used + 50;
my $freed = $session->query_safe("SELECT range_reclaim('$uuid', $vouched, 'wide_id', true)");
is($session->query_safe("SELECT lower('$freed'::int8multirange) = $vouched + 1 AND '$freed'::int8multirange <@ '$unfinished'::int8multirange"),
	't', 'what lies above the position vouched for is returned');
is($session->query_safe("SELECT '$unfinished'::int8multirange - '$freed'::int8multirange <@ int8range(1, $vouched + 1)"),
	't', 'all of it');
$session->query_safe("SELECT range_reclaim('$uuid', $used_orders, 'orders_id', true)");
is($session->query_safe("SELECT range_reclaim('$uuid', $vouched, 'wide_id', true)"), '{}', 'once');
is($session->query_safe("SELECT destroyed FROM seqgen.range_node WHERE node = '$uuid'"), 't', 'the node is noted as destroyed');
my ($from, $to) = split /\|/, $session->query_safe("SELECT lower('$freed'::int8multirange), upper('$freed'::int8multirange)");
my $again = $session->query_safe("SELECT range_alloc('wide_id', 100, within => '[$from,$to)')");
like($again, qr/^\[$from,/, 'and what was freed can be allocated again');
foreach my $value ($from .. $from + 99)
{
	$values{wide_id}{$value} = 'by hand';
}

# it comes back
$moved->start;
foreach my $round (1, 2)
{
	draws_nothing($moved, 'postgres', 'wide_id', '55000', 'refused', 'a node that comes back is refused, and stops');
}
cmp_ok(doubts($moved, 'postgres'), '>=', 1, 'it says which block it does not use');
draws_nothing($moved, 'postgres', 'orders_id', '55000', 'refused', 'with all its generators');
$moved->restart;
draws_nothing($moved, 'postgres', 'wide_id', '55000', 'refused', 'also after a restart');

# even when the coordinator cannot be asked
$moved->stop('immediate');
$coordinator->stop;
$moved->start;
$moved->safe_psql('postgres', "SELECT seqgen.range_restart('wide_id')");
draws_nothing($moved, 'postgres', 'wide_id', '(08006|55000)', '', 'what was refused once is not used while nobody can be asked');
$coordinator->start;
draw($moved, 'postgres', 'wide_id', 25);
none_twice('a node that was given up, and goes on as another');
isnt(node_uuid($moved), $uuid, 'which it is');

# one that was given up while it runs is told with its next report
$uuid = node_uuid($standby);
draw($standby, 'postgres', 'wide_id', 1);
$used = $last{'standby/postgres/wide_id'};
$session = session($coordinator, database => 'jobs');
$freed = $session->query_safe("SELECT range_reclaim('$uuid', $used, 'wide_id', true)");
isnt($freed, '{}', 'a node that was given up too early');
ok($standby->poll_query_until('postgres', q(SELECT state = 'stopped' FROM seqgen.range_block WHERE generator = 'wide_id'::regclass)),
	'hears of it');
draws_nothing($standby, 'postgres', 'wide_id', '55000', 'refused', 'and stops in the middle of its block');
$session->quit;
$standby->stop;
$moved->stop;
$node->stop('immediate');

#
# A point in time, for a database that is its own coordinator and for one that
# has served others
#

my $plain = seqgen_cluster('plain', allows_streaming => 1, has_archiving => 1, conf => $conf);
$plain->safe_psql('postgres', <<'SQL');
SELECT range_create('small_id', 10, max_block_size => 10);
SELECT range_create('large_id', 5000, max_block_size => 5000);
CREATE DATABASE shared TEMPLATE postgres;
SQL
my %point;
draw($plain, 'postgres', $_, 25) foreach ('small_id', 'large_id');
$plain->safe_psql('shared', <<'SQL');
SELECT range_nextvals('small_id', 25);
SELECT range_request FROM seqgen.range_request('public.small_id', gen_random_uuid(), 1, 10, gen_random_uuid(), gen_random_uuid(),
											   '1/1/1/1:1/b', 0, 0, 0, NULL);
SQL
$plain->backup('before');
draw($plain, 'postgres', $_, 25) foreach ('small_id', 'large_id');
$plain->safe_psql('postgres', "SELECT pg_create_restore_point('here')");
my %here = map { $_ => $last{"plain/postgres/$_"} } 'small_id', 'large_id';
draw($plain, 'postgres', 'small_id', 12);
draw($plain, 'postgres', 'large_id', 2000);
my $segment = $plain->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
$plain->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
  or BAIL_OUT('WAL is not archived');
$plain->stop;

my $past = PostgreSQL::Test::Cluster->new('past');
$past->init_from_backup($plain, 'before', has_restoring => 1, standby => 0);
$past->append_conf('postgresql.conf', <<"CONF");
archive_mode = off
recovery_target_name = 'here'
recovery_target_action = promote
CONF
$past->start;
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or BAIL_OUT('recovery does not end');
foreach my $generator ('small_id', 'large_id')
{
	$last{"past/postgres/$generator"} = $here{$generator};
	draw($past, 'postgres', $generator, 25);
}
none_twice('a plain database at a point in time: two of its largest blocks are leapt over');
is($past->safe_psql('postgres', 'SELECT in_hold, epoch > 1 FROM seqgen.range_coordinator'), 'f|t', 'it has gone on by itself');
is($past->safe_psql('postgres', 'SELECT count(*) FROM seqgen.range_in_doubt'), '0', 'with nothing in doubt');
is($past->safe_psql('shared', 'SELECT in_hold FROM seqgen.range_coordinator'), 't',
	'one that has served others is in hold at a point in time');
draws_nothing($past, 'shared', 'small_id', '08006', 'reports: ', 'and draws nothing');
$past->safe_psql('shared', 'SELECT seqgen.range_resume(1)');
my $first = $past->safe_psql('shared', "SELECT range_nextval('small_id')");
cmp_ok($first, '>', $past->safe_psql('shared', q(SELECT max(upper(block)) FROM seqgen.range_allocation
	WHERE generator = 'small_id'::regclass AND NOT block @> ) . $first . '::bigint'), 'until the hold is ended');
$past->stop;
$coordinator->stop;

done_testing();
