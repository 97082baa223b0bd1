# Property: without its coordinator a node draws to the end of its lease and
# not an id further; it fails in time then, and draws again by itself as soon
# as it is reached, whatever the network did to the answers meanwhile.  Nobody
# waits for the network while a lease lasts.  No answer that was lost costs a
# number.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use LeaseTest;
use RangeTest ();
use SeqgenTest;

my $lease = 4;	# s
my $back = 5;	# s: service is back, at the latest; a busy machine may add to it

my $coordinator = lease_coordinator('coordinator', conf => <<"CONF");
seqgen.lease = ${lease}s
seqgen.max_node_skew = 1s
CONF
my $proxy = RangeTest::Proxy->new($coordinator);
my $node = lease_node('node', $proxy);
my $other = lease_node('other', $coordinator);
my $third = lease_node('third', $coordinator);
my @errors;
my $timeout = qr/ERROR:  08006: generator "dense" got no node number within 1000 ms/;
my @documented = ('timeout');

# How long an id may take: of each statement that the clients of this session
# issue one after the other, for so many seconds, the longest.
sub longest_draw
{
	my ($seconds) = @_;
	my ($longest, @ids) = split /\n/, value($node, <<"SQL");
CREATE TEMPORARY TABLE t (id bigint, took float8);
DO \$\$
DECLARE
	started timestamptz := clock_timestamp();
	called timestamptz;
	drawn bigint;
BEGIN
	WHILE clock_timestamp() < started + $seconds * interval '1 s' LOOP
		called := clock_timestamp();
		drawn := snowflake_nextval('dense');
		INSERT INTO t VALUES (drawn, extract(epoch FROM clock_timestamp() - called));
		PERFORM pg_sleep(0.001);
	END LOOP;
END \$\$;
SELECT max(took) FROM t;
SELECT id FROM t ORDER BY id;
SQL
	note_ids($node, 'node', 'dense', @ids);
	return $longest;
}

# Renewals so far.
sub generation
{
	return value($node, 'SELECT generation FROM seqgen.node_lease') || 0;
}

draw($node);
my $number = held($node);
ok($number, 'the node has a number');

#
# Shorter than the lease
#

foreach my $mode ('blackhole', 'hold', 'cut 1', 'delay 500')
{
	# before a renewal is due, which lies in it then
	my $generation = generation();
	my @drawing = (start_drawing($node), start_drawing($node, stream => 1, generator => 'wide'));
	await('a renewal', sub { generation() > $generation });
	$proxy->mode($mode);
	cmp_ok(longest_draw(1.5), '<', 0.5, "$mode: nobody waits for the network");
	$proxy->mode('pass');
	$generation = generation();
	ok(await('a renewal', sub { generation() > $generation }, $back), "$mode: the lease is renewed again");
	ok(drawing_goes_on(@drawing), "$mode: clients go on");
	my @complaints;
	finish_drawing(\@complaints, @drawing);
	is(join('', @complaints), '', "$mode: and saw no error");
	is(held($node), $number, "$mode: the number is the same");
}
is(numbers_of($coordinator), 1, 'no other number was given out');
all_ids_differ($coordinator, 'shorter than the lease', registry => $coordinator);

#
# The coordinator goes down in the middle of renewals, and comes back
#

foreach my $how ('immediate', 'kill9')
{
	my $generation = generation();
	my @drawing = start_drawing($node);
	await('a renewal', sub { generation() > $generation });
	if ($how eq 'kill9')
	{
		$coordinator->kill9;
	}
	else
	{
		$coordinator->stop($how);
	}
	cmp_ok(longest_draw(1.5), '<', 0.5, "$how: nobody waits for a coordinator that is down");
	restart_after_crash($coordinator);
	ok(drawing_goes_on(@drawing), "$how: the node draws");
	is(held($node), $number, "$how: under its number") or $number = held($node);
	finish_drawing(\@errors, @drawing);
}
only_documented(\@errors, [@documented], 'coordinator down, shortly');
@errors = ();

#
# Longer than the lease: the two others take both numbers
#

