# Property: whatever nodes ask of a registry of node numbers, in whatever order,
# with whatever clocks, with answers lost and requests repeated late, and
# whatever failovers lose of what it granted: windows of one number that two
# holders were granted never overlap, generations grow, and a request that is
# repeated is answered the same.  Many at once make no difference.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use LeaseTest;
use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} || int(rand(1_000_000));
srand($seed);
diag("SEQGEN_TEST_SEED=$seed");

my $lease = 60;	# s
my $skew = 20;	# s
my $bits = 3;
my ($first_number, $last_number) = (1 << ($bits - 1), (1 << $bits) - 1);

my $coordinator = lease_coordinator('coordinator', conf => <<"CONF");
seqgen.lease = ${lease}s
seqgen.max_node_skew = ${skew}s
seqgen.max_clock_jump = 0
max_connections = 60
CONF

my $session;
my $database;
my $time;	# s, against the machine's clock: the true one
my @lives;	# servers: those that were copied, rebooted, or have crashed as well
my %windows;	# by number: [holder, from, until] that were granted, ever
my %requests;	# that were sent, to be sent again: by their keys
my $highest;	# generation
my %wrong;
my %count;

sub uuid
{
	return join('-', map { join('', map { sprintf '%x', rand 16 } 1 .. $_) } 8, 4, 4, 4, 12);
}

sub wrong
{
	my ($what, $detail) = @_;

	diag("$what: $detail") if !$wrong{$what}++;
	return;
}

sub new_life
{
	return {
		node => uuid(),
		running => uuid(),
		identity => sprintf('7000000000000000001/1/5/2049:%d/boot%d', rand 1e9, rand 1e9),
		off => 0 };
}

# What the machine's clock is apart from the truth: of a node, or of the
# coordinator that answers.
sub clock_off
{
	my ($wild, $most) = @_;
	return $wild ? rand(4 * 3600) - 2 * 3600 : rand(2 * $most) - $most;
}

# BackgroundPsql writes down all that is said; these are thousands.
sub query_quietly
{
	my ($sql) = @_;
	no warnings 'redefine';
	local *PostgreSQL::Test::BackgroundPsql::note = sub { };
	return $session->query($sql);
}

