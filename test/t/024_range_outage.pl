# Property: however the coordinator cannot be reached, values flow until the
# supply ends, as long as the node had said; then sessions get, in time, an
# error that says why, and can be cancelled at once; nothing else on the node is
# held up; and when the coordinator is back, so is the service.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;
use Time::HiRes qw(time usleep);

use Draw;
use RangeTest;
use SeqgenTest;

# What is promised, in seconds, and what a busy machine may add to it.
my $cancel_bound = 0.2;
my $ddl_bound = 2;
my $resume_bound = 2;
my $slack = 1;

# A blackhole of a network is played by a proxy that answers nothing.  It lasts
# some ten seconds here; waits are made longer than its length instead of
# waiting for a minute to pass.

my $coordinator = range_coordinator('coordinator');
my $node = seqgen_cluster('node', conf => <<'CONF');
max_worker_processes = 30
max_connections = 60
wal_writer_delay = '10s'
log_statement = none
CONF
my $admin = session($node);
$admin->set_query_timer_restart;

# Ranges of the same names on both sides, with blocks of a fixed size.
my $ranges = <<'SQL';
SELECT range_create('small', 4, min_block_size => 4, max_block_size => 4);
SELECT range_create('large', 400, min_block_size => 400, max_block_size => 400);
SQL
$coordinator->safe_psql('postgres', $ranges);
$admin->query_safe('CREATE DATABASE model');
$node->safe_psql('model', "CREATE EXTENSION seqgen; $ranges");
draw_create($node, 'model');

# A database of the node, with its coordinator and what it presents there.
sub database
{
	my ($name, $server, $mapping) = @_;

	$admin->query_safe("CREATE DATABASE $name TEMPLATE model");
	$node->safe_psql($name, 'CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ('
		  . options(dbname => 'postgres', %$server) . ')');
	$node->safe_psql($name, 'CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS ('
		  . options(%$mapping) . ')')
	  if defined $mapping;
	return;
}

sub options
{
	my (%options) = @_;
	return join(', ', map { "$_ '$options{$_}'" } sort keys %options);
}

sub at
{
	my ($place) = @_;
	return (host => $place->host, port => $place->port);
}

# A plain listener of this process, which the kernel connects to.
sub listener
{
	my (%parameters) = @_;
	return IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', %parameters)
	  || die "could not listen: $!";
}

# A port whose queue is full, so that nothing at all comes back from it;
# undefined if this system has no such thing.
my @fillers;
sub silent_port
{
	my $listener = listener(Listen => 1);
	push @fillers, $listener;

	for (1 .. 16)
	{
		my $filler = IO::Socket::INET->new(Proto => 'tcp', Blocking => 0);
		push @fillers, $filler;
		connect($filler, sockaddr_in($listener->sockport, inet_aton('127.0.0.1')));
		my $writable = '';
		vec($writable, $filler->fileno, 1) = 1;
		return $listener->sockport if select(undef, $writable, undef, 0.3) == 0;
	}
	return;
}

my %noderole = (user => 'noderole');
my $far = RangeTest::Proxy->new($coordinator);
my $silent_port = silent_port();

# ---- The coordinator falls silent, on connections that are established

database($_, { at($far) }, \%noderole) foreach qw(shop till mould waiters);
draw($node, $_, "'small', 1, '60s'") foreach qw(till mould waiters);
my $shop = session($node, database => 'shop');
$shop->query_safe("SELECT draw('large', 250, '60s', 0.005)");
await('the next block is there', sub {
	$shop->query_safe(q{SELECT next_block IS NOT NULL FROM seqgen.range_block WHERE generator = 'large'::regclass}) eq 't' });
$far->mode('blackhole');

my ($shown, $supply, $position) = split(/\|/, $shop->query_safe(<<'SQL'));
SELECT seconds_left, upper(block) - 1 - position + upper(next_block) - lower(next_block), position
  FROM seqgen.range_block WHERE generator = 'large'::regclass
