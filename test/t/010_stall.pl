# Property: neither a stopped backend nor a full or stuck volume takes from
# others the ids that are reserved, or makes an id come twice; and crashes in a
# row do not carry ids into the future.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(max shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use SeqgenTest;

my $seed = $ENV{SEQGEN_TEST_SEED} // int(rand(1_000_000));
srand($seed);
diag("SEQGEN_TEST_SEED=$seed");

my $node = seqgen_cluster('main', conf => 'log_statement = none');

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# Start sessions that draw without end.  Returns for each its handle, the file
# with what it was answered, and its process id in the server.
sub start_drawing
{
	my ($label, $sessions, $ids_per_statement) = @_;
	my $script = $node->basedir . "/$label.sql";
	local $ENV{PGAPPNAME} = $label;
	my @drawers;

	append_to_file($script,
		"SELECT snowflake_nextval() FROM generate_series(1, $ids_per_statement);\n" x 100_000);
	for my $i (1 .. $sessions)
	{
		my $file = $node->basedir . "/${label}_$i";
		my $handle = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $script, $node->connstr('postgres') ],
			'<', '/dev/null', '>', $file, '2>', '/dev/null');
		push @drawers, { handle => $handle, file => $file };
		await("session $i of $label draws", sub { -s $file });
	}
	my @pids = split(/\n/,
		value("SELECT pid FROM pg_stat_activity WHERE application_name = '$label' ORDER BY backend_start"));
	$drawers[$_]{pid} = $pids[$_] for 0 .. $#drawers;
	return @drawers;
}

# Wait until something is so.
sub await
{
	my ($what, $condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		BAIL_OUT("waited too long: $what") if time > $deadline;
		usleep(2_000);
	}
	return;
}

# Draw in a session whose clock has just passed the durable bound, so that
# the draw has to reserve.  Returns the ids if they lie above that bound.
sub draw_reserving
{
	my ($session) = @_;
	my ($bound, $offset) = split(/\|/, $session->query_safe(q{
		SELECT last_value,
			   extract(epoch FROM snowflake_timestamp(last_value) - clock_timestamp()) * 1000 + 20
		  FROM seqgen.snowflake_default}));
	$session->query_safe("SET seqgen.debug_clock_offset = '${offset}ms'");
	my @ids = split(/\n/, $session->query_safe('SELECT snowflake_nextvals(10)'));
	$session->query_safe('RESET seqgen.debug_clock_offset');
	return grep { $_ > $bound } @ids;
}

# Put ids, and those in files, into a table, and see that none is there twice.
sub all_differ
{
	my ($name, $ids, @files) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $own = $node->basedir . '/ids';

	open(my $fh, '>', $own) or die "could not open $own: $!";
	print $fh map { "$_\n" } @$ids;
	close($fh);
	value('DROP TABLE IF EXISTS answered; CREATE UNLOGGED TABLE answered (id bigint)');
	value("COPY answered FROM '$_'") for ($own, @files);
	is(value('SELECT count(*) - count(DISTINCT id) FROM answered'), 0, $name);
	note(value('SELECT count(*) FROM answered') . ' ids');
	return;
}

# ---- A backend is stopped at random moments while it draws

my @victims = start_drawing('victim', 3, 1000);
my $session = session($node);
$session->query_safe(q{SET statement_timeout = '60s'});
my @ids;
my $rounds = 50;
my ($went_on, $reserved, $others_went_on) = (0, 0, 0);
for my $round (1 .. $rounds)
{
	my ($victim, @others) = shuffle(@victims);
	usleep(int(rand(10_000)));
	kill('STOP', $victim->{pid});

	my @drawn = split(/\n/, $session->query_safe(
		'SELECT snowflake_nextval() FROM generate_series(1, 200); SELECT snowflake_nextvals(200)'));
	$went_on++ if @drawn == 400;
	push @ids, @drawn;
	if ($round % 10 == 0)
	{
		@drawn = draw_reserving($session);
		$reserved++ if @drawn == 10;
		push @ids, @drawn;
	}
	for my $other (@others)
	{
		my $size = -s $other->{file};
		await('the other sessions draw', sub { -s $other->{file} > $size });
		$others_went_on++;
	}
	kill('CONT', $victim->{pid});
}
is($went_on, $rounds, 'while a backend is stopped others draw');
is($reserved, $rounds / 10, 'and reserve');
is($others_went_on, 2 * $rounds, 'and sessions that drew before go on');

