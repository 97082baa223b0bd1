# Property: whatever transactions do to the sequence of a range short of setval
# downwards, in whatever order, committed, rolled back in part or in whole,
# prepared, or cut off by a crash, and whenever the worker ends, the values of
# the range only grow, and none of a clean stop's is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} // time;
my $rounds = $ENV{SEQGEN_TEST_ROUNDS} // 10;
srand($seed);
note("seed $seed");

my $node = seqgen_cluster('main', conf => "max_prepared_transactions = 5\nseqgen.range_timeout = '1500ms'");
my %newest;		# by range, the largest value that anyone was given
my $wrong = 0;
my $starved = 0;	# draws that got no block
my @plain;		# what plain nextval gave
my @log;

$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION plain_nextval(sequence regclass) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN nextval(sequence);
EXCEPTION
	WHEN sequence_generator_limit_exceeded THEN RETURN NULL;
END $$;
SQL

sub one_of
{
	return $_[ int rand @_ ];
}

# Draw some values; each has to be larger than all before it.
sub draw
{
	my ($session, $range, $count) = @_;
	$count //= one_of(1, 3, 40, 2500);

	push @log, "draw $count";
	$session->{stderr} = '';
	my $result = $session->query(
		"SELECT min(v), max(v), count(DISTINCT v) FROM (SELECT range_nextval('$range') AS v FROM generate_series(1, $count)) drawn");

	# the worker brings no block while this very transaction locks the sequence
	if ($session->{stderr} =~ /locked by/)
	{
		push @log, 'no block';
		$starved++;
		return;
	}
	die "seed $seed, $range: $session->{stderr}" if $session->{stderr} =~ /ERROR/;
	my ($min, $max, $different) = split /\|/, $result;
	if ($min <= ($newest{$range} // 0) or $different != $count)
	{
		$wrong++;
		diag("seed $seed, $range: $min after $newest{$range}, $different of $count: " . join('; ', @log));
	}
	$newest{$range} = $max;
	return $min;
}

sub run
{
	my ($session, $sql) = @_;

	push @log, $sql;
	$session->{stderr} = '';
	return $session->query_safe($sql);
}

# One thing that a transaction may do.
sub step
{
	my ($session, $range, $savepoints) = @_;
	my @statements = (
		"ALTER SEQUENCE $range RESTART",
		"ALTER SEQUENCE $range RESTART WITH 5",
		"ALTER SEQUENCE $range CACHE " . one_of(1, 10),
		"TRUNCATE ${range}_rows RESTART IDENTITY",
		"GRANT USAGE ON SEQUENCE $range TO PUBLIC",
		"SELECT range_alter('$range', block_size => " . one_of(7, 50, 3000) . ')',
		# upwards, within the block and beyond it
		"SELECT setval('$range', last_value + " . one_of(1, 5, 100_000) . ") FROM $range");
	my $what = rand;

	if ($what < 0.45)
	{
		draw($session, $range);
	}
	elsif ($what < 0.5)
	{
		my $value = run($session, "SELECT plain_nextval('$range')");
		push @plain, "$range: $value" if $value ne '' && $value ne '0';
	}
	elsif ($what < 0.75)
	{
		run($session, one_of(@statements));
	}
	elsif ($what < 0.87)
	{
		push @$savepoints, 's' . scalar @$savepoints;
		run($session, "SAVEPOINT $savepoints->[-1]");
	}
	elsif (@$savepoints)
	{
		my $index = int rand @$savepoints;
		my $back = rand() < 0.7;

		run($session, ($back ? 'ROLLBACK TO ' : 'RELEASE ') . $savepoints->[$index]);
		splice @$savepoints, $index + ($back ? 1 : 0);
	}
	return;
}

# A transaction; returns false if it is left open.
sub transaction
{
	my ($session, $range, $create) = @_;
	my @savepoints;
	my $end = rand;

	run($session, 'BEGIN');
	run($session, $_) foreach @$create;
	foreach (1 .. 2 + int rand 8)
	{
		my $before = $starved;

		step($session, $range, \@savepoints);
		next if $starved == $before;
		run($session, 'ROLLBACK');
		return 1;
	}
	return 0 if $end < 0.1 && !@$create;
	if ($end < 0.2)
	{
		run($session, "PREPARE TRANSACTION '$range'");
		run($session, (@$create || rand() < 0.5 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$range'");
	}
	else
	{
		run($session, $end < 0.6 && !@$create ? 'ROLLBACK' : 'COMMIT');
	}
	return 1;
}

sub end_worker
{
	my $worker = q{FROM pg_stat_activity WHERE backend_type = 'seqgen worker' AND datname = 'postgres'};

	push @log, 'end of the worker';
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) $worker");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 $worker") or BAIL_OUT('the worker does not end')
	  if rand() < 0.5;
	return;
}

my $lost = 0;
foreach my $round (1 .. $rounds)
{
	my $now = session($node);
	my (@open, %logs, %exact);

	foreach my $number (1 .. 15)
	{
		my $range = "g_${round}_$number";
		my $session = session($node);
		my $size = one_of(7, 50, 3000);
		my @create = (
			"CREATE TABLE ${range}_rows (id bigint)",
			"SELECT range_create('$range', block_size => $size, min_block_size => 1, max_block_size => 3000)",
			"ALTER SEQUENCE $range OWNED BY ${range}_rows.id");

		@log = ();
		if (rand() < 0.3)
		{
			transaction($session, $range, \@create);
		}
		else
		{
			run($now, $_) foreach @create;
		}
		my $ended = 1;
		foreach (1 .. 1 + int rand 3)
		{
			$ended = transaction($session, $range, []) or last;
			draw($now, $range) if rand() < 0.3;
			end_worker() if rand() < 0.1;
		}
		# a draw in peace makes the next value known
		if ($ended && rand() < 0.5)
		{
			draw($now, $range, 1);
			$exact{$range} = 1;
		}
		$ended ? $session->quit : push(@open, $session);
		$logs{$range} = [@log];
	}

	my $clean = rand() < 0.4;
	if ($clean)
	{
		$node->restart;
	}
	else
	{
		$now->query_safe('CHECKPOINT') if rand() < 0.3;
		crash($node, one_of('immediate', 'kill9'));
	}
	$now = session($node);
	foreach my $range (sort keys %logs)
	{
		my $last = $newest{$range};
		@log = (@{ $logs{$range} }, $clean ? 'restart' : 'crash');
		my $next = draw($now, $range, 1);

		if ($clean && $exact{$range} && $next != $last + 1)
		{
			$lost++;
			diag("seed $seed, $range: $next, not next to $last: " . join('; ', @log));
		}
	}
	$now->quit;
}
is($wrong, 0, "values only grew in $rounds rounds");
is($lost, 0, 'no clean stop lost any');
is(join("\n", @plain), '', 'plain nextval gave nothing but 0');
$node->stop;
done_testing();
