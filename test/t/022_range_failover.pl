# Property: when the coordinator of ranges is killed and its standby promoted,
# no value comes twice.  Nodes find the new one by themselves.  It grants blocks
# again at once if a synchronous standby has confirmed all of them, or if only
# the database itself ever had blocks; otherwise it holds them back, and nodes
# live on their supply, until a DBA resumes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use SeqgenTest;
use RangeTest;
use FailoverTest;

my $service_back = 10;	# s, from the promotion on: the promise, with no slack

# The coordinator is database postgres.  The other databases are their own
# coordinators; in by_hand blocks are allocated by hand, too, and in switched no
# block is granted between the end of synchronous replication and the cut.
my $first = range_coordinator('first',
	allows_streaming => 1,
	conf => <<'CONF');
max_connections = 40
seqgen.range_report_interval = 1s
seqgen.range_timeout = 30s
log_statement = none
CONF
create_range('orders', '20, max_block_size => 40', $first);
create_range('far', '10, max_block_size => 10', $first);

# so that the first primary, back again, need not wait for its standby to say no
value($first, 'postgres', 'ALTER ROLE noderole SET synchronous_commit = off');
foreach my $database ('alone', 'by_hand', 'switched')
{
	value($first, 'postgres', "CREATE DATABASE $database");
	value($first, $database, "CREATE EXTENSION seqgen; SELECT range_create('$database', 100, max_block_size => 100)");
}
value($first, 'by_hand', q{SELECT range_alloc('by_hand', 100)});
draw($first, 'by_hand', 'by_hand', 5);

# Each standby's standby is ready: what is promoted has one that confirms.
$first->backup('start');
my ($second, $third) = map { PostgreSQL::Test::Cluster->new($_) } ('second', 'third');
$second->init_from_backup($first, 'start', has_streaming => 1);
$second->append_conf('postgresql.conf', <<'CONF');
synchronous_standby_names = 'third'
seqgen.range_require_sync = on
CONF
$second->start;
$third->init_from_backup($first, 'start');
$third->enable_streaming($second);
$third->start;
$first->wait_for_catchup($second);
$second->wait_for_catchup($third, 'replay', $first->lsn('flush'));
set_conf($first, 'synchronous_standby_names' => 'second', 'seqgen.range_require_sync' => 'on');

# Two nodes with one login role.
my $node = seqgen_cluster('node', conf => <<'CONF');
seqgen.range_report_interval = 1s
log_statement = none
CONF
my @nodes = ('one', 'two');
foreach my $database (@nodes)
{
	value($node, 'postgres', "CREATE DATABASE $database");
	value($node, $database, q{CREATE EXTENSION seqgen; SELECT range_create('orders', 20, max_block_size => 40)});
	name_hosts($node, $database, $first, $second, $third);
}

# What a role that poses as a node is told: it claims to have seen highest.
sub pose
{
	my ($server, $generator, $highest) = @_;
	return value($server, 'postgres', <<"SQL", extra_params => [ '-U', 'noderole' ]);
SELECT status FROM seqgen.range_request('$generator', NULL, NULL, 0, gen_random_uuid(),
	gen_random_uuid(), '1/1/1/1:1/x', $highest, 0, 0, NULL)
SQL
}

# Values that lie in no block of the ledger.
sub unknown_values
{
	my ($server, $database, @values) = @_;
	my $file = $server->basedir . '/values';

	unlink($file);
	append_to_file($file, join('', map { "$_\n" } @values));
	return value($server, $database, <<"SQL");
CREATE TEMPORARY TABLE given (value bigint);
COPY given FROM '$file';
SELECT count(*) FROM given
 WHERE NOT EXISTS (SELECT FROM seqgen.range_allocation WHERE state = 'granted' AND block \@> value)
SQL
}

#
# Synchronous: killed under load
#

my $highest_claim = '9223372036854775000';
is(pose($first, 'far', $highest_claim), 'confirmed', 'a node claims to have seen a value far away');
is(cursor_of($first, 'far'), 0, 'which moves no cursor, as there is no hold');

my @node_clients = map { start_clients($node, $_, 'orders', 2) } @nodes;
my @own_clients = start_clients($first, 'alone', 'alone', 1);
ok(clients_draw(@node_clients, @own_clients), 'clients draw');
ok(await('blocks are granted', sub { ledger_rows($first, 'postgres') >= 20 && ledger_rows($first, 'alone') >= 3 }),
	'so blocks are granted all the time');
is(state_of($first, 'postgres', 'synchronous'), 't', 'a standby confirms each of them');
my ($epoch, $epoch_alone) = map { state_of($first, $_, 'epoch') } ('postgres', 'alone');

