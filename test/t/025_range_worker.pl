# Property: a database that needs blocks has one worker, and it is in nobody's
# way: not in that of DROP DATABASE and its like, of a change of the extension,
# of the settings or of the coordinator, of a DBA's open transaction or of a
# stop of the server; and whatever ends it or keeps it from working, values go
# on afterwards where they were, with none lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Draw;
use SeqgenTest;

# In seconds: what is promised, and what a busy machine may add to it.
my $soon = 2;
my $slack = 1;

my $node = seqgen_cluster('main', allows_streaming => 1, conf => <<'CONF');
max_worker_processes = 40
max_connections = 60
max_prepared_transactions = 5
log_statement = none
seqgen.range_report_interval = '1h'
CONF
my $admin = session($node);
$admin->set_query_timer_restart;

# A model of databases that are their own coordinators: two ranges whose blocks
# are used up at once, and one that has enough for a while.
my $ranges = <<'SQL';
SELECT range_create('a', 4, min_block_size => 4, max_block_size => 4);
SELECT range_create('b', 4, min_block_size => 4, max_block_size => 4);
SELECT range_create('large', 400, min_block_size => 400, max_block_size => 400);
SQL
$admin->query_safe('CREATE DATABASE model');
$node->safe_psql('model', "CREATE EXTENSION seqgen; $ranges");
draw_create($node, 'model');

sub database
{
	$admin->query_safe("CREATE DATABASE $_ TEMPLATE model") foreach @_;
	return;
}

sub activity
{
	my ($columns, $condition) = @_;
	$admin->{stderr} = '';
	return $admin->query_safe(
		"SELECT $columns FROM pg_stat_activity WHERE backend_type = 'seqgen worker' AND $condition");
}

my %last;	# by database and generator, the last value

