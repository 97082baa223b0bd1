# Property: whatever is done to a generator's sequence by DDL, setval, nextval,
# TRUNCATE or a rollback, no id is given twice, ids only grow, and the durable
# bound stays above every id that was answered, so that a crash repeats none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

# Ids are drawn with the clock ahead.  After a crash it is far behind, so that
# nothing but the durable bound keeps new ids above the old ones.
my $ahead = '5min';
my $behind = '-50min';
my $conf = <<'CONF';
seqgen.max_lead = '1h'
max_prepared_transactions = 10
max_worker_processes = 8
wal_writer_delay = '10s'
CONF

#
# What each statement does to sessions that go on drawing
#

my $node = seqgen_cluster('replica',
	allows_streaming => 1,
	conf => "$conf\nwal_consistency_checking = 'all'");
my $one = session($node);
my $two = session($node);

sub new_generator
{
	my ($name, @arguments) = @_;
	$one->query_safe("SELECT snowflake_create(" . join(', ', "'$name'", @arguments) . ")");
	take($one, $name);
	take($two, $name);
	return;
}

# DROP
new_generator('dropped');
my $oid = $one->query_safe("SELECT 'dropped'::regclass::oid");
$two->query_safe("PREPARE draw AS SELECT snowflake_nextval(CAST($oid AS regclass))");
$two->query_safe('EXECUTE draw');
$one->query_safe('DROP SEQUENCE dropped');
fails($two, 'EXECUTE draw', '42P01', "sequence with OID $oid does not exist",
	'a session that used a dropped generator is told');
fails($two, "SELECT snowflake_nextval('dropped')", '42P01', 'relation "dropped" does not exist',
	'and so is one that names it');
is($one->query_safe("SELECT count(*) FROM seqgen.generator WHERE generator = $oid"),
	'0', 'a dropped generator leaves no row');
delete $largest{dropped};
new_generator('dropped');
fails($two, 'EXECUTE draw', '42P01', "sequence with OID $oid does not exist",
	'a new generator of the same name is another one');
take($two, 'dropped');
ids_only_grew('which is drawn from by its name');

# RENAME, SET SCHEMA
new_generator('moved');
$oid = $one->query_safe("SELECT 'moved'::regclass::oid");
$one->query_safe($_)
  foreach ('CREATE SCHEMA "a place"',
	'ALTER SEQUENCE moved RENAME TO "new name"',
	'ALTER SEQUENCE "new name" SET SCHEMA "a place"');
$largest{'"a place"."new name"'} = $largest{$oid} = $largest{moved};
take($two, '"a place"."new name"');
$largest{$oid} = $largest{'"a place"."new name"'};
take($two, $oid);
ids_only_grew('a renamed and moved generator goes on');

# OWNER TO
$one->query_safe($_)
  foreach ('CREATE ROLE old_owner LOGIN', 'CREATE ROLE new_owner',
	'GRANT CREATE ON SCHEMA public TO old_owner, new_owner');
my $owner = session($node, user => 'old_owner');
$owner->query_safe("SELECT snowflake_create('owned')");
take($owner, 'owned');
$one->query_safe('ALTER SEQUENCE owned OWNER TO new_owner');
fails($owner, "SELECT snowflake_nextval('owned')", '42501', 'permission denied for sequence owned',
	'the old owner may not draw any more');
take($two, 'owned');
ids_only_grew('with a new owner the generator goes on');
$owner->quit;

# INCREMENT BY
new_generator('wide');
$one->query_safe('ALTER SEQUENCE wide INCREMENT BY 100');
my $first = take($two, 'wide', 1);
my @next = split /\n/, $two->query_safe(
	"SELECT snowflake_nextval('wide') FROM generate_series(1, 100)");