SQL
is($supply, 550, 'the supply is what is left of one block, and the next');
my $flow = draw($node, 'shop', "'large', 100000, '2s', 0.005");
is($flow->{drawn}, $supply, 'all of the supply was given out');
is($flow->{last} - $flow->{first} + 1, $supply, 'without a hole') or diag(explain($flow));
is($flow->{first}, $position + 1, 'from where it was');
cmp_ok($flow->{longest}, '<', $slack, 'without anybody waiting for a value');
cmp_ok(abs($flow->{flowed} - $shown), '<=', 1 + 0.4 * $shown,
	"it lasted $flow->{flowed} s, and $shown s were shown");

# The error of who waits in vain.
sub is_late
{
	my ($draw, $generator, $seconds, $detail, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ms = $seconds * 1000;

	is($draw->{code}, '08006', "$name: an error");
	is($draw->{message}, qq(generator "$generator" got no block within $ms ms), "$name: its message");
	like($draw->{detail}, $detail, "$name: it says what the worker saw last");
	like($draw->{hint}, qr/seqgen\.range_timeout/, "$name: it names the setting");
	cmp_ok($draw->{waited}, '>=', $seconds, "$name: not too early");
	cmp_ok($draw->{waited}, '<=', $seconds + $slack, "$name: in time");
	return;
}

is_late($flow, 'large', 2, qr/coordinator|connection/i, 'silent coordinator');

# ---- and on those that are not

database('fresh', { at($far) }, \%noderole);
my @silent = ('till', 'mould', 'waiters', 'fresh');
if (defined $silent_port)
{
	database('syn', { host => '127.0.0.1', port => $silent_port, connect_timeout => 1 }, \%noderole);
	push @silent, 'syn';
}

# One whose own connection is dead, though the coordinator is there: its
# process at the other end is stopped.
database('dead', { at($coordinator) }, \%noderole);
draw($node, 'dead', "'small', 1, '60s'");
my $dead_pid = $coordinator->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE application_name = 'seqgen worker'
	  ORDER BY backend_start DESC LIMIT 1});
kill('STOP', $dead_pid);
my $dead_waiter = start_draw($node, 'dead', "'small', 10, '30s'");

my @drains = map { start_draw($node, $_, "'small', 100, '500ms'") } @silent;
my $default_waiter = start_draw($node, 'shop', "'large', 1");
foreach my $run (@drains)
{
	my $drain = finish_draw($run);
	my $fresh = $run->{database} =~ /fresh|syn/;
	cmp_ok($drain->{drawn}, $fresh ? '==' : '>', 0, "$run->{database}: it drew from its supply");
	is_late($drain, 'small', 0.5, qr/coordinator|connect/i, $run->{database});
}

# ---- What is wrong is said

$coordinator->safe_psql('postgres', <<'SQL');
CREATE ROLE guarded LOGIN PASSWORD 'r1ght';
GRANT EXECUTE ON FUNCTION seqgen.range_request TO guarded;
CREATE ROLE stranger LOGIN;
CREATE ROLE reader LOGIN;
ALTER ROLE reader SET default_transaction_read_only = on;
CREATE ROLE crowd LOGIN CONNECTION LIMIT 0;
CREATE DATABASE bare;
CREATE DATABASE other;
SQL
$coordinator->safe_psql('other', <<'SQL');
CREATE EXTENSION seqgen;
CREATE SEQUENCE small;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole;
SQL
my $hba = $coordinator->data_dir . '/pg_hba.conf';
my $trust = slurp_file($hba);
unlink($hba);
append_to_file($hba, "local all guarded scram-sha-256\n$trust");
$coordinator->reload;

