# Property: sixty seconds in which the network swallows everything, through all
# rounds of attempts to connect, change nothing: who waits gets his error in
# time or is cancelled at once, the worker keeps no descriptors, and afterwards
# service is back in two seconds.  A host that swallows packets does not keep
# the node from the next one.

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
use RangeTest;
use SeqgenTest;

my $blackhole = 60;     # s
my $slack = 1;          # s, what a busy machine may add

my $coordinator = range_coordinator('coordinator');
my $proxy = RangeTest::Proxy->new($coordinator);
my $node = range_node('node', $proxy);
create_range('orders', '20, min_block_size => 20, max_block_size => 20', $coordinator, $node);
draw_create($node, 'postgres');
my $admin = session($node);
$admin->query_safe('CREATE DATABASE elsewhere');

# Descriptors of the worker, where the system shows them.
sub descriptors
{
	my @open = glob('/proc/' . worker_pid($admin, 'postgres') . '/fd/*');
	return scalar @open;
}

# ---- Sixty seconds

draw($node, 'postgres', "'orders', 12, '60s'");
settle($node);
$proxy->mode('blackhole');
my $began = time;
my $supply = draw($node, 'postgres', "'orders', 1000, '1s'");
is($supply->{drawn}, 8 + 20, 'both blocks are used up');
my $descriptors = descriptors();

my $rounds = 0;
my $wrong = 0;
while (time - $began < $blackhole - 8)
{
	my $waiter = draw($node, 'postgres', "'orders', 1, '2s'");
	my $failed = ($waiter->{code} // '') eq '08006' && $waiter->{drawn} == 0 &&
	  $waiter->{waited} >= 2 && $waiter->{waited} <= 2 + $slack &&
	  $waiter->{detail} =~ /coordinator|connection/i;

	$wrong++ unless $failed;
	diag(explain($waiter)) unless $failed;
	$rounds++;
}
is($wrong, 0, "$rounds sessions that waited one after the other got their error in time");
cmp_ok(descriptors(), '<=', $descriptors + 3, 'attempts to connect leave no descriptors behind');

my $waiting = start_draw($node, 'postgres', "'orders', 1, '60s'");
await('a session waits', sub {
	$admin->query_safe(q{SELECT count(*) FROM pg_stat_activity
		WHERE query LIKE '%draw%' AND state = 'active' AND wait_event IS NOT NULL AND pid <> pg_backend_pid()}) > 0 });
my $cancelled = time;
$admin->query_safe(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE query LIKE '%draw%' AND state = 'active' AND pid <> pg_backend_pid()});
$waiting->{handle}->finish;
cmp_ok(time - $cancelled, '<=', 0.2 + $slack, 'a session that waits is cancelled at once');
cmp_ok(seconds_of($admin, 'DROP DATABASE elsewhere'), '<=', 2, 'another database is dropped meanwhile');

my $default = start_draw($node, 'postgres', "'orders', 1, NULL");
usleep(1_000_000 * ($began + $blackhole - time)) if time < $began + $blackhole;
$proxy->mode('pass');
my $back = time;
my $last = draw($node, 'postgres', "'orders', 1, '60s'");
is($last->{drawn}, 1, 'values flow again');
cmp_ok(time - $back, '<=', 2 + $slack, 'two seconds after the blackhole at the latest');
my $patient = finish_draw($default);
is(join(' ', sort $last->{first}, $patient->{first}), '41 42',
	'with the next values, so no block was granted and forgotten');

# ---- Several hosts

# accepts connections, and never says a word
my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', Listen => 64)
  or die "could not listen: $!";
$admin->query_safe('CREATE DATABASE detour');
$node->safe_psql('detour', 'CREATE EXTENSION seqgen');
$node->safe_psql('detour', q{SELECT range_create('orders', 20, min_block_size => 20, max_block_size => 20)});
draw_create($node, 'detour');
$node->safe_psql('detour', sprintf(
		q{CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
		  OPTIONS (host '127.0.0.1,127.0.0.1', port '%d,%d', dbname 'postgres', connect_timeout '1')},
		$mute->sockport, $proxy->port));
$node->safe_psql('detour', q{CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user 'noderole')});
my $detour = draw($node, 'detour', "'orders', 1, '10s'");
is($detour->{drawn}, 1, 'the next host is asked');
cmp_ok($detour->{flowed}, '>=', 1, 'after the first has had its time');
cmp_ok($detour->{flowed}, '<=', 2 + $slack, 'and no longer');

$_->{run}->kill_kill foreach $admin;
$proxy->stop;
$_->stop foreach $node, $coordinator;
done_testing();