my $short = 0;
foreach my $id (@next)
{
	$short++ if $id - $first < 100 or $id % 4096 > 3996;
	$first = $id;
}
is($short, 0, 'after INCREMENT BY 100 each id has 100 ids of one unit of time for itself');
$largest{wide} = $first + 99;
$one->query_safe('ALTER SEQUENCE wide INCREMENT BY 1');
take($two, 'wide');
ids_only_grew('after INCREMENT BY 1 ids are above the last hundred');
foreach my $increment (4097, -1)
{
	$one->query_safe("ALTER SEQUENCE wide INCREMENT BY $increment");
	fails($two, "SELECT snowflake_nextval('wide')", '22023',
		'increment of generator "wide" is out of range',
		"INCREMENT BY $increment is refused");
}
$one->query_safe('ALTER SEQUENCE wide INCREMENT BY 1');
take($two, 'wide');
ids_only_grew('and drawing resumes with a sound one');

# MAXVALUE
new_generator('limited');
my $max = $one->query_safe("SELECT last_value + (20::bigint << 22) FROM limited");
$one->query_safe("ALTER SEQUENCE limited MAXVALUE $max");
$two->query_safe("SET seqgen.debug_clock_offset = '1h'");
fails($two, "SELECT snowflake_nextval('limited')", '2200H', 'generator "limited" has reached the maximum value of its sequence',
	'no id is above MAXVALUE');
$two->query_safe('RESET seqgen.debug_clock_offset');
$one->query_safe('ALTER SEQUENCE limited NO MAXVALUE');
take($two, 'limited');
ids_only_grew('a larger MAXVALUE lets it go on');

# RESTART and setval
new_generator('restarted');
$one->query_safe('ALTER SEQUENCE restarted RESTART');
take($two, 'restarted');
$one->query_safe('ALTER SEQUENCE restarted RESTART WITH 1000');
take($two, 'restarted');
$one->query_safe("SELECT setval('restarted', 1)");
take($two, 'restarted');
ids_only_grew('RESTART and setval never lower a generator');

new_generator('raised');
$two->query_safe('BEGIN');
take($two, 'raised');
my $value = $one->query_safe(
	"SELECT setval('raised', snowflake_max(clock_timestamp() + interval '3 min'))");
take($two, 'raised');
$two->query_safe('COMMIT');
$largest{raised} = $value;
take($two, 'raised');
ids_only_grew('setval up is noticed at the next transaction at the latest');
my $far = $one->query_safe("SELECT snowflake_max(clock_timestamp() + interval '2 h')");
$one->query_safe("ALTER SEQUENCE raised RESTART WITH $far");
fails($two, "SELECT snowflake_nextval('raised')", '55000', 'generator "raised" is too far ahead of the clock',
	'RESTART up is, too');

# plain nextval
new_generator('mixed');
$one->query_safe('CREATE TABLE mixed_ids (id bigint)');
$one->query_safe(<<'SQL');
DO $$
BEGIN
	FOR i IN 1..200 LOOP
		INSERT INTO mixed_ids
			SELECT CASE WHEN random() < 0.5 THEN nextval('mixed') ELSE snowflake_nextval('mixed') END
			  FROM generate_series(1, 10);
		COMMIT;
	END LOOP;
END$$
SQL
is($one->query_safe('SELECT count(*), count(DISTINCT id) FROM mixed_ids'),
	'2000|2000', 'plain nextval mixed in makes no duplicate');
$largest{mixed} = $one->query_safe('SELECT max(id) FROM mixed_ids WHERE snowflake_node(id) <> 0');
take($two, 'mixed');
ids_only_grew('and ids go on above those before it');

# TRUNCATE ... RESTART IDENTITY
new_generator('item_id');
$one->query_safe($_)
  foreach ("CREATE TABLE item (id bigint DEFAULT snowflake_nextval('item_id'))",
	'ALTER SEQUENCE item_id OWNED BY item.id',
	'INSERT INTO item DEFAULT VALUES');
$largest{item_id} = $one->query_safe('SELECT max(id) FROM item');
$one->query_safe('TRUNCATE item RESTART IDENTITY');
take($two, 'item_id');
ids_only_grew('and ids go on above those of the truncated rows');

# SET UNLOGGED
my $unlogged = 'unlogged sequence "item_id" cannot be a generator';
$one->query_safe('ALTER TABLE item SET UNLOGGED');
fails($two, "SELECT snowflake_nextval('item_id')", '0A000', $unlogged,
	'ALTER TABLE ... SET UNLOGGED stops the generator that the table owns');
