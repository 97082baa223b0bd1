# Property: three nodes of one coordinator, each with many clients, never give
# out a value twice; on each node values only grow; and the coordinator's ledger
# accounts for every value, block and request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Journal;
use RangeTest;
use SeqgenTest;

my $clients = 16;

# By generator: the size of all its blocks, and how often a client runs a
# script that draws ten values.
my %generator = (
	small => { size => 3, transactions => 10 },
	large => { size => 1000, transactions => 120 });

my $coordinator = range_coordinator('coordinator', conf => 'log_statement = none');
my @proxies = map { RangeTest::Proxy->new($coordinator) } 1 .. 3;
my @nodes = map { range_node("node$_", $proxies[ $_ - 1 ], conf => 'log_statement = none') } 1 .. 3;

foreach my $name (sort keys %generator)
{
	my $size = $generator{$name}{size};
	create_range($name, "block_size => $size, max_block_size => $size", $coordinator, @nodes);
	$_->safe_psql('postgres', <<"SQL") foreach @nodes;
CREATE TABLE ${name}_drawn (
	id bigint DEFAULT range_nextval('$name') PRIMARY KEY,
	session integer DEFAULT pg_backend_pid(),
	place bigserial);
SQL
}
journal_create($_) foreach @nodes;

# Run the scripts with that many clients on every node at once.
sub load
{
	my ($transactions, $name, %scripts) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @files;

	while (my ($file, $script) = each %scripts)
	{
		push @files, $coordinator->basedir . "/$file";
		append_to_file($files[-1], $script);
	}
	my @output = ('') x @nodes;
	my @runs = map {
		IPC::Run::start(
			[
				'pgbench', '--no-vacuum', "--client=$clients", '--jobs=1',
				"--transactions=$transactions", (map { "--file=$_" } @files),
				$nodes[$_]->connstr('postgres')
			],
			'<', '/dev/null', '>', \$output[$_], '2>&1')
	} 0 .. $#nodes;
	$_->finish foreach @runs;

	my $all = $clients * $transactions;
	is(scalar(grep { m{processed: $all/$all\n} && !/error/i } @output),
		scalar(@nodes), $name)
	  or diag(@output);
	return;
}

# On every node, one after the other, all three have asked for blocks before
# the load: a node's part of the ledger is of several turns.
foreach my $name (sort keys %generator)
{
	foreach my $node (@nodes)
	{
		$node->safe_psql('postgres', "INSERT INTO ${name}_drawn DEFAULT VALUES");
	}
	my ($size, $transactions) = @{ $generator{$name} }{ 'size', 'transactions' };
	load(
		$transactions,
		"blocks of $size: $clients clients insert on each of three nodes",
		"${name}_rows" => "INSERT INTO ${name}_drawn SELECT FROM generate_series(1, 10);",
		"${name}_each" => "INSERT INTO ${name}_drawn DEFAULT VALUES;\n" x 10,
		"${name}_set" => "INSERT INTO ${name}_drawn (id) SELECT range_nextvals('$name', 10);");

	my $count = @nodes * (1 + 10 * $clients * $transactions);
	gather($coordinator, "SELECT id FROM ${name}_drawn", @nodes);
	values_fit_ledger($coordinator, $name, $count, "blocks of $size");
	ledger_is_sound($coordinator, $name, "blocks of $size");

	foreach my $node (@nodes)
	{
		values_are_complete($coordinator, $name, $node, "blocks of $size, " . $node->name);
		is($node->safe_psql('postgres', <<"SQL"), 0, 'and the values of each session increase');
SELECT count(*)
  FROM (SELECT id <= lag(id) OVER (PARTITION BY session ORDER BY place) AS wrong
		  FROM ${name}_drawn) d
 WHERE wrong
SQL
	}

	# Nobody else asked, so all that was given out is in blocks of the nodes.
	is($coordinator->safe_psql('postgres', <<"SQL"), "3|0|{}|$size|$size", 'the ledger holds blocks of this size for three nodes, and no hole');
SELECT count(DISTINCT node), count(*) FILTER (WHERE state <> 'granted'),
	   (SELECT holes FROM seqgen.range_usage u WHERE u.generator = '$name'::regclass),
	   min(upper(block) - lower(block)), max(upper(block) - lower(block))
  FROM seqgen.range_allocation WHERE generator = '$name'::regclass
SQL
}

