# Property: dump and restore, pg_upgrade and logical replication keep
# generators, kinds, layouts and bounds: the next id is larger than every one
# that came along.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

# Ids are drawn with the clock ahead, and after a restore with the clock
# behind, so that nothing but the restored bound keeps them apart.
my $ahead = '5min';
my $behind = '-30min';
my $conf = "seqgen.max_lead = '1h'\nmax_connections = 30";

my $old = seqgen_cluster('old', allows_streaming => 'logical', conf => $conf);
my $new = seqgen_cluster('new', allows_streaming => 'logical', conf => $conf);
my $files = $old->basedir;

sub dump_to
{
	my ($file, @options) = @_;

	$old->command_ok([ 'pg_dump', '-f', "$files/$file", @options, 'postgres' ], "pg_dump @options");
	return;
}

# Restore a plain dump, where it must not fail.
sub restore
{
	my ($database, $file) = @_;

	$new->command_ok(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $database, '-f', "$files/$file" ],
		"restore into database $database");
	return;
}

# What is to come along.
sub contents
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, <<'SQL');
SELECT generator, kind, layout FROM seqgen.generator ORDER BY generator::text;
SELECT * FROM seqgen.layout ORDER BY name;
SELECT schemaname, sequencename, increment_by, max_value, last_value FROM pg_sequences ORDER BY 1, 2;
SQL
}

# Ids drawn from these generators are larger than those of the dump.
sub goes_on
{
	my ($node, $database, $name, @generators) = @_;
	my $session = session($node, database => $database, offset => $behind);
	my %dumped = %largest;

	take($session, $_) foreach (@generators);
	ids_only_grew("$name: new ids are larger than all that came along");
	$session->quit;
	%largest = %dumped;
	return;
}

my $odd = '"Odd Schema"."Odd ""Name"';
my @public = ('renamed', 'stranger_id', 'wide_id', 'orders_id');
my @all = (@public, $odd, 'seqgen.snowflake_default');

my $session = session($old, offset => $ahead);
$session->query_safe($_)
  foreach (
	'CREATE SCHEMA "Odd Schema"',
	"SELECT snowflake_create('orders_id')",
	"SELECT snowflake_create('stranger_id', 'twitter')",
	q(INSERT INTO seqgen.layout VALUES ('wide', '2024-01-01', 1000, 40, 3, 18, true), ('unused', '2024-01-01', 1000, 40, 3, 18, false)),
	"SELECT snowflake_create('wide_id', 'wide')",
	"SELECT snowflake_create('some_name', 'default', 10)",
	'ALTER SEQUENCE some_name RENAME TO renamed',
	"SELECT snowflake_create('$odd')",
	"SELECT snowflake_create('gone')",
	"SELECT snowflake_nextval('gone')",
	'DROP SEQUENCE gone',
	"CREATE TABLE orders (id bigint DEFAULT snowflake_nextval('orders_id') PRIMARY KEY)",
	'ALTER SEQUENCE orders_id OWNED BY orders.id',
	'CREATE TABLE event (id bigint DEFAULT snowflake_nextval() PRIMARY KEY)',
	'INSERT INTO orders SELECT FROM generate_series(1, 100)',
	'INSERT INTO event SELECT FROM generate_series(1, 100)');
take($session, $_) foreach (@all);
my $located = $session->query_safe('SELECT located_nextval()');
$largest{renamed} += 9;
my $contents = contents($old, 'postgres');