# So many values come soon, and each is the one after the last.
sub goes_on
{
	my ($database, $generator, $count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $draw = draw($node, $database, "'$generator', $count, '20s'");
	my $last = $last{"$database.$generator"};

	is($draw->{drawn}, $count, "$name: values of $generator come") or diag(explain($draw));
	cmp_ok($draw->{longest}, '<=', $soon + $slack, "$name: soon");
	is($draw->{first}, $last + 1, "$name: none is lost") if defined $last;
	$last{"$database.$generator"} = $draw->{last};
	return $draw;
}

# The statement is quick.
sub quick
{
	my ($session, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $start = time;

	$session->{stderr} = '';
	$session->query($sql);
	cmp_ok(time - $start, '<=', $soon, "$sql is quick");
	is($session->{stderr}, '', 'and succeeds');
	$session->{stderr} = '';
	return;
}

# ---- One worker a database, started on demand, that can be seen

database('one', 'two', 'three');
is(activity('count(*)', 'true'), 0, 'no worker before it is needed');
my @runs = map { start_draw($node, 'one', "'large', 500, '20s'") } 1 .. 12;
my @draws = map { finish_draw($_) } @runs;
is(scalar(grep { $_->{drawn} == 500 } @draws), 12, 'twelve sessions that come at once are served');
($last{'one.large'}) = sort { $b <=> $a } map { $_->{last} } @draws;
is($last{'one.large'}, 12 * 500, 'by one and the same supply');
goes_on($_, 'a', 1, $_) foreach qw(two three);
is(activity('datname, count(*)', 'true GROUP BY 1 ORDER BY 1'), "one|1\nthree|1\ntwo|1", 'each database has its worker');
is(activity(q{state, wait_event_type, query}, q{datname = 'one'}), 'idle|Extension|', 'it is idle, which can be seen');
like(activity('wait_event', q{datname = 'one'}),
	$node->pg_version >= 17 ? qr/^SeqgenWorkerMain$/ : qr/^Extension$/, 'and what it waits for');

# ---- Idle is idle

my $pids = activity(q{string_agg(pid::text, ',')}, 'true');
my $locks = "SELECT count(*) FROM pg_locks WHERE pid IN ($pids)";
my $busy = '(xact_start IS NOT NULL OR backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)';
await('no worker is at work', sub { activity('count(*)', $busy) == 0 && $admin->query_safe($locks) == 0 });
my ($at_work, $locking) = (0, 0);
foreach my $look (1 .. 20)
{
	$at_work += activity('count(*)', $busy);
	$locking += $admin->query_safe($locks);
	usleep(20_000);
}
is($at_work, 0, 'idle workers have neither a transaction nor a snapshot');
is($locking, 0, 'nor a lock');

sub wakeups
{
	my ($pid) = @_;
	my $status = -r "/proc/$pid/status" ? slurp_file("/proc/$pid/status") : '';
	return $status =~ /^voluntary_ctxt_switches:\s*(\d+)/m ? $1 : undef;
}

my $pid = worker_pid($admin, 'one');
SKIP:
{
	my $before = wakeups($pid);
	skip 'no /proc', 1 unless defined $before;
	usleep(1_500_000);
	cmp_ok(wakeups($pid) - $before, '<=', 3, 'nor anything to do');
}

# ---- It leaves the database to whoever wants it for himself

my $tablespace = $node->basedir . '/elsewhere';
mkdir($tablespace) or die "could not create $tablespace: $!";
$admin->query_safe("CREATE TABLESPACE elsewhere LOCATION '$tablespace'");

goes_on('one', 'large', 10, 'before');
foreach my $strategy ('wal_log', 'file_copy')
{
	quick($admin, "CREATE DATABASE copy_$strategy TEMPLATE one STRATEGY $strategy");
	goes_on('one', 'large', 10, "copied with $strategy");
	is(draw($node, "copy_$strategy", "'large', 10, '20s'")->{drawn}, 10, 'the copy has values of its own');
}
quick($admin, 'ALTER DATABASE one RENAME TO uno');
$last{'uno.large'} = $last{'one.large'};
goes_on('uno', 'large', 1000, 'renamed');
is(activity('datname', q{datname IN ('one', 'uno')}), 'uno', 'its worker bears the new name');
quick($admin, 'ALTER DATABASE uno SET TABLESPACE elsewhere');
goes_on('uno', 'large', 10, 'moved');
quick($admin, 'ALTER DATABASE uno SET TABLESPACE pg_default');
goes_on('uno', 'large', 1000, 'moved back');
$admin->query_safe('DROP TABLESPACE elsewhere');
quick($admin, 'DROP DATABASE copy_wal_log');
quick($admin, 'DROP DATABASE copy_file_copy WITH (FORCE)');
is(activity('count(*)', q{datname LIKE 'copy%'}), 0, 'no worker is left behind');

# ---- Signals

$pid = worker_pid($admin, 'uno');
is($admin->query_safe("SELECT pg_cancel_backend($pid)"), 't', 'pg_cancel_backend');
goes_on('uno', 'large', 500, 'cancelled');
is(worker_pid($admin, 'uno'), $pid, 'a worker survives that');
is($admin->query_safe("SELECT pg_terminate_backend($pid, 5000)"), 't', 'pg_terminate_backend');
is(worker_pid($admin, 'uno'), '', 'it ends');
goes_on('uno', 'large', 500, 'terminated');
isnt(worker_pid($admin, 'uno'), $pid, 'another one takes its place');

# Again and again, while others draw.
$node->safe_psql('two', q{CREATE TABLE drawn (id bigint DEFAULT range_nextval('large'))});
@runs = map { start_sql($node, 'two', <<'SQL') } 1 .. 4;
DO $$
BEGIN
	FOR i IN 1 .. 150 LOOP
		INSERT INTO drawn SELECT FROM generate_series(1, 20);
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$
SQL
my $terminated = 0;
foreach my $round (1 .. 20)
{
	my $function = $round % 3 ? 'pg_terminate_backend' : 'pg_cancel_backend';
	$terminated += activity("count($function(pid))", q{datname = 'two'});
	usleep(75_000);
}
finish_sql($_) foreach @runs;
is(join('', map { $_->{stderr} } @runs), '', 'signals in a row: no session notices');
cmp_ok($terminated, '>', 10, 'signals in a row: workers got them');
is($node->safe_psql('two', 'SELECT count(*), count(DISTINCT id), max(id) - min(id) + 1 FROM drawn'),
	'12000|12000|12000', 'signals in a row: no value is lost, none is doubled');

# ---- Reload

# Each block of a range is as large as that before, or twice, or half as large.
sub sizes
{
	return split(/\n/, $node->safe_psql('three', <<'SQL'));
SELECT upper(block) - lower(block) FROM seqgen.range_allocation
 WHERE generator = 'growing'::regclass ORDER BY block
SQL
}

sub reload
{
	my ($setting, $value) = @_;
	$admin->query_safe("ALTER SYSTEM SET $setting = '$value'");
	$node->reload;
	return;
}

$node->safe_psql('three', q{SELECT range_create('growing', 8, min_block_size => 2, max_block_size => 1000)});
draw($node, 'three', q{'growing', 40, '20s', 0.01});
my @sizes = sizes();
cmp_ok($sizes[-1], '>', $sizes[0], 'blocks that last less than seqgen.range_target grow') or diag("@sizes");
$pid = worker_pid($admin, 'three');
reload('seqgen.range_target', '1s');

# Enter the newest block, let it last a multiple of that, and then use half of it.
sub growing
{
	my ($column) = @_;
	return $node->safe_psql('three',
		"SELECT $column FROM seqgen.range_block WHERE generator = 'growing'::regclass");
}
await('the next block is there', sub { growing('next_block IS NOT NULL') eq 't' });
draw($node, 'three', q{'growing', } . growing('upper(block) - position') . q{, '20s'});
is(growing('next_block IS NULL AND position = lower(block)'), 't', 'the newest block is entered');
@sizes = sizes();
usleep(2_500_000);
draw($node, 'three', q{'growing', } . growing('(upper(block) - lower(block)) / 2') . q{, '20s'});
await('another one is fetched', sub { sizes() > @sizes });
my @after = sizes();
cmp_ok($after[@sizes], '<', $sizes[-1], 'after a reload of seqgen.range_target they shrink')
  or diag("@sizes, @after");
is(worker_pid($admin, 'three'), $pid, 'the same worker did it');

# Settings of the database are made for its sessions.
database('hostile');
$admin->query_safe('CREATE ROLE stranger LOGIN');
$admin->query_safe("ALTER DATABASE hostile SET $_") foreach (
	q{statement_timeout = '1ms'}, q{lock_timeout = '1ms'},
	'default_transaction_read_only = on', 'default_transaction_isolation = serializable',
	'default_transaction_deferrable = on', 'session_replication_role = replica',
	q{search_path = ''}, 'quote_all_identifiers = on', 'role = stranger');
my $hostile = start_sql($node, 'hostile', q{SELECT * FROM draw('a', 40, '20s')},
	PGOPTIONS => '-c statement_timeout=0 -c lock_timeout=0 -c role=none -c search_path=public');
is(finish_draw($hostile)->{drawn}, 40, 'a worker does not heed the settings of its database');

# ---- Another coordinator, and another way to it

database('coordinator1', 'coordinator2', 'remote');
$admin->query_safe('CREATE ROLE noderole LOGIN');
$node->safe_psql("coordinator$_", 'GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole') foreach 1, 2;
my ($host, $port) = ($node->host, $node->port);
my $hole = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 64)
  or die "could not listen: $!";
my $hole_port = $hole->sockport;

sub name_coordinator
{
	my ($database, $host, $port, $coordinator) = @_;
	$node->safe_psql($database, <<"SQL");
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '$host', port '$port', dbname '$coordinator', connect_timeout '60');
CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user 'stranger');
SQL
	return;
}

