# Property: a coordinator grants no block that it may have forgotten, or will
# forget.  A block whose synchronous standby did not confirm it is not granted;
# an older state of the ledger, restored in place or to a point in time, holds
# its blocks back until its owner resumes; and neither a coordinator nor a
# server that is a copy makes a value come twice.

use strict;
use warnings;

use File::Path qw(rmtree);
use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

use SeqgenTest;
use RangeTest;
use FailoverTest;

my $conf = <<'CONF';
max_connections = 30
seqgen.range_report_interval = 1s
log_statement = none
CONF
my $arguments = '10, max_block_size => 10';

# Grants of database plain are never confirmed by a standby, those of database
# postgres all are, up to the restore point.
my $coordinator = range_coordinator('coordinator',
	allows_streaming => 1,
	has_archiving => 1,
	conf => $conf);
create_range('orders', $arguments, $coordinator);
value($coordinator, 'postgres', 'CREATE DATABASE plain');
value($coordinator, 'plain', <<"SQL");
CREATE EXTENSION seqgen;
SELECT range_create('plain', $arguments);
SELECT range_alloc('plain', 10);
SQL
$coordinator->backup('base');

# what a login role may set for itself must not weaken a grant
value($coordinator, 'postgres', 'ALTER ROLE noderole SET synchronous_commit = off');
my $mate = PostgreSQL::Test::Cluster->new('mate');
$mate->init_from_backup($coordinator, 'base', has_streaming => 1);
$mate->start;
my $node = range_node('node', $coordinator, allows_streaming => 1, conf => $conf);
create_range('orders', $arguments, $node);

# How many values a database can serve, once nothing more is on its way.
sub supply_of
{
	my ($server, $database) = @_;

	settle($server, $database);
	return supply_now($server, $database);
}

# The process that serves a node's request and waits for the standby; of one
# that began after another, if that is given.
sub waiting_request
{
	my ($after) = @_;
	my $request = '';

	await('a request waits for the standby', sub {
		$request = value($coordinator, 'postgres', <<"SQL");
SELECT pid, query_start FROM pg_stat_activity
 WHERE usename = 'noderole' AND wait_event = 'SyncRep' AND query_start > '${\($after // '-infinity')}'
SQL
		return $request ne '';
	}) or BAIL_OUT('no request waits for the standby');
	return split /\|/, $request;
}

sub no_answer
{
	my ($draw, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$draw->{run}->pump_nb;
	is($draw->{out} . $draw->{err}, '', $name);
	return;
}

# Of all blocks that were granted to the node, each value up to its position
# was given to a client: none is lost, and none was fetched beside another.
# Clients that were ended may each have lost one that was on its way.
my @of_node;
sub blocks_are_used
{
	my ($name, $ended) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	settle($node, 'postgres');
	my $position = value($node, 'postgres', 'SELECT "position" FROM seqgen.range_block');
	my $uuid = node_uuid($node);
	my $values = value($coordinator, 'postgres', <<"SQL");
SELECT sum(greatest(least(upper(block), $position + 1) - lower(block), 0))
  FROM seqgen.range_allocation WHERE node = '$uuid'
SQL
	cmp_ok(abs($values - ($ended // 0) / 2 - @of_node), '<=', ($ended // 0) / 2,
		"$name: each value of the node's blocks was drawn");
	none_twice('orders', $name);
	return;
}

#
# A synchronous standby must be named
#

set_conf($coordinator, 'seqgen.range_require_sync' => 'on');
foreach my $call (q{range_alloc('orders', 1)}, q{range_reserve('orders', '[1000,1001)')})
{
	my $error = error_of($coordinator, 'postgres', "SELECT $call");
	like($error, qr/ERROR:  55000: no synchronous standby is named/, "without a synchronous standby: $call is refused");
	like($error, qr/HINT: .*synchronous_standby_names/, 'with a hint');
}
like(error_of($node, 'postgres', q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('orders')}),
	qr/ERROR:  08006: .*DETAIL: .*no synchronous standby is named/s, 'and a node that asks, which says why');
is(ledger_rows($coordinator, 'postgres'), 0, 'nothing is granted');

set_conf($coordinator, 'synchronous_standby_names' => 'mate');
$coordinator->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_stat_replication WHERE application_name = 'mate' AND sync_state = 'sync'))
  or BAIL_OUT('the standby does not become synchronous');
push @of_node, draw($node, 'postgres', 'orders', 15);
is(state_of($coordinator, 'postgres', 'synchronous'), 't', 'once it is named blocks are granted');
blocks_are_used('the request that was refused at first');

