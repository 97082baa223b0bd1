# Property: whichever process of a coordinator and its nodes is killed, under
# load, at any moment, no value of a range is given twice by any of them; on a
# node each value is larger than all that were answered before its draw began;
# a crash costs a node at most a step of one block, the rest of which is used
# on; and nothing but a crash costs a value.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(max min shuffle sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} // int(rand(1_000_000));
my $rounds = $ENV{SEQGEN_TEST_ROUNDS} // 11;
srand($seed);
diag("SEQGEN_TEST_SEED=$seed");

# values of a block that a crash may cost, if it has at most 16 times as many
my $step = 1024;

# By generator: blocks that end all the time, blocks that grow, and blocks
# larger than what a crash may cost; and the most values of one statement.
my %generator = (
	tiny => { options => 'block_size => 3, max_block_size => 3', at_once => 1 },
	grows => { options => 'block_size => 20, max_block_size => 700', at_once => 2 },
	large => { options => 'block_size => 16000, max_block_size => 16000', at_once => 5 });

#
# The servers
#
my $conf = <<'CONF';
restart_after_crash = on
log_statement = none
seqgen.range_timeout = '60s'
seqgen.range_report_interval = '1s'
CONF
my $coordinator = seqgen_cluster('coordinator', conf => $conf);
my @nodes = ($coordinator, map { seqgen_cluster($_, conf => $conf) } qw(one two));

foreach my $node (@nodes)
{
	$node->safe_psql('postgres',
		'CREATE SEQUENCE moment; CREATE TABLE filled (id bigint, filler text)');
	$node->safe_psql('postgres', "SELECT range_create('$_', $generator{$_}{options})")
	  foreach sort keys %generator;
	$node->safe_psql('postgres', "ALTER TABLE filled ALTER id SET DEFAULT range_nextval('grows')");
}
$coordinator->safe_psql('postgres', <<'SQL');
CREATE ROLE noderole LOGIN;
DO $$
BEGIN
	EXECUTE (SELECT format('GRANT EXECUTE ON FUNCTION %s TO noderole', oid::regprocedure)
			   FROM pg_proc WHERE proname = 'range_request');
END $$;
SQL
foreach my $node (@nodes[ 1, 2 ])
{
	my ($host, $port) = ($coordinator->host, $coordinator->port);

	$node->safe_psql('postgres', <<"SQL");
CREATE SERVER coord FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER coord OPTIONS (user 'noderole');
SQL
}

#
# The load.  Each client prints what it is answered, in lines of a generator, a
# value, and the moments before and after its draw.  Moments are values of a
# plain sequence, which hands them out one after the other while a server runs;
# a crash may repeat some, but a server's lives are told apart.
#
my @questions = (<<'SQL', <<'SQL', <<'SQL');
SELECT 'tiny', nextval('moment'), range_nextval('tiny'), nextval('moment');
SELECT 'large', nextval('moment'), range_nextval('large'), nextval('moment');
SELECT 'grows', nextval('moment'), range_nextval('grows'), nextval('moment');
SELECT 'large', NULL, range_nextvals('large', 5), NULL;
DO 'BEGIN PERFORM pg_sleep(0.001); END';
SQL
SELECT 'large', NULL, range_nextval('large'), NULL FROM generate_series(1, 5);
INSERT INTO filled (filler) VALUES ('a'), ('b') RETURNING 'grows', NULL, id, NULL;
BEGIN;
SELECT 'tiny', nextval('moment'), range_nextval('tiny'), nextval('moment');
SELECT 'large', nextval('moment'), range_nextval('large'), nextval('moment');
ROLLBACK;
DO 'BEGIN PERFORM pg_sleep(0.001); END';
SQL
BEGIN;
SAVEPOINT s;
SELECT 'large', nextval('moment'), range_nextval('large'), nextval('moment');
INSERT INTO filled (filler) VALUES ('c') RETURNING 'grows', NULL, id, NULL;
ROLLBACK TO s;
SELECT 'large', nextval('moment'), range_nextval('large'), nextval('moment');
COMMIT;
SELECT 'tiny', NULL, range_nextval('tiny'), NULL;
SQL

