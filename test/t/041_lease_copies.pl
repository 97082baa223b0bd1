# Property: whatever is copied - a data directory, a standby, a backup, a
# template - the copy gets a node number of its own, and never draws under the
# one that it found; a server that crashed or was restarted takes its own back,
# one that was rebooted gets a new one.  While the coordinator cannot be asked,
# only a server that is certainly the same draws.

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
my $original = $number{'node/'};

#
# The same server again
#

my @drawing = start_drawing($node);
drawing_goes_on(@drawing);
crash($node, $_) foreach ('immediate', 'kill9');
finish_drawing(\@errors, @drawing);
draw_together('after crashes', $node);
is(held($node), $original, 'after crashes it has its number back');

# shared memory is made anew under a postmaster that stays
my $before = checkpointer($node);
kill('KILL', $before);
await_checkpointer_after($node, $before);
draw_together('after a restart by the postmaster', $node);
is(held($node), $original, 'also then');

$node->restart;
draw_together('after a restart', $node);
is(held($node), $original, 'and after a clean one');
is(numbers_of($coordinator), 1, 'no other number was given out');

# and while nobody can be asked
$proxy->mode('refuse');
$node->restart;
my $took = draw_soon($node);
cmp_ok($took // 'never', '<', 5, 'a restarted server draws though nobody can be asked');
is(held($node), $original, 'under its number');
crash($node);
ok(defined draw_soon($node), 'and one that crashed');
$proxy->mode('pass');
all_ids_differ($coordinator, 'one server', registry => $coordinator);

#
# Clones
#

# cold, and from a crash
foreach my $how ('fast', 'immediate')
{
	draw_together('before it is cloned', $node);
	$node->stop($how);
	my $clone = clone_cluster($node, "clone_$how");
	$clone->start;
	draw_together("a clone alone, $how", $clone);
	restart_after_crash($node);
	draw_together("a clone and its original, $how", $node, $clone);
	is_its_own($clone, "a clone, $how");
	is(held($node), $original, 'the original has kept its number');

	# the original first; and nobody can be asked
	$clone->stop($how);
	my $second = clone_cluster($clone, "second_$how");
	my $number = $number{"clone_$how/"};
	$proxy->mode('refuse');
	$_->start foreach ($clone, $second);
	ok(defined draw_soon($clone), "a cloned server draws though nobody can be asked, $how");
	draws_nothing($second, $no_number, "its clone does not, $how");
	is(held($second), '', 'as it has no number');
	$proxy->mode('pass');
	ok(defined draw_soon($second), 'it has one as soon as somebody can be asked');
	draw_together("a clone of a clone, $how", $node, $clone, $second);
	is_its_own($second, "a clone of a clone, $how");
	is(held($clone), $number, 'which has kept its own');
	$_->stop foreach ($clone, $second);
}
all_ids_differ($coordinator, 'clones', registry => $coordinator);

#
# The clone in the place of its original, and the original elsewhere
#

$node->stop;
my $moved = PostgreSQL::Test::Cluster->new('moved');
move_place('node', 'moved');
rename($node->data_dir, $moved->data_dir) or BAIL_OUT("could not rename a data directory: $!");
PostgreSQL::Test::RecursiveCopy::copypath($moved->data_dir, $node->data_dir);
chmod 0700, $node->data_dir;
$moved->append_conf('postgresql.conf', 'port = ' . $moved->port);
$_->start foreach ($node, $moved);
draw_together('moved', $node, $moved);
is(held($moved), $original, 'the original has its number, wherever it lies');
delete $number{'node/'};
$number{'moved/'} = $original;
is_its_own($node, 'a copy in the place of the original');

#
# A twin that nothing tells apart: a virtual machine that was resumed twice
#

# in the middle of a request, whose answer neither has seen; each of them starts
# as if it were the only one
foreach my $case ('idle', 'asked')
{
	my $name = "resumed_$case";
	my $resumed = lease_node($name, $proxy, conf => "seqgen.debug_boot_id = 'resumed'");
	my $conflicts = $case eq 'idle' ? 1 : 0;

	if ($case eq 'asked')
	{
		$proxy->mode('hold');
		$resumed->psql('postgres', q{SET seqgen.lease_timeout = '500ms'; SELECT snowflake_nextval('dense')});
		is(value($resumed, 'SELECT state FROM seqgen.node_lease'), 'asked', 'it has asked, and heard nothing');
	}
	else
	{
		draw_together('before it is resumed', $resumed);
	}
	$resumed->stop('immediate');
	$proxy->mode('refuse');
	my $twin = clone_cluster($resumed, "twin_$case");

	# the two share the file that copies do not have in common, and read it
	# only when they start
	my $control = slurp_file($twin->data_dir . '/global/pg_control');
	unlink $twin->data_dir . '/global/pg_control';
	link($resumed->data_dir . '/global/pg_control', $twin->data_dir . '/global/pg_control')
	  or BAIL_OUT("could not link a file: $!");
	$proxy->mode('pass');
	restart_after_crash($resumed);
	ok(defined draw_soon($resumed), "resumed, $case");
	open(my $file, '+<:raw', $twin->data_dir . '/global/pg_control') or BAIL_OUT("could not open a file: $!");
	syswrite($file, $control);
	close($file);
	restart_after_crash($twin);
	ok(defined draw_soon($twin), "resumed twice, $case");
	draw_together("resumed twice, $case", $resumed, $twin);
	is_its_own($resumed, "resumed, $case");
	is_its_own($twin, "resumed twice, $case");
	if ($case eq 'idle')
	{
		cmp_ok(value($coordinator, 'SELECT sum(conflicts) FROM seqgen.nodes'), '>=', 1, 'two holders of one number are counted');
		like(slurp_file($coordinator->logfile), qr/LOG: .*two .*/i, 'and logged');
	}
	$_->stop('immediate') foreach ($resumed, $twin);
}
all_ids_differ($coordinator, 'twins', registry => $coordinator);

only_documented(\@errors, [ 'timeout', 'gone' ], 'copies');
$_->stop foreach ($node, $moved, $coordinator);
done_testing();
