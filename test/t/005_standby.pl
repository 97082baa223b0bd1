# Property: a standby draws no ids, and once promoted it draws larger ones than
# the old primary: than all whose reservation reached it, and with synchronous
# replication than all that were answered to anybody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use SeqgenTest;

# A primary's ids are drawn with the clock ahead, a promoted standby's with the
# clock behind, so that nothing but the replicated bound keeps them apart.
my $ahead = '5min';
my $behind = '-30min';

# Begin a statement in an open session, and do not wait for its end.
sub begin_statement
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	$session->{stdin} .= "$sql;\n\\echo ended\n\\warn ended\n";
	$session->{run}->pump_nb;
	return;
}

sub has_ended
{
	my ($session) = @_;

	$session->{run}->pump_nb;
	return $session->{stdout} =~ /^ended\n/m && $session->{stderr} =~ /^ended\n/m;
}

# Wait for a statement's end; what did it return?
sub end_statement
{
	my ($session) = @_;

	usleep(10_000) until has_ended($session) || $session->{timeout}->is_expired;
	my $output = $session->{stdout} =~ s/^ended\n//mr;
	$session->{stdout} = '';
	return $output;
}

sub backend_pid
{
	my ($session) = @_;
	return $session->query_safe('SELECT pg_backend_pid()');
}

# Does the statement begun in a session wait for the synchronous standby, and
# not just end?
sub waits_for_standby
{
	my ($node, $session, $pid) = @_;

	until (has_ended($session) || $session->{timeout}->is_expired)
	{
		return 1
		  if $node->safe_psql('postgres',
			"SELECT wait_event FROM pg_stat_activity WHERE pid = $pid") eq 'SyncRep';
		usleep(10_000);
	}
	return 0;
}

# Draws with a new reservation begin, in sessions of every kind, and none is
# answered.  Returns the sessions.
sub draws_wait
{
	my ($node, $generator, $name) = @_;
	my %kinds = (
		'synchronous_commit = on' => [],
		'synchronous_commit = local' => ['SET synchronous_commit = local'],
		'synchronous_commit = off' => ['SET synchronous_commit = off'],
		'a read-only transaction' => ['BEGIN READ ONLY']);
	my @sessions;

	foreach my $kind (sort keys %kinds)
	{
		my $session = session($node, offset => '20min');
		$session->query_safe($_) foreach (@{ $kinds{$kind} });
		my $pid = backend_pid($session);
		begin_statement($session, "SELECT snowflake_nextval('$generator')");
		ok(waits_for_standby($node, $session, $pid), "$name, a draw waits: $kind");
		push @sessions, $session;
	}
	return @sessions;
}

sub stop_process
{
	my ($pid) = @_;
	kill('STOP', $pid) or die "could not stop process $pid: $!";
	return;
}

sub continue_process
{
	my ($pid) = @_;
	kill('CONT', $pid) or die "could not continue process $pid: $!";
	return;
}

sub new_standby
{
	my ($primary, $name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$primary->backup("for_$name");
	$standby->init_from_backup($primary, "for_$name", has_streaming => 1);
	$standby->start;
	return $standby;
}

# Draw from every generator of the old primary.
sub larger_than_before
{
	my ($session, $name) = @_;

	take($session, $_) foreach (sort keys %largest);
	ids_only_grew($name);
	return;
}

#
# An asynchronous standby
#

my $first = seqgen_cluster('first',
	allows_streaming => 1,
	conf => <<'CONF');
seqgen.max_lead = '1h'
max_connections = 30
wal_sender_timeout = 0
wal_receiver_timeout = 0
CONF
my $here = session($first);
$here->query_safe("SELECT snowflake_create('orders_id')");
take($here, $_) foreach ('orders_id', 'seqgen.snowflake_default');

my $second = new_standby($first, 'second');
$here->query_safe("SET seqgen.debug_clock_offset = '$ahead'");
$here->query_safe("SELECT snowflake_create('items_id', 'twitter')");
take($here, $_) foreach ('orders_id', 'seqgen.snowflake_default', 'items_id');
take($here, 'orders_id', 5000);
my $orders = $largest{orders_id};
$first->wait_for_catchup($second, 'replay', $first->lsn('insert'));

my $there = session($second, offset => $behind);
my $recovery = 'cannot draw ids during recovery';
$there->query_safe(q(PREPARE draw AS SELECT snowflake_nextval('orders_id')));
fails($there, 'EXECUTE draw', '25006', $recovery, 'a standby draws no ids');
fails($there, $_, '25006', $recovery, "nor does it run $_")
  foreach (
	'SELECT snowflake_nextval()',
	'SELECT * FROM snowflake_nextvals(3)',
	"SELECT snowflake_observe($orders)",
	"SELECT snowflake_nextval_after($orders)",
	"SELECT seqgen.advance('orders_id', $orders)");
fails($there, "SELECT seqgen.reset('orders_id', 1)", '25006', 'cannot execute seqgen.reset\(\) during recovery',
	'nor does it reset a generator');
fails($there, "SELECT snowflake_create('new_id')", '25006', 'cannot execute \S+.* in a read-only transaction',
	'nor does it create one');
fails($there, "SELECT snowflake_attach('orders_id')", '25006', 'cannot execute \S+.* ',
	'nor does it attach one');
is($there->query_safe("SELECT snowflake_node($orders)"), '1', 'but it decodes them');

$here->quit;
$first->stop;
$second->promote;
is($there->query_safe('SELECT pg_is_in_recovery()'), 'f', 'the standby is promoted');
my $id = $there->query_safe('EXECUTE draw');
cmp_ok($id, '>', $orders, 'a session that stayed open draws now, above the ids of the old primary');
$largest{orders_id} = $id;
larger_than_before($there, 'so does every generator');
$there->quit;

#
# A synchronous standby
#

my $third = new_standby($second, 'third');
$second->append_conf('postgresql.conf', <<'CONF');
synchronous_standby_names = 'third'
# time enough for a busy machine to get through while the standby is stalled
seqgen.reserve_ahead = '10s'
CONF
$second->reload;
$second->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'third' AND sync_state = 'sync'))
  or BAIL_OUT('the standby does not become synchronous');