$one->query_safe('ALTER TABLE item SET LOGGED');
take($two, 'item_id');
$one->query_safe('ALTER SEQUENCE item_id SET UNLOGGED');
fails($two, "SELECT snowflake_nextval('item_id')", '0A000', $unlogged,
	'so does ALTER SEQUENCE ... SET UNLOGGED');
$one->query_safe('ALTER SEQUENCE item_id SET LOGGED');
take($two, 'item_id');
ids_only_grew('a generator that is logged again goes on');

# advance and reset
new_generator('advanced');
$value = $one->query_safe("SELECT snowflake_max(clock_timestamp() + interval '4 min')");
$one->query_safe("SELECT seqgen.advance('advanced', $value)");
$largest{advanced} = $value;
take($two, 'advanced');
ids_only_grew('seqgen.advance takes effect at once');
fails($one, "SELECT seqgen.advance('advanced', snowflake_max(clock_timestamp() + interval '2 h'))",
	'22023', 'id \d+ is too far ahead of the clock', 'it does not go beyond seqgen.max_lead');

new_generator('reset');
$value = $one->query_safe("SELECT snowflake_min(clock_timestamp() - interval '30 min')");
$two->query_safe("SET seqgen.debug_clock_offset = '-40min'");
$one->query_safe("SELECT seqgen.reset('reset', $value)");
is($two->query_safe("SELECT snowflake_nextval('reset')"), $value + 4096,
	'after seqgen.reset the first id is the next one of this node');
$largest{reset} = $value + 4096;
take($two, 'reset');
ids_only_grew('and others follow');
$owner = session($node, user => 'old_owner');
fails($owner, "SELECT seqgen.reset('reset', 1)", '42501', 'permission denied',
	'only a superuser resets');
fails($owner, "SELECT seqgen.advance('reset', 1)", '42501', 'must be owner of sequence reset',
	'and only the owner advances');
$_->quit foreach ($one, $two, $owner);

#
# Durability.  Each case has a generator of its own, which has drawn with the
# clock as it is.  Its script runs in one session and its after-script in
# another, both with the clock ahead.  Then the server crashes.
#