# A change of what the coordinator is, or how it is reached, serves at once who
# waits already.
sub serves
{
	my ($sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = start_draw($node, 'remote', q{'a', 9, '60s'});

	await('it waits', sub { $admin->query_safe(<<'SQL') > 0 });
SELECT count(*) FROM pg_stat_activity
 WHERE datname = 'remote' AND backend_type = 'client backend' AND wait_event_type = 'Extension'
   AND clock_timestamp() > query_start + interval '1.5 s'
SQL
	my $start = time;
	$node->safe_psql('remote', $sql);
	my $draw = finish_draw($run);
	is($draw->{drawn}, 9, "$sql: it has an effect") or diag(explain($draw));
	cmp_ok(time - $start, '<=', $soon + $slack, 'soon');
	$last{'remote.a'} = $draw->{last};
	return;
}

name_coordinator('remote', $host, $port, 'coordinator1');
my $draw = draw($node, 'remote', q{'a', 1, '500ms'});
like($draw->{detail}, qr/permission denied/, 'the role of the user mapping may not ask');
$pid = worker_pid($admin, 'remote');
serves(q{ALTER USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (SET user 'noderole')});
$node->safe_psql('remote', "ALTER SERVER coordinator OPTIONS (SET host '127.0.0.1', SET port '$hole_port')");
serves("ALTER SERVER coordinator OPTIONS (SET host '$host', SET port '$port')");
is(worker_pid($admin, 'remote'), $pid, 'the same worker did it');

# It reports how far the block is used, from a reload on once a second.
my ($start, $reported);
my $report = q{SELECT coalesce(max(saved), 0) FROM seqgen.range_allocation WHERE generator = 'large'::regclass};
goes_on('remote', 'large', 10, 'remote');
reload('seqgen.range_report_interval', '1s');
for ($start = time; time < $start + 10;)
{
	$reported = $node->safe_psql('coordinator1', $report);
	last if $reported == $last{'remote.large'};
	usleep(200_000);
}
is($reported, $last{'remote.large'}, 'a reload of seqgen.range_report_interval has an effect');

# A ledger that is another one, and has given out more; and none.
$node->safe_psql('coordinator2', q{SELECT range_alloc('b', 1) FROM generate_series(1, 100)});
$node->safe_psql('remote', q{ALTER SERVER coordinator OPTIONS (SET dbname 'coordinator2')});
$draw = draw($node, 'remote', q{'a', 100, '10s'});
is($draw->{code}, '55000', 'another ledger stops the generator');
like($draw->{detail}, qr/another ledger/, 'and says so');
$node->safe_psql('remote', q{DROP SERVER coordinator CASCADE});
$draw = draw($node, 'remote', q{'large', 1000, '10s'});
is($draw->{code}, '55000', 'no coordinator any more stops a generator');
like($draw->{detail}, qr/no foreign server/, 'and says so');
quick($admin, 'DROP DATABASE remote');

# ---- A DBA's open transaction

database('dba', 'bystander');
my $dba = session($node, database => 'dba');
goes_on('dba', $_, 10, 'before') foreach qw(a b large);
goes_on('bystander', 'a', 10, 'before');

# With the statements of an open transaction in force, other generators are
# served, those of stalled are not (unless it is empty), and are soon after.
# Returns what those who waited for stalled were told at first.
sub open_transaction
{
	my ($statement, $stalled, @served) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $holes = q{SELECT string_agg(holes::text, ', ' ORDER BY generator::regclass::text) FROM seqgen.range_usage
		WHERE generator::regclass::text IN ('a', 'b', 'large')};
	my $before = $node->safe_psql('dba', $holes);
	my ($waiter, $told);

	$dba->{stderr} = '';
	$dba->query_safe("BEGIN; $statement");
	if ($stalled ne '')
	{
		$told = draw($node, 'dba', "'$stalled', 100, '1500ms'");
		$last{"dba.$stalled"} = $told->{last} if defined $told->{last};
		is($told->{code}, '08006', "$statement: a generator is stalled");
		$waiter = start_draw($node, 'dba', "'$stalled', 20, '60s'");
	}
	goes_on('dba', $_, 20, $statement) foreach @served;
	goes_on('bystander', 'a', 20, "$statement in another database");
	my $start = time;
	$dba->query_safe('ROLLBACK');
	if ($waiter)
	{
		my $draw = finish_draw($waiter);
		is($draw->{drawn}, 20, "$statement: after the transaction values come");
		is($draw->{first}, $last{"dba.$stalled"} + 1, 'none is lost');
		cmp_ok(time - $start, '<=', $soon + $slack, 'soon');
		$last{"dba.$stalled"} = $draw->{last};
	}
	is($node->safe_psql('dba', $holes), $before, "$statement: no block is lost in vain attempts");
	return $told;
}

my $told = open_transaction('LOCK TABLE seqgen.range_holding IN ACCESS EXCLUSIVE MODE', 'a');
cmp_ok($told->{drawn}, '>', 0, 'a locked table of the node: what is in supply is given out');
like($told->{detail}, qr/lock timeout/, 'and then it is said why no more comes');
open_transaction(q{SELECT FROM seqgen.range_holding WHERE generator = 'a'::regclass FOR UPDATE}, 'a', 'b', 'large');
open_transaction('ALTER SEQUENCE a_cursor RENAME TO another_cursor', 'a', 'b', 'large');
open_transaction('SELECT FROM seqgen.range_allocation FOR UPDATE', '', 'a', 'b', 'large');
open_transaction(q{SELECT FROM seqgen.range_generator, seqgen.generator FOR UPDATE}, '', 'a', 'b', 'large');
open_transaction(q{SELECT range_nextval('large')}, '', 'a', 'b');
$last{'dba.large'}++;
open_transaction(q{SELECT range_create('new', 4); SELECT range_nextval('new')}, '', 'a', 'b', 'large');

# A lock that whoever draws waits for too, by the rules of PostgreSQL.
$dba->query_safe('BEGIN; DROP SEQUENCE a CASCADE');
my $waiter = start_draw($node, 'dba', q{'a', 20, '60s'});
goes_on('dba', $_, 20, 'DROP SEQUENCE of another') foreach qw(b large);
$dba->query_safe('ROLLBACK');
$draw = finish_draw($waiter);
is($draw->{first}, $last{'dba.a'} + 1, 'a rolled-back DROP SEQUENCE: none is lost');
is($draw->{drawn}, 20, 'a rolled-back DROP SEQUENCE: values come');
$last{'dba.a'} = $draw->{last};

# Whoever allocates by hand and goes for lunch stalls nobody: not nodes, not
# others who allocate, not the database itself.
database('noon');
name_coordinator('noon', $host, $port, 'dba');
$node->safe_psql('noon', q{ALTER USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (SET user 'noderole')});
$node->safe_psql('dba', 'GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole');

# Values come; what others were given lies between them.
sub flows
{
	my ($database, $generator, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $draw = draw($node, $database, "'$generator', 20, '20s'");

	is($draw->{drawn}, 20, "$name: values of $generator come to $database") or diag(explain($draw));
	cmp_ok($draw->{longest}, '<=', $soon + $slack, "$name: soon");
	return;
}

flows('noon', 'a', 'before');
my $other = session($node, database => 'dba');
foreach my $statement (
	q{SELECT range_alloc('a', 3)},
	q{SELECT range_alloc('a', 3); SELECT range_alloc('b', 3)},
	q{SELECT range_reserve('a', '[900000,900010)')},
	q{SELECT FROM seqgen.range_node, seqgen.range_allocation FOR UPDATE})
{
	$dba->query_safe("BEGIN; $statement");
	cmp_ok(seconds_of($other, q{SELECT range_alloc('a', 3)}), '<=', $slack, "$statement: others allocate meanwhile");
	foreach my $database ('noon', 'dba')
	{
		flows($database, $_, $statement) foreach qw(a b);
	}
	$dba->query_safe('ROLLBACK');
}

# On the coordinator a locked generator stalls no other, on no node.
$dba->query_safe('BEGIN; ALTER SEQUENCE a_cursor RENAME TO another_cursor');
$waiter = start_draw($node, 'noon', q{'a', 20, '60s'});
flows('noon', 'b', 'a locked generator');
$dba->query_safe('ROLLBACK');
$start = time;
is(finish_draw($waiter)->{drawn}, 20, 'a locked generator: values come when it is free again');
cmp_ok(time - $start, '<=', $soon + $slack, 'soon');
$_->quit foreach $dba, $other;

# ---- Changes of the extension

database('versions');
name_coordinator('bystander', '127.0.0.1', $hole_port, 'nowhere');
draw($node, 'bystander', q{'b', 1, '100ms'});
goes_on('versions', $_, 10, 'before') foreach qw(a large);
my $session = session($node, database => 'versions');
$session->query_safe('SET client_min_messages = warning');

my $script = $node->config_data('--sharedir') . '/extension/seqgen--1.0--1.0.test.sql';
SKIP:
{
	skip 'the installation cannot be written', 6 unless open(my $fh, '>', $script);
	print $fh "ALTER TABLE seqgen.range_holding ADD COLUMN test integer;\n";
	close($fh);
	quick($session, q{ALTER EXTENSION seqgen UPDATE TO '1.0.test'});
	goes_on('versions', 'a', 20, 'ALTER EXTENSION UPDATE');

	# while the worker waits for a coordinator
	isnt(worker_pid($admin, 'bystander'), '', 'a worker waits for its coordinator');
	my $stuck = session($node, database => 'bystander');
	quick($stuck, q{ALTER EXTENSION seqgen UPDATE TO '1.0.test'});
	$stuck->quit;
}

$pid = worker_pid($admin, 'versions');
$session->query_safe('BEGIN; DROP EXTENSION seqgen CASCADE; ROLLBACK');
goes_on('versions', 'a', 20, 'DROP EXTENSION that is rolled back');
is(worker_pid($admin, 'versions'), $pid, 'the worker stays');

# The worker of the database ends soon.
sub ends
{
	my ($database, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;

	usleep(20_000) while worker_pid($admin, $database) ne '' && time < $start + 10;
	cmp_ok(time - $start, '<=', $soon, "$name: the worker ends");
	return;
}

sub begins_anew
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$session->{stderr} = '';
	$session->query_safe("CREATE EXTENSION IF NOT EXISTS seqgen; DROP SEQUENCE a, b, large CASCADE");
	$session->query_safe("DROP SEQUENCE IF EXISTS a_cursor, b_cursor, large_cursor; $ranges");
	delete $last{'versions.a'};
	is(goes_on('versions', 'a', 20, $name)->{first}, 1, "$name: a new extension begins anew");
	return;
}

quick($session, 'DROP EXTENSION seqgen CASCADE');
ends('versions', 'DROP EXTENSION');
begins_anew('DROP EXTENSION');
$session->query_safe('BEGIN; DROP EXTENSION seqgen CASCADE; CREATE EXTENSION seqgen; COMMIT');
begins_anew('DROP and CREATE EXTENSION in one');
$session->query_safe(q{BEGIN; DROP EXTENSION seqgen CASCADE; PREPARE TRANSACTION 'drop'});
$session->query_safe(q{COMMIT PREPARED 'drop'});
ends('versions', 'DROP EXTENSION in two phases');
begins_anew('DROP EXTENSION in two phases');
$node->safe_psql('bystander', 'DROP EXTENSION seqgen CASCADE');
ends('bystander', 'DROP EXTENSION while it waits for its coordinator');
$session->quit;

# ---- A standby has none

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
my ($exit, $stdout, $stderr) = $standby->psql('uno', q{SELECT range_nextval('large')});
like($stderr, qr/ERROR:.*recovery/, 'a standby gives nothing out');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'seqgen worker'}),
	0, 'and starts no worker');