$here = session($second, offset => $ahead);
foreach my $generator ('waiting', 'restarted', 'rolled_back', 'window')
{
	$here->query_safe("SELECT snowflake_create('$generator')");
	take($here, $generator, 1);
}

# A transaction gives a generator new storage, and writes a bound there.  It is
# to be committed, or rolled back, without waiting for the standby.
my ($restart, $rollback) = map { session($second, offset => $ahead) } 1 .. 2;
run_script($restart, 'restarted', 'BEGIN', 'ALTER SEQUENCE restarted RESTART', 'draw');
run_script($rollback, 'rolled_back', 'BEGIN', 'ALTER SEQUENCE rolled_back RESTART', 'draw');
$here->query_safe("SET seqgen.debug_clock_offset = '6min'");
take($here, 'window', 1);
my $confirmed = $here->query_safe('SELECT last_value FROM waiting');

my $receiver = $third->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver');
stop_process($receiver);

# nothing is reserved for the clock of six minutes and a half ahead
$here->query_safe("SET seqgen.debug_clock_offset = '$ahead'");
take($here, 'window', 100);
take($here, 'waiting', 3);
ids_only_grew('while the standby is stalled, ids inside the reserved window are drawn');

$here->query_safe("SET seqgen.debug_clock_offset = '390s'");
$here->query_safe("SET statement_timeout = '200ms'");
my $draw = "SELECT snowflake_nextval('waiting')";
my $canceled = 'could not make a reservation durable';
fails($here, $draw, '57014', $canceled, 'a wait that is cancelled by statement_timeout is a failed reservation');
fails($here, $draw, '57014', $canceled, 'and so is the next one, for the bound that is written already');
$here->query_safe('RESET statement_timeout');

my $other = session($second, offset => '390s');
my $pid = backend_pid($other);
begin_statement($other, $draw);
ok(waits_for_standby($second, $other, $pid), 'another session waits, too');
$here->query_safe("SELECT pg_cancel_backend($pid)");
is(end_statement($other), '', 'pg_cancel_backend ends its wait without an id');
like($other->{stderr}, qr/ERROR:  57014: $canceled/, 'with the same error');
begin_statement($other, $draw);
ok(waits_for_standby($second, $other, $pid), 'it waits again');
$here->query_safe("SELECT pg_terminate_backend($pid, 60000)");
$other->{run}->finish;
unlike($other->{stdout}, qr/^\d+$/m, 'pg_terminate_backend ends its wait without an id');

$here->query_safe("SET seqgen.debug_clock_offset = '$ahead'");
my $given = take($here, 'waiting', 100);
cmp_ok($given, '<', $confirmed, 'after all that no id above the confirmed bound is given');
$here->query_safe("SET seqgen.debug_clock_offset = '390s'");
my @waiting = draws_wait($second, 'window', 'while the standby is stalled');

$restart->query_safe('SET LOCAL synchronous_commit = local');
$restart->query_safe('COMMIT');
$rollback->query_safe('ROLLBACK');
foreach my $generator ('restarted', 'rolled_back')
{
	my $session = session($second, offset => $ahead);
	$pid = backend_pid($session);
	begin_statement($session, "SELECT snowflake_nextval('$generator')");
	ok(waits_for_standby($second, $session, $pid),
		"a draw waits: on a bound written by a transaction that was $generator");
	push @waiting, $session;
}

continue_process($receiver);
my $answered = grep { end_statement($_) =~ /^\d+\n$/ } @waiting;
is($answered, scalar(@waiting), 'all of them are answered when the standby is back');
$largest{$_} = $second->safe_psql('postgres',
	"SELECT last_value FROM seqgen.stat_generator WHERE generator = '$_'::regclass")
  foreach ('window', 'restarted', 'rolled_back');
take($here, 'waiting');
ids_only_grew('and ids can be reserved again');
$_->quit foreach (@waiting);

# Ids that were answered without waiting for anything: after this the standby
# gets no more WAL, and is promoted.
my @kinds;
foreach my $setting ('synchronous_commit = off', 'synchronous_commit = local', 'transaction_read_only = on')
{
	my $session = session($second, offset => '15min');
	$session->query_safe('BEGIN');
	$session->query_safe("SET LOCAL $setting");
	take($session, $_) foreach (sort keys %largest);
	push @kinds, $session;
}
$third->stop('immediate');
$_->quit foreach (@kinds);
my @unanswered = draws_wait($second, 'waiting', 'while the standby is down');
$second->stop('immediate');
$_->{run}->kill_kill foreach (@unanswered);
$_->{run}->kill_kill foreach ($here, $restart, $rollback);

$third->start;
$third->promote;
$there = session($third, offset => $behind);
larger_than_before($there, 'the synchronous standby, promoted, draws larger ids than all that were answered');
$there->quit;
$third->stop;

done_testing();