# Send a request; returns the columns of the answer.
sub send_request
{
	my ($request, $coordinator_off, $node_off) = @_;
	my $offset = int(1000 * ($time + $coordinator_off));
	my $node_offset = int(1_000_000 * ($time + $node_off));

	$session->{stderr} = '';
	my $answer = query_quietly(<<"SQL");
SET seqgen.debug_clock_offset = $offset;
SELECT status, granted_number, granted_generation, valid_from, valid_until, coordinator_clock,
	   replace(message, E'\\n', ' ')
  FROM seqgen.node_request($request,
	(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $node_offset, 0);
SQL
	wrong('error', $session->{stderr}) if $session->{stderr} =~ /ERROR|WARNING/;
	my %answer;
	@answer{qw(status number generation from until clock message)} = split /\|/, $answer, -1;
	$count{ $answer{status} // 'nothing' }++;
	return \%answer;
}

# Hold an answer against all that were given before.
sub check
{
	my ($request, $answer) = @_;
	my ($number, $from, $until) = @{$answer}{qw(number from until)};
	my $again = $request->{granted} //= {};

	wrong('number', $number) if $number < $first_number || $number > $last_number;
	wrong('window', "$from $until") if $from >= $until;
	if ($answer->{generation} <= $highest)
	{
		wrong('generation', "$answer->{generation} after $highest")
		  if !$again->{"$number $from $until"};
		$count{repeated}++;
	}
	$highest = max($highest, $answer->{generation});
	foreach my $window (@{ $windows{$number} })
	{
		my ($holder, $since, $end) = @$window;
		next if $from >= $end || $since >= $until;
		next if $holder eq $request->{holder} && $from == $since;
		wrong('overlap', "number $number: [$from, $until) of $request->{holder}, [$since, $end) of $holder");
	}
	push @{ $windows{$number} }, [ $request->{holder}, $from, $until ];
	$again->{"$number $from $until"} = 1;
	return;
}

# A life asks, for a number or for a renewal, with a new key or once more.
sub ask
{
	my ($life, $wild) = @_;
	my $key = $life->{key} // uuid();
	my $held = defined $life->{number} ? "$life->{number}, $life->{generation}" : 'NULL, NULL';
	my $request = $requests{$key} //= {
		holder => "$life->{node} $life->{identity}",
		text => "'$life->{node}', '$life->{running}', '$life->{identity}', $bits, -1, $held, '$key', ''" };
	my $off = clock_off($wild, $skew / 2);
	my $answer = send_request($request->{text}, $off, $wild ? $off + clock_off(0, 1.1 * $skew) : $life->{off});

	$life->{key} = $key;
	check($request, $answer) if $answer->{status} eq 'granted';

	# the answer is lost now and then, and the life asks again with its key
	return if rand() < 0.15;
	delete $life->{key};
	@{$life}{qw(number generation from until)} = @{$answer}{qw(number generation from until)}
	  if $answer->{status} eq 'granted';
	return;
}

# A request that was sent long ago arrives, or arrives once more.
sub ask_late
{
	my ($wild) = @_;
	my @keys = sort keys %requests;
	my $request = $requests{ $keys[ rand @keys ] };
	my $off = clock_off($wild, $skew / 2);
	my $answer = send_request($request->{text}, $off, $wild ? $off : clock_off(0, $skew / 2));

	$count{late}++;
	check($request, $answer) if $answer->{status} eq 'granted';
	return;
}

sub step
{
	my ($wild) = @_;
	my $dice = rand;
	my $life = $lives[ rand @lives ];

	$time += rand($lease / 12);
	if ($dice < 0.80)
	{
		ask($life, $wild);
	}
	elsif ($dice < 0.85)
	{
		ask_late($wild) if %requests;
	}
	elsif ($dice < 0.89)
	{
		# a restart
		$life->{running} = uuid();
		delete $life->{key};
	}
	elsif ($dice < 0.92)
	{
		# a reboot
		$life->{identity} .= 'x' if length $life->{identity} < 100;
		delete @{$life}{qw(number generation from until key)};
	}
	elsif ($dice < 0.95)
	{
		# somebody is gone for ever, somebody new comes
		@lives[ rand @lives ] = new_life();
	}
	elsif ($dice < 0.98)
	{
		$time += rand(2 * $lease);
	}
	else
	{
		my $number = $first_number + int rand($last_number - $first_number + 1);
		$session->{stderr} = '';
		query_quietly("SELECT seqgen.node_release($number, $bits)");
		$count{released}++ if $session->{stderr} !~ /ERROR/;
		wrong('release', $session->{stderr}) if $session->{stderr} =~ /ERROR:  XX/;
	}
	$life->{off} = rand($skew) - $skew / 2 if rand() < 0.1;
	return;
}

sub nothing_is_wrong
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(join(', ', map { "$_: $wrong{$_}" } sort keys %wrong), '', $name);
	note("$name: " . join(', ', map { "$_ $count{$_}" } sort keys %count));
	cmp_ok($count{granted} // 0, '>', 100, "$name: many were granted");
	%wrong = %count = ();
	return;
}

sub begin
{
	my ($name) = @_;

	$database = $name;
	$session = session($coordinator, database => $database);
	return;
}

sub forget
{
	@lives = map { new_life() } 1 .. 7;
	%windows = %requests = ();
	$time = $highest = 0;
	return;
}

$coordinator->safe_psql('postgres', "CREATE DATABASE empty");
$coordinator->safe_psql('empty', 'CREATE EXTENSION seqgen');

#
# Clocks that are anything, of nodes and of the coordinator
#

$coordinator->safe_psql('postgres', 'CREATE DATABASE wild TEMPLATE empty');
begin('wild');
forget();
step(1) foreach (1 .. 1200);
nothing_is_wrong('wild clocks');
$session->quit;

#
# Clocks within the skew, and failovers: what is copied goes on, and lacks what
# was granted last.  A clock's error is no more than half of the skew.
#

$coordinator->safe_psql('postgres', 'CREATE DATABASE tame_0 TEMPLATE empty');
begin('tame_0');
forget();
my $holds = 0;
foreach my $failover (1 .. 6)
{
	step(0) foreach (1 .. 120 + int rand 60);
	$session->quit;
	$coordinator->safe_psql('postgres', "CREATE DATABASE tame_$failover TEMPLATE $database");
	begin($database);
	step(0) foreach (1 .. int rand 80);
	$session->quit;
	begin("tame_$failover");
	my $before = $count{hold} // 0;
	step(0) foreach (1 .. 30);
	$holds++ if ($count{hold} // 0) > $before;

	# generations of what is lost are known to some node, or to nobody
	$highest = 0;
}
nothing_is_wrong('failovers');
cmp_ok($holds, '>=', 3, 'after failovers there were holds');
$session->quit;

#
# Many at once
#

$coordinator->safe_psql('postgres', 'CREATE DATABASE crowd TEMPLATE empty');
$coordinator->safe_psql('crowd', <<"SQL");
CREATE TABLE granted (holder text, number bigint, generation bigint, valid_from bigint, valid_until bigint);
CREATE TABLE refused (status text, message text);
CREATE FUNCTION live(off integer, times integer) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	me uuid := gen_random_uuid();
	held record;
	answer record;
	key uuid;
BEGIN
	PERFORM set_config('seqgen.debug_clock_offset', (off::bigint * 1000)::text, false);
	FOR i IN 1 .. times LOOP
		key := gen_random_uuid();
		SELECT * INTO answer
		  FROM seqgen.node_request(me, me, '1/1/1/1:1/b', 5, -1, held.granted_number, held.granted_generation, key, '',
								   (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + off::bigint * 1000000, 0);
		IF answer.status = 'granted' THEN
			held := answer;
			INSERT INTO granted VALUES (me::text, answer.granted_number, answer.granted_generation,
										answer.valid_from, answer.valid_until);
		ELSE
			INSERT INTO refused VALUES (answer.status, answer.message);
		END IF;
	END LOOP;
END \$\$;
SQL
my $script = $coordinator->basedir . '/crowd.sql';

# each client's time goes on by itself, so numbers are taken from each other
append_to_file($script, <<'SQL');
\set off random(0, 3600)
SELECT live(:off, 3);
SQL
# the first record of a client has no columns
$coordinator->safe_psql('crowd', <<'SQL');
DO $$
BEGIN
	EXECUTE replace(pg_get_functiondef('live'::regproc), E'BEGIN\n', E'BEGIN\n\tSELECT NULL::bigint AS granted_number, NULL::bigint AS granted_generation INTO held;\n');
END $$;
SQL
my $started = time;
$coordinator->command_ok(
	[ 'pgbench', '-n', '-c', '12', '-j', '2', '-t', '60', '-f', $script, $coordinator->connstr('crowd') ],
	'many ask at once');
note(sprintf('720 transactions of 3 requests in %.1f s', time - $started));
is($coordinator->safe_psql('crowd', <<'SQL'), '0', 'windows of one number do not overlap');
SELECT count(*)
  FROM (SELECT DISTINCT ON (holder, number, valid_from) * FROM granted ORDER BY holder, number, valid_from, valid_until DESC) a
  JOIN (SELECT DISTINCT ON (holder, number, valid_from) * FROM granted ORDER BY holder, number, valid_from, valid_until DESC) b
	   USING (number)
 WHERE (a.holder, a.valid_from) < (b.holder, b.valid_from) AND a.valid_from < b.valid_until AND b.valid_from < a.valid_until
SQL
is($coordinator->safe_psql('crowd', 'SELECT count(*) - count(DISTINCT generation) FROM granted'), '0', 'no generation came twice');
is($coordinator->safe_psql('crowd', q(SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM refused WHERE status NOT IN ('exhausted', 'wait'))),
	'', 'nobody was told anything else than that all are taken, or to wait');
note($coordinator->safe_psql('crowd', 'SELECT count(*), count(DISTINCT number), count(DISTINCT holder) FROM granted'));

$coordinator->stop;
done_testing();