$standby->stop;

# ---- No background worker to be had

my $small = seqgen_cluster('small', conf => <<'CONF');
max_worker_processes = 2
max_logical_replication_workers = 0
log_statement = none
CONF
$small->safe_psql('postgres', 'CREATE DATABASE model');
$small->safe_psql('model', "CREATE EXTENSION seqgen; $ranges");
draw_create($small, 'model');
my $small_admin = session($small);
$small_admin->query_safe("CREATE DATABASE $_ TEMPLATE model") foreach qw(p q r);
draw($small, $_, q{'a', 1, '20s'}) foreach qw(p q);

# The launcher of logical replication may have taken one.
$draw = draw($small, 'r', q{'a', 1, '20s'});
is($draw->{code}, '53000', 'no background worker left: an error');
is($draw->{message}, 'generator "a" got no block', 'its message');
like("$draw->{detail} $draw->{hint}", qr/max_worker_processes/, 'it names the setting');
cmp_ok($draw->{waited}, '<=', $slack, 'at once');
cmp_ok(draw($small, 'q', q{'a', 1, '20s'})->{drawn}, '==', 1, 'others are served');
$small_admin->query_safe('DROP DATABASE p');
$draw = draw($small, 'r', q{'a', 20, '20s'});
is($draw->{drawn}, 20, 'when a background worker is to be had again, so are values');
cmp_ok($draw->{longest}, '<=', $soon + $slack, 'soon');