for my $victim (@victims)
{
	my $size = -s $victim->{file};
	await('the stopped sessions go on', sub { -s $victim->{file} > $size });
	value("SELECT pg_terminate_backend($victim->{pid})");
	$victim->{handle}->finish;
}
all_differ('stopped backends: no id was answered twice', \@ids, map { $_->{file} } @victims);
$session->quit;

# ---- Crashes in a row, much faster than the window they reserve

value(q{SELECT snowflake_create('survivor')});
my $window = 3000 + 100 + 1;	# ms: reserve_ahead, the least step, one unit
my ($leads, $largest_lead) = (0, 0);
@ids = ();
for my $crash (1 .. 50)
{
	crash($node, $crash % 10 ? 'immediate' : 'kill9');
	my @answers = split(/\n/, value(q{
		SELECT id, extract(epoch FROM snowflake_timestamp(id) - clock_timestamp()) * 1000
		  FROM (SELECT snowflake_nextval('survivor') AS id FROM generate_series(1, 20)
				UNION ALL SELECT snowflake_nextvals(20, 'survivor')) d;
		SELECT last_value, extract(epoch FROM snowflake_timestamp(last_value) - clock_timestamp()) * 1000
		  FROM survivor}));
	for my $answer (@answers)
	{
		my ($id, $lead) = split(/\|/, $answer);
		push @ids, $id;
		$largest_lead = max($largest_lead, $lead);
		$leads++;
	}
	pop @ids;    # the bound
}
is($leads, 50 * 41, '50 crashes in a row: each start draws');
cmp_ok($largest_lead, '<=', $window, 'neither id nor bound is further ahead than one window');
cmp_ok($largest_lead, '>', 1000, 'they did lead');
is(scalar(grep { $ids[ $_ - 1 ] >= $ids[$_] } 1 .. $#ids), 0, 'ids increase over all of them');

# ---- Full and stuck volumes

my $library = $node->basedir . '/volume.so';
my $control = $node->basedir . '/control';
my ($cc) = grep { system("command -v $_ >/dev/null 2>&1") == 0 }
  map { (split(/ /))[0] } grep { $_ } ($ENV{CC}, 'cc', 'gcc', 'clang');

# Start the server on volumes that go wrong on demand; see volume.c.
sub start_on_volumes
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{VOLUME_CONTROL} = $control;
	restart_after_crash($node);
	return;
}

# Run a statement in a psql of its own, whose answer goes into a file.
sub start_statement
{
	my ($label, $sql) = @_;
	my $file = $node->basedir . "/$label";
	local $ENV{PGAPPNAME} = $label;
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-c', $sql, $node->connstr('postgres') ],
		'<', '/dev/null', '>', $file, '2>', '/dev/null');
	return { handle => $handle, file => $file };
}

# What a process of the server waits for, if it is there.
sub waits_for
{
	my ($session, $label) = @_;
	return $session->query_safe(
		"SELECT wait_event FROM pg_stat_activity WHERE application_name = '$label'") // '';
}