#
# A wait that is cancelled: the standby is stalled
#

my $receiver = value($mate, 'postgres', 'SELECT pid FROM pg_stat_wal_receiver');
END { kill('CONT', $receiver) if $receiver; }

my $supply = supply_of($node, 'postgres');
my $rows = ledger_rows($coordinator, 'postgres');
kill('STOP', $receiver) or BAIL_OUT("could not stop process $receiver: $!");
push @of_node, draw($node, 'postgres', 'orders', $supply);
is(scalar(@of_node), 15 + $supply, 'while the standby is stalled a node lives on its supply');
my $draw = start_draw($node, 'postgres', 'orders');
my ($pid, $began);
foreach my $time ('', ' again', ' and again')
{
	($pid, $began) = waiting_request($began);
	value($coordinator, 'postgres', "SELECT pg_cancel_backend($pid)");
	pass("its request waits for the standby, and is cancelled$time");
}
waiting_request($began);
is(ledger_rows($coordinator, 'postgres'), $rows, 'which grants nothing');
no_answer($draw, 'and the client gets no value');
like(error_of($coordinator, 'postgres', q{SET statement_timeout = '200ms'; SELECT range_alloc('orders', 1)}),
	qr/ERROR:  57014: /, 'range_alloc is cancelled alike');
is(ledger_rows($coordinator, 'postgres'), $rows, 'and allocates nothing');
kill('CONT', $receiver);
push @of_node, wait_for_draw($draw);
blocks_are_used('cancelled while it was granted');

# The same at the very end, when the block is in the ledger, and the commit
# waits.
value($coordinator, 'postgres', <<'SQL');
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql
	AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON seqgen.range_allocation
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pause();
SQL
push @of_node, draw($node, 'postgres', 'orders', supply_of($node, 'postgres') - 6);
settle($node, 'postgres');
$rows = ledger_rows($coordinator, 'postgres');
my $session = session($coordinator);
$session->query_safe('SELECT pg_advisory_lock(1)');
push @of_node, draw($node, 'postgres', 'orders', supply_now($node, 'postgres'));
$draw = start_draw($node, 'postgres', 'orders');
$coordinator->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'noderole' AND wait_event = 'advisory'))
  or BAIL_OUT('no request is about to commit');
kill('STOP', $receiver);
$session->query_safe('SELECT pg_advisory_unlock(1)');
($pid, $began) = waiting_request();
is(ledger_rows($coordinator, 'postgres'), $rows, 'a request waits in its commit');
value($coordinator, 'postgres', "SELECT pg_cancel_backend($pid)");
waiting_request($began);
is(ledger_rows($coordinator, 'postgres'), $rows + 1, 'cancelled there, it is in the ledger');
like(slurp_file($coordinator->logfile), qr/canceling wait for synchronous replication/,
	'though no standby confirmed it');
is( value($node, 'postgres', q{SELECT count(*) FROM seqgen.range_holding WHERE state = 'requested'}),
	1, 'and the node asks again');
no_answer($draw, 'its client gets no value before the standby confirms it');
kill('CONT', $receiver);
push @of_node, wait_for_draw($draw);
blocks_are_used('cancelled while it was committed');
$session->quit;
value($coordinator, 'postgres', 'DROP FUNCTION pause CASCADE');

