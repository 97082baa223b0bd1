# Property: when the coordinator of node numbers is killed in the middle of
# renewals and its standby promoted, no two nodes draw under one number at one
# time, though the standby lacks the newest grants.  It gives no new number
# before all leases that it may not know of are over, or a DBA resumes, while
# those that it knows are renewed.  With a synchronous standby nobody notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use FailoverTest qw(cut_off);
use LeaseTest;
use SeqgenTest;

$LeaseTest::node_bits = 4;

my $lease = 8;	# s
my $back = 10;	# s, after the promotion: service is back

my $first = lease_coordinator('first',
	allows_streaming => 1,
	conf => <<"CONF");
seqgen.lease = ${lease}s
seqgen.max_node_skew = 1s
seqgen.range_require_sync = off
max_connections = 40
log_statement = none
CONF
value($first, 'ALTER ROLE noderole SET synchronous_commit = on');
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
set_conf($first, 'synchronous_standby_names' => 'second', 'seqgen.range_require_sync' => 'on');
$first->poll_query_until('postgres', q(SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication))
  or BAIL_OUT('no synchronous standby');

my %node;
my @errors;
my %drawing;

sub node
{
	my ($name) = @_;
	$node{$name} //= lease_node($name, [ $first, $second, $third ]);
	return $node{$name};
}

sub start
{
	my ($name, %params) = @_;
	$drawing{$name} = [
		start_drawing(node($name), %params),
		start_drawing(node($name), generator => 'wide', ids => 200, %params) ];
	return;
}