SKIP:
{
	skip 'no C compiler', 1 unless defined $cc;
	system_or_bail($cc, '-shared', '-fPIC', '-o', $library, "$FindBin::RealBin/lib/volume.c", '-ldl');

	my $data_dir = abs_path($node->data_dir);
	$node->append_conf('postgresql.conf', 'seqgen.reserve_ahead = 10s');
	$node->stop;
	start_on_volumes();

	# The volume of the data is full, but not that of WAL.
	value('CREATE TABLE filler (t text)');
	$session = session($node);
	$session->query_safe('SELECT snowflake_nextval()');
	append_to_file($control, "full $data_dir/base/\n");
	fails($session, q{INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 10000)},
		'53100', qr/could not extend file .*No space left on device/, 'the data volume is full');
	@ids = ();
	for my $round (1 .. 3)
	{
		push @ids, draw_reserving($session);
		push @ids, split(/\n/, $session->query_safe('SELECT snowflake_nextval() FROM generate_series(1, 100)'));
	}
	is(scalar(@ids), 330, 'ids are drawn and reserved nevertheless');
	unlink($control);
	$session->query_safe('INSERT INTO filler SELECT 1');
	all_differ('full data volume: no id was answered twice', \@ids);

	# The volume of WAL is stuck, while somebody reserves.  Below the bound
	# ids are drawn; what lies above is not answered before the bound is
	# flushed, to nobody.
	value(q{SELECT snowflake_create('flushed'); SELECT snowflake_nextval('flushed'); CHECKPOINT});
	$session->query_safe(q{SELECT snowflake_nextval('flushed')});
	my $beyond = $session->query_safe(q{
		SELECT 'SET seqgen.debug_clock_offset = '
			   || round(extract(epoch FROM snowflake_timestamp(last_value) - clock_timestamp()) * 1000 + 20)
			   || '; SELECT snowflake_nextval(''flushed'')'
		  FROM flushed});
	append_to_file($control, "stuck $data_dir/pg_wal/\n");
	my $reserver = start_statement('reserver', $beyond);
	await('the reserver is stuck', sub { waits_for($session, 'reserver') =~ /^WAL_?Write$/i });
	my $follower = start_statement('follower', $beyond);
	await('the follower waits',
		sub { -s $follower->{file} || waits_for($session, 'follower') =~ /^WAL_?Write/i });
	is(-s $follower->{file}, 0, 'no id above the bound is answered before the bound is flushed');
	@ids = split(/\n/, $session->query_safe(q{
		SELECT snowflake_nextval('flushed') FROM generate_series(1, 1000)}));
	is(scalar(@ids), 1000, 'ids below it are');

	my @processes = split(/\n/, $session->query_safe('SELECT pid FROM pg_stat_activity'));
	$node->kill9;
	kill('KILL', @processes);
	$session->{run}->kill_kill;
	$_->{handle}->finish for ($reserver, $follower);
	push @ids, grep { /./ } map { split(/\n/, slurp_file($_->{file})) } ($reserver, $follower);
	unlink($control);
	start_on_volumes();
	my @after = split(/\n/, value(q{
		SET seqgen.debug_clock_offset = '-20s';
		SELECT snowflake_nextval('flushed') FROM generate_series(1, 100)}));
	is(scalar(grep { $_ <= max(@ids) } @after), 0, 'after a crash ids are above all that were answered');

	# The volume of WAL is full.
	my @drawers = start_drawing('drawer', 3, 5);
	append_to_file($control, "full $data_dir/pg_wal/\n");
	$node->psql('postgres',
		q{INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 100000)});
	$_->{handle}->finish for @drawers;
	await('the server ends', sub { !-e "$data_dir/postmaster.pid" });
	$node->stop('fast', fail_ok => 1);
	like(slurp_file($node->logfile), qr/PANIC: .*No space left on device/,
		'a full volume of WAL ends the server');

	my @before = map { split(/\n/, slurp_file($_->{file})) } @drawers;
	unlink($control);
	$node->start;
	@ids = split(/\n/, value(q{
		SET seqgen.debug_clock_offset = '-20s';
		SELECT snowflake_nextval() FROM generate_series(1, 100)}));
	is(scalar(grep { $_ <= max(@before) } @ids), 0, 'with room again, ids are above all that were answered');
	all_differ('full volume of WAL: no id was answered twice', [ @before, @ids ]);
}

$node->stop;
done_testing();