# A worker that comes too late for its database, as on a busy machine: the
# postmaster, which starts it, is stopped meanwhile.
my ($postmaster) = split(/\n/, slurp_file($small->data_dir . '/postmaster.pid'));
sub start_late
{
	my ($database, $sql) = @_;
	my $session = session($small, database => $database);

	kill('STOP', $postmaster);
	$session->query_safe(q{SELECT * FROM draw('a', 100, '100ms')});
	$session->quit;
	$small_admin->{stderr} = '';
	cmp_ok(seconds_of($small_admin, $sql), '<=', $soon, "$sql is quick when the worker is on its way");
	kill('CONT', $postmaster);
	return;
}

$small_admin->query_safe("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'seqgen worker'");
start_late('q', 'CREATE DATABASE copy_of_q TEMPLATE q');
$draw = draw($small, 'q', q{'a', 20, '30s'});
is($draw->{drawn}, 20, 'a worker that came too late: values come');
cmp_ok($draw->{longest}, '<=', $soon + $slack, 'soon');
$small_admin->query_safe("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE backend_type = 'seqgen worker'");
foreach my $round (1 .. 4)
{
	$small_admin->query_safe('CREATE DATABASE late TEMPLATE model');
	start_late('late', 'DROP DATABASE late');
}
$draw = draw($small, 'r', q{'a', 20, '30s'});
is($draw->{drawn}, 20, 'workers that came too late, and never found their database: others have theirs')
  or diag(explain($draw));
