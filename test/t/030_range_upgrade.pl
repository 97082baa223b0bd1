# Property: pg_upgrade of a node, of its coordinator and of a database that
# serves itself brings no value twice, and each goes on as is promised: the node
# with new blocks, the coordinator after a hold, the database by itself; and
# logical replication of all tables leaves the subscriber's ranges alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RangeTest;
use SeqgenTest;

my $conf = <<'CONF';
wal_level = logical
max_worker_processes = 24
seqgen.range_report_interval = '1s'
log_statement = none
CONF
my $coordinator = range_coordinator('coordinator', conf => $conf, allows_streaming => 'logical');
my $node = range_node('node', $coordinator, conf => $conf, allows_streaming => 'logical');

my @drawn;	# from orders_id, on the node

sub draw_orders
{
	my ($count) = @_;
	push @drawn, split /\n/, $node->safe_psql('postgres', "SELECT range_nextvals('orders_id', $count)");
	return;
}

sub none_is_twice
{
	my ($count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %times;

	$times{$_}++ foreach @drawn;
	is(scalar(@drawn) . ' ' . scalar(keys %times), "$count $count", $name);
	return;
}

create_range('orders_id', '10, max_block_size => 10', $coordinator, $node);
draw_orders(15);

#
# Logical replication of all tables, from the coordinator
#

$node->safe_psql('postgres', 'CREATE DATABASE subscriber');
$node->safe_psql('subscriber', <<'SQL');
CREATE EXTENSION seqgen;
SELECT range_create('orders_id', 10, max_block_size => 10);
SELECT range_create('own_id', 10);
SELECT range_nextval('own_id'), range_alloc('own_id', 5);
CREATE TABLE event (id int PRIMARY KEY);
SQL
$node->poll_query_until('subscriber',
	q{SELECT NOT EXISTS (SELECT FROM seqgen.range_holding WHERE state = 'requested')})
  or die 'the subscriber does not come to rest';
my $rows = <<'SQL';
SELECT * FROM seqgen.range_generator ORDER BY 1;
SELECT generator, block, state FROM seqgen.range_allocation ORDER BY 1, 2;
SELECT node FROM seqgen.range_node;
SELECT id, epoch, number, held FROM seqgen.range_ledger;
SELECT in_hold, reason FROM seqgen.range_coordinator;
SELECT node FROM seqgen.range_identity;
SELECT generator::regclass, block, state FROM seqgen.range_holding ORDER BY 1, 2;
SELECT * FROM seqgen.range_source;
SQL
my $own = $node->safe_psql('subscriber', $rows);

# Wait until that many rows are there, or a worker of the subscription failed.
sub rows_arrive
{
	my ($count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $errors = 'SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats';

	$node->poll_query_until('subscriber', "SELECT (SELECT count(*) = $count FROM event) OR ($errors) > 0");
	is( $node->safe_psql('subscriber', "SELECT count(*), ($errors) FROM event"),
		"$count|0", "$name without an error");
	is($node->safe_psql('subscriber', $rows), $own, 'which leaves the ranges of the subscriber alone');
	return;
}

$coordinator->safe_psql('postgres', <<'SQL');
CREATE TABLE event (id int PRIMARY KEY);
INSERT INTO event VALUES (1);
CREATE PUBLICATION everything FOR ALL TABLES;
SQL
my $publisher = $coordinator->connstr . ' dbname=postgres';
$node->safe_psql('subscriber',
	"CREATE SUBSCRIPTION everything CONNECTION '$publisher' PUBLICATION everything");
$node->poll_query_until('subscriber', q{SELECT every(srsubstate IN ('r', 's')) FROM pg_subscription_rel})
  or die 'the first copy does not end';
rows_arrive(1, 'the first copy ends');

draw_orders(35);
$coordinator->safe_psql('postgres', <<'SQL');
SELECT range_alloc('orders_id', 3);
SELECT range_create('more_id', 10);
SELECT range_nextval('more_id');
SELECT range_reserve('orders_id', '[80,90)');
SELECT range_release('orders_id', '[80,85)');
INSERT INTO event VALUES (2);
SQL
rows_arrive(2, 'blocks of the publisher are applied');
$coordinator->safe_psql('postgres', 'DROP SEQUENCE more_id; INSERT INTO event VALUES (3)');
rows_arrive(3, 'the end of a generator is applied');
my ($status, $out, $error) =
  $node->psql('subscriber', q{SELECT range_nextval('own_id'), range_alloc('own_id', 2)});
is("$status $out", '0 2|[16,18)', 'it draws and allocates from its own') or diag($error);
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION everything');
$node->safe_psql('postgres', 'DROP DATABASE subscriber');

#
# pg_upgrade, to the same version
#

# Returns the new cluster; the old one stays stopped.
sub upgrade
{
	my ($old, $name) = @_;
	my $new = PostgreSQL::Test::Cluster->new($name);
	my $programs = $old->config_data('--bindir');

	$new->init(allows_streaming => 'logical');
	$new->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'seqgen'
seqgen.node_id = 1
autovacuum = off
$conf
CONF
	$old->stop;
	chdir $PostgreSQL::Test::Utils::tmp_check or die "could not change directory: $!";
	command_ok(
		[
			'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $programs,
			'-B', $programs, '-s', $new->host, '-p', $old->port, '-P', $new->port
		],
		"pg_upgrade to $name");
	$new->start;
	return $new;
}

$coordinator->safe_psql('postgres', 'CREATE DATABASE alone');
$coordinator->safe_psql('alone', <<'SQL');
CREATE EXTENSION seqgen;
SELECT range_create('own_id', 10, max_block_size => 10);
CREATE TABLE own (id bigint DEFAULT range_nextval('own_id') PRIMARY KEY);
INSERT INTO own SELECT FROM generate_series(1, 13);
SQL
settle($node);
my $uuid = node_uuid($node);
my $held = $node->safe_psql('postgres', q{SELECT count(*) FROM seqgen.range_holding WHERE state = 'held'});
my $cursor = cursor_of($coordinator, 'orders_id');

$node = upgrade($node, 'new_node');
draw_orders(15);
none_is_twice(65, 'a node that was upgraded draws, and nothing twice');
cmp_ok($drawn[50], '>', $cursor, 'from blocks that are new');
isnt(node_uuid($node), $uuid, 'it is another node');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM seqgen.range_in_doubt WHERE block IS NOT NULL}),
	$held, 'the blocks that it held are in doubt');

