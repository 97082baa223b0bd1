# Property: a server that was rebooted, a standby that was promoted beside its
# primary, a restored backup, a template copy and a restored dump get node
# numbers of their own; what they were made from keeps its.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use LeaseTest qw(:DEFAULT @errors %number);
use RangeTest ();
use SeqgenTest;

$LeaseTest::node_bits = 7;

my $coordinator = lease_coordinator('coordinator', conf => <<'CONF');
seqgen.lease = 1h
max_worker_processes = 24
CONF
my $proxy = RangeTest::Proxy->new($coordinator);
my $node = lease_node('node', $proxy,
	allows_streaming => 1,
	conf => "seqgen.debug_boot_id = 'first'\nrestart_after_crash = on\nmax_worker_processes = 24");
my $no_number = qr/ERROR:  08006: generator \"dense\" got no node number within 1000 ms/;

draw_together('the original', $node);
is_its_own($node, 'the original');

#
# Reboot
#

delete $number{'node/'};
my $before = held($node);
my @drawing = start_drawing($node);
drawing_goes_on(@drawing);
$node->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'second'");
$node->restart;
finish_drawing(\@errors, @drawing);
draw_together('rebooted', $node);
is_its_own($node, 'rebooted');
isnt(held($node), $before, 'another than before');
$before = held($node);
$node->append_conf('postgresql.conf', "seqgen.debug_boot_id = 'third'");
$proxy->mode('refuse');
crash($node);
draws_nothing($node, $no_number, 'rebooted, and nobody can be asked');
$proxy->mode('pass');
ok(defined draw_soon($node), 'until somebody can');
is_its_own($node, 'rebooted again');
isnt(held($node), $before, 'also after that');

#
# A standby that is promoted while its primary still runs, a backup
#

$node->backup('online');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'online', has_streaming => 1);
$standby->start;
draw_together('with a standby', $node);
$node->wait_for_catchup($standby);
is(held($standby), held($node), 'the standby has the row of its primary');
like(error_of($standby, q{SELECT snowflake_nextval('dense')}), qr/ERROR:  25006: /, 'but draws nothing');
@drawing = (start_drawing($node, clients => 2), start_drawing($standby, clients => 2));
$standby->promote;
push @drawing, start_drawing($standby, clients => 2);
ok(drawing_goes_on(@drawing[ 0, 1, 4, 5 ]), 'primary and promoted standby draw');
finish_drawing([], @drawing);
draw_together('promoted', $node, $standby);
is_its_own($node, 'the primary');
is_its_own($standby, 'promoted');

# two standbys of one, whose timelines are the same after it
$node->backup('again');
my @standbys = map { PostgreSQL::Test::Cluster->new("standby_$_") } (1, 2);
foreach my $other (@standbys)
{
	$other->init_from_backup($node, 'again', has_streaming => 1);
	$other->start;
	$node->wait_for_catchup($other);
}
$_->promote foreach (@standbys);
draw_together('two are promoted', $node, $standby, @standbys);
is_its_own($_, $_->name) foreach (@standbys);
$_->stop foreach (@standbys);

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'online');
$restored->start;
draw_together('a restored backup', $node, $restored, $standby);
is_its_own($restored, 'a restored backup');
is_its_own($node, 'its original');

#
# Templates
#

$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
draw($node, database => $_, generator => 'wide', count => 1000) foreach ('copy', 'postgres', 'copy');
is_its_own($node, 'a template copy', 'copy');
is_its_own($node, 'its original');
move_place('node/copy', 'node/renamed');
value($node, 'ALTER DATABASE copy RENAME TO renamed', 'template1');
is(scalar(draw($node, database => 'renamed')), 100, 'a database that was renamed draws');
$number{'node/renamed'} = delete $number{'node/copy'};
is(held($node, 'renamed'), $number{'node/renamed'}, 'under its number');

# what was dumped carries no number
command_ok([ 'pg_dump', '-Fc', '-d', $node->connstr('postgres'), '-f', $node->basedir . '/dump' ], 'dump');
value($node, 'CREATE DATABASE loaded', 'template1');
command_ok([ 'pg_restore', '-e', '-d', $node->connstr('loaded'), $node->basedir . '/dump' ], 'restore');
is(value($node, 'SELECT count(*) FROM seqgen.node_lease', 'loaded'), '0', 'a dump carries no lease');
draw($node, database => $_, generator => 'wide', count => 1000) foreach ('loaded', 'postgres', 'loaded');
is_its_own($node, 'a restored dump', 'loaded');

only_documented(\@errors, [ 'timeout', 'gone' ], 'copies');
all_ids_differ($coordinator, 'all in all', registry => $coordinator);
$_->stop foreach ($node, $standby, $restored, $coordinator);
done_testing();