sub draws
{
	my ($name, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(drawing_goes_on(@{ $drawing{$name} }), "$name draws $when");
}

sub finish
{
	my ($errors, @names) = @_;

	finish_drawing($errors, map { @{ delete $drawing{$_} } } @names);
	return;
}

sub registry_of
{
	my ($server, $columns) = @_;
	return value($server, "SELECT $columns FROM seqgen.node_registry");
}

# Does a node hold a lease that lasts?
sub leased
{
	my ($server) = @_;
	return value($server, <<"SQL") ne '0';
SELECT count(*) FROM seqgen.node_lease
 WHERE bits = $LeaseTest::node_bits AND valid_until > clock_timestamp()
SQL
}

# Wait until a renewal was noted: then a lease lasts for two thirds at least.
sub await_renewal
{
	my ($name) = @_;
	my $generation = value(node($name), 'SELECT generation FROM seqgen.node_lease');

	await("$name renews", sub {
		value(node($name), 'SELECT generation FROM seqgen.node_lease') > $generation });
	return;
}

# what takes long is done before time counts
node($_) foreach ('a' .. 'f');

#
# Synchronous
#

start($_) foreach ('a', 'b');
draws($_, 'at first') foreach ('a', 'b');
my %number = map { $_ => held(node($_)) } ('a', 'b');
is(registry_of($first, 'in_hold'), 'f', 'a coordinator that nothing happened to is not in hold');
usleep(1_000_000 * $lease / 2);
await_renewal('a');
$first->kill9;
$second->promote;
my $promoted_at = time;
start('c');
draws('c', 'for the first time');
cmp_ok(time - $promoted_at, '<', $back, 'a new node has a number at once, as all grants were confirmed');
is(registry_of($second, 'in_hold'), 'f', 'there is no hold');
usleep(1_000_000 * $lease);
draws($_, 'after the failover') foreach ('a', 'b');
is(held(node($_)), $number{$_}, "$_ has kept its number") foreach ('a', 'b');
$number{c} = held(node('c'));
my @noticed;
finish(\@noticed, 'a', 'b');
is(join('', @noticed), '', 'and no client noticed');
all_ids_differ($second, 'synchronous', registry => $second);

#
# Asynchronous: the standby lacks the newest grants and renewals
#

# node b's number is free soon, so that there are some that have been used
node('b')->stop;
set_conf($second, 'synchronous_standby_names' => '', 'seqgen.range_require_sync' => 'off');
start('a');
draws('a', 'now');
value($second, q{SELECT 1});
$second->wait_for_catchup($third, 'replay', $second->lsn('insert'));
await_renewal('a');
$second->wait_for_catchup($third, 'replay', $second->lsn('insert'));
my $cut_at = time;
cut_off($second, $third);

# what is granted from here on is lost
start('d');
draws('d', 'under a number that will be lost');
$number{d} = held(node('d'));
await_renewal('a');
$second->stop('immediate');
$third->promote;
$promoted_at = time;
note(sprintf('%.1f s from the last renewal that is known to the promotion', $promoted_at - $cut_at));
start('e', timeout => '60s');
my $error = draws_nothing(node('e'), qr/ERROR: .*number/, 'a new node gets no number');
like($error, qr/DETAIL: .*may have lost leases/, 'because of a hold');
like($error, qr/\d\d:\d\d:\d\d/, 'which says until when');
is(registry_of($third, 'in_hold'), 't', 'the view says so, too');
my $until = registry_of($third, 'extract(epoch FROM until)');
cmp_ok($until, '>=', $promoted_at + $lease - 0.5, 'for as long as the longest lease');
cmp_ok($until, '<=', $promoted_at + 2 * $lease + 5, 'and not much longer');
draws($_, 'meanwhile') foreach ('a', 'c');
ok(await('the end of the hold', sub { time > $until }), 'the hold ends');
draws($_, 'after the hold') foreach ('e', 'a', 'c', 'd');
is(held(node($_)), $number{$_}, "$_ has kept its number, which the standby knew of") foreach ('a', 'c');
is( value($third, <<"SQL"), '0', 'every window granted after the hold begins at its end, or later');
SELECT count(*) FROM seqgen.node_history
 WHERE node IN (${\ join(', ', map { "'" . value(node($_), 'SELECT node FROM seqgen.node_lease') . "'" } 'd', 'e')})
   AND valid_from < to_timestamp($until)
SQL
is(registry_of($third, 'in_hold'), 'f', 'no hold any more');
finish(\@errors, 'a', 'c', 'd', 'e');
only_documented(\@errors, [ 'timeout', 'hold' ], 'asynchronous');
all_ids_differ($third, 'asynchronous');

#
# The coordinator before last is back, and alone
#

@errors = ();
$third->stop('immediate');
restart_after_crash($first);
set_conf($first, 'synchronous_standby_names' => '', 'seqgen.range_require_sync' => 'off');
start($_) foreach ('a', 'd');
ok(await('it hears of a newer state', sub { registry_of($first, 'in_hold') eq 't' }),
	'a coordinator that is behind is in hold as soon as a node tells it');
start('f');
$error = draws_nothing(node('f'), qr/ERROR: .*number.*may have lost leases/s, 'it gives no number to a new node');

# a DBA who knows that all leases from elsewhere are over need not wait for its end
node($_)->stop('immediate') foreach ('c', 'e');
ok(await('the end of these leases', sub { !grep { leased(node($_)) } ('a', 'd') }),
	'what the last coordinator granted is over');
like(error_of($first, 'SELECT seqgen.node_resume()', extra_params => [ '-U', 'noderole' ]),
	qr/permission denied/, 'nobody but a DBA resumes');
my $resumed_at = time;
value($first, 'SELECT seqgen.node_resume()');
is(registry_of($first, 'in_hold'), 'f', 'a DBA ends the hold');
draws('f', 'then');
draws($_, 'as well') foreach ('a', 'd');
finish(\@errors, 'a', 'd', 'f');
only_documented(\@errors, [ 'timeout', 'hold' ], 'back and alone');

all_ids_differ($first, 'all in all');
$_->stop foreach (map { node($_) } 'a', 'd', 'f');
$first->stop;
done_testing();