my %cases = (
	'RESTART' => { script => [ 'ALTER SEQUENCE %s RESTART', 'draw' ], after => ['draw'] },
	'RESTART, nothing drawn afterwards' => { script => [ 'draw', 'ALTER SEQUENCE %s RESTART' ] },
	'RESTART twice in a function, nothing drawn afterwards' => {
		script => [
			'draw',
			'DO $$ BEGIN ALTER SEQUENCE %s RESTART; ALTER SEQUENCE %s RESTART WITH 5; END $$'
		]
	},
	'RESTART rolled back' => {
		script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK' ],
		after => ['draw']
	},
	'RESTART rolled back, drawn from by the same session' =>
	  { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK', 'draw' ] },
	'RESTART rolled back, nothing drawn afterwards' =>
	  { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK' ] },
	'RESTART in a transaction still open' =>
	  { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw' ], open => 1 },
	'RESTART rolled back after draws before it' => {
		script => [ 'BEGIN', 'draw', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK' ],
		after => ['draw']
	},
	'RESTART committed' => {
		script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'COMMIT' ],
		after => ['draw']
	},
	'RESTART committed, nothing drawn afterwards' =>
	  { script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', 'COMMIT' ] },
	'RESTART in a subtransaction rolled back, drawn from in the same transaction' => {
		script =>
		  [ 'BEGIN', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO a', 'draw', 'COMMIT' ]
	},
	'RESTART in a subtransaction rolled back, in a transaction still open' => {
		script => [ 'BEGIN', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO a', 'draw' ],
		open => 1
	},
	'RESTART in a subtransaction rolled back with its parent' => {
		script => [
			'BEGIN', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw',
			'RELEASE a', 'draw', 'ROLLBACK', 'draw'
		],
		after => ['draw']
	},
	'RESTART in nested subtransactions, rolled back one by one' => {
		script => [
			'BEGIN', 'SAVEPOINT a', 'ALTER SEQUENCE %s RESTART', 'draw',
			'SAVEPOINT b', 'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO b',
			'draw', 'ROLLBACK TO a', 'draw', 'COMMIT'
		]
	},
	'RESTART, and rewritten in a subtransaction rolled back' => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'SAVEPOINT a',
			'ALTER SEQUENCE %s MAXVALUE 9223372036854775806', 'draw', 'ROLLBACK TO a', 'COMMIT'
		]
	},
	'CREATE, and RESTART in a subtransaction rolled back' => {
		script => [
			'DROP SEQUENCE %s', 'BEGIN', q(SELECT snowflake_create('%s')), 'SAVEPOINT a',
			'ALTER SEQUENCE %s RESTART', 'draw', 'ROLLBACK TO a', 'COMMIT'
		]
	},
	'CREATE, its row written again, and RESTART' => {
		script => [
			'DROP SEQUENCE %s', 'BEGIN', q(SELECT snowflake_create('%s')), 'draw',
			q(UPDATE seqgen.generator SET layout = layout WHERE generator = '%s'::regclass),
			'ALTER SEQUENCE %s RESTART', 'draw', 'COMMIT'
		]
	},
	'RESTART while unlogged' => {
		script => [
			'draw', 'ALTER SEQUENCE %s SET UNLOGGED', 'ALTER SEQUENCE %s RESTART', 'ALTER SEQUENCE %s SET LOGGED'
		]
	},
	'RESTART while unlogged, in one transaction' => {
		script => [
			'draw', 'BEGIN', 'ALTER SEQUENCE %s SET UNLOGGED', 'ALTER SEQUENCE %s RESTART',
			'ALTER SEQUENCE %s SET LOGGED', 'COMMIT'
		]
	},
	'RESTART when logged again, in one transaction' => {
		script => [
			'draw', 'ALTER SEQUENCE %s SET UNLOGGED', 'BEGIN', 'ALTER SEQUENCE %s SET LOGGED',
			'ALTER SEQUENCE %s RESTART', 'COMMIT'
		]
	},
	'RESTART, and ROLLBACK PREPARED' => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw',
			q(PREPARE TRANSACTION '%s'), q(ROLLBACK PREPARED '%s')
		],
		after => ['draw']
	},
	'RESTART, and COMMIT PREPARED' => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw',
			q(PREPARE TRANSACTION '%s'), q(COMMIT PREPARED '%s')
		],
		after => ['draw']
	},
	'RESTART, and COMMIT PREPARED after the crash' => {
		script => [ 'BEGIN', 'ALTER SEQUENCE %s RESTART', 'draw', q(PREPARE TRANSACTION '%s') ],
		afterwards => [q(COMMIT PREPARED '%s')]
	},
	'CREATE in a subtransaction rolled back, and again' => {
		script => [
			'DROP SEQUENCE %s', 'BEGIN', 'SAVEPOINT a', q(SELECT snowflake_create('%s')),
			'draw', 'ROLLBACK TO a', q(SELECT snowflake_create('%s')), 'draw', 'COMMIT'
		],
		after => ['draw']
	},
	'CREATE rolled back, and again' => {
		script => [ 'DROP SEQUENCE %s', 'BEGIN', q(SELECT snowflake_create('%s')), 'draw', 'ROLLBACK' ],
		after => [ q(SELECT snowflake_create('%s')), 'draw' ]
	},
	'attach rolled back, and again' => {
		script => [
			q(DELETE FROM seqgen.generator WHERE generator = '%s'::regclass), 'BEGIN',
			q(SELECT snowflake_attach('%s')), 'draw', 'ROLLBACK'
		],
		after => [ q(SELECT snowflake_attach('%s')), 'draw' ]
	},
	'DROP rolled back' => {
		script => [ 'BEGIN', 'draw', 'SAVEPOINT a', 'DROP SEQUENCE %s', 'ROLLBACK TO a', 'draw' ],
	},
	'setval down' =>
	  { script => [ 'draw', q(SELECT setval('%s', 1)) ], after => ['draw'] },
	'plain nextval' => { script => [ 'draw', q(SELECT nextval('%s')) ], after => ['draw'] },
	'SET UNLOGGED rolled back' => {
		script => [ 'draw', 'BEGIN', 'ALTER SEQUENCE %s SET UNLOGGED', 'ROLLBACK' ],
		after => ['draw']
	},
	'SET UNLOGGED and LOGGED rolled back after draws' => {
		script => [
			'BEGIN', 'ALTER SEQUENCE %s SET UNLOGGED', 'ALTER SEQUENCE %s SET LOGGED',
			'draw', 'ROLLBACK'
		],
		after => ['draw']
	},
	'SET UNLOGGED until after the crash' => {
		script => [ 'draw', 'ALTER SEQUENCE %s SET UNLOGGED' ],
		afterwards => ['ALTER SEQUENCE %s SET LOGGED']
	},
	'INCREMENT BY' => { script => [ 'ALTER SEQUENCE %s INCREMENT BY 7', 'draw' ], after => ['draw'] },
	'TRUNCATE ... RESTART IDENTITY rolled back' => {
		script => [
			'CREATE TABLE %s_table (id bigint)', 'ALTER SEQUENCE %s OWNED BY %s_table.id',
			'BEGIN', 'TRUNCATE %s_table RESTART IDENTITY', 'draw', 'ROLLBACK'
		],
		after => ['draw']
	},
	'TRUNCATE ... RESTART IDENTITY committed' => {
		script => [
			'CREATE TABLE %s_table (id bigint)', 'ALTER SEQUENCE %s OWNED BY %s_table.id',
			'BEGIN', 'TRUNCATE %s_table RESTART IDENTITY', 'draw', 'COMMIT'
		],
		after => ['draw']
	},
	'TRUNCATE ... RESTART IDENTITY committed, nothing drawn afterwards' => {
		script => [
			'CREATE TABLE %s_table (id bigint)', 'ALTER SEQUENCE %s OWNED BY %s_table.id',
			'draw', 'TRUNCATE %s_table RESTART IDENTITY'
		]
	},
	'seqgen.reset upwards' => {
		script =>
		  [ q(SELECT seqgen.reset('%s', snowflake_min(clock_timestamp() + interval '4 min'))), 'draw' ],
		after => ['draw']
	},);