my $folder = $coordinator->basedir;
my @scripts = map { "$folder/questions_$_.sql" } 1 .. @questions;
append_to_file($scripts[$_], $questions[$_] x 40_000) foreach 0 .. $#questions;

my %life;			# by name of a server, how often it was started
my %client;			# by name of a server, handles and files of its clients
my %answers;		# by name of a server and life, those files

# Start the clients of a server that has just been started.
sub start_clients
{
	my ($node) = @_;
	my $name = $node->name;
	my $life = ++$life{$name};
	local $ENV{PGAPPNAME} = 'load';

	foreach my $i (0 .. $#scripts)
	{
		my $file = "$folder/answers_${name}_${life}_$i";
		my $handle = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $scripts[$i], $node->connstr('postgres') ],
			'<', '/dev/null', '>', $file, '2>', "$file.err");

		push @{ $client{$name} }, { handle => $handle, file => $file };
		push @{ $answers{$name}{$life} }, $file;
	}
	return;
}

# Wait until something is so.
sub await
{
	my ($what, $condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		BAIL_OUT("seed $seed: waited too long: $what") if time > $deadline;
		usleep(5_000);
	}
	return;
}

# Each client of a server gets answers, beyond those that it had.
sub await_answers
{
	my ($node) = @_;
	my $name = $node->name;

	foreach my $client (@{ $client{$name} })
	{
		my $had = -s $client->{file};

		await("answers in $client->{file}", sub { (-s $client->{file}) > $had });
	}
	return;
}

sub end_clients
{
	my ($node) = @_;

	$_->{handle}->finish foreach @{ delete $client{ $node->name } };
	return;
}

#
# Crashes
#

# Kill a process of a server, other than the postmaster.  The postmaster then
# ends all others, and starts anew.
sub kill_process
{
	my ($node, $signal, $which) = @_;
	my $before = checkpointer($node);
	my @pids = split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $which AND pid <> pg_backend_pid()");

	BAIL_OUT("seed $seed: no process of " . $node->name . " where $which") unless @pids;
	kill($signal, $pids[ int rand @pids ]);
	end_clients($node);
	await_checkpointer_after($node, $before);
	start_clients($node);
	return;
}

sub kill_postmaster
{
	my ($node) = @_;

	$node->kill9;
	end_clients($node);
	return;
}

sub start_postmaster
{
	my ($node) = @_;

	restart_after_crash($node);
	start_clients($node);
	return;
}

sub crash_postmaster
{
	my ($node) = @_;

	kill_postmaster($node);
	usleep(int rand 500_000) if rand() < 0.5;
	start_postmaster($node);
	return;
}

# Coordinator and node together; either may be the first to come back.
sub crash_both
{
	my @both = shuffle($coordinator, $nodes[ 1 + int rand 2 ]);

	$_->kill9 foreach @both;
	end_clients($_) foreach @both;
	foreach my $node (shuffle(@both))
	{
		usleep(int rand 500_000);
		start_postmaster($node);
	}
	return;
}

# Again before anything can have settled.
sub crash_repeatedly
{
	my ($node) = @_;

	foreach (1 .. 2)
	{
		crash_postmaster($node);
		usleep(int rand 100_000);
	}
	crash_postmaster($node);
	return;
}

