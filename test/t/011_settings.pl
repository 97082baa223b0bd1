# Property: without a usable node number, or without the preload, no id is
# drawn and the error says which lines to add; with those lines ids bear the
# number of their database; reading ids needs neither.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use SeqgenTest;

my $lines = "shared_preload_libraries = 'seqgen'\nseqgen.node_id = 1\n";
my $decoded = '2025-01-02 00:00:00+00|9|4095||';
my $decode = "SET timezone = 'UTC'; SELECT * FROM snowflake_decode(362387865640959)";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');

# The server with these lines in a configuration of its own.
sub restart_with
{
	my ($conf) = @_;

	$node->stop;
	my $file = $node->data_dir . '/seqgen.conf';
	open my $out, '>', $file or die "could not write $file: $!";
	print $out $conf;
	close $out;
	$node->start;
	return;
}

sub value
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# The statement fails with exactly this message, of the lines given.
sub refuses
{
	my ($sql, $expected, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, undef, $stderr) = $node->psql($database // 'postgres', $sql);

	isnt($status, 0, "$name: fails");
	$stderr =~ s/^psql:<stdin>:\d+: //mg;
	is($stderr, $expected, "$name: message");
	return $stderr;
}

$node->append_conf('postgresql.conf', "include 'seqgen.conf'");

#
# Not preloaded
#
restart_with('');
value('CREATE EXTENSION seqgen');
is(value($decode), $decoded, 'not preloaded: ids are read');
is(value("SELECT snowflake_node(snowflake_max('2025-01-02'), 'twitter')"), 1023,
	'not preloaded: ids of a layout are read');
is( value("SELECT count(*) FROM generate_series(1, 10) i
		   WHERE snowflake_during(i, '2025-01-01 00:00:00+00', '2025-01-02')"),
	10, 'not preloaded: snowflake_during');
my $refused = <<"TEXT";
ERROR:  seqgen is not loaded by the server
HINT:  Add these lines to postgresql.conf and restart the server:
$lines
TEXT
chomp $refused;
$refused =~ s/\n$//;
foreach my $call (
	'snowflake_nextval()',
	"snowflake_nextval('seqgen.snowflake_default')",
	'snowflake_nextvals(1)',
	'snowflake_observe(1)',
	'snowflake_nextval_after(1)',
	"seqgen.advance('seqgen.snowflake_default', 1)",
	"seqgen.reset('seqgen.snowflake_default', 1)",
	'seqgen.accept_clock()',
	'seqgen.stat_reset()')
{
	refuses("SELECT $call", $refused, "not preloaded: $call");
}
is(value("SELECT snowflake_create('made_without')"), 'made_without', 'not preloaded: generators are created');
is(value('SELECT issued, last_value FROM seqgen.stat_generator LIMIT 1'), '0|',
	'not preloaded: the views are empty');
is(value('SELECT count(*) FROM seqgen.stat_backend'), 0, 'not preloaded: no session is shown');
is(value("LOAD 'seqgen'; SHOW seqgen.max_lead"), '1min', 'LOAD works');
refuses("LOAD 'seqgen'; SELECT snowflake_nextval()", $refused, 'LOAD does not replace the preload');

# A sequence dropped meanwhile leaves its row; see below.
value("SELECT snowflake_create('dropped_without')");
value('DROP SEQUENCE dropped_without');

#
# Preloaded, but without a number
#
restart_with("shared_preload_libraries = 'seqgen'\n");
is(value($decode), $decoded, 'no number: ids are read');
is(value("SELECT snowflake_create('made_unnumbered')"), 'made_unnumbered',
	'no number: generators are created');
my $not_set = <<"TEXT";
ERROR:  node number of database "postgres" is not set
DETAIL:  Each server that draws ids for the same tables needs a number of its own, from 1 to 511 for layout "default".
HINT:  Add these lines to postgresql.conf and restart the server:
${lines}Or name a coordinator that leases numbers, with a foreign server of the wrapper seqgen_coordinator.
TEXT
$not_set =~ s/\n+$//;
my $stderr = refuses('SELECT snowflake_nextval()', $not_set, 'no number');
(my $not_set_twitter = $not_set) =~ s/layout "default"/layout "twitter"/;
value("SELECT snowflake_create('tweets', 'twitter')");
refuses("SELECT snowflake_nextval('tweets')", $not_set_twitter, 'no number, another layout');

# A layout without nodes needs no number.
value(<<'SQL');
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('alone', '2020-01-01 00:00:00+00', 1000, 42, 0, 20);
SELECT snowflake_create('alone', 'alone');
SQL
is(value("SELECT snowflake_node(snowflake_nextval('alone'), 'alone'),
				 count(DISTINCT id) FROM snowflake_nextvals(5000, 'alone') id"),
	'0|5000', 'no number: a layout without nodes draws');

# The lines of the hint are what it takes.
my ($hint) = $stderr =~ /restart the server:\n(.*)\nOr name a coordinator/s;
restart_with("$hint\n");
is(value('SELECT snowflake_node(snowflake_nextval())'), 1, 'the lines of the hint make it draw');
is(value("SELECT snowflake_node(snowflake_nextval('made_without')), snowflake_node(snowflake_nextval('made_unnumbered'))"),
	'1|1', 'and the generators made before');
is(value('SHOW seqgen.node_id'), '1', 'the setting can be read');
is(value('SELECT count(*) FROM seqgen.stat_generator WHERE generator NOT IN (SELECT oid FROM pg_class)'), 1,
	'the row of a sequence that was dropped without the preload disturbs nobody');

#
# Too large for a layout
#
restart_with("shared_preload_libraries = 'seqgen'\nseqgen.node_id = 512\n");
value("SELECT snowflake_create('js', 'js53'); SELECT snowflake_create('sony', 'sonyflake')");
refuses('SELECT snowflake_nextval()', <<'TEXT' =~ s/\n$//r, 'too large for the default layout');
ERROR:  node number 512 is too large for layout "default"
DETAIL:  The largest number that can be set for this layout is 511.
HINT:  Set seqgen.node_id to a smaller number, or use a layout with more node bits.
TEXT
refuses("SELECT snowflake_nextval('js')", <<'TEXT' =~ s/\n$//r, 'too large for another');
ERROR:  node number 512 is too large for layout "js53"
DETAIL:  The largest number that can be set for this layout is 15.
HINT:  Set seqgen.node_id to a smaller number, or use a layout with more node bits.
TEXT
is(value("SELECT snowflake_node(snowflake_nextval('sony'), 'sonyflake')"), 512,
	'a layout with more nodes draws');

#
# A list by database; 16 slots are the fewest
#
my @databases = ('shard', 'Some "Quoted", name: x', 'two words', 'missing', 'twice');
foreach my $name (@databases)
{
	(my $quoted = $name) =~ s/"/""/g;
	value(qq{CREATE DATABASE "$quoted"});
	value('CREATE EXTENSION seqgen', $name);
}
restart_with(<<'CONF');
shared_preload_libraries = 'seqgen'
seqgen.node_id = ' postgres:511,shard : 2,  "Some ""Quoted"", name: x" : 3, two words:4, twice:5, twice:6 '
seqgen.max_generators = 16
CONF
my %number = (postgres => 511, 'shard' => 2, 'Some "Quoted", name: x' => 3, 'two words' => 4);
foreach my $name (sort keys %number)
{
	is(value('SELECT snowflake_node(snowflake_nextval())', $name), $number{$name},
		"list: database $name");
}
(my $missing = $not_set) =~ s/"postgres"/"missing"/;
refuses('SELECT snowflake_nextval()', $missing, 'list: a database that it does not name', 'missing');
refuses('SELECT snowflake_nextval()', <<'TEXT' =~ s/\n$//r, 'list: a database that it names twice', 'twice');
ERROR:  invalid value for parameter "seqgen.node_id": " postgres:511,shard : 2,  "Some ""Quoted"", name: x" : 3, two words:4, twice:5, twice:6 "
DETAIL:  The list names a database twice.
TEXT

# A database that is renamed has no number any more, as the next one of that
# name would have the same.
value('ALTER DATABASE shard RENAME TO renamed');
(my $renamed = $not_set) =~ s/"postgres"/"renamed"/;
refuses('SELECT snowflake_nextval()', $renamed, 'list: a generator in use when its database was renamed', 'renamed');
value("SELECT snowflake_create('later')", 'renamed');
refuses("SELECT snowflake_nextval('later')", $renamed, 'list: one used later', 'renamed');
value('CREATE DATABASE shard TEMPLATE renamed');
is(value('SELECT snowflake_node(snowflake_nextval())', 'shard'), 2, 'list: the next database of that name');
value('DROP DATABASE shard');

# The four databases' default generators took four slots.
value("SELECT snowflake_create('slot_' || i) FROM generate_series(1, 13) i");
is(value("SELECT count(snowflake_nextval(('slot_' || i)::regclass)) FROM generate_series(1, 12) i"), 12,
	'as many generators draw as there are slots');
refuses("SELECT snowflake_nextval('slot_13')", <<'TEXT' =~ s/\n$//r, 'and no more');
ERROR:  too many generators in use
DETAIL:  All 16 slots are taken.
HINT:  Increase seqgen.max_generators and restart the server.
TEXT
value('DROP SEQUENCE slot_1');
is(value("SELECT snowflake_node(snowflake_nextval('slot_13'))"), 511, 'a dropped one leaves room');

#
# Values that are none: the log says why, and no id is drawn
#
foreach my $malformed (
	[ 'one', 'A node number is a whole number from 1' ],
	[ '-1', 'A node number is a whole number from 1' ],
	[ '1073741824', 'A node number is a whole number from 1' ],
	[ '1, 2', 'A node number is a whole number from 1' ],
	[ 'postgres:1, shard', 'A node number is a whole number from 1' ],
	[ '"postgres:1', 'A node number is a whole number from 1' ],
	[ 'postgres:0', 'Each database of the list needs a node number from 1' ],
	[ 'postgres:1 shard:2', 'The databases of the list are separated by commas' ])
{
	my ($text, $why) = @$malformed;
	my $log_from = -s $node->logfile;

	restart_with("shared_preload_libraries = 'seqgen'\nseqgen.node_id = '$text'\n");
	my $log = slurp_file($node->logfile, $log_from);
	like($log, qr/invalid value for parameter "seqgen.node_id": "\Q$text\E"/, "'$text': in the log");
	like($log, qr/\Q$why\E/, "'$text': with the reason");
	refuses('SELECT snowflake_nextval()', $not_set, "'$text'");
}

#
# What a reload changes
#
restart_with("shared_preload_libraries = 'seqgen'\nseqgen.node_id = 7\n");
foreach my $ahead (100, 10_000)
{
	value("ALTER SYSTEM SET seqgen.reserve_ahead = '${ahead}ms'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT setting = '$ahead' FROM pg_settings WHERE name = 'seqgen.reserve_ahead'")
	  or BAIL_OUT('the reload was not seen');
	value("SELECT snowflake_create('ahead_$ahead')");
	value("SELECT snowflake_nextval('ahead_$ahead')");
	my $reserved = value("SELECT (extract(epoch FROM snowflake_timestamp(durable_bound) - snowflake_timestamp(last_value)) * 1000)::int
					  FROM seqgen.stat_generator WHERE generator = 'ahead_$ahead'::regclass");
	cmp_ok($reserved, '<=', $ahead + 1, "reserve_ahead of $ahead ms: not more is reserved");
	cmp_ok($reserved, '>', 1000, 'and not much less') if $ahead == 10_000;
}
value("ALTER SYSTEM SET seqgen.max_lead = '11s'");
$node->reload;
$node->poll_query_until('postgres',
	"SELECT setting = '11000' FROM pg_settings WHERE name = 'seqgen.max_lead'")
  or BAIL_OUT('the reload was not seen');
my $session = session($node, offset => '-20s');
fails($session, "SELECT snowflake_nextval('ahead_100')", '55000',
	'generator "ahead_100" is too far ahead of the clock', 'max_lead of 11 s: an id from 20 s ahead is refused');
value("ALTER SYSTEM SET seqgen.max_lead = '30s'");
$node->reload;
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
until ($session->query('SHOW seqgen.max_lead') eq '30s')
{
	BAIL_OUT('the reload was not seen') if time > $deadline;
	usleep(10_000);
}
take($session, 'ahead_100');
ids_only_grew('max_lead of 30 s: it is drawn');
$session->quit;

# ids only grow over a change of the number, also to a smaller one, and with
# the clock behind
restart_with("shared_preload_libraries = 'seqgen'\nseqgen.node_id = 500\n");
$session = session($node, offset => '10s');
take($session, 'seqgen.snowflake_default');
$session->quit;
foreach my $number (3, 400)
{
	restart_with("shared_preload_libraries = 'seqgen'\nseqgen.node_id = $number\n");
	$session = session($node);
	my $id = take($session, 'seqgen.snowflake_default');
	is(value("SELECT snowflake_node($id)"), $number, "ids bear the new number $number");
	ids_only_grew("and are larger than those of the old number");
	$session->quit;
}

done_testing();