# RESTART in a transaction whose parallel workers draw.
sub restart_in_parallel
{
	my ($session, $generator, $end) = @_;
	my $table = "${generator}_ids";

	run_script($session, $generator,
		'SET min_parallel_table_scan_size = 0',
		'SET parallel_setup_cost = 0',
		'SET parallel_tuple_cost = 0',
		'SET parallel_leader_participation = off',
		"CREATE TABLE ${generator}_source AS SELECT generate_series(1, 1000) AS n",
		"ANALYZE ${generator}_source",
		'BEGIN',
		"ALTER SEQUENCE $generator RESTART");
	my $plan = $session->query_safe("EXPLAIN (ANALYZE, COSTS OFF) CREATE TABLE $table AS "
		  . "SELECT snowflake_nextval('$generator') AS id FROM ${generator}_source");
	like($plan, qr/Workers Launched: [1-9]/, "parallel workers drew after RESTART, before $end");
	is($session->query_safe("SELECT count(DISTINCT id), min(id) > $largest{$generator} FROM $table"),
		'1000|t', 'distinct ids, above all before');
	$largest{$generator} = $session->query_safe("SELECT max(id) FROM $table");
	$session->query_safe($end);
	return;
}

sub check_durability
{
	my ($server, $how) = @_;
	my $level = $server->safe_psql('postgres', 'SHOW wal_level');
	my $now = session($server);
	my $number = 0;
	my @open;

	%largest = ();
	foreach my $name (sort keys %cases)
	{
		my $case = $cases{$name};
		my $generator = $case->{generator} = sprintf('case_%s_%02d', $how, $number++);
		my ($here, $there) = map { session($server, offset => $ahead) } 1 .. 2;

		run_script($now, $generator, "SELECT snowflake_create('$generator')", 'draw');
		run_script($here, $generator, map { s/%s/$generator/gr } @{ $case->{script} });
		run_script($there, $generator, map { s/%s/$generator/gr } @{ $case->{after} // [] });
		$there->quit;
		$case->{open} ? push(@open, $here) : $here->quit;
	}

	foreach my $end (qw(COMMIT ROLLBACK))
	{
		my $generator = lc "case_${how}_parallel_$end";
		my ($here, $there) = map { session($server, offset => $ahead) } 1 .. 2;

		run_script($now, $generator, "SELECT snowflake_create('$generator')", 'draw');
		restart_in_parallel($here, $generator, $end);
		take($there, $generator);
		$cases{"RESTART, parallel draws, $end"} = { generator => $generator, temporary => 1 };
		$_->quit foreach ($here, $there);
	}

	# last, as whatever else is flushed would flush this commit, too
	my $generator = "case_${how}_async";
	my ($here, $there) = map { session($server, offset => $ahead) } 1 .. 2;
	run_script($now, $generator, "SELECT snowflake_create('$generator')", 'draw');
	take($there, $generator, 1);
	run_script($here, $generator,
		'SET synchronous_commit = off',
		'BEGIN', "ALTER SEQUENCE $generator RESTART", 'draw', 'COMMIT');
	take($there, $generator);
	$cases{'RESTART committed asynchronously'} = { generator => $generator, temporary => 1 };

	ids_only_grew("$level, $how: ids only grow before the crash");
	crash($server, $how);
	$_->quit foreach ($now, @open, $here, $there);

	my $session = session($server, offset => $behind);
	foreach my $name (sort keys %cases)
	{
		my $case = $cases{$name};
		my $g = $case->{generator};

		run_script($session, $g, (map { s/%s/$g/gr } @{ $case->{afterwards} // [] }), 'draw');
		ids_only_grew("$level, $how: $name");
		delete $cases{$name} if $case->{temporary};
	}
	$session->quit;
	return;
}

# A bound that is written after a plain nextval.  WAL then holds another page
# than memory does: 32 values ahead, here with a smaller low byte.  All ids up
# to the bound are drawn, so that none is left to be repeated after the crash.
sub check_full_image
{
	my ($server, $how) = @_;
	my $level = $server->safe_psql('postgres', 'SHOW wal_level');
	my $generator = "image_$how";
	my $session = session($server, offset => $ahead);

	run_script($session, $generator,
		"INSERT INTO seqgen.layout VALUES ('$generator', '2025-01-01', 1000000, 31, 0, 12)",
		"SELECT snowflake_create('$generator', '$generator')", 'draw');
	my $time = $session->query_safe("SELECT last_value >> 12 FROM $generator") + 600;
	my $bound = ($time << 12) + 0xff0;
	run_script($session, $generator,
		"ALTER SEQUENCE $generator MAXVALUE $bound",
		"SELECT setval('$generator', " . (($time << 12) + 0x0ef) . ')',
		"SELECT nextval('$generator')");
	$largest{$generator} = ($time << 12) + 0x0f0;
	is(take($session, $generator, 0xff0 - 0x0f0), $bound,
		"$level, $how: all ids up to the bound were drawn");
	is($session->query_safe("SELECT last_value FROM $generator"), $bound, 'the bound is MAXVALUE');

	crash($server, $how);
	$session->quit;
	$session = session($server, offset => $ahead);
	is($session->query_safe("SELECT last_value FROM $generator"),
		$bound, "$level, $how: a bound written after a plain nextval survives");
	fails($session, "SELECT snowflake_nextval('$generator')", '2200H',
		"generator \"$generator\" has reached the maximum value of its sequence", 'and none of its ids is given again');
	run_script($session, $generator, "ALTER SEQUENCE $generator NO MAXVALUE", 'draw');
	ids_only_grew('those above it are');
	$session->quit;
	return;
}

my $minimal = seqgen_cluster('minimal', conf => $conf);
is($minimal->safe_psql('postgres', 'SHOW wal_level'), 'minimal', 'the second cluster has minimal WAL');

foreach my $server ($minimal, $node)
{
	foreach my $how (qw(immediate kill9))
	{
		check_durability($server, $how);
		check_full_image($server, $how);
	}
	$server->stop;
}

done_testing();
