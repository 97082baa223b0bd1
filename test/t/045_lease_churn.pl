# Property: many more nodes than there are numbers come and go, are dropped,
# crash in a row and come back, and no two of them ever draw under one number at
# one time.  When all numbers are taken the error says until when.  Numbers by
# hand and leased ones never meet, and a number by hand has one server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use LeaseTest;
use SeqgenTest;

$LeaseTest::node_bits = 4;

my $lease = 1;	# s
my $taken = qr/ERROR: .*number/;

my $coordinator = lease_coordinator('coordinator', conf => <<"CONF");
seqgen.lease = ${lease}s
seqgen.max_node_skew = 1s
max_connections = 150
CONF
my $node = lease_node('node', $coordinator, conf => <<'CONF');
max_worker_processes = 60
max_connections = 150
seqgen.lease_timeout = 60s
CONF
my @errors;

# ---- Databases of one server, each of them a node: 36 over 8 numbers

value($node, q{DROP SERVER coordinator CASCADE});
value($node, 'CREATE DATABASE origin TEMPLATE postgres', 'template1');
name_coordinator($node, 'origin', $coordinator);

my ($waves, $wave) = (3, 12);
my %number_of;
my $failed = 0;
foreach my $round (1 .. $waves)
{
	my @names = map { "n${round}_$_" } 1 .. $wave;
	value($node, "CREATE DATABASE $_ TEMPLATE origin", 'template1') foreach (@names);

	# more than there are numbers: each gives its number back, by its end, and
	# the last ones get what the first ones had
	my @waiting = @names;
	my @drawing;
	while (@waiting || @drawing)
	{
		while (@drawing < 6 && @waiting)
		{
			my $name = shift @waiting;
			push @drawing, [ $name, start_drawing($node, database => $name) ];
		}
		my ($name, @clients) = @{ shift @drawing };
		$failed++ if !drawing_goes_on(@clients);
		$number_of{$name} = held($node, $name);
		finish_drawing(\@errors, @clients);
		value($node, "DROP DATABASE $name WITH (FORCE)", 'template1');
	}
}
is($failed, 0, "$waves waves of $wave databases each: all draw");
is(scalar(keys %number_of), $waves * $wave, 'every one of them has had a number');
is(numbers_of($coordinator), 8, 'of the eight that there are');
is(value($coordinator, 'SELECT count(*) >= 36 FROM seqgen.node_history WHERE bits = 4'), 't', 'each was given out many times');
only_documented(\@errors, [ 'timeout', 'exhausted', 'gone' ], 'databases come and go');
all_ids_differ($coordinator, 'databases come and go', registry => $coordinator);

# ---- All numbers taken

my @names = map { "t$_" } 1 .. 9;
value($node, "CREATE DATABASE $_ TEMPLATE origin", 'template1') foreach (@names);
@errors = ();
my @drawing = map { start_drawing($node, database => $_, pause => 0.05) } @names[ 0 .. 7 ];
ok(drawing_goes_on(@drawing), 'eight nodes draw');
my %held = map { $_ => held($node, $_) } @names[ 0 .. 7 ];
is(scalar(keys %{ { reverse %held } }), 8, 'with all eight numbers');
my $started = time;
my $error = draws_nothing($node, $taken, 'the ninth gets none', database => 't9');
like($error, qr/all|taken|in use|free/i, 'for all are taken');
like($error, qr/\d\d:\d\d:\d\d/, 'the error says until when');
like($error, qr/ERROR:  53400: /, 'with its SQLSTATE');
usleep(1_000_000 * 2 * $lease);
ok(drawing_goes_on(@drawing), 'the eight go on');
is(held($node, $_), $held{$_}, "$_ keeps its number") foreach (@names[ 0 .. 7 ]);