# The point in time that is restored at the end.
is(state_of($coordinator, 'plain', 'synchronous'), 'f', 'grants of one database were not confirmed');
value($coordinator, 'postgres', q{SELECT pg_create_restore_point('then')});
push @of_node, draw($node, 'postgres', 'orders', 55);
my $lost = value($coordinator, 'plain', q{SELECT range_agg(range_alloc('plain', 10)) FROM generate_series(1, 3)});
is(state_of($coordinator, 'postgres', 'synchronous'), 't', 'those of the other all were');
my $segment = value($coordinator, 'postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
$coordinator->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
  or BAIL_OUT('WAL is not archived');
set_conf($coordinator,
	'seqgen.range_require_sync' => 'off',
	'synchronous_standby_names' => '',
	'archive_command' => '');
$mate->stop;
undef $receiver;

#
# A node's standby is promoted, and the old primary runs on
#

$node->backup('base');
my $twin = PostgreSQL::Test::Cluster->new('twin');
$twin->init_from_backup($node, 'base', has_streaming => 1);
$twin->start;
my @clients = start_clients($node, 'postgres', 'orders', 2);
ok(clients_draw(@clients), 'clients of a node draw');
$node->wait_for_catchup($twin);
cut_off($node, $twin);
$rows = ledger_rows($coordinator, 'postgres');
ok(await('blocks are granted', sub { ledger_rows($coordinator, 'postgres') > $rows + 4 }),
	'and go on when its standby lags behind');
$twin->promote;
my @twin_clients = start_clients($twin, 'postgres', 'orders', 2);
ok(clients_draw(@clients, @twin_clients) && clients_draw(@clients, @twin_clients),
	'clients draw from both when it is promoted');
my @errors;
push @of_node, stop_clients(\@errors, @clients);
my @of_twin = stop_clients(\@errors, @twin_clients);
is("@errors", '', 'without errors');
blocks_are_used('a node and its promoted standby', scalar(@clients));
isnt(node_uuid($twin), node_uuid($node), 'the promoted standby is another node');
is(value($coordinator, 'postgres', 'SELECT count(*), count(DISTINCT role) FROM seqgen.range_node'),
	'2|1', 'though both have one login role');
cmp_ok(value($twin, 'postgres', 'SELECT count(*) FROM seqgen.range_in_doubt WHERE block IS NOT NULL'),
	'>=', 1, 'it lists the blocks that it had copied as in doubt');
is(value($node, 'postgres', 'SELECT count(*) FROM seqgen.range_in_doubt'), 0, 'the old primary has no doubt');
my $values = join(',', @of_twin);
is( value($twin, 'postgres',
		"SELECT count(*) FROM seqgen.range_in_doubt, unnest('{$values}'::bigint[]) v WHERE block \@> v"),
	0, 'and gives no value of those');
$twin->stop;

#
# A snapshot of the coordinator, restored in place
#

my $epoch = state_of($coordinator, 'postgres', 'epoch');
my $same = state_of($coordinator, 'postgres', 'system_identifier, timeline, database');
push @of_node, draw($node, 'postgres', 'orders', 12);
settle($node, 'postgres');
$coordinator->stop;
$coordinator->backup_fs_cold('snapshot');
$coordinator->start;
is(state_of($coordinator, 'postgres', 'in_hold'), 'f', 'a coordinator that was only stopped is not in hold');
push @of_node, draw($node, 'postgres', 'orders', 45);
settle($node, 'postgres');
my $highest = value($coordinator, 'postgres', 'SELECT max(upper(block)) - 1 FROM seqgen.range_allocation');
$rows = ledger_rows($coordinator, 'postgres');
$coordinator->stop;
rmtree($coordinator->data_dir);
PostgreSQL::Test::RecursiveCopy::copypath($coordinator->backup_dir . '/snapshot', $coordinator->data_dir);
chmod(0700, $coordinator->data_dir);
$coordinator->start;
is(state_of($coordinator, 'postgres', 'system_identifier, timeline, database'), $same,
	'a snapshot that is restored in place looks like the same server');
ok(await('a hold', sub { state_of($coordinator, 'postgres', 'in_hold') eq 't' }),
	'but is in hold once a node presents a higher ledger number');
$rows = ledger_rows($coordinator, 'postgres');
$supply = supply_now($node, 'postgres');
push @of_node, draw($node, 'postgres', 'orders', $supply);
like(error_of($node, 'postgres', q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('orders')}),
	qr/ERROR:  08006: /, 'the node gets nothing when its supply has ended');
