# Property: whatever a coordinator answers, a node never draws outside the
# numbers and times that its rules allow, says clearly what it did not like,
# asks at a modest rate, survives, and draws as soon as it gets a sound answer.

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

$LeaseTest::node_bits = 3;

# ---- What it answers: by case, statements that change a sound answer.  Counted
# is how often this case has asked before.

my $minute = 60_000_000;

# no number can come of these; and what the error has to tell
my %never = (
	number_null => [ 'granted_number := NULL', qr/no bounds/ ],
	number_zero => [ 'granted_number := 0', qr/number/ ],
	number_by_hand => [ 'granted_number := 3', qr/number/ ],
	number_negative => [ 'granted_number := -5', qr/number/ ],
	number_too_large => [ 'granted_number := 8', qr/number/ ],
	number_huge => [ 'granted_number := 9223372036854775807', qr/number/ ],
	number_wrapped => [ 'granted_number := 4294967300', qr/number/ ],
	generation_null => [ 'granted_generation := NULL', qr/no bounds/ ],
	generation_zero => [ 'granted_generation := 0', qr/generation/ ],
	generation_negative => [ 'granted_generation := -1', qr/generation/ ],
	from_null => [ 'valid_from := NULL', qr/no bounds/ ],
	until_null => [ 'valid_until := NULL', qr/no bounds/ ],
	until_is_from => [ 'valid_from := clock; valid_until := clock', qr/window|lease|until/ ],
	until_before_from => [ 'valid_from := clock; valid_until := clock - 1', qr/window|lease|until/ ],
	until_over => [ "valid_until := clock - $minute", qr/window|lease|until|over/ ],
	until_min => [ 'valid_until := -9223372036854775808', qr/window|lease|until/ ],
	until_max => [ 'valid_until := 9223372036854775807', qr/window|lease|until/ ],
	until_far => [ "valid_until := clock + 32 * 1440 * ${minute}::bigint", qr/window|lease|until/ ],
	both_far => [ "valid_from := clock + 365 * 1440 * ${minute}::bigint; valid_until := valid_from + $minute", qr/./ ],
	clock_null => [ 'coordinator_clock := NULL', qr/no bounds/ ],
	ledger_null => [ 'ledger_id := NULL', qr/no bounds/ ],
	status_null => [ 'status := NULL', qr/status|null/i ],
	status_empty => [ q{status := ''}, qr/status/ ],
	status_unknown => [ q{status := 'granted '}, qr/status/ ],
	status_long => [ q{status := repeat('granted', 1000)}, qr/status|long|large|malformed/ ],
	all_null => [ 'status := NULL; granted_number := NULL; granted_generation := NULL; valid_from := NULL;'
		  . 'valid_until := NULL; coordinator_clock := NULL; ledger_id := NULL', qr/null|status/i ],
	refused => [ q{status := 'refused'; message := E'no way\nout \e[31m%s%n'}, qr/no way out/ ],
	hold => [ q{status := 'hold'; message := 'until the cows come home'}, qr/until the cows come home/ ],
	exhausted => [ q{status := 'exhausted'; message := 'all numbers, until tomorrow'}, qr/all numbers, until tomorrow/ ],
	skewed => [ q{status := 'skewed'; message := 'you: noon, we: midnight'}, qr/you: noon, we: midnight/ ],
	wait => [ q{status := 'wait'}, qr/./ ],
	message_null => [ q{status := 'refused'; message := NULL}, qr/./ ],
	message_huge => [ q{status := 'exhausted'; message := repeat('€', 10000)}, qr/./ ],
	raises => [ q{RAISE 'over my dead body' USING ERRCODE = '40001'}, qr/over my dead body/ ],
	raises_long => [ q{RAISE '%', repeat('€', 1000000)}, qr/€€€|\?\?\?/ ],
	hangs => [ 'PERFORM pg_sleep(3600)', qr/./ ],
	dies => [ 'PERFORM pg_terminate_backend(pg_backend_pid())', qr/terminat|connection/ ]);