$small_admin->quit;
$small->stop;

# ---- A stop of the server is not delayed by what a worker waits for

# The server stops soon, and comes back with all values.
sub stops_soon
{
	my ($name, @waiters) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;

	$node->stop('fast');
	cmp_ok(time - $start, '<=', $soon + $slack, "$name: a fast shutdown is not delayed");
	$_->{handle}->finish foreach @waiters;
	$node->start;
	$admin = session($node);
	return;
}

sub all_wait
{
	my ($count) = @_;
	await('sessions wait', sub { $admin->query_safe(<<'SQL') == $count });
SELECT count(*) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND wait_event_type = 'Extension' AND state = 'active'
SQL
	return;
}

goes_on('uno', 'large', 77, 'before the stop');
$admin->quit;
stops_soon('idle worker');
goes_on('uno', 'large', 77, 'after the stop');

database('silent', 'locked');
name_coordinator('silent', '127.0.0.1', $hole_port, 'nowhere');
my $locker = session($node, database => 'locked');
goes_on('locked', 'a', 1, 'before the lock');
$locker->query_safe('BEGIN; LOCK TABLE seqgen.range_holding IN ACCESS EXCLUSIVE MODE');
@runs = map { start_sql($node, $_, q{SELECT * FROM draw('a', 100, '60s')}) } qw(silent locked);
all_wait(2);
goes_on('uno', 'large', 77, 'while others wait');
$admin->quit;
stops_soon('workers that wait for a coordinator and for a lock', @runs);
$locker->quit;
goes_on('uno', 'large', 77, 'after the stop');
is(draw($node, 'locked', q{'a', 20, '20s'})->{drawn}, 20, 'so do those that had waited');