my $closed_port = PostgreSQL::Test::Cluster::get_free_port();
my @mistakes = (
	[ 'refused', { host => '127.0.0.1', port => $closed_port }, \%noderole,
		'08006', qr/port $closed_port failed: Connection refused/ ],
	[ 'nosocket', { host => $coordinator->host, port => $closed_port }, \%noderole,
		'08006', qr/No such file or directory/ ],
	[ 'wrongpassword', { at($coordinator) }, { user => 'guarded', password => 'wr0ng' },
		'08006', qr/password authentication failed for user "guarded"/ ],
	[ 'nopassword', { at($coordinator) }, { user => 'guarded' },
		'08006', qr/no password supplied/ ],
	[ 'norole', { at($coordinator) }, { user => 'nobody_there' },
		'08006', qr/role "nobody_there" does not exist/ ],
	[ 'nodatabase', { at($coordinator), dbname => 'nowhere' }, \%noderole,
		'08006', qr/database "nowhere" does not exist/ ],
	[ 'noextension', { at($coordinator), dbname => 'bare' }, \%noderole,
		'08006', qr/coordinator.*schema "seqgen" does not exist/ ],
	[ 'nogenerator', { at($coordinator) }, \%noderole,
		'08006', qr/coordinator.*"(public\.)?missing" does not exist/, 'missing' ],
	[ 'wrongkind', { at($coordinator), dbname => 'other' }, \%noderole,
		'08006', qr/coordinator.*"small" is not a generator/ ],
	[ 'noprivilege', { at($coordinator) }, { user => 'stranger' },
		'08006', qr/coordinator.*permission denied for function range_request/ ],
	[ 'readonly', { at($coordinator) }, { user => 'reader' },
		'08006', qr/session is read-only/ ],
	[ 'crowded', { at($coordinator) }, { user => 'crowd' },
		'08006', qr/too many connections for role "crowd"/ ],
	[ 'nomapping', { at($coordinator) }, undef,
		'08006', qr/no user mapping for the coordinator "coordinator"/ ],
	[ 'twoservers', { at($coordinator) }, \%noderole,
		'08006', qr/more than one coordinator is defined/ ],
	[ 'itself', { at($node), dbname => 'itself' }, { user => $node->safe_psql('postgres', 'SELECT current_user') },
		'55000', qr/the coordinator is this database itself|this database has a coordinator of its own/ ],
);
foreach my $mistake (@mistakes)
{
	my ($name, $server, $mapping, undef, undef, $generator) = @$mistake;
	database($name, $server, $mapping);
	$node->safe_psql($name, "SELECT range_create('$generator', 4)") if defined $generator;
}
$node->safe_psql('twoservers', 'CREATE SERVER another FOREIGN DATA WRAPPER seqgen_coordinator');
my @attempts = map { start_draw($node, $_->[0], "'" . ($_->[5] // 'small') . "', 1, '4s'") } @mistakes;

# ---- Nobody has to wait for those who wait

$admin->query_safe(<<'SQL');
CREATE FUNCTION seconds_to_cancel(victim integer) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
BEGIN
	PERFORM pg_cancel_backend(victim);
	LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = victim AND state = 'active')
			   OR clock_timestamp() > started + interval '10 s';
		PERFORM pg_sleep(0.001);
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - started);
END $$
SQL

my $start;
my %waiter = (PGAPPNAME => 'waiter', PGOPTIONS => '-c seqgen.range_timeout=60s');
my $wait = "SELECT range_nextval('small')";
my @victims = map { start_sql($node, $_, $wait, %waiter) } ('waiters') x 8, ('fresh') x 2;
my $terminated = start_sql($node, 'waiters', $wait, %waiter, PGAPPNAME => 'terminated');
my $timed_out = start_sql($node, 'waiters', "SET statement_timeout = '300ms'; $wait", %waiter);
my @pids;
await('sessions wait', sub {
	@pids = split(/\n/, $admin->query_safe(<<'SQL')); @pids == 10 });
SELECT pid FROM pg_stat_activity
 WHERE application_name = 'waiter' AND state = 'active' AND wait_event_type = 'Extension'
   AND query NOT LIKE '%statement_timeout%'
SQL

# a busy machine may hold up one or two of ten
my @seconds = sort { $a <=> $b } map { $admin->query_safe("SELECT seconds_to_cancel($_)") } @pids;
cmp_ok($seconds[7], '<=', $cancel_bound, "a waiter is cancelled within $cancel_bound s");
cmp_ok($seconds[9], '<=', $slack, 'whatever happens');
note("cancelled after @seconds s");
foreach my $run (@victims)
{
	finish_sql($run);
	like($run->{stderr}, qr/ERROR:  57014: canceling statement due to user request/, 'it was cancelled');
}
$admin->query_safe(q{SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'terminated'});
finish_sql($terminated);
like($terminated->{stderr}, qr/FATAL:  57P01/, 'a waiter is terminated');
finish_sql($timed_out);
like($timed_out->{stderr}, qr/ERROR:  57014: canceling statement due to statement timeout/, 'a waiter obeys statement_timeout');

# nor is the worker deaf
my $deaf = worker_pid($admin, 'waiters');
is($admin->query_safe("SELECT pg_cancel_backend($deaf)"), 't', 'a worker that waits gets pg_cancel_backend');
$start = time;
$admin->query_safe("SELECT pg_terminate_backend($deaf, 5000)");
cmp_ok(time - $start, '<=', $ddl_bound, 'and pg_terminate_backend');
isnt(worker_pid($admin, 'waiters'), $deaf, 'and ends');

# ---- Nor has any other database, or the DBA

# What a look at the workers shows, which are awake for a moment now and then.
sub shows
{
	my ($sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $shown;

	for (1 .. 50)
	{
		$shown = $admin->query_safe($sql);
		last if $shown eq $expected;
		usleep(37_000);
	}
	is($shown, $expected, $name);
	return;
}

shows(<<'SQL', '', 'workers that wait for the coordinator have neither transaction nor lock');
SELECT a.datname, a.state, a.xact_start, a.backend_xmin, l.locktype, l.mode
  FROM pg_stat_activity a LEFT JOIN pg_locks l USING (pid)
 WHERE a.backend_type = 'seqgen worker' AND a.datname IN ('shop', 'till', 'mould', 'waiters', 'fresh', 'syn')
   AND (a.xact_start IS NOT NULL OR a.backend_xmin IS NOT NULL OR l.pid IS NOT NULL)
SQL

my $event = $node->pg_version >= 17 ? 'SeqgenCoordinator' : 'Extension';
shows(<<'SQL', "Extension|$event", 'what they wait for can be seen');
SELECT DISTINCT wait_event_type, wait_event FROM pg_stat_activity
 WHERE backend_type = 'seqgen worker' AND datname IN ('till', 'mould')
SQL

sub quick
{
	my ($sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $start = time;

	$admin->{stderr} = '';
	$admin->query($sql);
	cmp_ok(time - $start, '<=', $ddl_bound, "$sql is quick");
	is($admin->{stderr}, '', 'and succeeds');
	$admin->{stderr} = '';
	return;
}

# The worker waits for its coordinator; what has needed it is gone.
sub is_stuck
{
	my ($database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	draw($node, $database, "'small', 1, '50ms'");
	isnt(worker_pid($admin, $database), '', "$database: its worker waits");
	return;
}

quick('CREATE DATABASE elsewhere');
quick('DROP DATABASE elsewhere');
quick(q{CREATE DATABASE elsewhere STRATEGY file_copy});
foreach my $database ('mould', 'fresh', grep { $_ eq 'syn' } @silent)
{
	is_stuck($database);
	quick("CREATE DATABASE copy_of_$database TEMPLATE $database");
}
foreach my $database ('till', grep { $_ eq 'syn' } @silent)
{
	is_stuck($database);
	quick("DROP DATABASE $database");
}
is_stuck('copy_of_fresh');
quick('DROP DATABASE copy_of_fresh WITH (FORCE)');

# ---- The answers to what was asked meanwhile

for my $i (0 .. $#mistakes)
{
	my ($name, undef, undef, $code, $text) = @{ $mistakes[$i] };
	my $draw = finish_draw($attempts[$i]);

	is($draw->{code}, $code, "$name: an error");
	like($draw->{detail}, $text, "$name: what it says");
	unlike("$draw->{message} $draw->{detail} $draw->{hint}", qr/wr0ng/, "$name: and what not");
	cmp_ok($draw->{waited}, '<=', 4 + $slack, "$name: in time");
}
unlike(slurp_file($node->logfile), qr/wr0ng/, 'no password is logged');

is_late(finish_draw($default_waiter), 'large', 10, qr/coordinator|connection/i, 'default timeout');

# ---- The coordinator is back

my $copies = 'copy_of_mould';
my @back = ('mould', 'fresh', 'waiters', $copies);
my @waiters = map { start_draw($node, $_, "'small', 1, '60s'") } @back;
push @waiters, start_draw($node, 'shop', "'large', 1, '60s'");
await('all wait', sub { $admin->query_safe(<<'SQL') == 5 });
SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%60s%' AND wait_event_type = 'Extension'
SQL
$start = time;
$far->mode('pass');
foreach my $run (@waiters)
{
	my $draw = finish_draw($run);
	is($draw->{drawn}, 1, "$run->{database}: values are back") or diag(explain($draw));
	cmp_ok(time - $start, '<=', $resume_bound + $slack, "$run->{database}: soon");
	is($draw->{first}, $flow->{last} + 1, 'the block that was asked for in vain is not lost')
	  if $run->{database} eq 'shop';
}

# A connection that stays dead is given up after connect_timeout, by default 2 s.
my $revived = finish_draw($dead_waiter);
is($revived->{drawn}, 10, 'after a connection that died silently values are back');
cmp_ok($revived->{longest}, '<=', 2 + $resume_bound + $slack, 'when it is given up');
kill('CONT', $dead_pid);

# ---- The coordinator is down, and comes back

my $closer = listener(Listen => 16);
database('closed', { host => '127.0.0.1', port => $closer->sockport }, \%noderole);
my $knocker = start_draw($node, 'closed', "'small', 1, '3s'");

$coordinator->stop('fast');
my $down_since = time;
my @down = ('dead', 'mould', 'fresh');
@waiters = map { start_draw($node, $_, "'small', 100, '1s'") } @down;
foreach my $run (@waiters)
{
	my $draw = finish_draw($run);
	is_late($draw, 'small', 1, qr/No such file or directory|Connection refused|closed the connection/,
		"$run->{database}, coordinator down");
}

# Attempts to connect that are closed at once, for 2 s.
my $knocks = 0;
for ($start = time; time < $start + 2;)
{
	my $readable = '';
	vec($readable, $closer->fileno, 1) = 1;
	select($readable, undef, undef, 0.1) > 0 or next;
	my $connection = $closer->accept or next;
	$connection->close;
	$knocks++;
}
note("$knocks attempts to connect");
cmp_ok($knocks, '>=', 2, 'a coordinator that is down is tried again and again');
cmp_ok($knocks, '<=', 20, 'but not in a storm');
is_late(finish_draw($knocker), 'small', 3, qr/closed the connection|connection.*failed|reset by peer/i, 'closed connections');

@waiters = map { start_draw($node, $_, "'small', 1, '60s'") } @down;
# long enough for attempts that come ever more rarely to show
usleep(10_000) while time < $down_since + 7;
$coordinator->start;
$start = time;
foreach my $run (@waiters)
{
	my $draw = finish_draw($run);
	is($draw->{drawn}, 1, "$run->{database}: values are back after a restart") or diag(explain($draw));
	cmp_ok(time - $start, '<=', $resume_bound + $slack, "$run->{database}: soon after");
}

# ---- A node that crashes while it waits for a block has that block afterwards,
# ---- whatever the settings of its database

$node->safe_psql('waiters', 'ALTER DATABASE waiters SET synchronous_commit = off');
$admin->query_safe('SELECT pg_terminate_backend(' . worker_pid($admin, 'waiters') . ', 5000)');
$far->mode('hold');
my $owed = start_draw($node, 'waiters', "'small', 100, '60s'");
await('the coordinator has granted a block', sub { $far->count('kept') > 0 });
my $owed_block = $coordinator->safe_psql('postgres',
	q{SELECT max(lower(block)) FROM seqgen.range_allocation WHERE generator = 'small'::regclass});
$node->kill9;
$owed->{handle}->finish;
$_->{run}->kill_kill foreach $shop, $admin;
$far->mode('refuse');
$far->mode('pass');
restart_after_crash($node);
my $paid = draw($node, 'waiters', "'small', 1, '60s'");
is($paid->{first}, $owed_block, 'a block that a crashed node had asked for is its own');

ledger_is_sound($coordinator, $_, $_) foreach qw(small large);
is($coordinator->safe_psql('postgres', <<'SQL'), 0, 'no request was granted twice');
SELECT count(*) - count(DISTINCT (generator, incarnation, request)) FROM seqgen.range_allocation
SQL

$far->stop;
$node->stop;
$coordinator->stop;
done_testing();