# these may be used, or not: nothing that is wrong comes of it
my %odd = (
	message_long => q{message := repeat('x', 10000000)},
	registry_long => q{registry := repeat('x', 10000000)},
	registry_words => q{registry := E'x y z\n'},
	registry_short => q{registry := E'1 3 -1\n'},
	registry_open => q{registry := '1 3 -1 4 0 00000000-0000-4000-8000-000000000001 3/5/1'},
	registry_empty => q{registry := ''},
	registry_lines => q{registry := repeat(E'\n', 20000)},
	registry_spaces => q{registry := repeat(' ', 30000)},
	registry_bits => q{registry := E'7001 99 -1 4 0 00000000-0000-4000-8000-000000000001 \n'},
	registry_number => q{registry := E'7002 3 -1 99999999999 0 00000000-0000-4000-8000-000000000001 \n'},
	registry_uuid => q{registry := E'7003 3 -1 4 0 nobody \n'},
	registry_from => q{registry := E'7004 3 -1 4 9223372036854775808 00000000-0000-4000-8000-000000000001 \n'},
	registry_from_min => q{registry := E'7005 3 -1 4 -9223372036854775808 00000000-0000-4000-8000-000000000001 \n'},
	registry_serial => q{registry := E'-7 3 -1 4 0 00000000-0000-4000-8000-000000000001 \n'},
	registry_location => q{registry := E'7006 3 -1 4 0 00000000-0000-4000-8000-000000000001 a''); DROP TABLE seqgen.node_lease; --\n'},
	registry_twice => q{registry := repeat(E'7007 3 -1 4 0 00000000-0000-4000-8000-000000000001 1/2/3\n', 300)},
	registry_many => q{registry := (SELECT string_agg(format(E'%s 3 -1 4 0 00000000-0000-4000-8000-000000000001 1/2/3\n', i), '') FROM generate_series(8000, 8400) i)},
	clock_far => "coordinator_clock := clock + 365 * 1440 * ${minute}::bigint; valid_until := coordinator_clock + $minute",
	clock_off => "coordinator_clock := -9223372036854775808");

# a sound lease of a few seconds, and something wrong as soon as it is renewed:
# no id comes of what is wrong
my $short = 'IF counted = 0 THEN valid_until := clock + 3000000; ELSE %s; END IF';
my %renewal = (
	generation_older => 'granted_generation := 99',
	generation_same => 'granted_generation := 100',
	from_later => 'valid_from := valid_from + 1',
	from_earlier => 'valid_from := valid_from - 1',
	number_back => 'granted_number := 3',
	then_null => 'granted_number := NULL',
	then_far => 'valid_until := 9223372036854775807',
	then_refused => q{status := 'refused'; message := 'not any more'},
	then_hangs => 'PERFORM pg_sleep(3600)');

# numbers by hand that are registered
my %by_hand = (
	hand_other => 'granted_number := number + 1',
	hand_null => 'granted_number := NULL',
	hand_leased => 'granted_number := 4',
	hand_raises => q{RAISE 'over my dead body'});

my %case = (
	(map { ("never_$_" => $never{$_}[0]) } keys %never),
	(map { ("odd_$_" => $odd{$_}) } keys %odd),
	(map { ("renewal_$_" => sprintf($short, $renewal{$_})) } keys %renewal),
	%by_hand,
	sound => '');
my @cases = sort keys %case;

# ---- The fake, and a database that asks it in each case

my $fake = PostgreSQL::Test::Cluster->new('fake');
$fake->init;
$fake->append_conf('postgresql.conf', "max_connections = 200\nautovacuum = off\n");
$fake->start;

sub arguments
{
	return <<'SQL';
node uuid, running uuid, identity text, bits integer, datacenter integer, number bigint,
	generation bigint, key uuid, location text, clock bigint, seen bigint
SQL
}

my $results = <<'SQL';
OUT status text, OUT granted_number bigint, OUT granted_generation bigint, OUT valid_from bigint,
	OUT valid_until bigint, OUT coordinator_clock bigint, OUT ledger_id uuid, OUT registry text, OUT message text
SQL

sub fake_function
{
	my ($branches) = @_;
	return <<"SQL";
CREATE OR REPLACE FUNCTION seqgen.node_request(${\ arguments()}, $results)
LANGUAGE plpgsql AS \$\$
#variable_conflict use_variable
DECLARE
	counted bigint := nextval('seqgen.' || session_user) - 1;
BEGIN
	status := 'granted';
	granted_number := CASE WHEN bits = 0 THEN number ELSE 1 << (bits - 1) END;
	granted_generation := 100 + counted;
	valid_from := 1000000;
	valid_until := CASE WHEN bits = 0 THEN 9223372036854775807 ELSE clock + $minute END;
	coordinator_clock := clock;
	ledger_id := '11111111-0000-4000-8000-000000000001';
$branches
END \$\$;
SQL
}

