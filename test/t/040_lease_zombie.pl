# Property: a process, or a whole server, that is stopped in the middle of
# drawing for longer than its lease, and goes on while another node bears its
# number, ends in a wait or in an error, never in an id that the other gives
# too: whatever its clock reads by then.

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

# Two numbers: one of them has a holder that never lets go of it, the other
# goes to and fro between two servers.
my $coordinator = lease_coordinator('coordinator', conf => <<'CONF');
seqgen.lease = 2s
seqgen.max_node_skew = 1s
CONF
my $third = lease_node('third', $coordinator);
my @third = start_drawing($third);
ok(drawing_goes_on(@third), 'one number is taken for good');

my %node = map { $_ => lease_node($_, $coordinator) } ('zombie', 'other');
my %drawing;
my @errors;

# Clients of all sorts: in short statements, and in the middle of a long one;
# of a generator that never has an id to spare, and of one that has many.
sub start
{
	my ($name) = @_;
	$drawing{$name} = [
		start_drawing($node{$name}, clients => 2),
		start_drawing($node{$name}, generator => 'wide', pause => 0.001, ids => 20),
		start_drawing($node{$name}, stream => 1, ids => 10),
		start_drawing($node{$name}, generator => 'wide', stream => 1, ids => 100) ];
	return;
}

sub draws
{
	my ($name, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(drawing_goes_on(@{ $drawing{$name} }[ 0, 2 ]), "$name draws $when");
}

# The processes that are stopped: those that draw and the worker, or all.
sub victims
{
	my ($name, $whole) = @_;
	return processes_of($node{$name}) if $whole;
	return (processes_of($node{$name}, 'client backend'), processes_of($node{$name}, 'seqgen worker'));
}

start('zombie');
draws('zombie', 'at first') or die 'nothing works';
my $number = held($node{zombie});
isnt($number, held($third), 'they have two numbers');
is(numbers_of($coordinator), 2, 'which are all there are');

#
# Stopped, and back while another bears the number
#

my ($stopped, $running) = ('zombie', 'other');
my @windows;
foreach my $round (1 .. 4)
{
	# in the middle of whatever they do
	usleep(rand(50_000));
	my @victims = victims($stopped, $round % 2);
	pause(@victims);

	start($running) if !$drawing{$running};
	draws($running, "while $stopped is stopped, round $round");
	is(held($node{$running}), $number, 'under the number of the other');

	resume(@victims);
	draws($running, "while $stopped is back");
	($stopped, $running) = ($running, $stopped);
}
my ($victims) = value($coordinator, "SELECT count(*) FROM seqgen.node_history WHERE bits = 2 AND number = $number");
cmp_ok($victims, '>=', 5, 'the number went from hand to hand');
finish_drawing(\@errors, map { @$_ } values %drawing);
%drawing = ();
only_documented(\@errors, [ 'timeout', 'exhausted' ], 'stopped and back');
all_ids_differ($coordinator, 'stopped and back', registry => $coordinator);

#
# The same with a clock that was set meanwhile
#

# The one that is to run has no number, and its clients come when it is time.
# Back, five seconds: the zombie's lease lasts, by its own clock.  Forward: it
# has run out.
foreach my $step ('-5s', '5s', '-800ms')
{
	my $zombie = $node{zombie};
	$node{other}->stop('immediate');
	start('zombie');
	draws('zombie', "before its clock is set by $step");
	is(held($zombie), $number, 'under the number');
	my @victims = processes_of($zombie);
	$zombie->append_conf('postgresql.conf', "seqgen.debug_clock_offset = '$step'");
	pause(@victims);
	kill('HUP', $victims[0]);

	restart_after_crash($node{other});
	start('other');
	draws('other', 'while the zombie is stopped');
	is(held($node{other}), $number, 'under its number');

	# postmaster first, so that it tells the others of the clock
	resume($victims[0]);
	usleep(20_000);
	resume(@victims[ 1 .. $#victims ]);
	draws('other', 'while the zombie is back');
	my $error = error_of($zombie,
		q{SET seqgen.lease_timeout = '1s'; SELECT snowflake_nextval('dense') FROM generate_series(1, 100000)});
	like($error, qr/ERROR: /, 'which runs into an error in the end');

	shift_clock($zombie, 0);
	draws('other', 'after its clock was set right');
	finish_drawing(\@errors, map { @$_ } values %drawing);
	%drawing = ();
}
only_documented(\@errors, [ 'timeout', 'exhausted', 'skewed', 'clock', 'gone' ], 'clock set meanwhile');
$node{other}->stop;
ok(defined draw_soon($node{zombie}), 'the zombie has its number again as soon as it is free');
is(held($node{zombie}), $number, 'that number');

finish_drawing(\@errors, @third);
all_ids_differ($coordinator, 'all in all', registry => $coordinator);
$_->stop foreach ($third, $node{zombie}, $coordinator);
done_testing();
