# Property: the doctor tells what is the matter with a server and its
# coordinator, and decoding tells where an id was drawn, also by others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;
use RangeTest;

# What a check says.
sub verdict
{
	my ($node, $check) = @_;
	return $node->safe_psql('postgres', "SELECT verdict FROM seqgen.doctor() WHERE check_name = '$check'");
}

sub detail
{
	my ($node, $check) = @_;
	return $node->safe_psql('postgres', "SELECT detail || coalesce(' ' || hint, '') FROM seqgen.doctor() WHERE check_name = '$check'");
}

# A check comes to a verdict, before long.
sub becomes
{
	my ($node, $check, $verdict, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok( $node->poll_query_until('postgres',
			"SELECT verdict = '$verdict' FROM seqgen.doctor() WHERE check_name = '$check'"),
		"$check: $name") or diag(detail($node, $check));
	return;
}

# ---- a server of its own, by hand

my $alone = seqgen_cluster('alone', conf => "seqgen.location = '7/8/9'");
is(verdict($alone, 'node_number'), 'ok', 'a number that is set');
is(verdict($alone, 'coordinator'), 'off', 'no coordinator');
is($alone->safe_psql('postgres', 'SELECT zone, datacenter, rack FROM located_decode(located_nextval())'),
	'7|8|9', 'a located id bears the location');
is($alone->safe_psql('postgres', 'SELECT location FROM snowflake_decode(snowflake_nextval())'),
	'7/8/9', 'an id of its own is from here');
is($alone->safe_psql('postgres', 'SELECT location IS NULL FROM snowflake_decode(snowflake_nextval() + (1 << 12))'),
	't', 'of an id of another number nothing is known');
my $located = $alone->safe_psql('postgres', 'SELECT located_nextval()');

# in order over restarts, also with a location that sorts before, and crashes
$alone->append_conf('postgresql.conf', "seqgen.location = '1/1/1'");
$alone->restart;
cmp_ok($alone->safe_psql('postgres', 'SELECT located_nextval()'), 'gt', $located, 'larger after a restart elsewhere');
$located = $alone->safe_psql('postgres', 'SELECT located_nextval() FROM generate_series(1, 10000) OFFSET 9999');
$alone->stop('immediate');
$alone->start;
cmp_ok($alone->safe_psql('postgres', 'SELECT located_nextval()'), 'gt', $located, 'larger after a crash');

# another server draws under the same number
my ($status, $stdout, $stderr) = $alone->psql('postgres', <<'SQL');
SET seqgen.debug_clock_offset = '100s';
SELECT snowflake_observe(snowflake_min(clock_timestamp() + interval '110 s') + (snowflake_node(snowflake_nextval()) << 12));
SQL
like($stderr, qr/WARNING:  id \d+ bears this node's number, but was not drawn here/, 'the alarm');
like($stderr, qr/DETAIL:  It bears number 1 and the time .*, which generator "snowflake_default" has not reached/, 'its detail');
like($stderr, qr/HINT:  .*seqgen\.doctor/, 'and its hint');
is(verdict($alone, 'duplicate_nodes'), 'failed', 'the doctor knows of it');
$alone->stop;

# ---- without the preload

my $unloaded = PostgreSQL::Test::Cluster->new('unloaded');
$unloaded->init;
$unloaded->start;
$unloaded->safe_psql('postgres', 'CREATE EXTENSION seqgen');
is( $unloaded->safe_psql('postgres',
		q{SELECT verdict, count(*) FROM seqgen.doctor()
		   WHERE check_name NOT IN ('clock', 'fsync', 'full_page_writes') GROUP BY 1 ORDER BY 1}),
	"failed|1\nok|1\nunknown|7", 'not preloaded: what needs it is unknown');
is(verdict($unloaded, 'preloaded'), 'failed', 'and that is the reason');
is( $unloaded->safe_psql('postgres', 'SELECT * FROM snowflake_decode(362387865640959)'),
	$unloaded->safe_psql('postgres', "SELECT '2025-01-02 00:00:00+00'::timestamptz") . '|9|4095||', 'ids are read');
$unloaded->stop;

# ---- nodes with a coordinator

my $coordinator = range_coordinator('coordinator');
$coordinator->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole');
is(verdict($coordinator, 'hold'), 'off', 'nothing granted yet');
my $a = range_node('a', $coordinator, conf => "seqgen.node_id = ''\nseqgen.location = '3/5/1'");
my $b = range_node('b', $coordinator, conf => "seqgen.node_id = ''\nseqgen.location = '3/5/2'");

is(verdict($a, 'node_number'), 'off', 'no number before it is needed');
is(verdict($a, 'coordinator'), 'unknown', 'nor is the coordinator known');
my $id_a = $a->safe_psql('postgres', 'SELECT snowflake_nextval()');
my $id_b = $b->safe_psql('postgres', 'SELECT snowflake_nextval()');
foreach my $node ($a, $b)
{
	is(verdict($node, $_), 'ok', $node->name . ": $_") foreach qw(node_number lease coordinator coordinator_clock duplicate_nodes);
}
like(detail($a, 'lease'), qr/is leased until .* min are left/, 'how long the lease lasts');
is(verdict($coordinator, 'hold'), 'ok', 'the coordinator grants');

# where an id was drawn: every node knows, by the coordinator's registry
my $where = 'SELECT (snowflake_decode(%s)).location';
is($coordinator->safe_psql('postgres', sprintf($where, $id_a)), '3/5/1', 'the coordinator knows');
is($a->safe_psql('postgres', sprintf($where, $id_a)), '3/5/1', 'the node itself knows');
ok($b->poll_query_until('postgres', sprintf("$where = '3/5/1'", $id_a)), 'the other, that asked later, knows');

# a number set by hand is registered, and refused to a second server
my $c = range_node('c', $coordinator, conf => 'seqgen.node_id = 7');
is(verdict($c, 'node_number'), 'ok', 'set by hand, and not used yet');
$c->safe_psql('postgres', 'SELECT snowflake_nextval()');
becomes($c, 'node_number', 'ok', 'registered');
my $d = range_node('d', $coordinator, conf => 'seqgen.node_id = 7');
$d->psql('postgres', "SET seqgen.lease_timeout = '500ms'; SELECT snowflake_nextval()");
becomes($d, 'node_number', 'failed', 'refused');
like(detail($d, 'node_number'), qr/Number 7 is another server's\. \S.* Set seqgen\.node_id to a number of its own/, 'whose it is');
$_->stop foreach $c, $d;

# the coordinator is gone, and comes back
$coordinator->stop;
$a->append_conf('postgresql.conf', "seqgen.debug_clock_offset = '30min'");
$a->reload;
becomes($a, 'coordinator', 'warning', 'is not reached');
like(detail($a, 'coordinator'), qr/The background worker reports: .* It answered last at .* The server's log has more/, 'since when');
becomes($a, 'lease', 'warning', 'is not renewed');
$a->append_conf('postgresql.conf', "seqgen.debug_clock_offset = '70min'");
$a->reload;
becomes($a, 'lease', 'failed', 'has ended');
like(detail($a, 'lease'), qr/The lease of number \d+ ended at/, 'since when');

# and it is far behind now
$coordinator->start;
becomes($a, 'coordinator_clock', 'failed', 'is too far behind');
like(detail($a, 'coordinator_clock'), qr/(69|70) min behind .*seqgen\.max_node_skew/, 'by how much');
$a->append_conf('postgresql.conf', 'seqgen.debug_clock_offset = 0');
$a->reload;
becomes($a, $_, 'ok', 'well again') foreach qw(coordinator lease coordinator_clock);

# nobody names a coordinator any more
$a->safe_psql('postgres', 'DROP SERVER coordinator CASCADE');
is(verdict($a, 'node_number'), 'warning', 'the number will be lost');
like(detail($a, 'node_number'), qr/Number \d+ is leased, and cannot be renewed/, 'and why');
like(detail($a, 'lease'), qr/Number \d+ is leased until/, 'when');

done_testing();
