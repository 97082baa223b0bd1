# Property: a session never waits longer for a lease than seqgen.lease_timeout,
# even if one lease after the other comes, and each of them too late.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;
use RangeTest;

my $coordinator = range_coordinator('coordinator', conf => "seqgen.lease = '1s'");
$coordinator->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole');
my $node = range_node('node', $coordinator, conf => "seqgen.node_id = ''\nseqgen.lease_timeout = '3s'");

ok($node->safe_psql('postgres', 'SELECT snowflake_nextval()') > 0, 'a lease of one second serves');

# a session whose clock is ahead of every lease's end
my ($status, $out, $err) = $node->psql('postgres', <<'SQL', timeout => 60);
SET seqgen.debug_clock_offset = '5s';
SELECT snowflake_nextval();
SQL
like($err, qr/got no node number within 3000 ms/, 'who needs what is always past the lease is told so in time');
ok($node->safe_psql('postgres', 'SELECT snowflake_nextval()') > 0, 'others go on');

done_testing();