$fake->safe_psql('postgres', 'CREATE SCHEMA seqgen; GRANT USAGE ON SCHEMA seqgen TO PUBLIC;'
	  . join('', map { "CREATE ROLE $_ LOGIN; CREATE SEQUENCE seqgen.$_; GRANT ALL ON SEQUENCE seqgen.$_ TO $_; GRANT pg_signal_backend TO $_;" } @cases)
	  . fake_function(join('', map { "\tIF session_user = '$_' THEN $case{$_}; END IF;\n" } grep { $case{$_} } @cases)));

my $node = seqgen_cluster('node', conf => <<"CONF");
seqgen.node_id = '${\ join(', ', map { "$_: 1" } sort keys %by_hand)}'
max_worker_processes = 120
max_connections = 200
seqgen.max_generators = 2048
log_statement = none
CONF
create_generators($node);

sub name_fake
{
	my ($database, $user, $dbname) = @_;
	my ($host, $port) = ($fake->host, $fake->port);
	return <<"SQL";
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host '$host', port '$port', dbname '$dbname');
CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user '$user');
SQL
}

foreach my $case (@cases)
{
	value($node, "CREATE DATABASE $case TEMPLATE postgres STRATEGY file_copy", 'template1');
	value($node, name_fake($case, $case, 'postgres'), $case);
}

# functions of another shape, in databases of their own
my %shape = (
	missing => 'SELECT 1',
	column_less => "CREATE FUNCTION seqgen.node_request(${\ arguments()}, OUT status text, OUT granted_number bigint) LANGUAGE sql AS \$\$ SELECT 'granted', 4 \$\$",
	column_types => "CREATE FUNCTION seqgen.node_request(${\ arguments()}, ${\ ($results =~ s/bigint/numeric/gr)}) LANGUAGE sql AS \$\$ SELECT 'granted', 4.5, 1, 0, 1e18, 1, gen_random_uuid(), NULL::text, NULL::text \$\$",
	no_row => "CREATE FUNCTION seqgen.node_request(${\ arguments()}, $results) RETURNS SETOF record LANGUAGE sql AS \$\$ SELECT 'granted', 4::bigint, 1::bigint, 0::bigint, clock + 1000000, clock, gen_random_uuid(), NULL::text, NULL::text WHERE false \$\$",
	two_rows => "CREATE FUNCTION seqgen.node_request(${\ arguments()}, $results) RETURNS SETOF record LANGUAGE sql AS \$\$ SELECT 'granted', 4::bigint, 1::bigint, 0::bigint, clock + 1000000, clock, gen_random_uuid(), NULL::text, NULL::text FROM generate_series(1, 2) \$\$");
foreach my $shape (sort keys %shape)
{
	value($fake, "CREATE DATABASE $shape");
	value($fake, "CREATE SCHEMA seqgen; $shape{$shape}", $shape);
	value($node, "CREATE DATABASE shape_$shape TEMPLATE postgres STRATEGY file_copy", 'template1');
	value($node, name_fake("shape_$shape", $fake->safe_psql('postgres', 'SELECT current_user'), $shape), "shape_$shape");
}

# ---- All of them at once