my $before = $coordinator->safe_psql('alone', 'SELECT last_value FROM own_id_cursor');
$coordinator = upgrade($coordinator, 'new_coordinator');
my ($host, $port) = ($coordinator->host, $coordinator->port);
$node->safe_psql('postgres', "ALTER SERVER coordinator OPTIONS (SET host '$host', SET port '$port')");
like(
	$coordinator->safe_psql('postgres', 'SELECT in_hold, reason FROM seqgen.range_coordinator'),
	qr/^t\|The ledger served on another server or in another database/,
	'a coordinator that was upgraded is in hold');
my $session = session($coordinator);
fails($session, q{SELECT range_alloc('orders_id', 1)}, '55000', 'coordinator holds its blocks back',
	'in which nothing is given out');
$session->query_safe('SELECT seqgen.range_resume(0)');
$session->quit;
draw_orders(40);
none_is_twice(105, 'after the hold the node draws on, and nothing twice');
ledger_is_sound($coordinator, 'orders_id', 'upgrades');

($status, $out, $error) = $coordinator->psql('alone', 'INSERT INTO own SELECT FROM generate_series(1, 30)');
is($status, 0, 'a database that only ever served itself goes on by itself, and nothing twice')
  or diag($error);
is($coordinator->safe_psql('alone', "SELECT count(*), min(id) FROM own WHERE id > $before"),
	'30|' . ($before + 21), 'it skips the rest of its blocks and two of the largest');
is($coordinator->safe_psql('alone', 'SELECT in_hold FROM seqgen.range_coordinator'), 'f', 'it is not in hold');

# pg_upgrade does not bring along what ties a cursor to its generator
foreach my $range ([ 'postgres', 'orders_id' ], [ 'alone', 'own_id' ])
{
	my ($database, $name) = @$range;

	is( $coordinator->safe_psql(
			$database, "DROP SEQUENCE $name CASCADE; SELECT to_regclass('${name}_cursor') IS NULL"),
		't',
		"the cursor of $name is dropped with it");
}

$_->stop foreach $node, $coordinator;
done_testing();
