# Property: a node draws ids with the number that its coordinator leases it, and
# with no other: over renewals, restarts and crashes it keeps it, after a reboot
# it gets another, without its coordinator it goes on to the end of the window
# and not further; and no id of two nodes is the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;
use RangeTest;

my %drawn;	# by id, who drew it
my $twice = 0;
my $minutes = 0;	# that all clocks are ahead

# Draw ids and return the number that they bear, of a server that must be able to.
sub draw
{
	my ($node, $count) = @_;
	my @ids = split /\n/, $node->safe_psql('postgres',
		'SELECT snowflake_nextval() FROM generate_series(1, ' . ($count // 100) . ')');

	foreach my $id (@ids)
	{
		$twice++ if $drawn{$id};
		$drawn{$id} = $node->name;
	}
	my %numbers = map { ($_ >> 12) & 1023 => 1 } @ids;
	is(keys %numbers, 1, $node->name . ': the ids of one statement bear one number');
	return (keys %numbers)[0];
}

# Drawing fails so, perhaps not with the first attempt: the worker may have asked
# while not all clocks were stepped.
sub draws_nothing
{
	my ($node, $sqlstate, $message, $name, $timeout) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($status, $stdout, $stderr);

	do
	{
		($status, $stdout, $stderr) = $node->psql('postgres',
			'\set VERBOSITY verbose' . "\nSET seqgen.lease_timeout = '" . ($timeout // '500ms') . "';\n"
			  . 'SELECT snowflake_nextval()');
	} while ($status != 0 && $stderr !~ /ERROR:  $sqlstate: .*$message/s && time < $deadline);
	like($stderr, qr/ERROR:  $sqlstate: .*$message/s, $name) or diag("drew $stdout");
	return;
}

# Drawing succeeds again, before long.
sub draws_again
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($node->poll_query_until('postgres', 'SELECT snowflake_nextval() > 0'), $name);
	return draw($node);
}

# What a node says of its lease.
sub lease
{
	my ($node, $columns) = @_;
	return $node->safe_psql('postgres', "SELECT $columns FROM seqgen.node_number");
}

# Set a line of the configuration, which a reload brings into force.
sub set_line
{
	my ($line, @clusters) = @_;
	my ($name, $value) = $line =~ /^(\S+) = '(.*)'$/;

	foreach my $cluster (@clusters)
	{
		$cluster->append_conf('postgresql.conf', $line);
		$cluster->reload;
		$cluster->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'")
		  or die 'could not set ' . $line;
	}
	return;
}

# Step clocks forward.
sub step
{
	my ($by, @clusters) = @_;

	$minutes += $by;
	set_line("seqgen.debug_clock_offset = '${minutes}min'", @clusters);
	return;
}

# After a step: the lease was renewed since the given time.
sub is_renewed
{
	my ($node, $until, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok( $node->poll_query_until('postgres',
			"SELECT valid_until > '$until' AND state = 'held' FROM seqgen.node_number"),
		$name);
	return;
}

my $coordinator = range_coordinator('coordinator');
$coordinator->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole');

my $a = range_node('a', $coordinator,
	conf => "seqgen.node_id = ''\nseqgen.location = '3/5/1'\nseqgen.debug_boot_id = 'first'");
my $b = range_node('b', $coordinator, conf => "seqgen.node_id = ''");

# ---- the first draw leases

my $number_a = draw($a);
my $number_b = draw($b);
cmp_ok($number_a, '>=', 512, 'a leased number is of the upper half');
cmp_ok($number_b, '>=', 512, 'so is the other');
isnt($number_a, $number_b, 'two nodes have two numbers');
is( lease($a, 'bits, datacenter, number, origin, generation > 0, state, message, coordinator'),
	"10|-1|$number_a|leased|t|held||coordinator",
	'the node says what it has');
is( $coordinator->safe_psql('postgres', 'SELECT number, location, state FROM seqgen.nodes ORDER BY granted_at'),
	"$number_a|3/5/1|held\n$number_b||held",
	'the coordinator says who has what');

# ---- renewals

my $generation = lease($a, 'generation');
my $until = lease($a, 'valid_until');
my $until_b = lease($b, 'valid_until');
step(25, $coordinator, $a, $b);
is_renewed($a, $until, 'the lease is renewed when less than two thirds of it remain');
is_renewed($b, $until_b, 'and that of the other');
is(draw($a), $number_a, 'with the number that it had');
is(draw($b), $number_b, 'and so of the other');
cmp_ok(lease($a, 'generation'), '>', $generation, 'the generation grew');

# ---- others' numbers are known

is( $b->safe_psql('postgres', 'SELECT number, location FROM seqgen.node_history ORDER BY serial'),
	"$number_a|3/5/1\n$number_b|",
	'a node knows who has which number, and where');

# ---- restarts

$a->restart;
is(draw($a), $number_a, 'a restart keeps the number');
$a->stop('immediate');
$a->start;
is(draw($a), $number_a, 'a crash keeps the number');

$coordinator->stop;
$a->restart;
is(draw($a), $number_a, 'a restart without the coordinator goes on');
is($a->safe_psql('postgres', 'SELECT count(*) FROM seqgen.node_lease WHERE message IS NOT NULL'), 1,
	'and says why it did not confirm the lease');

# ---- the window ends during the partition

step(70, $a, $b);
draws_nothing($a, '08006', 'The background worker reports: .*(connect|server)',
	'at the end of the window drawing ends, with the reason');
is(lease($a, 'state'), 'ended', 'and the node says that the lease has ended');
$a->restart;
draws_nothing($a, '08006', 'The background worker reports: .*(connect|server)', 'a restart is no way out');
set_line("seqgen.debug_clock_offset = '${minutes}min'", $a);
$coordinator->append_conf('postgresql.conf', "seqgen.debug_clock_offset = '${minutes}min'");
$coordinator->start;
$number_a = draws_again($a, 'with the coordinator drawing goes on');
$number_b = draws_again($b, 'and on the other node');
isnt($number_a, $number_b, 'with two numbers');

# ---- a reboot

$a->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'second'");
$a->restart;
my $before = $number_a;
$number_a = draw($a);
isnt($number_a, $before, 'after a reboot the node has another number');
isnt($number_a, $number_b, 'and not that of the other node');

# ---- a clock that is wrong

$a->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'third'");
$a->append_conf('postgresql.conf',
	"seqgen.debug_clock_offset = '" . ($minutes + 20) . "min'");
$a->restart;
draws_nothing($a, '55000', 'too far apart: .*\d\d:\d\d:\d\d.*\d\d:\d\d:\d\d',
	'a node whose clock is wrong gets no number, and is told both times', '30s');
set_line("seqgen.debug_clock_offset = '${minutes}min'", $a);
$number_a = draws_again($a, 'with the clock corrected it does');

# ---- no coordinator any more

$a->safe_psql('postgres', 'DROP SERVER coordinator CASCADE');
is(draw($a), $number_a, 'after DROP SERVER the lease is used to its end');
step(70, $a, $b, $coordinator);
$number_b = draws_again($b, 'the other node leases as before');
draws_nothing($a, '55000', 'no foreign server names a coordinator',
	'and not further', '30s');
name_coordinator($a, $coordinator);
$number_a = draws_again($a, 'until there is a coordinator again');

# ---- numbers set by hand

my $c = range_node('c', $coordinator,
	conf => "seqgen.node_id = 7\nseqgen.debug_clock_offset = '${minutes}min'");
is(draw($c), 7, 'a number set by hand serves');
is( $coordinator->safe_psql('postgres', 'SELECT number, state FROM seqgen.nodes WHERE bits = 0'),
	'7|held', 'and the coordinator knows of it');
is(lease($c, 'bits, number, origin, valid_until, state'), '0|7|set||held', 'the node says so, too');

my $identity = $coordinator->safe_psql('postgres', 'SELECT identity FROM seqgen.node WHERE bits = 0');
my $d = range_node('d', $coordinator,
	conf => "seqgen.node_id = 7\nseqgen.debug_clock_offset = '${minutes}min'");
draws_nothing($d, '55006', "refused: .*\Q$identity\E",
	'a second server with the number is refused, with who has it', '30s');
is(lease($d, 'state'), 'refused', 'and says that it was');
$d->restart;
draws_nothing($d, '55006', 'refused: ', 'a restart is no way out', '30s');
is(draw($c), 7, 'the first one goes on');

# released, it goes to whoever asks next
$c->stop;
$coordinator->safe_psql('postgres', 'SELECT seqgen.node_release(7, 0)');
is(draws_again($d, 'after its release the number is the other server\'s'), 7, 'and serves there');
$c->start;
draws_nothing($c, '55006', 'refused: ', 'and the first one is refused', '30s');

# ---- leased and set by hand

$d->append_conf('postgresql.conf', "seqgen.node_id = ''");
$d->restart;
my $number_d = draw($d);
cmp_ok($number_d, '>=', 512, 'without a number set by hand the server leases one');
$d->append_conf('postgresql.conf', 'seqgen.node_id = 8');
$d->restart;
is(draw($d), 8, 'and with one it does not use it any more');
is($d->safe_psql('postgres', 'SELECT bits, number FROM seqgen.node_lease'), '0|8',
	'the lease is left alone');

# ---- a database of the same server

$b->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
my $copy = $b->safe_psql('copy', 'SELECT snowflake_node(snowflake_nextval())');
cmp_ok($copy, '>=', 512, 'a copy of the database leases a number of its own');
isnt($copy, $number_b, 'which is not that of the original');
is(draw($b), $number_b, 'that goes on with its own');

# ---- another coordinator

my $other = range_coordinator('other', conf => "seqgen.debug_clock_offset = '${minutes}min'");
$other->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole');
my ($host, $port) = ($other->host, $other->port);
$b->safe_psql('postgres', "ALTER SERVER coordinator OPTIONS (SET host '$host', SET port '$port')");
$b->restart;
is(draw($b), $number_b, 'with another coordinator a lease is used to its end');
like(lease($b, 'message'), qr/grants no new number yet/, 'which does not prolong it');
step(70, $other, $b);
draws_nothing($b, '55000', 'grants no new number yet',
	'the other coordinator waits for the leases that it does not know', '30s');
$other->safe_psql('postgres', 'SELECT seqgen.node_resume()');
$number_b = draws_again($b, 'until somebody says that there are none');
is( $b->safe_psql('postgres',
		'SELECT count(DISTINCT ledger_id) FROM seqgen.node_history'), 2,
	'what the first one told is kept');

# a lease that it does not wait for, either
set_line("seqgen.debug_clock_offset = '${minutes}min'", $coordinator);
$b->poll_query_until('copy', 'SELECT snowflake_nextval() > 0') or die 'the copy gets no lease';
$copy = $b->safe_psql('copy', 'SELECT snowflake_node(snowflake_nextval())');
$b->safe_psql('copy', "ALTER SERVER coordinator OPTIONS (SET host '$host', SET port '$port')");
$b->restart;
is($b->safe_psql('copy', 'SELECT snowflake_node(snowflake_nextval())'), $copy,
	'what the other coordinator grants is not used as long as the lease lasts');
like($b->safe_psql('copy', 'SELECT message FROM seqgen.node_number'), qr/another coordinator/,
	'and the node says why');
step(70, $other, $b);
ok( $b->poll_query_until('copy', 'SELECT snowflake_nextval() > 0'),
	'after that a number of the other coordinator serves');
is( $b->safe_psql('copy', 'SELECT ledger_id FROM seqgen.node_lease'),
	$other->safe_psql('postgres', 'SELECT id FROM seqgen.range_ledger'),
	'and the node has it from there');

# ---- a database that names itself as its coordinator

name_coordinator($other, $other);
$other->restart;
draws_nothing($other, '55006', 'the coordinator is this database itself',
	'nobody is their own coordinator', '30s');

is($twice, 0, 'no id was drawn twice: ' . keys(%drawn) . ' in all');

done_testing();