# The synchronous standby is gone: commits wait for it, and so does the worker.
database('lonely', 'gone');
goes_on($_, 'a', 1, 'with all standbys') foreach qw(lonely gone);
reload('synchronous_standby_names', 'nobody');
is($node->poll_query_until('lonely', q{SHOW synchronous_standby_names}, 'nobody'), 1, 'a standby is gone');
$admin->query_safe('SET synchronous_commit = local');

# It waits for the standby; until then what it has is given out.
sub waits_for_standby
{
	my ($database) = @_;
	my $run = start_sql($node, $database, q{SELECT * FROM draw('a', 100, '60s')});

	await('the worker waits for the standby',
		sub { activity('wait_event', "datname = '$database'") eq 'SyncRep' });
	return $run;
}

my $left_alone = waits_for_standby('gone');
$admin->query_safe(q{SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
	WHERE datname = 'gone' AND backend_type = 'client backend'});
$left_alone->{handle}->finish;
quick($admin, 'DROP DATABASE gone');
ends('gone', 'DROP DATABASE while it waits for a standby');
@runs = (waits_for_standby('lonely'));
is(activity('count(*)', q{datname = 'uno' AND wait_event = 'SyncRep'}), 0, 'others have no need to');
$admin->quit;
stops_soon('a worker that waits for a standby that is gone', @runs);
$admin->query_safe('SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;
is(draw($node, 'lonely', q{'a', 20, '20s'})->{drawn}, 20, 'when none is asked for, values come again');
goes_on('uno', 'large', 77, 'after the stop');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no process died');
$admin->quit;
$node->stop;
done_testing();

END
{
	unlink($script) if defined $script;
}
