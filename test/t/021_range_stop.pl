# Property: a clean stop costs a range no value, and neither does whatever ends
# or interrupts its worker; a crash costs at most 1024 values of one block, the
# rest of which is used on, and never a block.  No value comes twice, whatever
# is done to the sequence of a range, and however the transactions end that
# create it or draw from it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use SeqgenTest qw(seqgen_cluster session fails crash restart_after_crash);

# values of a block that a crash may cost, if it has at most 16 times as many
my $step = 1024;

#
# Ranges of two sorts: "own" is drawn from on the coordinator itself, "remote"
# on a node that asks it for blocks.  Each range is drawn from in one place, so
# its blocks follow each other, and so do its values as long as none is lost.
#
my $conf = <<'CONF';
max_prepared_transactions = 10
max_worker_processes = 8
restart_after_crash = on
log_statement = none
CONF
my $coordinator = seqgen_cluster('coordinator', conf => $conf);
my $node = seqgen_cluster('node', conf => $conf);
my %server = (own => $coordinator, remote => $node);
my @places = ('own', 'remote');

sub value
{
	my ($place, $sql) = @_;
	return $server{$place}->safe_psql('postgres', $sql);
}

value('own', <<'SQL');
CREATE ROLE noderole LOGIN;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole;
SQL
value('remote', sprintf(<<'SQL', $coordinator->host, $coordinator->port));
CREATE SERVER coord FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '%s', port '%s', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER coord OPTIONS (user 'noderole');
SQL
value($_, <<'SQL') foreach @places;
-- draws, and tells the server's log before anything can interrupt it
CREATE FUNCTION draw_and_tell(generator regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE LOG 'drew %', range_nextval(generator);
END $$;
-- what plain nextval gives, NULL if it fails as it should
CREATE FUNCTION plain_nextval(sequence regclass) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN nextval(sequence);
EXCEPTION
	WHEN sequence_generator_limit_exceeded THEN RETURN NULL;
END $$;
SQL

# Create ranges: names, each with the size of its blocks.
sub new_ranges
{
	my ($place, %size) = @_;
	my $sql = join("\n",
		map { "SELECT range_create('$_', block_size => $size{$_}, max_block_size => $size{$_});" } sort keys %size);

	value('own', $sql);
	value('remote', $sql) if $place eq 'remote';
	return;
}

my %newest;		# by name of a range, its largest value so far
my $wrong = 0;	# values that were not above those before

sub note_values
{
	my ($generator, @values) = @_;

	foreach my $value (@values)
	{
		if ($value <= ($newest{$generator} // 0))
		{
			$wrong++;
			diag("$generator: $value after $newest{$generator}");
		}
		$newest{$generator} = max($value, $newest{$generator} // 0);
	}
	return $newest{$generator};
}

# Draw values; returns the last.
sub draw
{
	my ($place, $generator, $count) = @_;
	$count //= 1;

	return note_values($generator, split /\n/, value($place,
		"SELECT range_nextval('$generator') FROM generate_series(1, $count)"));
}

# The same in an open session.
sub draw_in
{
	my ($session, $generator, $count) = @_;
	$count //= 1;

	return note_values($generator, split /\n/, $session->query_safe(
		"SELECT range_nextval('$generator') FROM generate_series(1, $count)"));
}

sub values_only_grew
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($wrong, 0, $name);
	$wrong = 0;
	return;
}

# Wait until a query says true.
sub await
{
	my ($place, $sql, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($server{$place}->poll_query_until('postgres', $sql), $what);
	return;
}

my $worker = q{FROM pg_stat_activity WHERE backend_type = 'seqgen worker' AND datname = 'postgres'};

sub end_worker
{
	my ($place) = @_;

	value($place, "SELECT pg_terminate_backend(pid) $worker");
	$server{$place}->poll_query_until('postgres', "SELECT count(*) = 0 $worker")
	  or BAIL_OUT('the worker does not end');
	return;
}

#
# Clean stops of an idle server: before the first value, inside of a block, at
# its very end, after its first value, beyond what was first reserved
#
my %drawn = (none => 0, some => 7, half => 10, end => 20, behind => 21, far => 3000);

sub size_of_block
{
	return $drawn{ $_[0] } > 100 || $_[0] eq 'some' ? 5000 : 20;
}

foreach my $place (@places)
{
	new_ranges($place, map { ("${place}_$_" => size_of_block($_)) } keys %drawn);
	foreach my $name (sort keys %drawn)
	{
		draw($place, "${place}_$name", $drawn{$name}) if $drawn{$name};
	}
}

# The next values after something that must not have cost any.
sub nothing_was_lost
{
	my ($place, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @ranges = map { "${place}_$_" } sort keys %drawn;
	my %expected = map { $_ => ($newest{$_} // 0) + 1 } @ranges;
	my %next = map { $_ => draw($place, $_) } @ranges;

	is_deeply(\%next, \%expected, "$place: nothing is lost by $name");
	return;
}

foreach my $place (@places)
{
	my $server = $server{$place};

	foreach my $mode ('fast', 'smart')
	{
		$server->stop($mode);
		$server->start;
		nothing_was_lost($place, "a $mode stop");
	}
	$server->restart;
	$server->restart;
	nothing_was_lost($place, 'two restarts in a row');

	# the worker is gone when the server stops
	end_worker($place);
	$server->restart;
	nothing_was_lost($place, 'a stop without a worker');

	# and has come anew
	end_worker($place);
	nothing_was_lost($place, 'the end of its worker');
	$server->restart;
	nothing_was_lost($place, 'a stop of another worker');
}
$coordinator->stop;
$node->restart;
my $last = $newest{remote_far};
is(draw('remote', 'remote_far'), $last + 1, 'a node that restarts goes on without its coordinator');
$coordinator->start;
nothing_was_lost('remote', 'a time without the coordinator');
values_only_grew('and all values were new');

#
# Clean stops under load, and what ends or interrupts the worker.  Every value
# is told to the server's log by the process that drew it, so that a missing one
# was lost by nobody but us.
#
my %log_offset;

# What was drawn since the last call, from the log.
sub values_told
{
	my ($place) = @_;
	my $file = $server{$place}->logfile;
	my @values = slurp_file($file, $log_offset{$place} // 0) =~ /LOG:  drew (\d+)/g;

	$log_offset{$place} = -s $file;
	return sort { $a <=> $b } @values;
}

# Start clients that draw a number of values each, and wait until they do.
sub start_load
{
	my ($place, $generator, $count) = @_;
	my $script = $server{$place}->basedir . "/load_$generator.sql";
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my (@clients, @files);

	append_to_file($script, "SELECT draw_and_tell('$generator');\n" x $count) unless -e $script;
	values_told($place);
	foreach my $i (1 .. 4)
	{
		push @files, "$script.$i";
		push @clients,
		  IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $script, $server{$place}->connstr('postgres') ],
			'<', '/dev/null', '>', $files[-1], '2>', "$script.err");
	}
	while (grep { !-s $_ } @files)
	{
		BAIL_OUT("$generator: clients do not draw") if time > $deadline;
		usleep(5_000);
	}
	return @clients;
}

# All values since the last such test follow each other, and so does the next.
sub all_values_are_there
{
	my ($place, $generator, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @values = values_told($place);
	my $first = ($newest{$generator} // 0) + 1;
	my $last = $first + $#values;
	my @wrong = grep { $values[$_] != $first + $_ } 0 .. $#values;

	cmp_ok(scalar(@values), '>', 4, "$generator: values were drawn");
	is(scalar(@wrong), 0, "$name: the values of all clients follow each other");
	note(scalar(@values) . " values, the first that is wrong: $values[ $wrong[0] ]") if @wrong;
	$newest{$generator} = $values[-1];
	is(draw($place, $generator), $last + 1, "$name: and the next one follows them");
	return;
}

foreach my $place (@places)
{
	my $server = $server{$place};
	my @clients;

	new_ranges($place, "${place}_load" => 300);
	foreach my $round (1 .. 2)
	{
		@clients = start_load($place, "${place}_load", 30_000);
		usleep(int rand 300_000);
		$server->stop('fast');
		$_->finish foreach @clients;
		$server->start;
		all_values_are_there($place, "${place}_load", "$place: fast stop $round under load");
	}

	# a smart stop lets the clients come to their end, with new blocks
	new_ranges($place, "${place}_smart" => 50);
	@clients = start_load($place, "${place}_smart", 1000);
	$server->stop('smart');
	is(scalar(grep { $_->finish } @clients), 4, "$place: all clients drew to the end of a smart stop");
	$server->start;
	all_values_are_there($place, "${place}_smart", "$place: smart stop under load");
	is($newest{"${place}_smart"}, 4001, "$place: these were all values");

	# the worker is terminated again and again
	new_ranges($place, "${place}_ended" => 300);
	@clients = start_load($place, "${place}_ended", 3000);
	my %ended;
	foreach (1 .. 20)
	{
		my $ended = value($place, "SELECT pid, pg_terminate_backend(pid) $worker");
		$ended{$1} = 1 if $ended =~ /^(\d+)\|t$/;
		usleep(20_000);
	}
	cmp_ok(scalar(keys %ended), '>', 2, "$place: several workers were terminated");
	is(scalar(grep { $_->finish } @clients), 4, "$place: no client met with an error");
	all_values_are_there($place, "${place}_ended", "$place: workers terminated under load");
	is($newest{"${place}_ended"}, 12001, "$place: these were all values");

	# or cancelled, which it survives
	new_ranges($place, "${place}_cancelled" => 100);
	@clients = start_load($place, "${place}_cancelled", 1000);
	my $pid = value($place, "SELECT pid $worker");
	foreach (1 .. 3)
	{
		value($place, "SELECT pg_cancel_backend($pid)");
		usleep(50_000);
	}
	is(scalar(grep { $_->finish } @clients), 4, "$place: clients go on while the worker is cancelled");
	all_values_are_there($place, "${place}_cancelled", "$place: worker cancelled under load");
	is(value($place, "SELECT pid $worker"), $pid, "$place: it is the same worker");
}

#
# Crashes
#
my %crash_cost;

# The next value of each range after a crash, in the same block and at most a
# step ahead.
sub little_was_lost
{
	my ($place, $name, %last_of_block) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @bad;

	foreach my $generator (sort keys %last_of_block)
	{
		my $last = $newest{$generator};
		my $next = draw($place, $generator);
		my $lost = $next - $last - 1;

		push @bad, "$generator: $next after $last"
		  if $lost > $step || $next > $last_of_block{$generator} + 1;
	}
	is(join('; ', @bad), '', "$place: $name costs no more than a step of one block");
	return;
}

foreach my $place (@places)
{
	my $server = $server{$place};
	my %range = (small => 20, step => $step, large => 5000, two => 2000, full => 2000);

	new_ranges($place, map { ("${place}_crash_$_" => $range{$_}) } keys %range);
	draw($place, "${place}_crash_small", 3);
	draw($place, "${place}_crash_step", 1);
	draw($place, "${place}_crash_large", 100);
	draw($place, "${place}_crash_two", 2001);		# one value of the second block
	draw($place, "${place}_crash_full", 2000);		# none of it
	$server->stop('immediate');
	$server->start;
	is(draw($place, "${place}_crash_full"), 2001,
		"$place: a crash at the end of a block costs nothing of the next");
	little_was_lost($place, 'an immediate stop',
		"${place}_crash_small" => 20, "${place}_crash_step" => $step,
		"${place}_crash_large" => 5000, "${place}_crash_two" => 4000);

	# where values are drawn fast, a sixteenth of a block
	new_ranges($place, "${place}_crash_fast" => 320_000);
	my ($next) = (draw($place, "${place}_crash_fast", 100_000));
	$server->stop('immediate');
	$server->start;
	my $lost = draw($place, "${place}_crash_fast") - $next - 1;
	cmp_ok($lost, '<=', 320_000 / 16, "$place: a crash under load costs no more than a sixteenth of a block");

	# nobody draws between two crashes: the second finds nothing to take
	draw($place, "${place}_crash_large");
	crash($server, 'kill9');
	crash($server);
	little_was_lost($place, 'a crash again and again', "${place}_crash_large" => 5000);

	# the rest of the block is used on, to its end
	my $left = 5000 - $newest{"${place}_crash_large"};
	is(draw($place, "${place}_crash_large", $left), 5000, "$place: the rest of the block is used");
	is(draw($place, "${place}_crash_large"), 5001, "$place: and then comes the next");
	is( value('own', "SELECT count(*) FROM seqgen.range_allocation WHERE generator = '${place}_crash_large'::regclass"),
		2, "$place: so two blocks are in the ledger");

	# what the worker saved when it ended is exact, and what came then is noted
	end_worker($place);
	crash($server);
	is(draw($place, "${place}_crash_large"), 5002, "$place: a crash after the worker's end costs nothing");
	end_worker($place);
	draw($place, "${place}_crash_large", 10);
	crash($server, 'kill9');
	little_was_lost($place, 'a crash after its worker came anew', "${place}_crash_large" => 10_000);

	# setval() upwards has its say, but moves nothing down
	value($place, "SELECT setval('${place}_crash_large', 9000)");
	is(draw($place, "${place}_crash_large"), 9001, "$place: setval() upwards inside of a block is heeded");

	# behind the crash, a clean stop is as exact as ever
	$server->restart;
	is(draw($place, "${place}_crash_large"), 9002, "$place: a clean stop after a crash costs nothing");
	values_only_grew("$place: values grow over all crashes");
}

#
# The node, or the coordinator, crashes between request and answer
#

# Draw until a request is on its way to the coordinator, whose process is
# stopped.  Returns its pid, and the condition for the request's row.
sub stop_in_request
{
	my ($generator) = @_;

	new_ranges('remote', $generator => 10);
	draw('remote', $generator, 4);
	await('own', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'noderole' AND state = 'idle'},
		"$generator: the node's session is idle");
	my $pid = value('own', q{SELECT pid FROM pg_stat_activity WHERE usename = 'noderole'});

	kill('STOP', $pid);
	draw('remote', $generator, 2);
	await('remote', "SELECT count(*) = 1 FROM seqgen.range_holding
		  WHERE generator = '$generator'::regclass AND state = 'requested'",
		"$generator: a block is requested");
	return (
		$pid,
		value('remote', "SELECT format('generator = %L::regclass AND incarnation = %L AND request = %s',
			 generator, incarnation, request)
		  FROM seqgen.range_holding WHERE generator = '$generator'::regclass AND state = 'requested'"));
}

# The request was answered once, by the block that follows.
sub request_is_finished
{
	my ($generator, $key, $crashed, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @values = map { draw('remote', $generator) } 1 .. ($crashed ? 1 : 5);

	is($values[-1], 11, "$name: the block that was asked for is used");
	is(value('own', "SELECT block, state FROM seqgen.range_allocation WHERE $key"),
		'[11,21)|granted', "$name: it was granted to that request");
	is(value('remote', "SELECT block, state FROM seqgen.range_holding WHERE $key"),
		'[11,21)|held', "$name: and the node knows it by that request");
	is(value('own', "SELECT count(*) FROM seqgen.range_allocation WHERE generator = '$generator'::regclass"),
		2, "$name: there is no other block but the first");
	return;
}

my ($pid, $key) = stop_in_request('granted');
$node->kill9;
kill('CONT', $pid);
await('own', "SELECT count(*) = 1 FROM seqgen.range_allocation WHERE $key",
	'a coordinator grants a block to a node that has crashed');
restart_after_crash($node);
request_is_finished('granted', $key, 1, 'a node that crashed before the answer');

($pid, $key) = stop_in_request('unheard');
$node->kill9;
value('own', "SELECT pg_terminate_backend($pid)");
kill('CONT', $pid);
await('own', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid",
	'a coordinator does not hear the request of a node that crashes');
is(value('own', "SELECT count(*) FROM seqgen.range_allocation WHERE $key"), 0, 'and grants nothing');
restart_after_crash($node);
request_is_finished('unheard', $key, 1, 'a node that was not heard before it crashed');

($pid, $key) = stop_in_request('coordinator_crashed');
$coordinator->kill9;
kill('KILL', $pid);
restart_after_crash($coordinator);
request_is_finished('coordinator_crashed', $key, 0, 'a coordinator that crashed before it answered');
values_only_grew('values grow over requests that were cut off');

# Two requests are under way when the first of them fails, by the crash of the
# coordinator or alone, or commits late.  What nobody was told of is granted to
# the first who asks that has had nothing above it, however much was granted to
# others meanwhile.  Three who ask: each has a number, and tells what it has had.
sub request
{
	my ($range, $asker, $highest, $request) = @_;
	my $uuid = sprintf('00000000-0000-0000-0000-%012d', $asker);
	$request //= $highest;

	return "SELECT lo, hi FROM seqgen.range_request('public.$range', '$uuid', $request, 10, '$uuid', '$uuid',
		'9/1/5/1:$asker/$uuid', $highest, 0, 0, NULL)";
}

sub granted
{
	my ($range, $asker, $highest, $expected, $name, $request) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(value('own', request($range, $asker, $highest, $request)), $expected, "$range: $name");
	return;
}

sub has_holes
{
	my ($range, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(value('own', "SELECT holes FROM seqgen.range_usage WHERE generator = '$range'::regclass"),
		$expected, "$range: $name");
	return;
}

# The first two requests, by askers 1 and 2, that are under way.
sub two_under_way
{
	my ($range) = @_;
	my @sessions = (session($coordinator), session($coordinator));

	foreach my $i (0, 1)
	{
		$sessions[$i]->query_safe('BEGIN');
		is($sessions[$i]->query_safe(request($range, $i + 1, 0)), $i == 0 ? '1|11' : '11|21',
			"$range: two requests are under way");
	}
	return @sessions;
}

new_ranges('own', map { ("under_way_$_" => 10) } qw(crash rollback late many part above alloc leap));

my @sessions = two_under_way('under_way_crash');
value('own', 'CREATE TABLE flush ()');
crash($coordinator, 'kill9');
granted('under_way_crash', 2, 0, '1|11', 'after a crash the first of two blocks is granted again');
granted('under_way_crash', 1, 0, '11|21', 'and then the second');
granted('under_way_crash', 2, 10, '21|31', 'and then the next');
has_holes('under_way_crash', '{}', 'no block is lost');

# the second goes on before the first one fails, or before it asks again
foreach my $end ('ROLLBACK', 'COMMIT')
{
	my $range = $end eq 'COMMIT' ? 'under_way_late' : 'under_way_rollback';

	@sessions = two_under_way($range);
	$sessions[1]->query_safe('COMMIT');
	granted($range, 2, 20, '21|31', 'while the first is under way, the second has a block more');
	$sessions[0]->query_safe($end);
	granted($range, 2, 30, '31|41', "and another one after the first one's $end");
	granted($range, 1, 0, '1|11', 'the first asks again, and has its block');
	granted($range, 1, 10, '41|51', 'and then the next');
	has_holes($range, '{}', 'no block is lost');
	$_->quit foreach @sessions;
}

# however many blocks are granted above it, and to whom
@sessions = two_under_way('under_way_many');
$sessions[1]->query_safe('COMMIT');
value('own', request('under_way_many', 2, 10 * $_)) foreach 2 .. 100;
$sessions[0]->query_safe('ROLLBACK');
value('own', request('under_way_many', 2, 10 * $_)) foreach 101 .. 200;
granted('under_way_many', 3, 500, '2011|2021', 'who has had more is granted nothing of it');
granted('under_way_many', 1, 0, '1|11', 'after 200 blocks the first asks again');
granted('under_way_many', 1, 10, '2021|2031', 'and then the cursor goes on');
value('own', request('under_way_many', 1, 2020 + 10 * $_)) foreach 1 .. 10;
has_holes('under_way_many', '{}', 'no block is lost');
$_->quit foreach @sessions;

# a part of it, whose rest is remembered
@sessions = two_under_way('under_way_part');
$sessions[1]->query_safe('COMMIT');
$sessions[0]->query_safe('ROLLBACK');
value('own', q{SELECT range_alter('under_way_part', block_size => 4, min_block_size => 4, max_block_size => 4)});
granted('under_way_part', 1, 0, '1|5', 'a smaller block is a part of the gap');
granted('under_way_part', 2, 20, '21|25', 'the second goes on');
granted('under_way_part', 1, 4, '5|9', 'the first has the next part');
granted('under_way_part', 1, 8, '9|11', 'and the rest');
granted('under_way_part', 1, 10, '25|29', 'and goes on behind the second');
has_holes('under_way_part', '{}', 'no block is lost');
$_->quit foreach @sessions;

# nobody who can take it: it stays a hole, and is granted to nobody else
@sessions = two_under_way('under_way_above');
$sessions[1]->query_safe('COMMIT');
$sessions[0]->query_safe('ROLLBACK');
granted('under_way_above', 1, 15, '21|31', 'a gap below what the asker has had is left');
has_holes('under_way_above', '{[1,11)}', 'and shows as a hole');
value('own', q{SELECT range_reserve('under_way_above', '[1,11)')});
granted('under_way_above', 3, 0, '31|41', 'once it is reserved, nobody is granted it');
value('own', q{SELECT range_release('under_way_above', '[1,11)')});
granted('under_way_above', 3, 0, '41|51', 'nor when it is released', 1);
$_->quit foreach @sessions;

# What was seen before the commit, and what was leapt over, is nobody's.
@sessions = two_under_way('under_way_alloc');
$sessions[1]->query_safe('COMMIT');
is($sessions[1]->query_safe(q{BEGIN; SELECT range_alloc('under_way_alloc', 10)}), '[21,31)',
	'under_way_alloc: a block is taken by hand');
$sessions[1]->query_safe('ROLLBACK');
$sessions[0]->query_safe('ROLLBACK');
granted('under_way_alloc', 1, 0, '31|41', 'what is taken by hand and rolled back is not granted again');
granted('under_way_alloc', 3, 0, '41|51', 'nor what was under way below it');
has_holes('under_way_alloc', '{[1,11),[21,31)}', 'these are holes');
$_->quit foreach @sessions;

@sessions = two_under_way('under_way_leap');
$sessions[1]->query_safe('COMMIT');
$sessions[0]->query_safe('ROLLBACK');
value('own', q{SELECT setval('under_way_leap_cursor', 100)});
granted('under_way_leap', 1, 0, '101|111', 'what the cursor leapt over is not granted');
granted('under_way_leap', 3, 0, '111|121', 'to anybody');
$_->quit foreach @sessions;

#
# What may be done to the sequence of a range.  Each case has a range of its
# own, at its 50th value.  Its script runs in one session, and its
# after-script in another.  Then the server crashes, or is restarted.  Where it
# is documented that one of these is unsafe, it is left out.
#
my %cases = (
	setval_down => { script => [ q(SELECT setval('%s', 10)), 'draw' ], after => ['draw'] },
	setval_down_in_transaction => {
		script => [ 'BEGIN', 'draw', q(SELECT setval('%s', 10)), 'draw', 'COMMIT' ], unsafe => 'crash'
	},
	setval_down_in_transaction_before =>
	  { script => [ 'BEGIN', 'draw', q(SELECT setval('%s', 10)), 'draw', 'COMMIT', 'draw' ] },
	setval_down_unused => { script => [q(SELECT setval('%s', 10))], unsafe => 'crash' },
	setval_zero_unused => { script => [q(SELECT setval('%s', 0))], unsafe => 'crash' },
	setval_zero => { script => [ q(SELECT setval('%s', 0)), 'draw' ], after => ['draw'] },
	setval_not_called => { script => [ q(SELECT setval('%s', 10, false)), 'draw' ], after => ['nextval'] },
	setval_up => { script => [ q(SELECT setval('%s', 1500)), 'draw' ], after => ['draw'] },
	setval_up_unused => { script => [q(SELECT setval('%s', 1500))] },
	setval_beyond => { script => [ q(SELECT setval('%s', 100000)), 'draw' ], after => ['draw'] },
	setval_beyond_unused => { script => [q(SELECT setval('%s', 100000))] },
	restart => { script => [ 'ALTER SEQUENCE %s RESTART', 'draw' ], after => [ 'draw', 'nextval' ] },
	restart_unused => { script => ['ALTER SEQUENCE %s RESTART'] },
	restart_with => { script => [ 'ALTER SEQUENCE %s RESTART WITH 5', 'draw' ], after => ['draw'] },
	restart_with_beyond => { script => [ 'ALTER SEQUENCE %s RESTART WITH 100000', 'nextval', 'draw' ] },
	restart_with_unused => { script => ['ALTER SEQUENCE %s RESTART WITH 5'] },
	restart_and_nextval => { script => [ 'ALTER SEQUENCE %s RESTART', 'nextval', 'nextval', 'draw' ] },
	restart_rolled_back =>
	  { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK' ], after => ['draw'] },
	restart_rolled_back_unused => { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK' ] },
	restart_committed => { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'COMMIT' ] },
	restart_in_savepoint => {
		script => [ 'BEGIN', 'draw', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO a', 'draw', 'COMMIT' ]
	},
	restart_in_savepoint_unused => {
		script => [ 'BEGIN', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO a', 'COMMIT' ]
	},
	restart_twice => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART WITH 7',
			'draw', 'ROLLBACK TO a', 'COMMIT'
		]
	},
	restart_left_open => { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw' ], open => 1 },
	restart_prepared => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', q(PREPARE TRANSACTION '%s'), q(COMMIT PREPARED '%s')
		],
		after => ['draw']
	},
	restart_prepared_rolled_back => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', q(PREPARE TRANSACTION '%s'), q(ROLLBACK PREPARED '%s')
		]
	},
	restart_prepared_until_later => {
		script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', q(PREPARE TRANSACTION '%s') ],
		afterwards => [q(COMMIT PREPARED '%s')]
	},
	nextval => { script => [ 'nextval', 'draw', 'nextval' ], after => ['draw'] },
	nextval_in_transaction => { script => [ 'BEGIN', 'draw', 'nextval', 'draw', 'ROLLBACK' ], after => ['draw'] },
	truncate => {
		script => [ 'TRUNCATE %s_rows RESTART IDENTITY', 'draw' ], after => [ 'draw', 'nextval' ]
	},
	truncate_unused => { script => ['TRUNCATE %s_rows RESTART IDENTITY'] },
	truncate_rolled_back =>
	  { script => [ 'BEGIN', 'TRUNCATE %s_rows RESTART IDENTITY', 'draw', 'ROLLBACK' ], after => ['draw'] },
	truncate_then_draw_in_transaction =>
	  { script => [ 'BEGIN', 'draw', 'TRUNCATE %s_rows RESTART IDENTITY', 'draw', 'COMMIT' ] },
	unlogged => {
		script => [ 'ALTER SEQUENCE %s SET UNLOGGED', 'ALTER SEQUENCE %s SET LOGGED', 'draw' ], after => ['draw']
	},
	unlogged_unused => { script => [ 'ALTER SEQUENCE %s SET UNLOGGED', 'ALTER SEQUENCE %s SET LOGGED' ] },
	cache => { script => [ 'ALTER SEQUENCE %s CACHE 10', 'draw', 'nextval' ], after => ['draw'] },
	# the same while nothing is given out, as the worker has ended
	ended_setval_down => { script => [ 'end worker', q(SELECT setval('%s', 10)), 'draw' ] },
	ended_setval_up => { script => [ 'end worker', q(SELECT setval('%s', 1500)), 'draw' ] },
	ended_restart => { script => [ 'end worker', 'ALTER SEQUENCE %s RESTART', 'draw' ], after => ['draw'] },
	ended_restart_unused => { script => [ 'end worker', 'ALTER SEQUENCE %s RESTART' ] },
	ended_restart_rolled_back =>
	  { script => [ 'end worker', 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'ROLLBACK', 'draw' ] },
	# and transactions that only draw
	rolled_back => { script => [ 'BEGIN', 'draw', 'ROLLBACK' ], after => ['draw'] },
	savepoint => {
		script => [ 'BEGIN', 'SAVEPOINT a', 'draw', 'ROLLBACK TO a', 'draw', 'RELEASE a', 'draw', 'ROLLBACK' ],
		after => ['draw']
	},
	whole_blocks_rolled_back => { script => [ 'BEGIN', 'SAVEPOINT a', 'blocks', 'ROLLBACK TO a', 'blocks', 'ROLLBACK' ] },
	prepared => {
		script => [ 'BEGIN', 'draw', q(INSERT INTO %s_rows VALUES (range_nextval('%s')) RETURNING id), q(PREPARE TRANSACTION '%s') ],
		after => [ 'draw', q(COMMIT PREPARED '%s') ]
	},
	prepared_rolled_back =>
	  { script => [ 'BEGIN', 'draw', 'writes', q(PREPARE TRANSACTION '%s'), q(ROLLBACK PREPARED '%s') ], after => ['draw'] },
	prepared_until_later => {
		script => [ 'BEGIN', 'blocks', 'writes', q(PREPARE TRANSACTION '%s') ],
		after => ['draw'],
		afterwards => [ q(COMMIT PREPARED '%s'), 'draw' ]
	},
	read_only => { script => [ 'BEGIN READ ONLY', 'draw', 'COMMIT' ] },
	dropped_and_back => {
		script => [ 'BEGIN', 'draw', 'SAVEPOINT a', 'DROP SEQUENCE %s CASCADE', 'ROLLBACK TO a', 'draw', 'COMMIT' ],
		after => ['draw']
	},
	drop_rolled_back => { script => [ 'BEGIN', 'draw', 'DROP SEQUENCE %s CASCADE', 'ROLLBACK' ], after => ['draw'] },);
my @plain;	# what plain nextval gave

sub run_case
{
	my ($place, $session, $range, @script) = @_;

	foreach my $statement (@script)
	{
		$session->{stderr} = '';
		if ($statement eq 'draw')
		{
			draw_in($session, $range, 3);
		}
		elsif ($statement eq 'blocks')
		{
			draw_in($session, $range, 2500);
		}
		elsif ($statement eq 'nextval')
		{
			push @plain, "$range: $_"
			  foreach grep { $_ ne '' && $_ ne '0' } $session->query_safe("SELECT plain_nextval('$range')");
		}
		elsif ($statement eq 'end worker')
		{
			end_worker($place);
		}
		elsif ($statement eq 'writes')
		{
			$session->query_safe("INSERT INTO ${range}_rows VALUES (0)");
		}
		else
		{
			my $result = $session->query_safe($statement =~ s/%s/$range/gr);

			note_values($range, $result) if $statement =~ /RETURNING/;
		}
	}
	return;
}

foreach my $place (@places)
{
	foreach my $end ('crash', 'restart')
	{
		my $first = session($server{$place});
		my $second = session($server{$place});
		my @tried = grep { ($cases{$_}{unsafe} // '') ne $end } sort keys %cases;
		my @names = map { "${place}_${end}_$_" } @tried;
		my @open;

		new_ranges($place, map { $_ => 2000 } @names);
		value($place, join("\n",
				map { "CREATE TABLE ${_}_rows (id bigint); ALTER SEQUENCE $_ OWNED BY ${_}_rows.id;" } @names));
		foreach my $case (@tried)
		{
			my $range = "${place}_${end}_$case";
			my $session = $cases{$case}{open} ? session($server{$place}) : $first;

			draw_in($first, $range, 50);
			run_case($place, $session, $range, @{ $cases{$case}{script} });
			run_case($place, $second, $range, @{ $cases{$case}{after} // [] });
			push @open, $session if $cases{$case}{open};
		}
		values_only_grew("$place: whatever is done to the sequence, values grow");
		is(join('; ', @plain), '', "$place: plain nextval fails, or gives nothing but 0");
		@plain = ();

		if ($end eq 'crash')
		{
			crash($server{$place}, 'kill9');
		}
		else
		{
			$_->quit foreach ($first, $second, @open);
			$server{$place}->restart;
		}
		$first = session($server{$place});
		foreach my $case (@tried)
		{
			my $range = "${place}_${end}_$case";

			run_case($place, $first, $range, @{ $cases{$case}{afterwards} // [] }, 'draw', 'nextval');
		}
		values_only_grew("$place: and so they do after a $end");
		is(join('; ', @plain), '', "$place: plain nextval fails after it");
		$first->quit;
	}
}

#
# Created and drawn from in one transaction
#
my $one = session($coordinator);
my $two = session($coordinator);
my $create = q{SELECT range_create('%s', block_size => 10, max_block_size => 10)};

sub run
{
	my ($session, @statements) = @_;

	$session->{stderr} = '';
	$session->query_safe($_) foreach @statements;
	return;
}

# What is known of ranges that are not there.
sub leftovers
{
	return value('own', <<'SQL');
SELECT (SELECT count(*) FROM seqgen.range_holding h WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = h.generator::oid)),
	   (SELECT count(*) FROM seqgen.range_source s WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = s.generator::oid)),
	   (SELECT count(*) FROM seqgen.range_generator g WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = g.generator::oid)),
	   (SELECT count(*) FROM seqgen.range_block b WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = b.generator::oid))
SQL
}

# committed, then used by others
run($one, 'BEGIN', sprintf($create, 'new'));
is(draw_in($one, 'new', 4), 4, 'a range is drawn from in the transaction that creates it');
run($one, 'COMMIT');
is(draw_in($two, 'new'), 5, 'after the commit others go on');
is(draw_in($two, 'new', 20), 25, 'and get new blocks');
is(draw_in($one, 'new'), 26, 'so does the session that created it');

# over several blocks
run($one, 'BEGIN', sprintf($create, 'long'));
is(draw_in($one, 'long', 35), 35, 'one transaction creates a range and uses several blocks');
run($one, 'COMMIT');
is(draw_in($two, 'long'), 36, 'others go on behind them');

# committed, and then a crash
run($one, 'BEGIN', q{SELECT range_create('durable', block_size => 3000, max_block_size => 3000)});
draw_in($one, 'durable', 5);
run($one, 'COMMIT');
$coordinator->stop('immediate');
$coordinator->start;
little_was_lost('own', 'a crash right after the creation', durable => 3000);
$one = session($coordinator);
$two = session($coordinator);

# and a clean stop
run($one, 'BEGIN', q{SELECT range_create('clean', block_size => 3000, max_block_size => 3000)});
draw_in($one, 'clean', 5);
run($one, 'COMMIT');
$_->quit foreach ($one, $two);
$coordinator->restart;
is(draw('own', 'clean'), 6, 'a clean stop right after the creation costs nothing');
$one = session($coordinator);
$two = session($coordinator);

# prepared
run($one, 'BEGIN', sprintf($create, 'prepared'));
draw_in($one, 'prepared', 14);
run($one, q{PREPARE TRANSACTION 'p'}, q{COMMIT PREPARED 'p'});
draw_in($two, 'prepared', 10);
draw_in($one, 'prepared', 10);
values_only_grew('a range that is created by a prepared transaction goes on');
run($one, 'BEGIN', sprintf($create, 'prepared_later'));
draw_in($one, 'prepared_later', 14);
run($one, q{PREPARE TRANSACTION 'p'});
crash($coordinator);
$one = session($coordinator);
$two = session($coordinator);
run($one, q{COMMIT PREPARED 'p'});
draw_in($two, 'prepared_later', 10);
draw_in($one, 'prepared_later', 10);
values_only_grew('also if a crash comes before its commit');
run($one, 'BEGIN', sprintf($create, 'never'));
draw_in($one, 'never', 14);
run($one, q{PREPARE TRANSACTION 'p'}, q{ROLLBACK PREPARED 'p'});
delete $newest{never};
run($two, sprintf($create, 'never'));
draw_in($two, 'never', 14);
is($newest{never}, 14, 'one whose preparation was rolled back leaves nothing');

# rolled back
run($one, 'BEGIN', sprintf($create, 'undone'));
draw_in($one, 'undone', 25);
run($one, 'ROLLBACK');
fails($one, q{SELECT range_nextval('undone')}, '42P01', 'relation "undone" does not exist',
	'a range whose creation is rolled back is gone');
delete $newest{undone};
run($two, sprintf($create, 'undone'));
is(draw_in($one, 'undone', 3), 3, 'a new one of that name begins anew');
is(draw_in($two, 'undone', 20), 23, 'and is sound');

# savepoints
run($one, 'BEGIN', 'SAVEPOINT a', sprintf($create, 'saved'));
draw_in($one, 'saved', 7);
run($one, 'ROLLBACK TO a', sprintf($create, 'saved'));
delete $newest{saved};
is(draw_in($one, 'saved', 3), 3, 'created again after ROLLBACK TO, it begins anew');
run($one, 'COMMIT');
is(draw_in($two, 'saved', 3), 6, 'and others go on');
is(leftovers(), '0|0|0|0', 'nothing is left of what was rolled back');

run($one, 'BEGIN', sprintf($create, 'inner'));
draw_in($one, 'inner', 3);
run($one, 'SAVEPOINT a');
draw_in($one, 'inner', 30);
run($one, 'ROLLBACK TO a');
draw_in($one, 'inner', 3);
run($one, 'SAVEPOINT b');
draw_in($one, 'inner', 30);
run($one, 'RELEASE b', 'COMMIT');
draw_in($two, 'inner', 30);
draw_in($one, 'inner', 30);
crash($coordinator);
draw('own', 'inner', 30);
values_only_grew('blocks that come in savepoints, rolled back and released, make no value come twice');

$one = session($coordinator);
$two = session($coordinator);
run($one, 'BEGIN', 'SAVEPOINT a', sprintf($create, 'outer'), 'SAVEPOINT b');
draw_in($one, 'outer', 5);
run($one, 'ROLLBACK TO b');
draw_in($one, 'outer', 5);
run($one, 'RELEASE a');
draw_in($one, 'outer', 5);
run($one, 'COMMIT');
draw_in($two, 'outer', 30);
crash($coordinator);
draw('own', 'outer', 30);
values_only_grew('nor do they if nothing was drawn before the savepoint');

# RESTART of what is new
$one = session($coordinator);
$two = session($coordinator);
run($one, 'BEGIN', sprintf($create, 'restarted'));
draw_in($one, 'restarted', 5);
run($one, 'ALTER SEQUENCE restarted RESTART');
draw_in($one, 'restarted', 5);
run($one, 'SAVEPOINT a', 'ALTER SEQUENCE restarted RESTART');
draw_in($one, 'restarted', 15);
run($one, 'ROLLBACK TO a');
draw_in($one, 'restarted', 5);
run($one, 'COMMIT');
draw_in($two, 'restarted', 15);
crash($coordinator);
draw('own', 'restarted', 15);
values_only_grew('nor does RESTART in the transaction that creates it');
is(leftovers(), '0|0|0|0', 'nothing is left of ranges that are not there');

# With a coordinator elsewhere, which cannot be asked before the commit.
$one = session($node);
value('own', sprintf($create, 'distant'));
run($one, 'BEGIN', sprintf($create, 'distant'));
fails($one, q{SELECT range_nextval('distant')}, '55000', 'generator "distant" has no values yet',
	'a range whose coordinator is elsewhere has no values before the commit');
run($one, 'ROLLBACK', 'BEGIN', sprintf($create, 'distant'), 'COMMIT');
is(draw_in($one, 'distant', 25), 25, 'and has them after it');
$one->quit;

$node->stop;
$coordinator->stop;
done_testing();