# psql reads a plain dump; a row that a dropped sequence left is not in it
my $stray = 424242;
$old->safe_psql('postgres', <<"SQL");
ALTER TABLE seqgen.generator DISABLE TRIGGER USER;
INSERT INTO seqgen.generator VALUES ('$stray', 'snowflake', 'default');
SQL
dump_to('plain.sql');
$old->safe_psql('postgres', <<"SQL");
DELETE FROM seqgen.generator WHERE generator = '$stray';
ALTER TABLE seqgen.generator ENABLE ALWAYS TRIGGER generator_guard;
ALTER TABLE seqgen.generator ENABLE TRIGGER generator_truncate;
SQL
$new->safe_psql('postgres', 'CREATE DATABASE plain');
restore('plain', 'plain.sql');
is(contents($new, 'plain'), $contents, 'a plain dump brings everything along');
goes_on($new, 'plain', 'a plain dump', @all);
is($new->safe_psql('plain', 'INSERT INTO event DEFAULT VALUES; INSERT INTO orders DEFAULT VALUES;'
	  . 'SELECT count(DISTINCT id) FROM event; SELECT count(DISTINCT id) FROM orders'),
	"101\n101", 'and the tables draw their keys');

# pg_restore reads a custom dump
dump_to('custom', '-Fc');
$new->safe_psql('postgres', 'CREATE DATABASE custom');
$new->command_ok([ 'pg_restore', '-e', '-d', 'custom', "$files/custom" ],
	'restore into database custom');
is(contents($new, 'custom'), $contents, 'a custom dump brings everything along');
goes_on($new, 'custom', 'a custom dump', @all);
my $there = session($new, database => 'custom', offset => $behind);
is($there->query_safe("SELECT located_nextval() > '$located'"), 't', 'and located ids go on above those that came along');
$there->quit;

# in parallel it may load the table of generators before that of layouts: do so
my ($list) = run_command([ 'pg_restore', '-l', "$files/custom" ]);
my @list = split /\n/, $list;
my @first = grep { /TABLE DATA seqgen generator/ } @list;
my @rest = grep { !/TABLE DATA seqgen generator/ } @list;
my ($layout_at) = grep { $rest[$_] =~ /TABLE DATA seqgen layout/ } 0 .. $#rest;
splice @rest, $layout_at, 0, @first;
append_to_file("$files/list", join("\n", @rest) . "\n");
$new->safe_psql('postgres', 'CREATE DATABASE parallel');
$new->command_ok([ 'pg_restore', '-e', '-L', "$files/list", '-d', 'parallel', "$files/custom" ],
	'restore generators before layouts, as pg_restore -j may');
is(contents($new, 'parallel'), $contents, 'the order makes no difference')
  and goes_on($new, 'parallel', 'generators before layouts', @all);

# where the extension is
$new->safe_psql('postgres', 'CREATE DATABASE extended');
$new->safe_psql('extended', 'CREATE EXTENSION seqgen');
restore('extended', 'plain.sql');
is(contents($new, 'extended'), $contents, 'so does a dump into a database that has the extension');
goes_on($new, 'extended', 'over the extension', @all);

# where all of it is, and has gone on
$session = session($new, database => 'extended', offset => '10min');
my %dumped = %largest;
take($session, $_) foreach (@all);
my %advanced = %largest;
$new->safe_psql('extended', 'TRUNCATE orders, event');
dump_to('data.sql', '--data-only', '-T', 'seqgen.layout');
restore('extended', 'data.sql');
is(contents($new, 'extended'), $contents, 'data restored over the same generators, which had gone on, sets them back');
take($session, $_) foreach (@all);
goes_on($new, 'extended', 'over the same generators', @all);
$session->quit;
%largest = %dumped;

dump_to('clean.sql', '--clean', '--if-exists');
restore('extended', 'clean.sql');
is(contents($new, 'extended'), $contents, 'a dump with --clean brings everything along');
goes_on($new, 'extended', 'with --clean', @all);