my $killed_at = time;
$first->kill9;
$second->promote;
my $promoted_at = time;
my $new_blocks = sub {
	my ($server, $epoch) = @_;
	return value($server, 'postgres',
		"SELECT count(DISTINCT node) FROM seqgen.range_allocation WHERE epoch > $epoch");
};
draw($second, 'alone', 'alone', 1);
cmp_ok(time - $promoted_at, '<=', $service_back, 'who served only itself is back in time');
ok(await('both nodes get blocks', sub { $new_blocks->($second, $epoch) == 2 }),
	'nodes get blocks of the promoted standby, with no DBA and no restart');
cmp_ok(time - $promoted_at, '<=', $service_back, 'and in time');
note(sprintf('service was back %.1f s after the kill', time - $killed_at));
ok(clients_draw(@node_clients), 'their clients go on');

my @errors;
my @values = stop_clients(\@errors, @node_clients);
is(scalar(@errors), 0, 'and have seen no error') or diag(@errors[ 0 .. ($#errors > 4 ? 4 : $#errors) ]);
none_twice('orders', 'synchronous standby promoted');
is(unknown_values($second, 'postgres', @values), 0, 'and each lies in a block that its ledger has');
is(state_of($second, 'postgres', "epoch, timeline, in_hold, synchronous"),
	$epoch + 1 . '|2|f|t', 'it is not in hold, in a new epoch, and all it grants is confirmed again');

@values = stop_clients([], @own_clients);
push @values, draw($second, 'alone', 'alone', 300);
none_twice('alone', 'synchronous standby promoted, a coordinator of its own');
is(unknown_values($second, 'alone', @values), 0, 'and each lies in a block that its ledger has');
is(state_of($second, 'alone', "epoch, in_hold"), $epoch_alone + 1 . '|f', 'it went on in a new epoch');

draw($second, 'switched', 'switched', 10);
settle($second, 'switched');
is(state_of($second, 'switched', 'synchronous'), 't', 'in another database all blocks are confirmed, too');

# Here blocks were allocated by hand before a standby confirmed any.
is(state_of($second, 'by_hand', 'in_hold'), 't', 'a database whose grants were not all confirmed is in hold');
value($second, 'by_hand', 'SELECT seqgen.range_resume(skip => 1)');

#
# Asynchronous: the standby lacks the newest grants
#

set_conf($second, 'synchronous_standby_names' => '', 'seqgen.range_require_sync' => 'off');
draw($node, $_, 'orders', 100) foreach (@nodes);
draw($second, 'alone', 'alone', 120);
draw($second, 'by_hand', 'by_hand', 120);
settle($node, $_) foreach (@nodes);
settle($second, $_) foreach ('alone', 'by_hand');
$second->wait_for_catchup($third, 'replay', $second->lsn('insert'));
cut_off($second, $third);
my %known = map { $_ => ledger_rows($second, $_) } ('postgres', 'alone', 'by_hand', 'switched');

draw($node, $_, 'orders', 200) foreach (@nodes);
settle($node, $_) foreach (@nodes);

# Two blocks of a database's own are lost, and values of both are used.
foreach my $database ('alone', 'switched')
{
	until (ledger_rows($second, $database) == $known{$database} + 2)
	{
		draw($second, $database, $database, 40);
		settle($second, $database);
	}
	my $left = value($second, $database, <<'SQL');
SELECT (SELECT max(lower(block)) FROM seqgen.range_allocation) + 20 - "position" FROM seqgen.range_block
SQL
	draw($second, $database, $database, $left) if $left > 0;
	settle($second, $database);
	is(ledger_rows($second, $database), $known{$database} + 2, "$database lost two blocks, and uses both");
}

# Three are lost that were allocated by hand.
my $manual = value($second, 'by_hand', q{SELECT range_agg(range_alloc('by_hand', 100)) FROM generate_series(1, 3)});

my $granted = ledger_rows($second, 'postgres');
my $ledger = state_of($second, 'postgres', 'ledger');
my $highest = value($second, 'postgres', q{SELECT max(upper(block)) - 1 FROM seqgen.range_allocation});
$epoch = state_of($second, 'postgres', 'epoch');
my $epoch_by_hand = state_of($second, 'by_hand', 'epoch');
$second->stop('immediate');
is(ledger_rows($third, $_), $known{$_}, "the standby lacks what was granted last in $_")
  foreach (sort keys %known);
cmp_ok($granted, '>=', $known{postgres} + 4, 'which is some');

$third->promote;
$promoted_at = time;
draw($third, 'alone', 'alone', 1);
cmp_ok(time - $promoted_at, '<=', $service_back, 'who served only itself is back in time');
draw($third, 'alone', 'alone', 300);
none_twice('alone', 'two lost blocks of its own');
draw($third, 'switched', 'switched', 300);
none_twice('switched', 'two lost blocks, the first that no standby confirmed');
is(state_of($third, 'alone', 'in_hold, synchronous'), 'f|f', 'it is not in hold');

#
# HOLD
#

is(state_of($third, 'postgres', 'in_hold'), 't', 'who granted blocks to others is in hold');
ok( await('both nodes have reported', sub { state_of($third, 'postgres', 'seen_ledger') >= $ledger }),
	'nodes reach it, and say that they know more');
ok( await('the cursor is raised', sub { cursor_of($third, 'orders') >= $highest }),
	'the highest block they know raises the cursor');
my $end = value($third, 'postgres', 'SELECT max(upper(block)) - 1 FROM seqgen.range_allocation');
cmp_ok(cursor_of($third, 'orders'), '<=', $end + 64 * 40, 'by a bounded amount');
cmp_ok(cursor_of($third, 'orders'), '<=', $highest, 'and no further than that block');
foreach my $claim (1, 2)
{
	is(pose($third, 'far', $highest_claim), 'hold', 'a node that claims more than can be is told of the hold');
	cmp_ok(cursor_of($third, 'far'), '<=', 64 * 10, 'and moves the cursor by a bounded amount only');
}

my %supply = map { $_ => supply_now($node, $_) } @nodes;
$node->restart;
foreach my $database (@nodes)
{
	cmp_ok($supply{$database}, '>', 1, "$database has a supply");
	my @value = eval { draw($node, $database, 'orders', 1) };
	is(scalar(@value), 1, 'it is served during the hold, also after a restart') or next;
	@value = draw($node, $database, 'orders', $supply{$database} - 1);
	is(scalar(@value), $supply{$database} - 1, 'to its end');
	my $start = time;
	my $error = error_of($node, $database, q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('orders')});
	like($error, qr/ERROR:  08006: generator "orders" got no block within 1000 ms/, 'then there is an error');
	like($error, qr/DETAIL: .*\bhold/i, 'which names the hold');
	cmp_ok(time - $start, '<', 3, 'and comes in time');
}
is(ledger_rows($third, 'postgres'), $known{postgres}, 'nothing was granted');
foreach my $database ('postgres', 'by_hand')
{
	my $generator = $database eq 'postgres' ? 'orders' : $database;
	foreach my $call ("range_alloc('$generator', 1)", "range_reserve('$generator', '[1000000,1000001)')")
	{
		my $error = error_of($third, $database, "SELECT $call");
		like($error, qr/ERROR:  55000: /, "$database: $call is refused");
		like($error, qr/HINT: .*seqgen\.range_resume\(/, 'with a hint');
	}
}
my $error = error_of($third, 'by_hand', q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('by_hand')});
like($error, qr/ERROR:  08006: .*DETAIL: .*\bhold/is,
	'the database itself gets nothing either, if blocks went to others');

my $before = cursor_of($third, 'far');
value($third, 'postgres', 'SELECT seqgen.range_resume(skip => 2)');
is(cursor_of($third, 'far'), $before + 2 * 10, 'range_resume leaps over the largest blocks it is told');
is(state_of($third, 'postgres', 'in_hold'), 'f', 'and ends the hold');
draw($node, $_, 'orders', 200) foreach (@nodes);
none_twice('orders', 'before the failover, in hold, and after range_resume');
is($new_blocks->($third, $epoch), 2, 'both nodes have blocks of a higher epoch');

value($third, 'by_hand', 'SELECT seqgen.range_resume(skip => 3)');
is( value($third, 'by_hand', "SELECT '$manual'::int8multirange && range_alloc('by_hand', 100)"),
	'f', 'a lost block that was allocated by hand is not allocated again');
draw($third, 'by_hand', 'by_hand', 300);
is( value($third, 'by_hand', <<"SQL"), 't', 'nor granted');
SELECT bool_and(NOT '$manual'::int8multirange && block)
  FROM seqgen.range_allocation WHERE epoch > $epoch_by_hand
SQL
none_twice('by_hand', 'a coordinator of its own, after range_resume');

#
# The first primary is back, and alone
#

$third->stop('immediate');
restart_after_crash($first);
$granted = ledger_rows($first, 'postgres');
foreach my $database (@nodes)
{
	settle($node, $database) if $database ne 'one';
	draw($node, $database, 'orders', supply_now($node, $database));
}
ok( await('a node presents its epoch', sub { state_of($first, 'postgres', 'in_hold') eq 't' }),
	'an old primary is in hold as soon as it hears of a higher epoch');
like(error_of($node, $_, q{SET seqgen.range_timeout = '1s'; SELECT range_nextval('orders')}),
	qr/ERROR:  08006: generator "orders" got no block/, "and $_ gets nothing")
  foreach (@nodes);
is(ledger_rows($first, 'postgres'), $granted, 'for it grants nothing');
none_twice('orders', 'with the old primary back');

$_->stop foreach ($node, $first);
done_testing();
