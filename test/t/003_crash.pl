# Property: whatever ends the server, under load, at any moment, no id is given
# out twice, and none is below one that was answered before the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(max min shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} // int(rand(1_000_000));
srand($seed);
diag("SEQGEN_TEST_SEED=$seed");

my $node = seqgen_cluster('main', conf => <<'CONF');
fsync = on
synchronous_commit = on
restart_after_crash = on
log_statement = none
CONF
$node->safe_psql('postgres', q{
	CREATE TABLE loaded (round integer, id bigint DEFAULT snowflake_nextval());
});

# What psql clients ask, statement by statement, over and over.  They print
# what they are answered, to the last answer before the server went away.
my $questions = $node->basedir . '/questions.sql';
append_to_file($questions, <<'SQL' x 20_000);
SELECT snowflake_nextval();
SELECT snowflake_nextvals(3);
BEGIN;
SELECT snowflake_nextval();
ROLLBACK;
SELECT snowflake_nextval() FROM generate_series(1, 5);
SQL
my $inserts = $node->basedir . '/inserts.sql';
append_to_file($inserts, 'INSERT INTO loaded SELECT :round FROM generate_series(1, 10);');

# The ways to go, each by a name.
my %end = (
	'kill -9 of the postmaster' => sub {
		$node->kill9;
		restart_after_crash($node);
	},
	'immediate stop' => sub {
		$node->stop('immediate');
		restart_after_crash($node);
	},
	'crash of a backend' => sub {
		my $pids = $node->safe_psql('postgres', q{
			SELECT pid FROM pg_stat_activity
			 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
		my $before = checkpointer($node);
		kill('SEGV', (shuffle(split(/\n/, $pids)))[0]);
		await_checkpointer_after($node, $before);
	},
	'clean restart' => sub {
		$node->restart;
	});

# Start four psql and a pgbench of four.  Returns their handles, and the files
# with the answers.  Each round sees the clock three seconds further back, for
# otherwise the time that a start takes would hide that something was forgotten.
sub start_load
{
	my ($round) = @_;
	local $ENV{PGOPTIONS} = '-c seqgen.debug_clock_offset=' . -3000 * $round;
	my $to = $node->connstr('postgres');
	my @files = map { $node->basedir . "/answers_${round}_$_" } 1 .. 4;
	my @handles = map {
		IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $questions, $to ],
			'<', '/dev/null', '>', $_, '2>', '/dev/null')
	} @files;
	push @handles,
	  IPC::Run::start(
		[
			'pgbench', '--no-vacuum', '--client=4', '--time=600',
			"--define=round=$round", "--file=$inserts", $to
		],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
	return (\@handles, \@files);
}

# The load is on when every client was answered something.
sub await_load
{
	my ($round, @files) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	while (grep { !-s $_ } @files)
	{
		BAIL_OUT('the load does not start') if time > $deadline;
		usleep(10_000);
	}
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM loaded WHERE round = $round")
	  or BAIL_OUT('pgbench does not insert');
	return;
}

# Run a round, and return the ids that were answered, one list for each client
# in its order.
sub run_round
{
	my ($round, $way) = @_;
	my ($handles, $files) = start_load($round);

	await_load($round, @$files);
	usleep(int(rand(700_000)));
	$end{$way}->();
	$_->finish for @$handles;
	return map { [ split(/\n/, slurp_file($_)) ] } @$files;
}

sub is_increasing
{
	my ($ids) = @_;
	return !grep { $ids->[ $_ - 1 ] >= $ids->[$_] } 1 .. $#$ids;
}

my @ways = shuffle((sort keys %end) x 2);
my %seen;
my $answered = 0;
my @largest = (0);

for my $round (1 .. @ways)
{
	my $way = $ways[ $round - 1 ];
	my @answers = run_round($round, $way);

	is(scalar(grep { is_increasing($_) } @answers),
		4, "round $round, $way: each session's ids increase");

	my @ids = map { @$_ } @answers;
	$answered += @ids;
	$seen{$_}++ for @ids;

	# and those committed in the table, which survive the end
	push @ids, split(/\n/, $node->safe_psql('postgres',
			"SELECT unnest(ARRAY[min(id), max(id)]) FROM loaded WHERE round = $round"));
	cmp_ok(min(@ids), '>', $largest[-1], "round $round, $way: ids are above all earlier rounds'");
	push @largest, max(@ids);
}

note("$answered ids answered to psql");
is(scalar(keys %seen), $answered, 'no session was answered an id of another');
is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT id) FROM loaded'),
	0, 'no id was inserted twice');
my $both = grep { $seen{$_} } split(/\n/, $node->safe_psql('postgres', 'SELECT id FROM loaded'));
is($both, 0, 'no id was answered and inserted');

$node->stop;
done_testing();
