# Property: the slot of a generator that is gone serves another one, however it
# went; generators of different databases, and a generator before and after it
# lost its extension, have nothing to do with each other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

my $slots = 16;
my $ahead = '5min';
my $behind = '-30min';
my $node = seqgen_cluster('slots', conf => <<"CONF");
seqgen.max_generators = $slots
seqgen.max_lead = '1h'
max_prepared_transactions = 10
CONF
my $session = session($node);

# How many generators can be put to use now?  They are dropped again.
sub free_slots
{
	my $count = 0;

	for (;;)
	{
		$session->{stderr} = '';
		$session->query("SELECT snowflake_nextval(snowflake_create('probe_$count'))");
		last if $session->{stderr} ne '';
		$count++;
	}
	like($session->{stderr}, qr/ERROR:  53400: too many generators in use/, 'a full table is an error');
	like($session->{stderr}, qr/HINT:  Increase seqgen\.max_generators/, 'which names the setting');
	$session->{stderr} = '';
	$session->query_safe("DROP SEQUENCE probe_$_") foreach (0 .. $count - 1);
	return $count;
}

is(free_slots(), $slots, 'all slots can be used');
is(free_slots(), $slots, 'and used again');

#
# No way to go leaves a slot behind
#

$session->query_safe(<<'SQL');
CREATE TABLE id (id bigint);
CREATE PROCEDURE create_use(INOUT n integer) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO id SELECT snowflake_nextval(snowflake_create(''cycle_%s''))', n);
END$$;
CREATE PROCEDURE create_use_drop(cycles integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..cycles LOOP
		CALL create_use(i);
		COMMIT;
		EXECUTE format('DROP SEQUENCE cycle_%s', i);
		COMMIT;
	END LOOP;
END$$;
CREATE PROCEDURE create_use_rollback(cycles integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..cycles LOOP
		CALL create_use(i);
		ROLLBACK;
	END LOOP;
END$$;
CREATE PROCEDURE create_use_fail(cycles integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..cycles LOOP
		BEGIN
			CALL create_use(i);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
		END;
	END LOOP;
END$$;
CREATE PROCEDURE create_use_drop_at_once(cycles integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..cycles LOOP
		CALL create_use(i);
		EXECUTE format('DROP SEQUENCE cycle_%s', i);
	END LOOP;
END$$;
SQL

$session->query_safe('CALL create_use_drop(10000)');
is($session->query_safe('SELECT count(*) FROM id'), '10000', '10,000 generators were created, used and dropped');
is(free_slots(), $slots, 'and left no slot taken');

$session->query_safe('CALL create_use_rollback(10000)');
is(free_slots(), $slots, 'nor did 10,000 that were created, used and rolled back');

$session->query_safe('CALL create_use_fail(100)');
is(free_slots(), $slots, 'nor 100 created and used in subtransactions of one transaction that failed');

$session->query_safe('CALL create_use_drop_at_once(100)');
is(free_slots(), $slots, 'nor 100 created, used and dropped in one transaction');

my $use = q(SELECT snowflake_nextval(snowflake_create('two_phase')));
$session->query_safe(join ';', map { ('BEGIN', $use, "PREPARE TRANSACTION 'a'", "ROLLBACK PREPARED 'a'") } 1 .. 300);
is(free_slots(), $slots, 'nor 300 created, used, prepared and rolled back');

$session->query_safe(
	join ';',
	map {
		(   'BEGIN', $use, "PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'",
			'BEGIN', 'DROP SEQUENCE two_phase', "PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'")
	} 1 .. 300);
is(free_slots(), $slots, 'nor 300 created and dropped by prepared transactions');

# another session, and another database
my $other = session($node);
$session->query_safe("SELECT snowflake_nextval(snowflake_create('taken_$_'))") foreach (1 .. $slots);
fails($other, "SELECT snowflake_nextval()", '53400', 'too many generators in use',
	'a full table concerns every session');
$other->query_safe('DROP SEQUENCE taken_1');
$session->query_safe('SELECT snowflake_nextval()');
$other->query_safe("DROP SEQUENCE taken_$_") foreach (2 .. $slots);
pass('a slot comes free when another session drops a generator');
is(free_slots(), $slots - 1, 'the default generator keeps its slot');

$node->safe_psql('postgres', 'CREATE DATABASE another');
$node->safe_psql('another',
	'CREATE EXTENSION seqgen; ' . join(';', map { "SELECT snowflake_nextval(snowflake_create('g_$_'))" } 1 .. 10));
is(free_slots(), $slots - 11, 'generators of another database take slots');
$node->safe_psql('postgres', 'DROP DATABASE another');
is(free_slots(), $slots - 1, 'which DROP DATABASE frees');

#
# Databases
#

# The copies have generators with the same names and the same OIDs.
$node->safe_psql('postgres', 'CREATE DATABASE model');
$node->safe_psql('model', "CREATE EXTENSION seqgen; SELECT snowflake_create('shared_name')");
my $model = session($node, database => 'model', offset => $ahead);
my $of_model = take($model, 'shared_name');
$model->quit;
foreach my $strategy ('wal_log', 'file_copy')
{
	$node->safe_psql('postgres', "CREATE DATABASE copy_$strategy TEMPLATE model STRATEGY $strategy");
	my $copy = session($node, database => "copy_$strategy", offset => $behind);
	$largest{shared_name} = $of_model;
	take($copy, 'shared_name');
	ids_only_grew("$strategy: a copy of a database goes on above its template");
	$copy->quit;
}

$model = session($node, database => 'model', offset => $behind);
my $copy = session($node, database => 'copy_wal_log', offset => $behind);
$largest{shared_name} = $of_model;
$of_model = take($model, 'shared_name', 1);
$copy->query_safe(q(SELECT seqgen.advance('shared_name', snowflake_max(clock_timestamp() + interval '20 min'))));
cmp_ok(take($model, 'shared_name', 1), '==', $of_model + 1, 'a copy that moves ahead does not take its template along');
$copy->query_safe('DROP SEQUENCE shared_name');
cmp_ok(take($model, 'shared_name', 1), '==', $of_model + 2, 'nor does one that drops its generator');
ids_only_grew('the template goes on');
$_->quit foreach ($model, $copy);

$copy = session($node, database => 'copy_file_copy', offset => '10min');
take($copy, 'shared_name');
$copy->quit;
crash($node);
$_->quit foreach ($session, $other);
$copy = session($node, database => 'copy_file_copy', offset => $behind);
take($copy, 'shared_name');
ids_only_grew('a copy has a durable bound of its own');
$copy->quit;

#
# A session that outlives the extension
#

$session = session($node);
$other = session($node, offset => $ahead);
$other->query_safe("SELECT snowflake_create('survivor')");
take($other, 'survivor');
my $default = $other->query_safe('SELECT snowflake_nextval()');

$session->query_safe('BEGIN');
$session->query_safe('DROP EXTENSION seqgen CASCADE');
$session->query_safe('ROLLBACK');
take($other, 'survivor');
ids_only_grew('DROP EXTENSION, rolled back, changes nothing');

$session->query_safe('SET client_min_messages = warning');
$session->query_safe('DROP EXTENSION seqgen CASCADE');
fails($other, "SELECT snowflake_nextval('survivor')", '42883', 'function snowflake_nextval\(unknown\) does not exist',
	'without the extension nobody draws');
$session->query_safe('CREATE EXTENSION seqgen');
is($other->query_safe("SELECT snowflake_nextval() > $default"), 't', 'with a new one an old session draws by default');
fails($other, "SELECT snowflake_nextval('survivor')", '42809', 'sequence "survivor" is not a generator',
	'a generator of the old extension is none of the new one');
fails($session, "SELECT snowflake_nextval('survivor')", '42809', 'sequence "survivor" is not a generator',
	'in other sessions, too');
$session->query_safe("SELECT snowflake_attach('survivor')");
$other->query_safe("SET seqgen.debug_clock_offset = '$behind'");
take($other, 'survivor');
ids_only_grew('until it is attached, and goes on above its ids');
$session->query_safe('SELECT snowflake_nextval()');
is(free_slots(), $slots - 3, 'the default generator, the survivor and one of another database have slots');

# in one transaction
$session->query_safe($_) foreach ('BEGIN', 'DROP EXTENSION seqgen CASCADE', 'CREATE EXTENSION seqgen', 'COMMIT');
fails($other, "SELECT snowflake_nextval('survivor')", '42809', 'sequence "survivor" is not a generator',
	'the same when both happen in one transaction');
$session->query_safe("SELECT snowflake_attach('survivor')");
take($other, 'survivor');
ids_only_grew('and it goes on again');
$_->quit foreach ($session, $other);
$node->stop;

done_testing();
