# Property: whatever the clock does, no id is given out twice and none is below
# an earlier one; what a generator cannot serve, it refuses with the documented
# error, and it goes on when the clock is right again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Journal;
use SeqgenTest;

my $node = seqgen_cluster('main', conf => "timezone = 'UTC'");

# The errors of a generator ahead of its clock, and of a clock ahead of itself;
# the two times of each are its captures.
my $time = qr/(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00)/;
my $too_far = qr/generator "\w+" is too far ahead of the clock
.*Its next id would bear the time $time, the clock reads $time; seqgen\.max_lead is \d+ s\./;
my $jumped = qr/clock jumped forward further than seqgen trusts
.*The clock reads $time, but by the time elapsed it should read $time\./;
my $jumped_at_start = qr/clock jumped forward further than seqgen trusts
.*The clock reads $time, the last checkpoint before the server start was at $time\./;

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

sub create
{
	my ($name, $layout) = @_;
	$layout //= 'default';
	value("SELECT snowflake_create('$name', '$layout')");
	return;
}

# Draw ids in a session whose clock is shifted from here on.
sub draw
{
	my ($session, $generator, $offset, $n) = @_;
	$n //= 20;
	return split(/\n/, $session->query_safe(<<"SQL"));
SET seqgen.debug_clock_offset = '$offset';
SELECT snowflake_nextval('$generator') FROM generate_series(1, $n)
SQL
}

