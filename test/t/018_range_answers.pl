# Property: however late an answer of the coordinator comes, and if it is lost
# after the coordinator has committed, no block is lost and none is fetched
# twice: each request has one row in the ledger, and its block is used.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RangeTest;
use SeqgenTest;

# The coordinator's log tells what it was asked.
my $coordinator = range_coordinator('coordinator', conf => 'log_parameter_max_length = -1');
my @proxies = map { RangeTest::Proxy->new($coordinator) } 1 .. 3;
my @nodes = map {
	range_node("node$_", $proxies[ $_ - 1 ],
		conf => "log_statement = none\nseqgen.range_timeout = '60s'")
} 1 .. 3;

# By generator: the values that were drawn, by the index of the node.
my %drawn;

sub value
{
	my ($node, $sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# How many blocks the ledger holds for a generator.
sub granted
{
	my ($generator) = @_;
	return value($coordinator,
		"SELECT count(*) FROM seqgen.range_allocation WHERE generator = '$generator'::regclass");
}

# Create a generator of small blocks, and on each node a table of its values.
sub create
{
	my ($generator, $size) = @_;
	create_range($generator, "block_size => $size, max_block_size => $size", $coordinator, @nodes);
	value($_, "CREATE TABLE ${generator}_drawn (id bigint DEFAULT range_nextval('$generator') PRIMARY KEY)")
	  foreach @nodes;
	return;
}

# Start clients that insert into the table of a generator.
sub start_clients
{
	my ($node, $generator, $clients, $transactions) = @_;
	my $script = $node->basedir . "/$generator";
	my $output = '';

	unlink $script;
	append_to_file($script, "INSERT INTO ${generator}_drawn DEFAULT VALUES;");
	my $run = IPC::Run::start(
		[
			'pgbench', '--no-vacuum', "--client=$clients", '--jobs=1',
			"--transactions=$transactions", "--file=$script", $node->connstr('postgres')
		],
		'<', '/dev/null', '>', \$output, '2>&1');
	return { run => $run, output => \$output, all => $clients * $transactions };
}

# They came to their end without an error.
sub clients_ended_well
{
	my ($name, @clients) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$_->{run}->finish foreach @clients;
	my @bad =
	  grep { ${ $_->{output} } !~ m{processed: $_->{all}/$_->{all}\n} || ${ $_->{output} } =~ /error/i }
	  @clients;
	is(scalar(@bad), 0, "$name: every client got its values")
	  or BAIL_OUT(join('', map { ${ $_->{output} } } @bad));
	return;
}

# The requests for blocks that reached the coordinator, as its log shows them:
# by key, how often each.
sub requests_of
{
	my ($generator) = @_;
	my %requests;
	my $log = slurp_file($coordinator->logfile);

	while ($log =~ /DETAIL:  [Pp]arameters: \$1 = '"?public"?\."?$generator"?', \$2 = '([^']*)', \$3 = '(\d+)', \$4 = '(\d+)'/g)
	{
		$requests{"$1/$2"}++ if $3 > 0;
	}
	return %requests;
}

# What must be true at the end of each part.
sub nothing_lost_nothing_doubled
{
	my ($generator, $name, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	settle(@nodes);
	my %requests = requests_of($generator);

	is(join("\n", sort keys %requests), value($coordinator, <<"SQL"), "$name: each request has one row in the ledger");
SELECT key FROM (
	SELECT incarnation || '/' || request AS key
	  FROM seqgen.range_allocation WHERE generator = '$generator'::regclass) k
 ORDER BY key COLLATE "C"
SQL
	ledger_is_sound($coordinator, $generator, $name);
	is(value($coordinator, "SELECT holes FROM seqgen.range_usage WHERE generator = '$generator'::regclass"),
		'{}', "$name: and there is no hole between blocks");
	gather($coordinator, "SELECT id FROM ${generator}_drawn", @nodes);
	values_fit_ledger($coordinator, $generator,
		value($coordinator, 'SELECT count(*) FROM gathered'), $name);
	return if $params{crashed};
	values_are_complete($coordinator, $generator, $_, "$name, " . $_->name) foreach @nodes;
	return;
}

# The blocks that a proxy handed on to its node, and how often each.
sub handed_on
{
	my ($proxy) = @_;
	my %blocks;
	$blocks{"[$_->[0],$_->[1])"}++ foreach grep { $_->[2] eq 'passed' } $proxy->grants;
	return \%blocks;
}

sub blocks_of
{
	my ($node) = @_;
	my $uuid = node_uuid($node);
	return {
		map { $_ => 1 }
		  split(/\n/, value($coordinator, "SELECT block FROM seqgen.range_allocation WHERE node = '$uuid'"))
	};
}

#
# Answers that come late, while many clients race for the refill
#
create('late', 5);
$proxies[0]->mode('delay 15');
$proxies[1]->mode('delay 40');
$proxies[2]->mode('delay 120');
clients_ended_well('late answers',
	start_clients($nodes[0], 'late', 16, 20),
	start_clients($nodes[1], 'late', 16, 10),
	start_clients($nodes[2], 'late', 16, 5));
$_->mode('pass') foreach @proxies;
nothing_lost_nothing_doubled('late', 'late answers');
my %requests = requests_of('late');
is(scalar(grep { $_ > 1 } values %requests), 0, 'nobody asked twice only because the answer was late');

# Sixteen clients wait for one answer: there is one request, and it serves all.
# Two blocks of five may be there, so that none of them gets eleven values.
my $there = granted('late');
$proxies[0]->mode('hold');
my $waiting = start_clients($nodes[0], 'late', 16, 11);
ok( $nodes[0]->poll_query_until('postgres',
		"SELECT count(*) = 16 FROM pg_stat_activity
		  WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'"),
	'sixteen clients wait for a block');
is($proxies[0]->count('kept'), 1, 'for one answer');
is(granted('late'), $there + 1, 'to one request');
$proxies[0]->mode('pass');
clients_ended_well('waiting clients', $waiting);
nothing_lost_nothing_doubled('late', 'waiting clients');

#
# Two hundred answers that are lost after the commit
#
create('lost', 3);
my $lost_before = 0;

# Draw on all nodes until each proxy has done what its mode says.
sub until_counted
{
	my ($name, $what, $count, $mode) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @before = map { $_->count($what) } @proxies;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$_->mode($mode) foreach @proxies;
	while (grep { $proxies[$_]->count($what) < $before[$_] + $count } 0 .. $#proxies)
	{
		clients_ended_well($name,
			map { start_clients($nodes[$_], 'lost', 4, $count) }
			grep { $proxies[$_]->count($what) < $before[$_] + $count } 0 .. $#proxies);
		die "$name: not in time" if time > $deadline;
	}
	$_->mode('pass') foreach @proxies;
	is(join(' ', map { $proxies[$_]->count($what) - $before[$_] } 0 .. $#proxies),
		"$count $count $count", "$name: $count by each proxy");
	return;
}

until_counted('first answers are lost', 'cut', 50, 'cut 50 1');
until_counted('half of an answer arrives', 'torn', 8, 'tear 8 1');
until_counted('answers are lost three times in a row', 'cut', 12, 'cut 12 3');
my $lost = 0;
$lost += $_->count('cut') + $_->count('torn') foreach @proxies;
cmp_ok($lost, '>=', 200, "$lost answers were lost after the commit");
until_counted('requests are lost before they arrive', 'lost', 4, 'lose 4');
nothing_lost_nothing_doubled('lost', 'lost answers');

%requests = requests_of('lost');
my $asked = 0;
$asked += $_ foreach values %requests;
is($asked, granted('lost') + $lost, 'every lost answer was asked for again, once');
is(scalar(grep { $_ >= 4 } values %requests), 12, 'some of them four times');

#
# The same with whatever can end meanwhile: the answer is gone with the
# connection, and whoever asks again has the same key.
#
create('ended', 4);
my $node = $nodes[0];
my $proxy = $proxies[0];

# Draw one value, and remember it.
sub draw
{
	return value($node, 'INSERT INTO ended_drawn DEFAULT VALUES RETURNING id');
}

# Draw until the next block is asked for, whose answer is held.  Returns how
# many blocks the ledger holds now.
sub hold_answer
{
	my $before = granted('ended');
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	$proxy->mode('hold');
	for (;;)
	{
		my $next = value($node, q{SELECT next_block IS NULL AND upper(block) - 1 = "position"
			FROM seqgen.range_block WHERE generator = 'ended'::regclass});
		last if $next eq 't';
		draw();
		die 'no answer is held' if time > $deadline;
		# the worker has time to ask before the block ends
		usleep(20_000);
	}
	usleep(20_000) until $proxy->count('kept') == 1 || time > $deadline;
	is($proxy->count('kept'), 1, 'an answer is held');
	is(granted('ended'), $before + 1, 'which is committed at the coordinator');
	return $before + 1;
}

# By name, what ends while the answer is on its way.
my @ends = (
	'the worker is terminated' => sub {
		my $worker = q{FROM pg_stat_activity WHERE backend_type = 'seqgen worker'};
		my $pid = value($node, "SELECT pid $worker");
		value($node, "SELECT pg_terminate_backend($pid)");
		$node->poll_query_until('postgres', "SELECT count(*) = 0 $worker AND pid = $pid")
		  or die 'the worker stays';
	},
	'the coordinator crashes' => sub { crash($coordinator); },
	'the coordinator restarts' => sub { $coordinator->restart; },
	'the node crashes' => sub { crash($node); },
	'the node restarts' => sub { $node->restart; });

draw();
while (my ($name, $end) = splice(@ends, 0, 2))
{
	my $count = hold_answer();
	my $requested = value($node, q{SELECT incarnation, request FROM seqgen.range_holding
		WHERE generator::regclass = 'ended'::regclass AND state = 'requested'});
	my $pattern = qr/^[0-9a-f-]{36}\|\d+$/;
	like($requested, $pattern, "$name: the request is noted");
	my $block = value($coordinator, qq{SELECT block FROM seqgen.range_allocation
		WHERE incarnation || '|' || request = '$requested'});
	like($block, qr/^\[\d+,\d+\)$/, 'under a key that the ledger has');

	$end->();
	$proxy->mode('refuse');
	$proxy->mode('pass');
	my $id = draw();
	is(value($coordinator, "SELECT '$block'::int8range @> $id\::bigint"), 't', 'its block is used next');
	is(granted('ended'), $count, 'and no other was fetched');
	nothing_lost_nothing_doubled('ended', $name, crashed => 1);
}

# The other nodes have not drawn from this one.  Only the node's crash may have
# lost values: those of the block that was current.
value($_, 'INSERT INTO ended_drawn DEFAULT VALUES') foreach @nodes;
nothing_lost_nothing_doubled('ended', 'at the end', crashed => 1);

# What the ledger says a node was given is what the node was sent; more than
# once only where what it was sent did not reach it.
foreach my $i (0 .. $#nodes)
{
	my $handed_on = handed_on($proxies[$i]);
	is_deeply([ sort keys %$handed_on ], [ sort keys %{ blocks_of($nodes[$i]) } ],
		$nodes[$i]->name . ': each block of the ledger reached its node');
	is_deeply([ grep { $handed_on->{$_} > 1 } keys %$handed_on ], [], 'once');
}

$_->stop foreach @nodes, $coordinator;
done_testing();