my $is_client = q{application_name = 'load'};
my $is_worker = q{backend_type = 'seqgen worker'};
my @crashes = (
	[ 'kill -9 of the coordinator', sub { crash_postmaster($coordinator) } ],
	[ 'kill -9 of node one', sub { crash_postmaster($nodes[1]) } ],
	[ 'kill -9 of node two', sub { crash_postmaster($nodes[2]) } ],
	[ 'kill -9 of coordinator and node', \&crash_both ],
	[ 'kill -9 of a node again and again', sub { crash_repeatedly($nodes[ 1 + int rand 2 ]) } ],
	[ 'kill -9 of a worker', sub { kill_process($nodes[ int rand 3 ], 'KILL', $is_worker) } ],
	[ q{kill -9 of a node's worker}, sub { kill_process($nodes[ 1 + int rand 2 ], 'KILL', $is_worker) } ],
	[ q{kill -9 of the coordinator's worker}, sub { kill_process($coordinator, 'KILL', $is_worker) } ],
	[ q{kill -9 of a node's backend}, sub { kill_process($nodes[ 1 + int rand 2 ], 'KILL', $is_client) } ],
	[
		q{kill -9 of a backend that serves a node},
		sub { kill_process($coordinator, 'KILL', q{usename = 'noderole'}) }
	],
	[ 'segmentation fault of a backend', sub { kill_process($nodes[ int rand 3 ], 'SEGV', $is_client) } ]);

start_clients($_) foreach @nodes;
my @agenda;
foreach my $round (1 .. $rounds)
{
	@agenda = shuffle(@crashes) unless @agenda;
	my $crash = shift @agenda;

	note("round $round: $crash->[0]");
	await_answers($_) foreach @nodes;
	usleep(int rand 500_000);
	$crash->[1]->();
}

# Then all clients go on, and are ended.
await_answers($_) foreach @nodes;
foreach my $node (@nodes)
{
	$node->safe_psql('postgres',
		"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE $is_client");
	end_clients($node);
}

# No client had another reason to end than the end of its server.
my @errors = grep { /ERROR:/ }
  map { split /\n/, slurp_file("$_.err") } map { map { @$_ } values %$_ } values %answers;
is(join("\n", @errors), '', 'no statement failed');

#
# What came of it
#

# A value more of each, drawn in peace, in one more life.
foreach my $node (@nodes)
{
	my $file = "$folder/answers_" . $node->name . '_last';

	append_to_file($file,
		$node->safe_psql('postgres', "SELECT '$_', NULL, range_nextval('$_'), NULL") . "\n")
	  foreach sort keys %generator;
	push @{ $answers{ $node->name }{ $life{ $node->name } } }, $file;
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM seqgen.range_holding WHERE state <> 'held'})
	  or fail($node->name . ': a request stays unfinished');
}

# Answers by server, generator and life: for each client in turn, those of one
# after the other.
my %drawn;
foreach my $name (keys %answers)
{
	foreach my $life (keys %{ $answers{$name} })
	{
		foreach my $file (@{ $answers{$name}{$life} })
		{
			my %mine;

			foreach my $line (split /\n/, slurp_file($file))
			{
				my ($generator, $begun, $value, $ended) = split /\|/, $line, 4;
				push @{ $mine{$generator} },
				  { begun => $begun, ended => $ended, value => $value };
			}
			push @{ $drawn{$name}{$_}{$life} }, $mine{$_} foreach keys %mine;
		}
	}
}

sub is_increasing
{
	my ($values) = @_;
	return !grep { $values->[ $_ - 1 ] >= $values->[$_] } 1 .. $#$values;
}

# How many draws got a value below one of a draw that had ended when they began.
sub out_of_order
{
	my @events = sort { $a->[0] <=> $b->[0] }
	  map { ([ $_->{begun}, $_->{value}, 0 ], [ $_->{ended}, $_->{value}, 1 ]) }
	  grep { $_->{begun} ne '' } @_;
	my ($newest, $wrong) = (0, 0);

	foreach my $event (@events)
	{
		my (undef, $value, $ended) = @$event;

		$newest = max($newest, $value) if $ended;
		$wrong++ if !$ended && $value < $newest;
	}
	return $wrong;
}

my %holder = map {
	$_->safe_psql('postgres', 'SELECT node FROM seqgen.range_identity') => $_->name
} @nodes;
is(scalar(keys %holder), 3, 'three servers have three names');

my %given;
foreach my $generator (sort keys %generator)
{
	my %blocks;

	# in order; those of the coordinator's own are in its name, too
	foreach my $row (split /\n/, $coordinator->safe_psql('postgres', qq{
			SELECT node, lower(block), upper(block) FROM seqgen.range_allocation
			 WHERE generator = '$generator'::regclass AND state = 'granted' ORDER BY block}))
	{
		my ($holder, $lo, $hi) = split /\|/, $row;
		push @{ $blocks{ $holder{$holder} // $holder } }, { lo => $lo, hi => $hi };
	}
	is_deeply([ sort keys %blocks ], [qw(coordinator one two)],
		"$generator: all blocks are granted to the three servers");

	is( $coordinator->safe_psql('postgres',
			"SELECT holes FROM seqgen.range_usage WHERE generator = '$generator'::regclass"),
		'{}', "$generator: no block was lost between the cursor and the ledger");

	foreach my $name (sort keys %blocks)
	{
		my $lives = $drawn{$name}{$generator};
		my @blocks = @{ $blocks{$name} };
		my $label = "seed $seed, $generator on $name";
		my (%answered, @outside);
		my $offset = 0;
		my ($unordered, $repeated, $below) = (0, 0, 0);
		my $newest = 0;

		foreach my $life (sort { $a <=> $b } keys %$lives)
		{
			my @draws = map { @$_ } @{ $lives->{$life} };
			my @values = map { $_->{value} } @draws;

			$unordered += out_of_order(@draws);
			$unordered += grep { !is_increasing([ map { $_->{value} } @$_ ]) } @{ $lives->{$life} };
			$below += grep { $_ <= $newest } @values;
			$newest = max($newest, @values);
			foreach my $value (@values)
			{
				$repeated++ if $given{$generator}{$value}++;
				push @{ $answered{$life} }, $value;
			}
		}
		is($repeated, 0, "$label: no value was given before, by anyone");
		is($unordered, 0, "$label: each value is above those answered before its draw");
		is($below, 0, "$label: and above those of earlier lives of the server");

		# Number the values of the server's blocks from 0 on, and follow.
		foreach my $block (@blocks)
		{
			$block->{offset} = $offset;
			$offset += $block->{hi} - $block->{lo};
		}
		my $crash_costs = min($step, max(map { $_->{hi} - $_->{lo} } @blocks));
		my $end_costs = @scripts * $generator{$generator}{at_once};
		my ($next, $block, $last_life) = (0, 0, 0);
		my ($too_many, $lost, $worst) = (0, 0, 0);

		# $next is the first that was not drawn in earlier lives
		foreach my $life (sort { $a <=> $b } keys %answered)
		{
			my $last = $next - 1;
			my $crashes = $life - max($last_life, 1);
			my $missing;

			foreach my $value (sort { $a <=> $b } @{ $answered{$life} })
			{
				$block++ while $block < @blocks && $value >= $blocks[$block]{hi};
				if ($block == @blocks || $value < $blocks[$block]{lo})
				{
					push @outside, $value;
					next;
				}
				$last = $blocks[$block]{offset} + $value - $blocks[$block]{lo};
			}

			# what each client was not answered when a life ended lies below
			# the last that was, or above it
			$missing = $last + 1 - $next - @{ $answered{$life} };
			$lost += $missing;
			$worst = max($worst, $missing);
			$too_many++ if $missing > $crashes * ($crash_costs + $end_costs) + $end_costs;
			$next = $last + 1;
			$last_life = $life;
		}
		is(scalar(@outside), 0, "$label: all values are out of the blocks that the ledger says");
		is($too_many, 0, "$label: no crash cost more than a step of one block, and nothing else a value")
		  or diag("up to $worst values were lost");
		cmp_ok($lost, '<=', ($life{$name} - 1) * $crash_costs + $life{$name} * $end_costs,
			"$label: nor did all of them together");
		cmp_ok(scalar(grep { $_->{lo} > $newest } @blocks),
			'<=', 1, "$label: no more than one block lies ahead");
		note(sprintf('%s: %d values, %d blocks, %d lives, %d values lost, at most %d in one',
				$label, sum(map { scalar @$_ } values %answered),
				scalar @blocks, $life{$name}, $lost, $worst));
	}
}

foreach my $node (@nodes)
{
	is($node->safe_psql('postgres', 'SELECT count(*) FROM seqgen.range_in_doubt'),
		0, $node->name . ': nothing is in doubt');
	is($node->safe_psql('postgres',
			q{SELECT count(*) FROM seqgen.range_block WHERE state <> 'sound'}),
		0, $node->name . ': every generator is sound');
}

$_->stop foreach @nodes[ 1, 2, 0 ];
done_testing();