# one schema, and one table with its generator: rows of the extension stay behind
sub partial
{
	my ($database, $generators, @options) = @_;
	my %layouts = ('stranger_id' => 'twitter', 'wide_id' => 'wide');

	dump_to("$database.sql", @options);
	$new->safe_psql('postgres', "CREATE DATABASE $database");
	$new->safe_psql($database, 'CREATE EXTENSION seqgen');
	$new->safe_psql($database, q(INSERT INTO seqgen.layout VALUES ('wide', '2024-01-01', 1000, 40, 3, 18, true)));
	# created anew by the dump
	$new->safe_psql($database, 'DROP SCHEMA IF EXISTS "Odd Schema"');
	restore($database, "$database.sql");
	my $partial = session($new, database => $database, offset => $behind);
	foreach my $generator (@$generators)
	{
		my $layout = $layouts{$generator} // 'default';
		fails($partial, "SELECT snowflake_nextval('$generator')", '42809', 'sequence ".*" is not a generator',
			"@options: $generator is no generator");
		$partial->query_safe("SELECT snowflake_attach('$generator', '$layout')");
	}
	goes_on($new, $database, "@options, and snowflake_attach", @$generators);
	$partial->quit;
	return;
}
partial('odd_schema', [$odd], '-n', '"Odd Schema"');
partial('one_table', [ 'orders_id', 'wide_id' ], '-t', 'orders', '-t', 'wide_id');

# a table whose ids are the default generator's: that one's bound stays behind
dump_to('event.sql', '-t', 'event');
$new->safe_psql('postgres', 'CREATE DATABASE event');
$new->safe_psql('event', 'CREATE EXTENSION seqgen');
restore('event', 'event.sql');
$session = session($new, database => 'event', offset => $ahead);
$session->query_safe("SELECT seqgen.advance('seqgen.snowflake_default', (SELECT max(id) FROM event))");
$session->quit;
is($new->safe_psql('event', "SET seqgen.debug_clock_offset = '$behind';"
	  . 'INSERT INTO event DEFAULT VALUES RETURNING id > ALL (SELECT id FROM event)'),
	't', 'seqgen.advance takes the default generator above the rows of a partial dump');

# a dump without the sequence of one generator brings all others
dump_to('without.sql', '-T', 'stranger_id');
$new->safe_psql('postgres', 'CREATE DATABASE without');
my ($status, undef, $warning) = $new->psql('without', slurp_file("$files/without.sql"), on_error_stop => 1);
is($status, 0, 'a dump without the sequence of a generator is restored');
like($warning, qr/WARNING:  sequence public.stranger_id does not exist/, 'with a warning');
is( $new->safe_psql('without', 'SELECT count(*) FROM seqgen.generator'),
	$old->safe_psql('postgres', 'SELECT count(*) - 1 FROM seqgen.generator'),
	'and all others are generators');

# pg_upgrade
my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init(allows_streaming => 'logical');
$upgraded->append_conf('postgresql.conf',
	"shared_preload_libraries = 'seqgen'\nseqgen.node_id = 1\n$conf");
$old->stop;
my $programs = $old->config_data('--bindir');
chdir $PostgreSQL::Test::Utils::tmp_check or die "could not change directory: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $upgraded->data_dir, '-b', $programs,
		'-B', $programs, '-s', $upgraded->host, '-p', $old->port, '-P', $upgraded->port
	],
	'pg_upgrade');
$upgraded->start;
is(contents($upgraded, 'postgres'), $contents, 'pg_upgrade brings everything along');
goes_on($upgraded, 'postgres', 'pg_upgrade', @all);
$upgraded->stop;
$old->start;

#
# Logical replication of all tables.  The subscriber begins as a copy of the
# publisher, so that the same rows mean the same generators on both.
#

my $copy = PostgreSQL::Test::Cluster->new('copy');
$old->backup('copy');
$copy->init_from_backup($old, 'copy');
$copy->append_conf('postgresql.conf', 'seqgen.node_id = 2');
$copy->start;
$copy->safe_psql('postgres', 'TRUNCATE orders, event');
$copy->safe_psql('postgres', "SELECT snowflake_create('own_id')");
$old->safe_psql('postgres', "SELECT snowflake_create('publishers_id')");
my $rows = 'SELECT generator::oid, kind, layout FROM seqgen.generator ORDER BY 1; '
  . 'SELECT * FROM seqgen.layout ORDER BY name';