sub increases
{
	my ($ids, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar(grep { $ids->[ $_ - 1 ] >= $ids->[$_] } 1 .. $#$ids), 0, $name);
	return;
}

# A draw with a shifted clock fails with such an error, whose two times differ
# by so many seconds, give or take ten minutes.
sub refuses
{
	my ($session, $generator, $offset, $message, $seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$session->query_safe("SET seqgen.debug_clock_offset = '$offset'");
	$session->{stderr} = '';
	$session->query("SELECT snowflake_nextval('$generator')");
	my $found = $session->{stderr} =~ /ERROR:  55000: $message/;
	my ($here, $there) = ($1, $2);
	ok($found, $name) or diag($session->{stderr});
	$session->{stderr} = '';
	is(value("SELECT abs(extract(epoch FROM '$here'::timestamptz - '$there') - $seconds) < 600"),
		't', "$name: the message has both times")
	  if $found;
	return;
}

sub set_server
{
	my ($setting, $set) = @_;
	value("ALTER SYSTEM SET $setting = '$set'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$setting') = '$set'")
	  or die "$setting does not change";
	return;
}

# ---- Steps back, of one session's clock beside another's that is right

create('step');
my $session = session($node);
my $other = session($node);
my @ids;
for my $offset ('-1ms', '0', '-1s', '-1ms', '-50s', '-49s', '0', '-50s')
{
	push @ids, draw($session, 'step', $offset);
	push @ids, draw($other, 'step', '0');
}
increases(\@ids, 'steps back inside max_lead: ids increase over both sessions');

create('counted');
draw($session, 'counted', $_) for ('0', '-1s', '-2s', '0', '-3s');
is(value("SELECT clock_steps_back FROM seqgen.stat_generator WHERE generator = 'counted'::regclass"),
	3, 'steps back are counted');

create('back');
@ids = draw($session, 'back', '0');
refuses($session, 'back', '-1h', $too_far, 3600, 'a step back by an hour');
refuses($session, 'back', '-3650d', $too_far, 3650 * 86400, 'a step back by ten years');
fails($session, "SELECT snowflake_nextvals(10, 'back')",
	'55000', $too_far, 'blocks are refused alike');
push @ids, draw($other, 'back', '0');
refuses($session, 'back', '-5min', $too_far, 300, 'a clock that has not caught up enough');
push @ids, draw($session, 'back', '-30s');
push @ids, draw($session, 'back', '0');
increases(\@ids, 'when the clock has caught up the generator goes on');

set_server('seqgen.max_lead', '1h');
push @ids, draw($session, 'back', '-59min');
push @ids, draw($other, 'back', '0');
increases(\@ids, 'with a max_lead of one hour a step of 59 minutes does not matter');
set_server('seqgen.max_lead', '1min');

# ---- Forward by an hour, and back

create('forth');
@ids = draw($session, 'forth', '0');
push @ids, draw($session, 'forth', '1h');
refuses($session, 'forth', '0', $too_far, 3600, 'a clock that was an hour ahead is right again');
refuses($other, 'forth', '0', $too_far, 3600, 'and so for other sessions');
push @ids, draw($session, 'forth', '3570s');
push @ids, draw($session, 'forth', '1h');
increases(\@ids, 'the generator goes on when the clock has almost caught up');

# ---- Short excess of the lead: a wait

create('patient');
value(<<'SQL');
CREATE FUNCTION draw_ahead_and_back(OUT ahead bigint, OUT back bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('seqgen.debug_clock_offset', '60900ms', false);
	ahead := snowflake_nextval('patient');
	PERFORM set_config('seqgen.debug_clock_offset', '0', false);
	back := snowflake_nextval('patient');
END $$;
SQL
my $waits = "SELECT waits > 0 FROM seqgen.stat_generator WHERE generator = 'patient'::regclass";
for (1 .. 10)
{
	# on a busy machine the time between the two may pass by itself
	@ids = split(/\|/, value('SELECT * FROM draw_ahead_and_back()'));
	increases(\@ids, 'a clock that is back in less than a second is waited for');
	last if value($waits) eq 't';
}
is(value($waits), 't', 'the wait was counted');

my ($ret, $out, $err) = $node->psql('postgres', <<'SQL', on_error_stop => 0);
\set VERBOSITY verbose
SET statement_timeout = '100ms';
SELECT draw_ahead_and_back() FROM generate_series(1, 10);
SQL
like($err, qr/ERROR:  57014: canceling statement due to statement timeout/, 'the wait can be canceled');

# ---- Jitter

journal_create($node);
create('jitter');
value(<<'SQL');
CREATE FUNCTION draw_with_jitter() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('seqgen.debug_clock_offset', (random() * 10 - 5)::text, false);
	RETURN snowflake_nextval('jitter');
END $$;
SQL
$node->pgbench(
	'--no-vacuum --client=5 --jobs=2 --transactions=20',
	0, [qr{processed: 100/100}], [qr{^$}],
	'five sessions whose clocks jitter by 5 ms',
	{ '004_jitter' => q{CALL journal.draw_each('draw_with_jitter()', 200);} });
journal_is_sound($node, 20_000, 'jitter');

# ---- Over a restart, clean or not: the first draw sees the clock set back

my %back = (back_1ms => '-1ms', back_1s => '-1s', back_50s => '-50s', back_1h => '-1h', back_10y => '-3650d');
my %last;
create($_) for sort keys %back;
for my $way ('clean', 'immediate', 'kill9')
{
	for my $generator (sort keys %back)
	{
		my @before = draw($other, $generator, '0');
		$last{$generator} = $before[-1];
	}
	$_->quit for ($session, $other);
	if ($way eq 'clean') { $node->restart }
	else { crash($node, $way) }
	($session, $other) = (session($node), session($node));

	for my $generator ('back_1ms', 'back_1s', 'back_50s')
	{
		my @after = draw($session, $generator, $back{$generator});
		increases([ $last{$generator}, @after, draw($other, $generator, '0') ],
			"$way, clock set back by $back{$generator}: ids increase");
	}
	refuses($session, 'back_1h', '-1h', $too_far, 3600, "$way, set back by an hour");
	refuses($session, 'back_10y', '-3650d', $too_far, 3650 * 86400, "$way, set back by ten years");

	# 1 ms, for what is not shifted at all the kernel may vouch for
	for my $generator ('back_1h', 'back_10y')
	{
		my @after = draw($session, $generator, '1ms');
		increases([ $last{$generator}, @after, draw($other, $generator, '0') ],
			"$way, set back by $back{$generator}, and set right");
	}
}

# ---- A jump forward while the server runs

create($_) for ('first', 'jump', 'trusting', 'wider');
draw($session, 'first', '1ms');
refuses($session, 'jump', '25h', $jumped, 25 * 3600, 'a jump forward by 25 hours');
refuses($session, 'jump', '3650d', $jumped, 3650 * 86400, 'a jump forward by ten years');
@ids = draw($session, 'jump', '23h');
is(value("SELECT age < interval '2 hours' AND age > interval '-2 hours'
		  FROM (SELECT snowflake_timestamp($ids[0]) - now() - interval '23 hours' AS age) a"),
	't', 'one by 23 hours is followed');

$node->restart;
($session, $other) = (session($node), session($node));
draw($session, 'first', '1ms');
refuses($session, 'trusting', '25h', $jumped, 25 * 3600, 'the jump is refused');
set_server('seqgen.max_clock_jump', '2d');
draw($session, 'wider', '25h');
pass('it is not with a higher seqgen.max_clock_jump');
refuses($session, 'trusting', '75h', $jumped, 50 * 3600, 'each jump is measured from the reading before');
$session->query_safe('SELECT seqgen.accept_clock()');
@ids = draw($session, 'trusting', '75h');
refuses($session, 'trusting', '200h', $jumped, 125 * 3600, 'an accepted jump is one, not all');
set_server('seqgen.max_clock_jump', '0');
push @ids, draw($session, 'trusting', '200h');
increases(\@ids, 'seqgen.accept_clock() accepts a jump, and with 0 every jump is accepted');
set_server('seqgen.max_clock_jump', '1d');

$session->query_safe('CREATE ROLE somebody');
$session->query_safe('GRANT EXECUTE ON FUNCTION seqgen.accept_clock() TO somebody');
$session->query_safe('SET ROLE somebody');
fails($session, 'SELECT seqgen.accept_clock()', '42501', 'permission denied to accept the clock',
	'accepting is the superuser\'s');
$session->query_safe('RESET ROLE');

# ---- A jump forward over a restart: a year is allowed

create('year');
$node->restart;
($session, $other) = (session($node), session($node));
refuses($session, 'year', '366d', $jumped_at_start, 366 * 86400, 'a start after more than a year');
@ids = draw($session, 'year', '364d');
pass('a start after less than a year is not refused');
$node->restart;
($session, $other) = (session($node), session($node));
refuses($session, 'year', '1000d', $jumped_at_start, 1000 * 86400, 'a start after many years');
$session->query_safe('SELECT seqgen.accept_clock()');
push @ids, draw($session, 'year', '1000d');
increases(\@ids, 'a start after many years goes on once it is accepted');

# ---- Before a layout's epoch, and at its end
#
# Layouts of 2^16 seconds, which is 18 hours and 12 minutes; the tenth that
# is warned of begins after 16 hours and 23 minutes.

$node->restart;
($session, $other) = (session($node), session($node));
value(<<'SQL');
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
VALUES ('future', date_trunc('second', now()) + interval '2 hours', 1000000, 16, 4, 8),
	   ('short', date_trunc('second', now()) - interval '10 hours', 1000000, 16, 4, 8),
	   ('short_last', date_trunc('second', now()) - interval '10 hours', 1000000, 16, 4, 8);
UPDATE seqgen.layout SET node_last = true WHERE name = 'short_last';
SQL
create('future', 'future');
refuses($session, 'future', '1ms', $too_far, 7200, 'a clock before the epoch');
refuses($session, 'future', '-3650d', $too_far, 3650 * 86400 + 7200, 'a clock long before the epoch');
is(value("SELECT issued FROM seqgen.stat_generator WHERE generator = 'future'::regclass"),
	0, 'no id was given out');
@ids = draw($session, 'future', '7170s');
push @ids, draw($session, 'future', '7250s');
increases(\@ids, 'the generator works from shortly before the epoch on');
cmp_ok(value("SELECT snowflake_timestamp($ids[0], 'future'::text) - epoch
			  FROM seqgen.layout WHERE name = 'future'"),
	'ge', '00:00:00', 'no id bears a time before the epoch');

value(<<'SQL');
CREATE FUNCTION draw_to_the_end(generator regclass, n integer) RETURNS SETOF bigint
LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		RETURN NEXT snowflake_nextval(generator);
	END LOOP;
EXCEPTION WHEN sequence_generator_limit_exceeded THEN
	RETURN;
END $$;
SQL
for my $layout ('short', 'short_last')
{
	create($layout, $layout);
	my $warning = qr/WARNING:  2200H: generator "$layout" has used 90 % of the life of its layout\n.*Its layout ends at $time\./;

	@ids = draw($session, $layout, '6h');
	is($session->{stderr}, '', "$layout: no warning yet");
	my ($output) = $session->query(
		"SET seqgen.debug_clock_offset = '390min'; SELECT snowflake_nextval('$layout')");
	push @ids, $output;
	like($session->{stderr}, $warning, "$layout: a warning when 90 % of the layout's life is used");
	$session->{stderr} = '';

	push @ids, draw($session, $layout, '7h');
	is($session->{stderr}, '', "$layout: not another one soon");
	push @ids, draw($other, $layout, '450min');
	is($other->{stderr}, '', "$layout: nor in another session");

	# fifteen seconds before the end, which many ids of the future soon reach
	my $near = value("SELECT extract(epoch FROM end_of_life - clock_timestamp() - interval '15 seconds')
					  FROM seqgen.layout_info WHERE name = '$layout'");
	$session->query_safe("SET seqgen.debug_clock_offset = '${near}s'");
	push @ids, split(/\n/, $session->query_safe("SELECT draw_to_the_end('$layout', 100000)"));
	increases(\@ids, "$layout: ids increase to the end");
	is(value("SELECT time = end_of_life - interval '1 second' AND node = 1 AND sequence = 255
			  FROM snowflake_decode($ids[-1], '$layout'::text), seqgen.layout_info
			  WHERE name = '$layout'"),
		't', "$layout: the last id there is was given out");
	for my $past ("${near}s", '9h', '3650d')
	{
		$session->query_safe("SET seqgen.debug_clock_offset = '$past'");
		fails($session, "SELECT snowflake_nextval('$layout')", '2200H',
			qr/generator "$layout" has reached its largest id \(\d+\)/,
			"$layout: past its end, the clock shifted by $past");
	}
	fails($session, "SELECT snowflake_nextvals(1000, '$layout')", '2200H',
		qr/generator "$layout" has reached its largest id/, "$layout: blocks likewise");
}

# ---- A burst above the layout's rate borrows from the future, then waits
#
# 400 ids a second, so that 4,400 fit in the smallest max_lead.

value(<<'SQL');
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
VALUES ('slow', '2025-01-01', 10000, 40, 4, 2);
SQL
create('burst', 'slow');
set_server('seqgen.max_lead', '11s');
my $state = "SELECT lead > interval '4 seconds', lead <= interval '11 seconds', waits > 0
			 FROM seqgen.stat_generator WHERE generator = 'burst'::regclass";
@ids = draw($session, 'burst', '0', 4000);
is(value($state), 't|t|f', 'a burst borrows from the future without a wait');
for (1 .. 50)
{
	push @ids, draw($session, 'burst', '0', 200);
	last if value($state) =~ /\|t$/;
}
is(value($state), 't|t|t', 'and waits before it exceeds max_lead');
increases(\@ids, 'a burst: ids increase');

$node->stop;
done_testing();