# and for less time from here on
$lease = 2;
set_conf($coordinator, 'seqgen.lease' => "${lease}s");
my @third = start_drawing($third);
ok(drawing_goes_on(@third), 'another node draws');
foreach my $mode ('blackhole', 'hold')
{
	my @drawing = (
		start_drawing($node, timeout => '1s'),
		start_drawing($node, timeout => '1s', stream => 1, generator => 'wide'));
	ok(drawing_goes_on(@drawing), "$mode: the node draws");
	$proxy->mode($mode);
	my $until = value($node, 'SELECT extract(epoch FROM valid_until) FROM seqgen.node_lease');
	my @other = (start_drawing($other), start_drawing($other, generator => 'wide'));
	ok(drawing_goes_on(@other), "$mode: its number is given to somebody else");
	cmp_ok(time, '>=', $until, "$mode: when the lease is over");
	my $error = draws_nothing($node, $timeout, "$mode: the node draws nothing any more");
	like($error, qr/DETAIL: /, "$mode: and says why");
	finish_drawing(\@errors, @drawing);

	# all numbers are taken, so the node waits for the other to let go
	$proxy->mode('pass');
	$error = draws_nothing($node, qr/ERROR: .*number/, "$mode: reached again, it has no number");
	like($error, qr/until|\d\d:\d\d:\d\d/, "$mode: the error says until when");
	finish_drawing(\@errors, @other);
	$other->stop;
	my $took = draw_soon($node);
	cmp_ok($took // 'never', '<', $lease + 1 + $back, "$mode: until the other's lease is over");
	$other->start;
}
only_documented(\@errors, [ @documented, 'exhausted' ], 'longer than the lease');
all_ids_differ($coordinator, 'longer than the lease', registry => $coordinator);

#
# The coordinator is down for longer than the lease
#

$other->stop;
@errors = ();
my @drawing = start_drawing($node, timeout => '1s');
ok(drawing_goes_on(@drawing), 'the node draws');
$coordinator->stop('immediate');
ok(await('the lease is over',
		sub { slurp_file("$drawing[0]{file}.errors") =~ /ERROR: / }, 3 * $lease), 'down for longer, there is an error');
draws_nothing($node, qr/$timeout.*DETAIL: /s, 'which says why');
$coordinator->start;
my $took = draw_soon($node);
cmp_ok($took // 'never', '<', 2 * $back, 'the node draws as soon as the coordinator is back');
ok(drawing_goes_on(@drawing), 'and its clients go on');
finish_drawing(\@errors, @drawing, @third);
only_documented(\@errors, [ @documented, 'exhausted' ], 'coordinator down, for longer');
all_ids_differ($coordinator, 'coordinator down', registry => $coordinator);

#
# Answers that come late, or never
#

@errors = ();

# a node that has no number asks, and its answers are thrown away
my $late = lease_node('late', $proxy);
$third->stop;
$proxy->mode('tear 3');
ok(defined draw_soon($late, timeout => '20s'), 'a node draws though its first answers were lost');
my $uuid = value($late, 'SELECT node FROM seqgen.node_lease');
is(value($coordinator, "SELECT count(*) FROM seqgen.node_history WHERE node = '$uuid'"),
	'1', 'which cost it no second number');
$proxy->mode('pass');

#
# Ids that are far ahead of the clock are at the end of any lease
#

my $requests = $proxy->count('requests');
my $started = time;
@drawing = start_drawing($late, clients => 2, ids => 4000, pause => 0, timeout => '10s');
ok(drawing_goes_on(@drawing), 'clients draw as much as they can');
usleep(3_000_000);
$requests = $proxy->count('requests') - $requests;
cmp_ok($requests / (time - $started), '<', 25, 'which does not flood the coordinator');
ok(drawing_goes_on(@drawing), 'they go on');
finish_drawing(\@errors, @drawing);
only_documented(\@errors, [@documented], 'late answers');
all_ids_differ($coordinator, 'all in all', registry => $coordinator);

$_->stop foreach ($late, $node, $coordinator);
done_testing();
