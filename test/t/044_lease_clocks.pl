# Property: nodes whose clocks differ by up to the skew that is allowed share a
# coordinator, and a pool of few numbers, without a duplicate, and so do clocks
# that are stepped either way while ids are drawn.  A clock that is further off
# is refused with both times, draws not beyond the lease that it has, and is
# served as soon as it is set right.

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

$LeaseTest::node_bits = 3;

# All clocks of this test are this much ahead of the machine's: it passes by
# for all of them at once.
my $passed = 0;	# min
my %offset = (coordinator => 0, slow => -10, right => 0, fast => 10);	# min

# The default lease, and the default skew.
my %cluster = (coordinator => lease_coordinator('coordinator'));
$cluster{$_} = lease_node($_, $cluster{coordinator}, conf => "seqgen.debug_clock_offset = '$offset{$_}min'")
  foreach ('slow', 'right', 'fast');
my @nodes = ('slow', 'right', 'fast');
my @errors;
my %drawing;

sub clock_of
{
	my ($name) = @_;
	return ($passed + $offset{$name}) . 'min';
}

sub pass_minutes
{
	my ($minutes) = @_;

	$passed += $minutes;
	shift_clock($cluster{$_}, clock_of($_)) foreach (sort keys %cluster);
	return;
}

# Time goes on for these, and each renews meanwhile.  A clock that is slow by
# nearly the skew finds its lease due late, not long before it is too late.
sub pass_and_renew
{
	my ($minutes, @names) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $late = '';

	for (my $left = $minutes; $left > 0 && $late eq ''; $left -= 9)
	{
		pass_minutes($left > 9 ? 9 : $left);
		foreach my $name (@names)
		{
			my $now = $passed + $offset{$name};
			await("$name renews", sub { value($cluster{$name}, <<"SQL") eq 't' }, 20) or $late .= " $name";
SELECT valid_until - clock_timestamp() > interval '$now min' + interval '39 min' FROM seqgen.node_lease
SQL
		}
	}
	is($late, '', "$minutes minutes go by: @names renew")
	  or diag(map { value($cluster{$_}, 'SELECT clock_timestamp(), * FROM seqgen.node_lease') } @names);
	return;
}

# Set one node's clock, in minutes against the true one.
sub set_clock
{
	my ($name, $minutes) = @_;

	$offset{$name} = $minutes;
	shift_clock($cluster{$name}, clock_of($name));
	return;
}

sub start
{
	$drawing{$_} = [
		start_drawing($cluster{$_}, clients => 2, ids => 20, pause => 0.02),
		start_drawing($cluster{$_}, generator => 'wide', ids => 100) ]
	  foreach (@_);
	return;
}

sub draw_all
{
	my ($name, @names) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(drawing_goes_on(map { @{ $drawing{$_} } } @names), $name);
}

sub finish
{
	finish_drawing(\@errors, map { @{ delete $drawing{$_} } } @_);
	return;
}

# how far the ids of a node are off the machine's clock, in minutes
sub ids_are_off
{
	my ($name) = @_;
	my ($id) = draw($cluster{$name}, generator => 'wide', count => 1);
	return value($cluster{$name}, <<"SQL");
SELECT round(extract(epoch FROM snowflake_timestamp($id, 'wide'::regclass) - clock_timestamp()) / 60)
SQL
}

sub names_both_times
{
	my ($error) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @times = $error =~ /\d\d:\d\d:\d\d/g;

	cmp_ok(scalar(@times), '>=', 2, 'the error names both times') or diag($error);
	return;
}

#
# Within the skew
#

start(@nodes);
draw_all('nodes at -10, 0 and +10 minutes draw', @nodes);
is(join(' ', map { ids_are_off($_) } @nodes), '-10 0 10', 'each by its own clock');
my %number = map { $_ => held($cluster{$_}) } @nodes;
is(scalar(keys %{ { reverse %number } }), 3, 'with three numbers');
is(value($cluster{$_}, <<"SQL"), 't', "$_: the lease reaches one hour beyond the later of both clocks")
SELECT valid_until - clock_timestamp() BETWEEN interval '@{[60 + ($offset{$_} > 0 ? $offset{$_} : 0)]} min' - interval '1 min'
										   AND interval '@{[60 + ($offset{$_} > 0 ? $offset{$_} : 0)]} min'
  FROM seqgen.node_lease
SQL
  foreach (@nodes);
all_ids_differ($cluster{coordinator}, 'nodes at -10, 0, +10 minutes', registry => $cluster{coordinator});