# released by a DBA, it is not prolonged any more, and free when its lease ends
my $released = $held{t1};
my $free_at = value($coordinator, "SELECT extract(epoch FROM seqgen.node_release($released, 4))");
cmp_ok($free_at, '<=', time + $lease + 1 + 1, 'node_release tells from when the number can be given again');
my $until = value($coordinator, "SELECT valid_until FROM seqgen.node WHERE bits = 4 AND number = $released");
my ($client) = shift @drawing;
finish_drawing(\@errors, $client);
value($node, 'DROP DATABASE t1 WITH (FORCE)', 'template1');
is(value($coordinator, "SELECT count(*) FROM seqgen.node_history WHERE bits = 4 AND number = $released AND valid_from < '$until'
	AND coalesce(valid_until, '$until') > '$until'"), '0', 'its window ends where it ended when it was released');
cmp_ok(draw_soon($node, database => 't9', seconds => 20) // 'never', '<', 10, 'who waited for a number has one');
is(held($node, 't9'), $released, 'which is the one that was released');
cmp_ok(time, '>=', $free_at - 0.1, 'and not before it was told to be free');
ok(drawing_goes_on(@drawing), 'the others go on');
finish_drawing(\@errors, @drawing);
like(error_of($coordinator, 'SELECT seqgen.node_release(15, 4)', extra_params => [ '-U', 'noderole' ]),
	qr/permission denied/, 'a node cannot release numbers');
like(error_of($coordinator, 'SELECT seqgen.node_release(7, 4)'), qr/ERROR:  (42704|22023|55000): /, 'nor anybody one that was not given');

value($node, "DROP DATABASE $_ WITH (FORCE)", 'template1') foreach (@names[ 1 .. 8 ]);
only_documented(\@errors, [ 'timeout', 'exhausted', 'gone' ], 'all taken');
all_ids_differ($coordinator, 'all taken', registry => $coordinator);

# ---- Crashes in a row

@errors = ();
my $stormy = lease_node('stormy', $coordinator);
set_conf($coordinator, 'seqgen.lease' => '30s');
draw_soon($stormy, seconds => 20);
my $number = held($stormy);
my $given = numbers_of($coordinator);
my $serial = value($coordinator, 'SELECT max(serial) FROM seqgen.node_history');
foreach my $crash (1 .. 12)
{
	my @drawing = start_drawing($stormy);
	drawing_goes_on(@drawing) if $crash % 3;
	crash($stormy, $crash % 4 ? 'immediate' : 'kill9');
	finish_drawing(\@errors, @drawing);
}
ok(defined draw_soon($stormy), 'after twelve crashes in a row a node draws');
is(held($stormy), $number, 'under its number');
is(value($coordinator, "SELECT count(*) FROM seqgen.node_history WHERE serial > $serial"), '0', 'and has used up no other');
only_documented(\@errors, [ 'timeout', 'gone' ], 'crashes in a row');
all_ids_differ($coordinator, 'crashes in a row', registry => $coordinator);

# rebooted in a row it takes a new one each time, as long as there are some
foreach my $boot (1 .. 3)
{
	$stormy->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'boot$boot'");
	crash($stormy);
	ok(defined draw_soon($stormy, seconds => 20), "reboot $boot: it draws");
}
all_ids_differ($coordinator, 'reboots in a row', registry => $coordinator);

# ---- Numbers by hand

# registered; a second server with the same one is refused
set_conf($coordinator, 'seqgen.lease' => '2s');
my $byhand = lease_node('byhand', $coordinator, conf => 'seqgen.node_id = 3');
draw($byhand, count => 1000);
is(value($byhand, q{SELECT (snowflake_decode(snowflake_nextval('dense'), 'dense'::regclass)).node}), '3', 'a number by hand is used');
ok(await('registration', sub {
	value($coordinator, 'SELECT count(*) FROM seqgen.node WHERE bits = 0 AND number = 3') eq '1' }), 'and registered');
my $second = lease_node('second', $coordinator, conf => "seqgen.node_id = 3");
$error = draws_nothing($second, $taken, 'a second server with the same number draws nothing', timeout => '4s');
my ($uuid, $identity) = split /\|/, value($coordinator, 'SELECT node, identity FROM seqgen.node WHERE bits = 0 AND number = 3');
like($error, qr/\Q$uuid\E|\Q$identity\E/, 'the error names the other');
like($error, qr/ERROR:  55006: /, 'with its SQLSTATE');
is(scalar(draw($byhand, count => 1000)), 1000, 'the first goes on');

# the coordinator's own number counts
my $third = lease_node('third', $coordinator, conf => 'seqgen.node_id = 1');
draws_nothing($third, $taken, q{the coordinator's own number is not another's}, timeout => '4s');
$third->append_conf('postgresql.conf', 'seqgen.node_id = 4');
$third->restart;
ok(defined draw_soon($third), 'with a number of its own it draws');

# who came second draws once the first is gone for good
$byhand->stop('immediate');
ok(defined draw_soon($second, seconds => 30), 'when the first is gone for as long as a lease, the second has the number');
$byhand->start;
draws_nothing($byhand, $taken, 'and the first is refused when it is back', timeout => '4s');

# by hand a release is at once
value($coordinator, 'SELECT seqgen.node_release(3, 0)');
is(value($coordinator, q{SELECT count(*) FROM seqgen.node WHERE bits = 0 AND number = 3 AND state = 'held'
	AND node = '} . $uuid . q{'}), '0', 'a number by hand is released at once');

# and while nobody can be asked, a number by hand is used
$coordinator->stop;
$third->restart;
ok(defined draw_soon($third, seconds => 15), 'a number by hand is used though nobody can be asked');
$coordinator->start;
my @ids = draw($third);
is(value($third, "SELECT DISTINCT (snowflake_decode(id, 'dense'::regclass)).node FROM unnest('{" . join(',', @ids) . "}'::bigint[]) id"),
	'4', 'it is the one that is set');
all_ids_differ($coordinator, 'by hand');

$_->stop foreach ($second, $byhand, $third, $stormy, $node, $coordinator);
done_testing();