is(ledger_rows($coordinator, 'postgres'), $rows, 'for nothing is granted');
my $error = error_of($coordinator, 'postgres', q{SELECT range_alloc('orders', 1)});
like($error, qr/ERROR:  55000: /, 'range_alloc is refused');
like($error, qr/HINT: .*seqgen\.range_resume\(/, 'with a hint');
$coordinator->restart;
is(state_of($coordinator, 'postgres', 'in_hold'), 't', 'a restart does not end the hold');

# Who may end it
value($coordinator, 'postgres', <<'SQL');
CREATE ROLE clerk LOGIN;
CREATE ROLE dba LOGIN;
GRANT pg_monitor TO clerk;
ALTER SEQUENCE orders OWNER TO clerk;
SQL
my $resume = 'SELECT seqgen.range_resume(skip => 1)';
foreach my $role ('clerk', 'noderole')
{
	like(error_of($coordinator, 'postgres', $resume, extra_params => [ '-U', $role ]),
		qr/ERROR:  42501: /, "$role may not end the hold");
	value($coordinator, 'postgres', "GRANT EXECUTE ON FUNCTION seqgen.range_resume TO $role");
	like(error_of($coordinator, 'postgres', $resume, extra_params => [ '-U', $role ]),
		qr/ERROR:  42501: /, 'not even with EXECUTE on the function');
}
is(state_of($coordinator, 'postgres', 'in_hold'), 't', 'and the hold goes on');
like(error_of($coordinator, 'postgres', 'SELECT seqgen.range_resume(skip => -1)'),
	qr/ERROR:  22023: /, 'no leap backwards');
value($coordinator, 'postgres', <<'SQL');
ALTER TABLE seqgen.range_ledger OWNER TO dba;
GRANT EXECUTE ON FUNCTION seqgen.range_resume TO dba;
SQL
value($coordinator, 'postgres', $resume, extra_params => [ '-U', 'dba' ]);
is(state_of($coordinator, 'postgres', 'in_hold'), 'f', 'the owner may, who is no superuser');
value($coordinator, 'postgres', 'ALTER TABLE seqgen.range_ledger OWNER TO CURRENT_USER');
like(error_of($coordinator, 'postgres', $resume), qr/ERROR:  55000: .*not hold/, 'and only once');
cmp_ok(state_of($coordinator, 'postgres', 'epoch'), '>', $epoch, 'the epoch grows');
push @of_node, draw($node, 'postgres', 'orders', 40);
none_twice('orders', 'snapshot restored in place');
cmp_ok(value($coordinator, 'postgres', "SELECT min(lower(block)) FROM seqgen.range_allocation WHERE epoch > $epoch"),
	'>', $highest, 'new blocks are above all that the node knew of');

#
# A coordinator of an older epoch
#

settle($node, 'postgres');
my ($ledger_id, $node_epoch, $ledger, $end) =
  split /\|/, value($node, 'postgres', 'SELECT ledger_id, epoch, ledger, highest FROM seqgen.range_source');
is($node_epoch, state_of($coordinator, 'postgres', 'epoch'), 'the node knows the epoch');
value($coordinator, 'postgres', 'CREATE DATABASE stale');
value($coordinator, 'stale', <<"SQL");
CREATE SCHEMA seqgen;
GRANT USAGE ON SCHEMA seqgen TO PUBLIC;
CREATE FUNCTION seqgen.range_request(generator text, incarnation uuid, request bigint, size bigint,
	node uuid, running uuid, identity text, highest bigint, epoch bigint, ledger bigint, saved bigint,
	OUT status text, OUT lo bigint, OUT hi bigint, OUT epoch bigint, OUT ledger bigint,
	OUT ledger_id uuid, OUT message text)
LANGUAGE sql AS \$\$
	SELECT CASE WHEN size > 0 THEN 'granted' ELSE 'wait' END, \$8 + 1000, \$8 + 1005,
		   $node_epoch - 1, $ledger + 1000, '$ledger_id'::uuid, NULL
\$\$;
SQL
$supply = supply_of($node, 'postgres');
value($node, 'postgres', q{ALTER SERVER coordinator OPTIONS (SET dbname 'stale')});
push @of_node, draw($node, 'postgres', 'orders', $supply);
$error = error_of($node, 'postgres', q{SELECT range_nextval('orders')});
like($error, qr/ERROR:  55000: generator "orders" is stopped/, 'an answer of a lower epoch stops a generator');
like($error, qr/DETAIL: .*epoch/, 'which says so');
is(value($node, 'postgres', 'SELECT state FROM seqgen.range_block'), 'stopped', 'and shows it');
value($node, 'postgres', q{ALTER SERVER coordinator OPTIONS (SET dbname 'postgres')});
like(error_of($node, 'postgres', q{SELECT range_nextval('orders')}),
	qr/ERROR:  55000: generator "orders" is stopped/, 'it does not go on by itself');
value($node, 'postgres', q{SELECT seqgen.range_restart('orders')});
push @of_node, draw($node, 'postgres', 'orders', 30);
none_twice('orders', 'a coordinator of an older epoch');

#
# A node that claims to know of any number of blocks
#

# What a node is told that knows this epoch and this ledger number.
sub told
{
	my ($node_name, $request, @knows) = @_;
	return split /\|/, value($coordinator, 'absurd', <<"SQL", extra_params => [ '-U', 'noderole' ]);
SELECT status, epoch, ledger FROM seqgen.range_request('absurd', '$node_name', $request, 10, '$node_name',
	'$node_name', '1/1/1/1:1/x', 0, $knows[0], $knows[1], NULL)
SQL
}

value($coordinator, 'postgres', 'CREATE DATABASE absurd');
value($coordinator, 'absurd', <<"SQL");
CREATE EXTENSION seqgen;
SELECT range_create('absurd', $arguments);
GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole;
SQL
my $honest = '11111111-1111-4111-8111-111111111111';
my $liar = '22222222-2222-4222-8222-222222222222';
my ($status, @knows) = told($honest, 1, 0, 0);
is($status, 'granted', 'a node is granted a block');
my $far = '1152921504606846976';	# 2^60
foreach my $claim ([ 0, $far ], [ $far, 0 ])
{
	# whether it is refused, or leads to a hold
	eval { told($liar, 1, @$claim); };
	unlike($@, qr/does not exist/, 'a node claims to know of far more');
	value($coordinator, 'absurd', 'SELECT seqgen.range_resume(skip => 1)')
	  if state_of($coordinator, 'absurd', 'in_hold') eq 't';
	foreach my $request (2, 3)
	{
		my @told = eval { told($honest, $claim->[0] ? $request + 2 : $request, @knows) };
		(undef, @knows) = @told if @told;
		is($told[0], 'granted', 'and others go on being granted blocks after the DBA resumed');
	}
}

#
# The coordinator is restored to a point in time
#

settle($node, 'postgres');
$highest = value($coordinator, 'postgres', 'SELECT max(upper(block)) - 1 FROM seqgen.range_allocation');
my $past = PostgreSQL::Test::Cluster->new('past');
$past->init_from_backup($coordinator, 'base', has_restoring => 1, standby => 0);
$past->append_conf('postgresql.conf', <<'CONF');
archive_mode = off
recovery_target_name = 'then'
recovery_target_action = promote
seqgen.range_require_sync = off
CONF
$coordinator->stop;
$past->start;
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or BAIL_OUT('recovery does not end');

is(state_of($past, 'plain', 'in_hold'), 't', 'a ledger that is restored to a point in time is in hold');
$error = error_of($past, 'plain', q{SELECT range_alloc('plain', 10)});
like($error, qr/ERROR:  55000: /, 'range_alloc is refused');
like($error, qr/HINT: .*seqgen\.range_resume\(/, 'with a hint');
$epoch = state_of($past, 'plain', 'epoch');
value($past, 'plain', 'SELECT seqgen.range_resume(skip => 3)');
cmp_ok(state_of($past, 'plain', 'epoch'), '>', $epoch, 'range_resume begins an epoch');
is(value($past, 'plain', "SELECT range_alloc('plain', 10) && '$lost'::int8multirange"),
	'f', 'and no value is allocated again');

# All blocks up to that point had been confirmed, and those after it, too.  A
# failover that follows at once does not make up for the loss.
$past->stop;
$past->set_standby_mode;
$past->append_conf('postgresql.conf', "recovery_target_name = ''");
$past->start;
$past->promote;
is(value($past, 'postgres', 'SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)::int'),
	3, 'recovered, then promoted');
my $given = value($past, 'postgres', <<'SQL', extra_params => [ '-U', 'noderole' ]);
SELECT status, lo FROM seqgen.range_request('orders', gen_random_uuid(), 1, 10, gen_random_uuid(),
	gen_random_uuid(), '1/1/1/1:1/x', 0, 0, 0, NULL)
SQL
is($given, 'hold|', 'nothing is granted to a new node, though each block had been confirmed by a standby');
value($node, 'postgres', 'ALTER SERVER coordinator OPTIONS (SET port ' . "'" . $past->port . "')");
$ledger = value($node, 'postgres', 'SELECT ledger FROM seqgen.range_source');
ok( await('a report', sub { state_of($past, 'postgres', 'seen_ledger') >= $ledger }),
	'a node presents a higher ledger number');
push @of_node, draw($node, 'postgres', 'orders', supply_now($node, 'postgres'));
like(error_of($node, 'postgres', q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('orders')}),
	qr/ERROR:  08006: /, 'and gets nothing when its supply has ended');

# what the node reports raises the cursor by 64 blocks at most
my $missing = $highest - cursor_of($past, 'orders');
my $skip = $missing > 0 ? int(($missing + 9) / 10) : 0;
value($past, 'postgres', "SELECT seqgen.range_resume(skip => $skip)");
push @of_node, draw($node, 'postgres', 'orders', 40);
none_twice('orders', 'coordinator restored to a point in time');
cmp_ok(value($past, 'postgres', q{SELECT max(lower(block)) FROM seqgen.range_allocation}), '>', $highest,
	'new blocks are above all that were granted before');

$_->stop foreach ($node, $past);
done_testing();