# What passed between nodes and coordinator: each block once, and all of it.
settle(@nodes);
my @granted = map { $_->grants } @proxies;
is_deeply(
	[ sort map { "[$_->[0],$_->[1])" } @granted ],
	[ sort split /\n/, $coordinator->safe_psql('postgres', 'SELECT block FROM seqgen.range_allocation') ],
	'the coordinator sent each block of the ledger once');

# Order over all sessions of a node, while the other nodes draw too, one by one
# and many at once.
my $before = $coordinator->safe_psql('postgres', 'SELECT count(*) FROM seqgen.range_allocation');
my %journal = (small => 3, large => 30);
foreach my $name (sort keys %journal)
{
	my $transactions = $journal{$name};
	my $size = $generator{$name}{size};
	$_->safe_psql('postgres', 'TRUNCATE journal.draw') foreach @nodes;
	load(
		$transactions,
		"blocks of $size: the journal is written",
		"${name}_journal_each" => "CALL journal.draw_each('range_nextval(''$name'')', 10);",
		"${name}_journal_rows" => "CALL journal.draw_set('SELECT range_nextval(''$name'') FROM generate_series(1, 10)');",
		"${name}_journal_set" => "CALL journal.draw_set('SELECT range_nextvals(''$name'', 10)');");
	foreach my $node (@nodes)
	{
		journal_is_sound($node, 10 * $clients * $transactions, "blocks of $size, " . $node->name);
	}
	gather($coordinator, "SELECT id FROM ${name}_drawn UNION ALL SELECT id FROM journal.draw", @nodes);
	values_fit_ledger($coordinator, $name,
		@nodes * (1 + 10 * $clients * ($generator{$name}{transactions} + $transactions)),
		"blocks of $size, with the journal");
	ledger_is_sound($coordinator, $name, "blocks of $size, after the journal");
}
cmp_ok($coordinator->safe_psql('postgres', 'SELECT count(*) FROM seqgen.range_allocation'),
	'>', $before, 'more blocks were fetched meanwhile');

# A node holds at most two blocks at a time, and its own table says which.
settle(@nodes);
foreach my $node (@nodes)
{
	my $uuid = node_uuid($node);
	my $held = $node->safe_psql('postgres', q{
		SELECT generator, block FROM seqgen.range_block
		UNION SELECT generator, next_block FROM seqgen.range_block WHERE next_block IS NOT NULL
		ORDER BY 1, 2});
	is($node->safe_psql('postgres', q{
			SELECT generator::regclass, block FROM seqgen.range_holding
			 WHERE state = 'held' AND upper(block) > (SELECT lower(b.block) FROM seqgen.range_block b
													   WHERE b.generator = range_holding.generator::regclass)
			 ORDER BY 1, 2}),
		$held, $node->name . ': the blocks in memory are those that are noted as held');
	is($coordinator->safe_psql('postgres', qq{
			SELECT generator::regclass, block FROM (
				SELECT *, row_number() OVER (PARTITION BY generator ORDER BY block DESC) AS newest
				  FROM seqgen.range_allocation WHERE node = '$uuid') a
			 WHERE newest <= 2 ORDER BY 1, 2}),
		$held, 'and those that the coordinator granted last')
	  if $held =~ tr/\n// == 3;    # of both generators two
}

# A value costs no WAL and no lock: what a reservation costs is spread over
# thousands of them.
create_range('cheap', '1000000, max_block_size => 1000000', $coordinator);
is($coordinator->safe_psql('postgres', <<'SQL'), 't|0|t', 'values cost less than a byte of WAL each, no lock, and no look at a table');
SELECT count(range_nextval('cheap')) FROM generate_series(1, 100000) \g /dev/null
BEGIN;
SELECT range_nextval('cheap') \g /dev/null
SELECT pg_current_wal_insert_lsn() AS lsn,
	   (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()) AS locks,
	   (SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = 'seqgen') AS scans \gset
SELECT count(range_nextval('cheap')) FROM generate_series(1, 50000) \g /dev/null
SELECT pg_current_wal_insert_lsn() - :'lsn'::pg_lsn < 50000,
	   (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()) - :locks,
	   (SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = 'seqgen') - :scans < 100;
COMMIT;
SQL

$_->stop foreach @nodes, $coordinator;
done_testing();
