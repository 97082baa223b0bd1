# Property: located ids of a server strictly increase over all its sessions, also
# over restarts, and when the server gets a smaller number than it had; over two
# servers all are distinct.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use LeaseTest;

my $coordinator = lease_coordinator('coordinator',
	conf => "seqgen.lease = '2s'\nseqgen.max_node_skew = '1s'");

# All numbers but the largest are used up, so that it is leased next, and after
# it a smaller one.
$coordinator->safe_psql('postgres', <<'SQL');
CREATE PROCEDURE take(count integer) LANGUAGE plpgsql AS $$
DECLARE
	status text;
BEGIN
	FOR i IN 1 .. count LOOP
		SELECT r.status INTO status FROM seqgen.node_request(gen_random_uuid(), gen_random_uuid(), format('%s/1/5/1:1/boot', i),
			10, -1, NULL, NULL, gen_random_uuid(), '', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0) r;
		ASSERT status = 'granted', status;
		COMMIT;
	END LOOP;
END
$$;
CALL take(511);
SQL
my $node = lease_node('node', $coordinator, conf => "seqgen.location = '3/5/1'");
my $server = 'SELECT (located_decode(located_nextval())).server';
is(value($node, $server), '1023', 'the largest number');
my $other = lease_node('other', $coordinator, conf => "seqgen.location = '3/5/2'");

# In turn: who draws next is decided before the id is drawn.  And all at once.
value($_, <<'SQL') foreach $node, $other;
CREATE TABLE turn (nr bigint);
INSERT INTO turn VALUES (0);
CREATE TABLE drawn (nr bigint, id uuid);
CREATE FUNCTION in_turn() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	mine bigint;
BEGIN
	UPDATE turn SET nr = nr + 1 RETURNING nr INTO mine;
	INSERT INTO drawn VALUES (mine, located_nextval());
END
$$;
SQL
my @scripts = ("$PostgreSQL::Test::Utils::tmp_check/turn.sql", "$PostgreSQL::Test::Utils::tmp_check/many.sql");
append_to_file($scripts[0], "SELECT in_turn();\n");
append_to_file($scripts[1], "INSERT INTO drawn SELECT NULL, located_nextval() FROM generate_series(1, 100);\n");

# Draw on a server with eight clients for so many seconds.
sub run_clients
{
	my ($cluster, $seconds) = @_;
	my ($out, $err) = ('', '');

	return IPC::Run::start([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', $seconds, (map { ('-f', $_) } @scripts),
		'-h', $cluster->host, '-p', $cluster->port, 'postgres' ], '<', \undef, '>', \$out, '2>', \$err);
}

$other->poll_query_until('postgres', "$server < 1023") or die 'the other server gets no number';
my @runs = (run_clients($node, 6), run_clients($other, 6));
value($coordinator, 'SELECT seqgen.node_release(1023)');
ok($_->finish, 'clients draw') foreach @runs;
cmp_ok(value($node, $server), '<', 1023, 'the server has got a smaller number meanwhile');
$node->restart('immediate');
ok(run_clients($node, 2)->finish, 'and draws after a crash');

my $in_order = <<'SQL';
SELECT count(*) > 1000, count(*) FILTER (WHERE lower)
  FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM drawn WHERE nr IS NOT NULL) d
SQL
foreach my $cluster ($node, $other)
{
	is(value($cluster, $in_order), 't|0', $cluster->name . ': each is larger than those before it');
	is(value($cluster, 'SELECT count(*) - count(DISTINCT id) FROM drawn'), '0', $cluster->name . ': all are distinct');
}
like(value($node, q{SELECT string_agg(DISTINCT (located_decode(id)).server::text, ' ') FROM drawn}), qr/^1023 \d{3}\b/, 'under both numbers');
is(value($node, q{SELECT string_agg(DISTINCT concat_ws('/', d.zone, d.datacenter, d.rack), ' ') FROM drawn, located_decode(id) d}),
	'3/5/1', 'and the location is in them');

# both together
my $ids = value($other, 'SELECT string_agg(id::text, E\'\n\') FROM drawn');
my $file = "$PostgreSQL::Test::Utils::tmp_check/other";
append_to_file($file, "$ids\n");
chmod 0644, $file;
value($node, 'CREATE TABLE others (id uuid)');
value($node, "COPY others FROM '$file'");
is(value($node, 'SELECT count(*) FROM drawn JOIN others USING (id)'), '0', 'no id is of both servers');

$_->stop foreach $node, $other, $coordinator;
done_testing();