# Draw in each of these databases at the same time; by database, what came of it.
sub draw_in
{
	my ($seconds, $sql, @databases) = @_;
	my %run;
	my %result;

	foreach my $database (@databases)
	{
		local $ENV{PGOPTIONS} = "-c seqgen.lease_timeout=${seconds}s";
		my $run = $run{$database} = { out => '', err => '' };
		$run->{handle} = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-c', $sql, $node->connstr($database) ],
			'<', '/dev/null', '>', \$run->{out}, '2>', \$run->{err},
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	foreach my $database (@databases)
	{
		$run{$database}{handle}->finish;
		$result{$database} = $run{$database};
	}
	return \%result;
}

my $one = q{SELECT snowflake_nextval('dense')};
my $started = time;
my @never = ((map { "never_$_" } sort keys %never), map { "shape_$_" } sort keys %shape);
my $result = draw_in(4, $one, @never);
foreach my $database (@never)
{
	my ($name) = $database =~ /^never_(.*)/;
	my $reason = $name ? $never{$name}[1] : qr/column|answer|row|function|exist/i;
	my $error = $result->{$database}{err};

	is($result->{$database}{out}, '', "$database: no id");
	like($error, qr/ERROR:  (08006|08P01|55000|55006|53400): generator \"dense\" (has no|got no) node number/, "$database: a documented error");
	my ($said) = $error =~ /^DETAIL:  (.*)/m;
	like($said // $error, $reason, "$database: which says why");
	unlike($error, qr/\e|ERROR: .*ERROR:/s, "$database: in plain text");
	cmp_ok(length($error), '<', 4000, "$database: and not too much of it");
	is(held($node, $database), '', "$database: and nothing is held")
	  or diag($error, value($node, 'SELECT * FROM seqgen.node_lease', $database));
}
usleep(1_000_000 * (7 - (time - $started))) if time - $started < 7;
my $elapsed = time - $started;
my $often = value($fake, "SELECT string_agg(sequencename || ' ' || last_value, ', ') FROM pg_sequences"
	  . " WHERE schemaname = 'seqgen' AND sequencename LIKE 'never%' AND last_value > 3 * $elapsed + 10");
is($often, '', 'none was asked in a fury');

# ---- What may be used

my @odd = map { "odd_$_" } sort keys %odd;
$result = draw_in(6, $one, @odd, 'sound');
like($result->{sound}{out}, qr/^\d+$/, 'a sound answer is used') or diag($result->{sound}{err});
foreach my $database (@odd)
{
	my ($out, $err) = ($result->{$database}{out}, $result->{$database}{err});
	ok($out =~ /^\d+$/ || $err =~ /ERROR:  (08006|08P01|55000|55006|53400): generator \"dense\" (has no|got no) node number/, "$database: an id, or a documented error") or diag("$out $err");
	note("$database: " . ($out ? 'used' : $err));
	is(value($node, <<'SQL', $database), '0', "$database: no nonsense is noted");
SELECT count(*) FROM seqgen.node_history
 WHERE serial < 1 OR bits NOT BETWEEN 2 AND 30 OR number NOT BETWEEN 1 AND (1 << bits) - 1
	OR length(location) > 20 OR NOT isfinite(valid_from) OR node IS NULL
SQL
	is(value($node, "SELECT to_regclass('seqgen.node_lease') IS NOT NULL", $database), 't', "$database: nothing is lost");
}

# ---- Renewals

my @renewal = map { "renewal_$_" } sort keys %renewal;
$started = time;
my $first = draw_in(6, q{SELECT snowflake_nextval('dense') FROM generate_series(1, 10)}, @renewal);
foreach my $database (@renewal)
{
	my @ids = split /\n/, $first->{$database}{out};
	is(scalar(@ids), 10, "$database: at first ids come") or diag($first->{$database}{err});
}

# well into what the wrong answers promised
usleep(1_000_000 * (4 - (time - $started))) if time - $started < 4;
foreach my $round (1, 2)
{
	my $later = draw_in(2, q{SELECT snowflake_nextval('dense') FROM generate_series(1, 1000)}, @renewal);
	foreach my $database (@renewal)
	{
		is($later->{$database}{out}, '', "$database: and none after the lease, round $round");
		like($later->{$database}{err}, qr/ERROR:  (08006|08P01|55000|55006|53400): generator \"dense\" (has no|got no) node number/, "$database: but a documented error");
	}
}
my @beyond = grep {
	value($node, q{SELECT last_value FROM dense}, $_) > 0
	  && value($node, q{SELECT max(snowflake_timestamp(last_id, 'dense'::regclass)) > (SELECT valid_until FROM seqgen.node_lease) FROM
			(SELECT last_value AS last_id FROM dense) q}, $_) eq 't'
} @renewal;
note("bounds beyond the lease: @beyond") if @beyond;

# ---- Numbers by hand

my @by_hand = sort keys %by_hand;
$result = draw_in(6, $one, @by_hand);
foreach my $database (@by_hand)
{
	my ($out, $err) = ($result->{$database}{out}, $result->{$database}{err});
	chomp $out;
	ok( $out
		? value($node, "SELECT snowflake_node($out, 'dense'::regclass)", $database) eq '1'
		: $err =~ /ERROR:  (08006|08P01|55000|55006|53400): generator \"dense\" (has no|got no) node number/,
		"$database: the number that is set, or a documented error") or diag("$out $err");
}

# ---- A sound answer at last

$fake->safe_psql('postgres', fake_function("\tgranted_generation := 1000 + counted;"));
value($fake, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY (ARRAY['
	  . join(', ', map { "'$_'" } @cases) . ']::name[])');
my @restored = grep { !/ledger/ } @cases;
my %left = map { $_ => 1 } @restored;
await('sound answers are used', sub {
	my $result = draw_in(3, $one, sort keys %left);
	foreach my $database (keys %left)
	{
		delete $left{$database} if $result->{$database}{out} =~ /^\d+$/;
	}
	return !%left;
}, 30);
is(join(' ', sort keys %left), '', 'a sound answer is used as soon as it comes, whatever was before');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP:|was terminated by signal|server process .* exited with/, 'nothing crashed');

$_->stop('immediate') foreach ($node, $fake);
done_testing();
