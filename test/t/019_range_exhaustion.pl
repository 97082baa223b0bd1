# Property: columns of type smallint and integer on three nodes are filled to
# the last value of their type.  Every value is given out exactly once, except
# those of blocks that a node still holds; then each node says 2200H, and from
# 90 % on it has warned.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RangeTest;
use SeqgenTest;

my $clients = 8;
my $coordinator = range_coordinator('coordinator', conf => 'log_statement = none');
my @nodes = map { range_node("node$_", $coordinator, conf => 'log_statement = none') } 1 .. 3;

sub value
{
	my ($node, $sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# Create a generator for a column of a type, and on each node the table and
# procedures that fill it.  A draw that fails takes no value with it.
#	fill_up		draws to the end, and notes with which error that came
#	fill(n)		draws n values
sub create
{
	my ($name, $type, $arguments) = @_;

	create_range($name, "column_type => '$type', $arguments", $coordinator, @nodes);
	value($_, <<"SQL") foreach @nodes;
CREATE TABLE ${name}_filled (id $type DEFAULT range_nextval('$name') PRIMARY KEY);
CREATE TABLE ${name}_end (sqlstate text, message text, waited interval);
CREATE PROCEDURE ${name}_fill_up() LANGUAGE plpgsql AS \$\$
DECLARE
	started timestamptz;
BEGIN
	LOOP
		BEGIN
			started := clock_timestamp();
			INSERT INTO ${name}_filled DEFAULT VALUES;
		EXCEPTION WHEN others THEN
			INSERT INTO ${name}_end VALUES (SQLSTATE, SQLERRM, clock_timestamp() - started);
			RETURN;
		END;
		COMMIT;
	END LOOP;
END \$\$;
CREATE PROCEDURE ${name}_fill(n integer) LANGUAGE plpgsql AS \$\$
BEGIN
	FOR i IN 1 .. n LOOP
		INSERT INTO ${name}_filled DEFAULT VALUES;
		COMMIT;
	END LOOP;
END \$\$;
SQL
	return;
}

# Call a procedure with all clients on some nodes, and wait for its end.
sub call
{
	my ($procedure, @on) = @_;
	my @output = ('') x @on;
	my @runs;

	foreach my $i (0 .. $#on)
	{
		my $script = $on[$i]->basedir . '/call';
		unlink $script;
		append_to_file($script, "CALL $procedure;");
		push @runs,
		  IPC::Run::start(
			[
				'pgbench', '--no-vacuum', "--client=$clients", '--jobs=1',
				'--transactions=1', "--file=$script", $on[$i]->connstr('postgres')
			],
			'<', '/dev/null', '>', \$output[$i], '2>&1');
	}
	$_->finish foreach @runs;
	my @bad = grep { !m{processed: $clients/$clients\n} } @output;
	die "$procedure failed: @bad" if @bad;
	return;
}

# How often a node has warned of the generator's end.
sub warnings_of
{
	my ($node, $name) = @_;
	my $log = slurp_file($node->logfile);
	my @found = $log =~ /WARNING:  generator "$name" has used 90 % of its range/g;
	return scalar(@found);
}

# A node warns, once, if it gives out values from the last tenth of the range.
# (Others may be so fast that it gets none of them.)
sub has_warned
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $uuid = node_uuid($node);
	my $due = value($coordinator, <<"SQL");
SELECT coalesce(bool_or(upper(block) - min_value > 0.9 * (max_value - min_value + 1)), false)::integer
  FROM seqgen.range_allocation JOIN seqgen.range_generator USING (generator)
 WHERE generator = '$name'::regclass AND node = '$uuid'
SQL

	is(warnings_of($node, $name), $due, "$name: times that " . $node->name . ' has warned');
	return;
}

# What the coordinator knows of a generator.
sub usage
{
	my ($name, $column) = @_;
	return value($coordinator, "SELECT $column FROM seqgen.range_usage WHERE generator = '$name'::regclass");
}

# What a node says once its values are used up, in every way to draw, at once.
sub says_exhausted
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $session = session($node);

	$session->query_safe(q{SET seqgen.range_timeout = '60s'; SET statement_timeout = '30s'});
	fails($session, "SELECT range_nextval('$name')", '2200H',
		qr/generator "$name" has no values left in its range/, $node->name . ' has no values left');
	fails($session, "SELECT range_nextvals('$name', 2)", '2200H', qr/generator "$name" has no values left/, 'nor several');
	fails($session, "INSERT INTO ${name}_filled DEFAULT VALUES", '2200H', qr/generator "$name" has no values left/, 'nor for a row')
	  if $node != $coordinator;
	$session->quit;
	return;
}

# Fill a generator whose values are those from min to max.
sub fill
{
	my ($name, $min, $max) = @_;
	my $whole = $max - $min + 1;
	my $third = $nodes[2];
	my @others = @nodes[ 0, 1 ];

	# Up to some 80 % nobody warns.
	call("${name}_fill(" . int(0.8 * $whole / @nodes / $clients) . ')', @nodes);
	is(join(' ', map { warnings_of($_, $name) } @nodes), '0 0 0', "$name: nobody has warned at 80 %");
	cmp_ok(usage($name, 'percent_used'), '<', 90, "$name: as the coordinator knows");

	# The third stops here; the others go on to the end.
	call("${name}_fill_up()", @others);
	foreach my $node (@others)
	{
		is(value($node, "SELECT sqlstate, message, count(*) FROM ${name}_end GROUP BY 1, 2"),
			qq(2200H|generator "$name" has no values left in its range|$clients),
			"$name: every client of " . $node->name . ' went on to the end');
		is(value($node, "SELECT count(*) FROM ${name}_end WHERE waited > interval '5 s'"),
			0, "$name: and none of them waited long to hear of it");
		has_warned($node, $name);
		says_exhausted($node, $name);
	}
	is(usage($name, 'remaining, percent_used, exhausted_at <= clock_timestamp(), "cursor"'),
		"0|100.00|t|$max", "$name: the coordinator has nothing left");

	# All that is missing is what the third still holds.
	gather($coordinator, "SELECT id FROM ${name}_filled", @nodes);
	ledger_is_sound($coordinator, $name, $name);
	my $missing = value($coordinator, <<"SQL");
SELECT int8multirange(int8range($min, $max, '[]')) - range_agg(int8range(value, value, '[]'))
  FROM gathered
SQL
	is($missing, value($third, <<"SQL"), "$name: what is missing is in the blocks that the third holds");
SELECT range_agg(left_over)
  FROM seqgen.range_block b
	   CROSS JOIN LATERAL (
			VALUES (int8range("position" + 1, upper(b.block))), (b.next_block)) v (left_over)
 WHERE b.generator = '$name'::regclass AND NOT isempty(left_over)
SQL
	isnt($missing, '{}', "$name: that is something");
	my $left = value($coordinator,
		"SELECT sum(upper(r) - lower(r)) FROM unnest('$missing'::int8multirange) r");
	cmp_ok($left, '<=', 2 * value($coordinator, "SELECT max_block_size FROM seqgen.range_generator WHERE generator = '$name'::regclass"),
		"$name: and no more than two blocks");

	# It can use them all, warns, and then it is at the end too.
	call("${name}_fill_up()", $third);
	is(value($third, "SELECT DISTINCT sqlstate FROM ${name}_end"), '2200H', "$name: the third goes on to the end");
	has_warned($third, $name);
	says_exhausted($third, $name);
	gather($coordinator, "SELECT id FROM ${name}_filled", @nodes);
	is(value($coordinator, 'SELECT count(*), count(DISTINCT value), min(value), max(value) FROM gathered'),
		"$whole|$whole|$min|$max", "$name: every value was given out once");
	values_fit_ledger($coordinator, $name, $whole, $name);
	return;
}

# What happens at the end of a range wherever else one draws.
sub nobody_gets_more
{
	my ($name) = @_;

	says_exhausted($coordinator, $name);
	my $session = session($coordinator);
	fails($session, "SELECT range_alloc('$name', 1)", '2200H', qr/./, "$name: range_alloc has nothing left");
	$session->quit;
	return;
}

# The whole of smallint, with blocks that grow to many times their first size.
create('small', 'smallint', 'block_size => 20, max_block_size => 320');
fill('small', 1, 32767);
nobody_gets_more('small');

# The end of integer, where blocks do not divide the range.
create('whole', 'integer', 'min_value => 2147480000, block_size => 97, max_block_size => 97');
fill('whole', 2147480000, 2147483647);
nobody_gets_more('whole');

# The last values one by one: the last block is smaller than the others, and
# 2147483647 itself is given out.
is(value($coordinator, q{SELECT block FROM seqgen.range_allocation
		WHERE generator = 'whole'::regclass ORDER BY block DESC LIMIT 1}),
	'[' . (2147483648 - 3648 % 97) . ',2147483648)', 'the last block is what was left');

# Who knows that nothing is left uses up what he has, one by one.
create('slow', 'integer', 'max_value => 100, block_size => 40, max_block_size => 40');
call('slow_fill(' . 88 / $clients . ')', $nodes[0]);
is(value($nodes[0], 'SELECT count(*) FROM slow_filled'), 88, 'slow: some are left of the last block');
value($nodes[0], 'CALL slow_fill(2)');
ok( $nodes[0]->poll_query_until('postgres',
		q{SELECT state = 'exhausted' AND next_block IS NULL AND "position" = 90
			FROM seqgen.range_block WHERE generator = 'slow'::regclass}),
	'slow: the worker knows that nothing follows');
says_exhausted($nodes[1], 'slow');
value($nodes[0], 'CALL slow_fill(10)');
is(value($nodes[0], 'SELECT count(*), max(id) FROM slow_filled'), '100|100', 'slow: all of them can be drawn');
says_exhausted($nodes[0], 'slow');

# range_alloc warns from 90 % too, and not before.
value($coordinator, q{SELECT range_create('allocated', block_size => 10, max_block_size => 1000, max_value => 1000)});
foreach my $step ([ 880, 'f' ], [ 10, 'f' ], [ 20, 't' ], [ 90, 't' ])
{
	my ($size, $warns) = @$step;
	my $stderr;
	$coordinator->psql('postgres', "SELECT range_alloc('allocated', $size)", stderr => \$stderr);
	is($stderr =~ /^.*WARNING:  .*"allocated"/m ? 't' : 'f', $warns, "range_alloc: $size more, warns: $warns");
}

# Nothing of it is forgotten by a restart or a crash.
$nodes[0]->restart;
crash($nodes[1]);
crash($coordinator);
says_exhausted($_, 'small') foreach @nodes[ 0, 1 ], $coordinator;
is(value($coordinator, 'SELECT count(*) FROM seqgen.range_usage WHERE remaining > 0'), 0,
	'a crashed coordinator has nothing left either');
ledger_is_sound($coordinator, 'small', 'after the crash');

$_->stop foreach @nodes, $coordinator;
done_testing();
