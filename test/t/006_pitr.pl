# Property: after recovery to a point in time, from a base backup taken under
# load and archived WAL, new ids are larger than every id drawn up to it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

# Ids are drawn with the clock further and further ahead, and after a recovery
# with the clock behind, so that nothing but the recovered bound keeps them
# apart.  Reservations are short, to have many of them during the backup.
my $behind = '-30min';
my $node = seqgen_cluster('origin',
	allows_streaming => 1,
	has_archiving => 1,
	conf => "seqgen.max_lead = '1h'\nseqgen.reserve_ahead = '100ms'");
my @generators = ('orders_id', 'late_id', 'seqgen.snowflake_default');

$node->safe_psql('postgres', <<'SQL');
SELECT snowflake_create('orders_id');
SELECT snowflake_create('load_id');
CREATE TABLE loaded (id bigint PRIMARY KEY);
SQL

sub recover
{
	my ($name, $target) = @_;
	my $recovered = PostgreSQL::Test::Cluster->new($name);

	$recovered->init_from_backup($node, 'under_load', has_restoring => 1, standby => 0);
	$recovered->append_conf('postgresql.conf', <<"CONF");
archive_mode = off
recovery_target_action = promote
$target
CONF
	$recovered->start;
	$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or BAIL_OUT('recovery does not end');
	return $recovered;
}

# Draw from these generators, of which these ids were drawn up to the point.
sub goes_on
{
	my ($recovered, $name, %drawn) = @_;
	my $session = session($recovered, offset => $behind);

	%largest = %drawn;
	take($session, $_) foreach (sort keys %drawn);
	ids_only_grew("$name: new ids are larger than all that were drawn");
	$session->quit;
	return;
}

# The load goes on while the backup is taken, and for some time before.
my $script = $node->basedir . '/load.sql';
append_to_file($script, "INSERT INTO loaded SELECT snowflake_nextval('load_id') FROM generate_series(1, 5);\n");
my $output = '';
my $load = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '2', '-T', '600', '-h', $node->host,
		'-p', $node->port, '-f', $script, 'postgres'
	],
	'>&', \$output);
$node->poll_query_until('postgres', 'SELECT count(*) >= 100 FROM loaded')
  or BAIL_OUT("the load does not run: $output");
my $before = $node->safe_psql('postgres', 'SELECT max(id) FROM loaded');
$node->backup('under_load');
my $after = $node->safe_psql('postgres', 'SELECT max(id) FROM loaded');
cmp_ok($after, '>', $before, 'ids were drawn during the backup');
$load->signal('INT');
$load->finish;

# Three points, and draws before each.
my $session = session($node);
$session->query_safe("SELECT snowflake_create('late_id')");
my %drawn;
my %ahead = (
	'one' => [ '300s', '302s', '304s' ],
	'two' => [ '400s', '402s', '404s' ],
	'three' => [ '500s', '502s', '504s' ]);
foreach my $point ('one', 'two', 'three')
{
	foreach my $offset (@{ $ahead{$point} })
	{
		$session->query_safe("SET seqgen.debug_clock_offset = '$offset'");
		take($session, $_, 1000) foreach (@generators);
	}
	$session->query_safe("SELECT pg_create_restore_point('$point')");
	$drawn{$point} = {%largest};
}
ids_only_grew('ids only grow on the origin');
my $load_id = $session->query_safe('SELECT max(id) FROM loaded');
my $segment = $session->query_safe('SELECT pg_walfile_name(pg_switch_wal())');
$session->quit;
$node->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
  or BAIL_OUT('WAL is not archived');
$node->stop('immediate');

# as soon as the backup is consistent
my $recovered = recover('immediate', "recovery_target = 'immediate'");
my $loaded = $recovered->safe_psql('postgres', 'SELECT max(id) FROM loaded');
cmp_ok($loaded, '>=', $before, 'the backup has the ids drawn before it');
goes_on($recovered, 'backup taken under load', load_id => $loaded);
is( $recovered->safe_psql('postgres', <<'SQL'), 't', 'a table goes on being filled');
INSERT INTO loaded SELECT snowflake_nextval('load_id') FROM generate_series(1, 1000);
SELECT count(*) > 1000 FROM loaded;
SQL
$recovered->stop;

foreach my $point ('one', 'two')
{
	$recovered = recover("point_$point", "recovery_target_name = '$point'");
	goes_on($recovered, "recovery to point $point", %{ $drawn{$point} }, load_id => $load_id);
	$recovered->stop;
}

# the archive's end, and a crash after it
$recovered = recover('end', '');
goes_on($recovered, 'recovery to the end', %{ $drawn{three} }, load_id => $load_id);
$session = session($recovered, offset => '15min');
take($session, $_) foreach (sort keys %largest);
$session->quit;
my %answered = %largest;
crash($recovered);
goes_on($recovered, 'a crash after the recovery', %answered);
$recovered->stop;

done_testing();
