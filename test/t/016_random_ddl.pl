# Property: whatever transactions do to a generator's sequence short of setval
# downwards, in whatever order, committed, rolled back in part or in whole,
# prepared, or cut off by a crash, its ids only grow, even if the clock is
# behind after the crash.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} // time;
my $rounds = $ENV{SEQGEN_TEST_ROUNDS} // 12;
srand($seed);
note("seed $seed");

my $node = seqgen_cluster('main', conf => "max_prepared_transactions = 5\nseqgen.max_lead = '1h'");
my %newest;		# by generator, the largest id that anyone was given
my $wrong = 0;
my @log;

sub one_of
{
	return $_[ int rand @_ ];
}

# Draw some ids; each has to be larger than all before it.
sub draw
{
	my ($session, $generator) = @_;
	my $count = one_of(1, 3, 5000);

	push @log, "draw $count";
	my $result = $session->query_safe(
		"SELECT min(id), max(id) FROM (SELECT snowflake_nextval('$generator') AS id FROM generate_series(1, $count)) drawn");
	my ($min, $max) = split /\|/, $result;
	if ($min <= ($newest{$generator} // 0))
	{
		$wrong++;
		diag("seed $seed, $generator: $min after $newest{$generator}: " . join('; ', @log));
	}
	$newest{$generator} = $max;
	return;
}

sub run
{
	my ($session, $sql) = @_;

	push @log, $sql;
	$session->query_safe($sql);
	return;
}

# One thing that a transaction may do.
sub step
{
	my ($session, $generator, $savepoints) = @_;
	my @statements = (
		"ALTER SEQUENCE $generator RESTART",
		"ALTER SEQUENCE $generator RESTART WITH 5",
		"ALTER SEQUENCE $generator MAXVALUE " . one_of('9223372036854775806', '9223372036854775807'),
		"ALTER SEQUENCE $generator INCREMENT BY " . one_of(1, 7, 50),
		"ALTER SEQUENCE $generator CACHE " . one_of(1, 10),
		"TRUNCATE ${generator}_rows RESTART IDENTITY",
		"GRANT USAGE ON SEQUENCE $generator TO PUBLIC",
		"SELECT nextval('$generator')",
		# upwards, by a tenth of a second
		"SELECT setval('$generator', last_value + (100 << 22)) FROM $generator");
	my $what = rand;

	if ($what < 0.4)
	{
		draw($session, $generator);
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
	my ($session, $generator) = @_;
	my @savepoints;
	my $end = rand;

	run($session, 'BEGIN');
	step($session, $generator, \@savepoints) foreach (1 .. 2 + int rand 8);
	return 0 if $end < 0.1;
	if ($end < 0.2)
	{
		run($session, "PREPARE TRANSACTION '$generator'");
		run($session, one_of('COMMIT', 'ROLLBACK') . " PREPARED '$generator'");
	}
	else
	{
		run($session, $end < 0.6 ? 'ROLLBACK' : 'COMMIT');
	}
	return 1;
}

foreach my $round (1 .. $rounds)
{
	my $now = session($node);
	my (@open, %logs);

	# each generator is drawn from with the clock ahead, by a session of its own
	foreach my $number (1 .. 20)
	{
		my $generator = "g_${round}_$number";
		my $ahead = session($node, offset => one_of('5s', '4min', '5min'));

		@log = ();
		run($now, "CREATE TABLE ${generator}_rows (id bigint)");
		run($now, "SELECT snowflake_create('$generator')");
		run($now, "ALTER SEQUENCE $generator OWNED BY ${generator}_rows.id");
		my $ended = 1;
		foreach (1 .. 1 + int rand 3)
		{
			$ended = transaction($ahead, $generator) or last;
			draw($now, $generator) if rand() < 0.2;
		}
		$ended ? $ahead->quit : push(@open, $ahead);
		$logs{$generator} = [@log];
	}

	# then all sessions go, and the clock is what it is
	if (rand() < 0.3)
	{
		$node->restart;
	}
	else
	{
		$now->query_safe('CHECKPOINT') if rand() < 0.3;
		crash($node);
	}
	$now = session($node);
	foreach my $generator (sort keys %logs)
	{
		@log = (@{ $logs{$generator} }, 'crash or restart');
		draw($now, $generator);
	}
	$now->quit;
}
is($wrong, 0, "ids only grew in $rounds rounds");
$node->stop;
done_testing();