# stepped either way, in the middle of it; time goes on, so that each step
# meets renewals, too
foreach my $step ([ slow => 10 ], [ fast => -10 ], [ right => 7 ], [ fast => 14 ], [ slow => -14 ], [ right => 0 ])
{
	my ($name, $minutes) = @$step;
	my $back = $minutes < $offset{$name};

	set_clock($name, $minutes);
	draw_all("$name was set to $minutes minutes: the others draw", grep { $_ ne $name } @nodes);
	if ($back)
	{
		# its ids do not go back, so they are ahead of the clock now
		draws_nothing($cluster{$name}, qr/ERROR:  55000: generator "dense" is too far ahead of the clock/, "$name was set back: an error");
		like(draws_nothing($cluster{$name}, qr/DETAIL: .*\d\d:\d\d.*\d\d:\d\d/, 'which names both times'),
			qr/seqgen\.max_lead/, 'and the setting');
	}
	pass_and_renew(25, @nodes);
	draw_all('all draw', @nodes);
	is(held($cluster{$name}), $number{$name}, "$name has kept its number");
}
finish(@nodes);
only_documented(\@errors, ['clock'], 'clocks within the skew');
all_ids_differ($cluster{coordinator}, 'clocks stepped within the skew', registry => $cluster{coordinator});

#
# A number that goes from a fast node to a slow one, and the other way
#

# there is a fourth number
@errors = ();
start('right');
draw_all('a node draws on', 'right');
$cluster{fourth} = lease_node('fourth', $cluster{coordinator}, conf => "seqgen.debug_clock_offset = '${passed}min'");
$offset{fourth} = 0;
ok(defined draw_soon($cluster{fourth}), 'the last number is taken');

set_clock('fast', 14);
set_clock('slow', -14);
pass_minutes(20);
draw($cluster{$_}) foreach ('slow', 'fast', 'fourth');
$cluster{waiting} = lease_node('waiting', $cluster{coordinator}, conf => "seqgen.debug_clock_offset = '${\ ($passed - 14)}min'");
$offset{waiting} = -14;
my $error = draws_nothing($cluster{waiting}, qr/ERROR: .*number/, 'all numbers are taken');
like($error, qr/\d\d:\d\d:\d\d/, 'the error says until when');

# the fast node is gone; its number is free when its lease, and the skew, are over
my ($number, $until) = split /\|/, value($cluster{fast},
	'SELECT number, extract(epoch FROM valid_until - clock_timestamp()) / 60 FROM seqgen.node_lease');
$cluster{fast}->stop('immediate');
delete $cluster{fast};
my $ahead = int($until - $passed);
pass_and_renew($ahead, 'slow', 'fourth', 'right');
draws_nothing($cluster{waiting}, qr/ERROR: .*number/, 'at the end of its lease the number is not free yet');
pass_and_renew(17, 'slow', 'fourth', 'right');
ok(defined draw_soon($cluster{waiting}), 'when the skew has passed, too, it is');
is(held($cluster{waiting}), $number, 'and a slow node draws under the number of a fast one');
start('waiting');
draw_all('they draw', 'right', 'waiting');
finish('right', 'waiting');
only_documented(\@errors, [ 'clock', 'timeout', 'exhausted', 'skewed' ], 'from fast to slow');
all_ids_differ($cluster{coordinator}, 'from fast to slow', registry => $cluster{coordinator});

#
# Beyond the skew
#

# one that has a lease draws to its end
$cluster{fourth}->stop;
delete $cluster{fourth};
@errors = ();
pass_and_renew(26, 'slow', 'right', 'waiting') foreach (1 .. 3);
set_clock('right', 20);
my @drawn = draw($cluster{right});
is(scalar(@drawn), 100, 'a clock that is 20 minutes fast draws under the lease that it has');
set_clock('right', 80);
$error = draws_nothing($cluster{right}, qr/ERROR: .*number/, 'one that is beyond the end of the lease does not');
names_both_times($error);
like($error, qr/clock/, 'and says that they are of clocks');
set_clock('right', 0);
pass_and_renew(22, 'slow', 'right', 'waiting');
ok(defined draw_soon($cluster{right}, seconds => 20), 'set right again, it draws as soon as its ids are not ahead');

# one that has none is refused
my $new = lease_node('new', $cluster{coordinator}, conf => "seqgen.debug_clock_offset = '${\ ($passed + 20)}min'");
$cluster{new} = $new;
my $known = numbers_of($cluster{coordinator});
foreach my $minutes (20, -20, 16, -16)
{
	set_clock('new', $minutes);
	my $error = draws_nothing($new, qr/ERROR: .*number/, "a clock $minutes minutes off gets no number");
	names_both_times($error);
}
set_clock('new', 14);
ok(defined draw_soon($new), 'at 14 minutes it gets one');
set_clock('new', 0);
is(held($new) ne '', 1, 'and keeps it');

# the limit is the coordinator's
$cluster{waiting}->stop;
delete $cluster{waiting};
set_conf($cluster{coordinator}, 'seqgen.max_node_skew' => '1min');
set_clock('slow', -3);
pass_and_renew(35, 'right', 'new');
pass_and_renew(35, 'right', 'new');
names_both_times(draws_nothing($cluster{slow}, qr/ERROR: .*number/, 'the coordinator can allow less'));
set_clock('slow', 0);
ok(defined draw_soon($cluster{slow}, seconds => 20), 'what is within it is served');
only_documented(\@errors, ['clock'], 'beyond the skew');
all_ids_differ($cluster{coordinator}, 'all in all', registry => $cluster{coordinator});

$cluster{$_}->stop foreach (sort keys %cluster);
done_testing();