my $own = $copy->safe_psql('postgres', $rows);

my $publisher = $old->connstr . ' dbname=postgres';
# Wait until the query says true, or a worker of the subscription failed.
sub without_errors
{
	my ($query, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $errors = 'SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats';

	$copy->poll_query_until('postgres', "SELECT ($query) OR ($errors) > 0")
	  or BAIL_OUT("$name: nothing happens");
	is($copy->safe_psql('postgres', $errors), '0', $name);
	return;
}

$old->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
$copy->safe_psql('postgres',
	"CREATE SUBSCRIPTION everything CONNECTION '$publisher' PUBLICATION everything");
without_errors(q(SELECT count(*) > 0 AND every(srsubstate IN ('r', 's')) FROM pg_subscription_rel),
	'a subscription of all tables starts without an error');
is($copy->safe_psql('postgres', 'SELECT count(*) FROM event'), '100', 'it copies rows');
is($copy->safe_psql('postgres', $rows), $own, 'but not those of the extension\'s tables');

$old->safe_psql('postgres', <<'SQL');
SELECT snowflake_create('late_id', 'unused');
DROP SEQUENCE late_id;
UPDATE seqgen.layout SET unit_us = 2000 WHERE name = 'unused';
DELETE FROM seqgen.layout WHERE name = 'unused';
INSERT INTO seqgen.layout VALUES ('late', '2024-01-01', 1000, 40, 3, 18);
DELETE FROM seqgen.generator WHERE generator = 'wide_id'::regclass;
UPDATE seqgen.generator SET layout = 'discord' WHERE generator = 'stranger_id'::regclass;
DROP SEQUENCE renamed;
INSERT INTO event DEFAULT VALUES;
SQL
without_errors('SELECT count(*) = 101 FROM event', 'changes are applied without an error');
is($copy->safe_psql('postgres', $rows), $own, 'but not those of the extension\'s tables');
goes_on($copy, 'postgres', 'the subscriber', @all);

# a worker applies TRUNCATE without the statement
my $bound = 'SELECT last_value FROM orders_id';
my $before = $copy->safe_psql('postgres', $bound);
$copy->safe_psql('postgres', 'INSERT INTO orders DEFAULT VALUES');
$old->safe_psql('postgres', 'TRUNCATE orders RESTART IDENTITY');
without_errors('SELECT count(*) = 0 FROM orders', 'so is TRUNCATE ... RESTART IDENTITY');
cmp_ok($copy->safe_psql('postgres', $bound), '>=', $before, 'which does not lower the bound of a generator here');

$session = session($copy);
take($session, 'own_id');
is($session->query_safe("SELECT snowflake_node(snowflake_currval('own_id'))"), '2', 'it draws from its own generator');
$session->quit;
$copy->safe_psql('postgres', 'DROP SUBSCRIPTION everything');

# the same in binary
$copy->safe_psql('postgres', 'TRUNCATE orders, event');
$copy->safe_psql('postgres', "CREATE SUBSCRIPTION everything CONNECTION '$publisher' "
	  . 'PUBLICATION everything WITH (binary = true)');
without_errors(q(SELECT count(*) > 0 AND every(srsubstate IN ('r', 's')) FROM pg_subscription_rel),
	'a subscription in binary starts without an error');
$old->safe_psql('postgres', "SELECT snowflake_create('later_id'); INSERT INTO event DEFAULT VALUES");
without_errors('SELECT count(*) = 102 FROM event', 'and applies changes without an error');
is($copy->safe_psql('postgres', 'SELECT count(*) FROM seqgen.generator WHERE generator::oid = 0'),
	'0', 'and leaves no row of the publisher');
$copy->safe_psql('postgres', 'DROP SUBSCRIPTION everything');
$_->stop foreach ($copy, $old, $new);

done_testing();
