# Property: the windows of a node number never overlap, and nobody waits for
# anybody: over thousands of nodes that come and go, many sessions at once,
# transactions that stay open, failovers of the coordinator, copies of it, dumps.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use File::Path qw(rmtree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

my $lease = 3_600_000_000;	# us, as everything
my $skew = 900_000_000;
my $keys = 0;

# What servers ask and are told, in a database: ask does so in the session that
# calls it, and windows has who was told what.
my $setup = <<'SQL';
CREATE EXTENSION IF NOT EXISTS seqgen;
GRANT EXECUTE ON FUNCTION seqgen.node_request TO noderole;
CREATE TABLE windows (node text, bits integer, number bigint, generation bigint, lo bigint, hi bigint);
CREATE FUNCTION now_us() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT (extract(epoch FROM clock_timestamp()) * 1000000
		+ extract(epoch FROM current_setting('seqgen.debug_clock_offset')::interval) * 1000000)::bigint
$$;
CREATE FUNCTION ask(server text, key text, number bigint DEFAULT NULL, generation bigint DEFAULT NULL,
	bits integer DEFAULT 10, life text DEFAULT '1', skew bigint DEFAULT 0,
	OUT status text, OUT granted bigint, OUT "of" bigint, OUT lo bigint, OUT hi bigint, OUT message text, OUT clock bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	SELECT r.status, granted_number, granted_generation, valid_from, valid_until, r.message, coordinator_clock
	  INTO status, granted, "of", lo, hi, message, clock
	  FROM seqgen.node_request(md5(server)::uuid, md5(server || life)::uuid,
			'7777/1/5/' || ('x' || md5(server))::bit(28)::integer || ':1/boot', bits, -1, number, generation,
			md5(key)::uuid, '1/2/3', now_us() + skew, 0) r;
	IF status = 'granted' THEN
		INSERT INTO windows VALUES (server, bits, granted, "of", lo, hi);
	END IF;
END $$;
SQL

sub value
{
	my ($node, $sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# Ask as a server, that many minutes ahead; returns what it is told.
sub ask
{
	my ($node, $server, %with) = @_;
	my $key = $with{key} // 'key' . ++$keys;
	my @arguments = ("'$server'", "'$key'");
	my $offset = $with{minutes} // 0;
	my %told;

	push @arguments, map { "$_ => $with{$_}" } grep { defined $with{$_} } qw(number generation bits skew);
	push @arguments, "life => '$with{life}'" if defined $with{life};
	my $row = value($node, "SET seqgen.debug_clock_offset = '${offset}min';"
		  . "SET SESSION AUTHORIZATION noderole;"
		  . 'SELECT * FROM ask(' . join(', ', @arguments) . ')', $with{database});
	@told{qw(status number generation lo hi message clock)} = split /\|/, $row;
	return \%told;
}

# Renew what was told.
sub renew
{
	my ($node, $server, $lease, %with) = @_;
	return ask($node, $server, number => $lease->{number}, generation => $lease->{generation}, %with);
}

# The exact check: a window lasts from its beginning to the last end that was told.
sub windows_are_apart
{
	my ($node, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	value($node, <<'SQL', $database);
DROP TABLE IF EXISTS apart;
CREATE TABLE apart (bits integer, number bigint, during int8range,
	EXCLUDE USING gist (int4range(bits, bits, '[]') WITH &&, int8range(number, number, '[]') WITH &&, during WITH &&));
SQL
	eval {
		value($node, <<'SQL', $database);
INSERT INTO apart SELECT bits, number, int8range(lo, max(hi)) FROM windows GROUP BY bits, number, node, lo;
SQL
	};
	is($@, '', "$name: windows that were told do not overlap");
	eval {
		value($node, <<'SQL', $database);
TRUNCATE apart;
INSERT INTO apart SELECT bits, number, int8range((extract(epoch FROM valid_from) * 1000000)::bigint,
	(extract(epoch FROM valid_until) * 1000000)::bigint) FROM seqgen.node_history;
SQL
	};
	is($@, '', "$name: nor do those of the history");
	return;
}

sub promote
{
	my ($standby) = @_;
	$standby->promote;
	$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or BAIL_OUT('the standby is not promoted');
	return;
}

my $coordinator = seqgen_cluster('coordinator', allows_streaming => 1, conf => <<'CONF');
max_connections = 60
CONF
value($coordinator, 'CREATE ROLE noderole LOGIN');
value($coordinator, "CREATE DATABASE $_") foreach qw(churn early quiet);
value($coordinator, $setup, $_) foreach qw(postgres churn early quiet);

#
# 5,000 nodes over 1,024 numbers
#

$coordinator->append_conf('postgresql.conf', "seqgen.lease = 60s\nseqgen.max_node_skew = 5s\n");
$coordinator->reload;
$coordinator->poll_query_until('churn', q(SELECT current_setting('seqgen.lease') = '1min'));
value($coordinator, <<'SQL', 'churn');
CREATE TABLE odd (status text, message text);
CREATE PROCEDURE churn(nodes integer) LANGUAGE plpgsql AS $$
DECLARE
	offset_ms float8 := 0;
	t record;
	l record;
	latest text[] := '{}';
BEGIN
	FOR i IN 1 .. nodes LOOP
		-- time goes on, by fits and starts, and now and then it is stepped back
		offset_ms := offset_ms + CASE WHEN i % 50 = 0 THEN -3000 * random() ELSE 400 * random() END;
		PERFORM set_config('seqgen.debug_clock_offset', (1000 * round(offset_ms / 1000))::text, false);
		t := ask('node' || i, 'key' || i, bits => 11, skew => (8000000 * (random() - 0.5))::bigint);
		IF t.status <> 'granted' THEN
			INSERT INTO odd VALUES (t.status, t.message);
		END IF;
		COMMIT;
		-- one of the newest renews, if it is not too late
		IF i > 1 THEN
			SELECT * INTO l FROM windows WHERE node = 'node' || (i - (random() * least(i - 1, 400))::integer)
			 ORDER BY generation DESC LIMIT 1;
			IF FOUND THEN
				PERFORM ask(l.node, 'renewal' || i, l.number, l.generation, bits => 11,
					skew => (8000000 * (random() - 0.5))::bigint);
				COMMIT;
			END IF;
		END IF;
	END LOOP;
END $$;
CREATE INDEX ON windows (node);
SQL
value($coordinator, 'CALL churn(5000)', 'churn');
is(value($coordinator, 'SELECT count(*), min(message) FROM odd', 'churn'), '0|', '5,000 nodes were given a number each');
is(value($coordinator, 'SELECT count(DISTINCT number), min(number), max(number) FROM windows', 'churn'),
	'1024|1024|2047', 'of 1,024 numbers');
cmp_ok(value($coordinator, 'SELECT count(*) FROM windows WHERE generation NOT IN (SELECT serial FROM seqgen.node_history)', 'churn'),
	'>', 2000, 'and were renewed');
windows_are_apart($coordinator, 'churn', 'churn');
is( value($coordinator, <<'SQL', 'churn'), 't', 'a window begins where the one before it ended');
SELECT bool_and(valid_from = before)
  FROM (SELECT valid_from, lag(valid_until) OVER (PARTITION BY number ORDER BY serial) AS before FROM seqgen.node_history) h
 WHERE before IS NOT NULL
SQL
$coordinator->append_conf('postgresql.conf', "seqgen.lease = 1h\nseqgen.max_node_skew = 15min\n");
$coordinator->reload;
$coordinator->poll_query_until('churn', q(SELECT current_setting('seqgen.lease') = '1h'));

#
# Many at once
#

my $script = $coordinator->basedir . '/ask.sql';
append_to_file($script, <<'SQL');
\set attempt random(1, 1000000000000)
SELECT ask('client' || :client_id || '.' || :attempt, 'attempt' || :attempt, bits => 12);
SQL
$coordinator->command_ok(
	[ 'pgbench', '-n', '-c', '30', '-j', '2', '-t', '20', '-f', $script, '-U', 'noderole', 'postgres' ],
	'many sessions ask at once');
is(value($coordinator, 'SELECT count(*), count(DISTINCT number) FROM windows WHERE bits = 12'),
	'600|600', 'all are given numbers, and none is given twice');

# The same in a pool that has fewer numbers than askers, so that they compete for
# the last ones.
(my $few = $script) =~ s/ask\.sql/few.sql/;
append_to_file($few, slurp_file($script) =~ s/bits => 12/bits => 7/r);
$coordinator->command_ok(
	[ 'pgbench', '-n', '-c', '30', '-j', '2', '-t', '20', '-f', $few, '-U', 'noderole', 'postgres' ],
	'more sessions ask than there are numbers');
is(value($coordinator, 'SELECT count(*), count(DISTINCT number), min(number), max(number) FROM windows WHERE bits = 7'),
	'64|64|64|127', 'each number is given once');

#
# A transaction that stays open
#

my $open = session($coordinator, user => 'noderole');
$open->query_safe(q{BEGIN; SET LOCAL statement_timeout = '10s'});
my ($first) = split /\|/, $open->query_safe(q{SELECT granted FROM ask('open', 'open', bits => 3)});
is($first, 4, 'a transaction is given the first number, and stays open');
my @told = map { ask($coordinator, "short$_", bits => 3) } 1 .. 3;
is(join(' ', map { "$_->{status} $_->{number}" } @told), 'granted 5 granted 6 granted 7', 'others are given the next ones at once');
is(ask($coordinator, 'open', bits => 3, key => 'open')->{status}, 'wait', 'the same attempt in another session is told to wait');
is(ask($coordinator, 'short4', bits => 3)->{status}, 'wait', 'and so is who asks for the last number');
is(renew($coordinator, 'short1', $told[0], bits => 3)->{number}, 5, 'renewals go on');
is(value($coordinator, 'SELECT seqgen.node_release(5, 3) > now()'), 't', 'and so does the administration');
my ($status, $stdout, $stderr) = $coordinator->psql('postgres', 'SELECT seqgen.node_release(4, 3)');
like($stderr, qr/node number 4 was never given/, 'which does not see what is not committed');
$open->query_safe('ROLLBACK');
is(ask($coordinator, 'short4', bits => 3)->{number}, 4, 'what it had is given when it is rolled back');
value($coordinator, q{DELETE FROM windows WHERE node = 'open'});

# A row that is being changed
$open->query_safe(q{BEGIN});
is($open->query_safe("SELECT status FROM ask('short2', 'again', 6, $told[1]{generation}, bits => 3)"), 'granted',
	'a renewal stays open');
is(renew($coordinator, 'short2', $told[1], bits => 3)->{status}, 'wait', 'another one of the number waits');
($status, $stdout, $stderr) = $coordinator->psql('postgres', 'SELECT seqgen.node_release(6, 3)');
like($stderr, qr/could not change node number 6/, 'a release does not wait');
$open->query_safe('ROLLBACK');
my $renewed = renew($coordinator, 'short2', $told[1], bits => 3);
is($renewed->{status}, 'granted', 'after it was rolled back the number is renewed');
cmp_ok($renewed->{generation}, '>', $told[1]{generation} + 2, 'and the generation of what was rolled back is not used again');
$open->quit;
my $ddl = session($coordinator);
$ddl->query_safe('BEGIN; LOCK TABLE seqgen.node');
is(ask($coordinator, 'short5', bits => 9)->{status}, 'wait', 'nor does anybody wait for a lock of the table');
$ddl->query_safe('ROLLBACK; BEGIN; SELECT FROM seqgen.node WHERE bits = 3 AND number = 6 FOR UPDATE');
($status, $stdout, $stderr) = $coordinator->psql('postgres',
	"SET SESSION AUTHORIZATION noderole; SET statement_timeout = '20s'; SELECT ask('short2', 'locked', 6, $renewed->{generation}, bits => 3)");
like($stderr, qr/could not change node number 6/, 'or of a row');
$ddl->quit;

#
# All numbers in use
#

my $told = ask($coordinator, 'short6', bits => 3);
is($told->{status}, 'exhausted', 'all numbers are in use');
my $when = value($coordinator, q{SELECT (extract(epoch FROM min(free_at)) * 1000000)::bigint FROM seqgen.nodes WHERE bits = 3});
is($when, value($coordinator, 'SELECT min(hi) FROM (SELECT max(hi) AS hi FROM windows WHERE bits = 3 GROUP BY number) w') + $skew,
	'the view tells until when');
my ($text) = $told->{message} =~ /the first one can be given again at (\S+ \S+)$/;
is(value($coordinator, "SELECT (extract(epoch FROM '$text'::timestamptz) * 1000000)::bigint"), $when, 'and so does the answer');
is(ask($coordinator, 'short6', bits => 3, minutes => 74)->{status}, 'exhausted', 'before that time it is the same');
$told = ask($coordinator, 'short6', bits => 3, minutes => 76);
is($told->{status}, 'granted', 'at that time a number is given');
is($told->{lo}, $when - $skew, 'whose window begins where the one before ended');

#
# Two holders
#

my $twin = ask($coordinator, 'twin');
my $newer = renew($coordinator, 'twin', $twin);
is($newer->{number}, $twin->{number}, 'a node renews');
my $log_start = -s $coordinator->logfile;
my $other = renew($coordinator, 'twin', $twin, life => '2');
is($other->{status}, 'granted', 'a copy of it is given a number');
isnt($other->{number}, $twin->{number}, 'of its own');
like(slurp_file($coordinator->logfile, $log_start), qr/LOG:  node number $twin->{number} has two holders/, 'which is logged');
is(value($coordinator, "SELECT conflicts FROM seqgen.nodes WHERE bits = 10 AND number = $twin->{number}"), 1, 'and counted');
is(renew($coordinator, 'twin', $newer)->{number}, $twin->{number}, 'the first one goes on');
windows_are_apart($coordinator, 'one coordinator');

#
# A standby that lags is promoted
#

$coordinator->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($coordinator, 'base', has_streaming => 1);
$standby->start;
my %lease = map { $_ => ask($coordinator, $_) } qw(a b c);
$coordinator->wait_for_catchup($standby);
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$coordinator->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM pg_stat_replication)')
  or BAIL_OUT('the standby goes on receiving');

# what the standby does not hear of
$lease{a} = renew($coordinator, 'a', $lease{a});
$lease{d} = ask($coordinator, 'd');
my $first_of_all = ask($coordinator, 'early', database => 'early');
my $last_end = value($coordinator, 'SELECT max(hi) FROM windows WHERE bits = 10');
$coordinator->stop;
promote($standby);

$told = ask($standby, 'e');
is($told->{status}, 'hold', 'a promoted standby gives no number');
my $end = value($standby, q{SELECT (extract(epoch FROM until) * 1000000)::bigint FROM seqgen.node_hold()});
cmp_ok($end, '>=', $last_end, 'before all windows have ended');
cmp_ok($end, '>=', $told->{clock} + $lease + 2 * $skew, 'by clocks that differ by the skew');
like($told->{message}, qr/no new node numbers until \d/, 'which it says');
$told = renew($standby, 'a', $lease{a});
is("$told->{status} $told->{number} $told->{lo}", "granted $lease{a}{number} $lease{a}{lo}", 'a renewal that is newer than it knows goes on');
cmp_ok($told->{generation}, '>', $lease{a}{generation}, 'with a newer generation');
$told = renew($standby, 'b', $lease{b});
is("$told->{status} $told->{number}", "granted $lease{b}{number}", 'and one that it knows');
is(renew($standby, 'd', $lease{d})->{status}, 'hold', 'who has a number that it does not know is given no other yet');
is(value($standby, 'SELECT date_trunc($$second$$, until) FROM seqgen.node_registry WHERE in_hold'),
	value($standby, "SELECT date_trunc('second', to_timestamp($end / 1000000.0))"), 'none of it prolongs the hold');
is(ask($standby, 'e', database => 'early')->{status}, 'hold', 'a registry whose first lease of all was lost is in hold, too');
my $history = $standby->data_dir . '/pg_wal/00000002.history';
utime(time - 7200, time - 7200, $history) == 1 or BAIL_OUT("no $history");
is(ask($standby, 'e', database => 'quiet')->{status}, 'granted', 'but not if that could only have been long ago');
$told = renew($standby, 'c', $lease{c}, minutes => 44);
is("$told->{status} $told->{number}", "granted $lease{c}{number}", 'renewals go on as long as windows last');
$standby->restart;
is(ask($standby, 'e', minutes => 80)->{status}, 'hold', 'a restart does not end the hold');
my $hold_minutes = int(($end - value($standby, 'SELECT now_us()')) / 60_000_000) + 2;
$told = ask($standby, 'e', minutes => $hold_minutes);
is($told->{status}, 'granted', 'when it is over numbers are given');
is($told->{lo}, $end, 'whose windows begin at its end') if $told->{number} == $lease{d}{number};
cmp_ok($told->{lo}, '>=', $end, 'or later');
value($standby, 'INSERT INTO windows VALUES (' . join(', ', "'d'", 10, @{ $lease{d} }{qw(number generation lo hi)}) . ')');
ask($standby, "late$_", minutes => $hold_minutes + 60) foreach 1 .. 5;
windows_are_apart($standby, 'failover');

# A DBA who knows that nothing was lost
is(value($standby, 'SELECT in_hold FROM seqgen.node_registry', 'early'), 't', 'the other database still is in hold');
value($standby, 'SELECT seqgen.node_resume()', 'early');
$told = ask($standby, 'e', database => 'early');
is($told->{status}, 'granted', 'until it is resumed');
cmp_ok($told->{lo}, '>', $told->{clock} - 60_000_000, 'windows begin when it was');
$standby->stop;

#
# Only the extension's settings and row tell the copies of a coordinator from it
#

$coordinator->backup_fs_cold('copy');
$coordinator->start;
$lease{a} = renew($coordinator, 'a', $lease{a});
$lease{f} = ask($coordinator, 'f');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($coordinator, 'copy');
$copy->start;
$told = renew($copy, 'a', $lease{a});
is("$told->{status} $told->{number}", "granted $lease{a}{number}", 'a copied coordinator renews what it remembers');
is(ask($copy, 'g')->{status}, 'hold', 'and is in hold as soon as a node knows more than it does');
is(renew($copy, 'f', $lease{f})->{status}, 'hold', 'for those who have what it does not remember');
$copy->stop;

#
# A dump
#

my $dump = $coordinator->basedir . '/dump.sql';
$coordinator->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'a coordinator is dumped');
value($coordinator, 'CREATE DATABASE restored');
$coordinator->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'restored' ], 'and restored');
is(value($coordinator, 'SELECT (SELECT count(*) FROM seqgen.node), (SELECT count(*) FROM seqgen.node_history)', 'restored'),
	'0|0', 'without its numbers');
is(value($coordinator, 'SELECT in_hold FROM seqgen.node_registry', 'restored'), 't', 'it is in hold');
is(ask($coordinator, 'h', database => 'restored')->{status}, 'hold', 'gives no number');
is(renew($coordinator, 'a', $lease{a}, database => 'restored')->{status}, 'hold', 'and renews none');
cmp_ok(value($coordinator, 'SELECT generation FROM seqgen.node_registry', 'restored'), '>', $lease{f}{generation},
	'later generations are larger than all before');
value($coordinator, 'SELECT seqgen.node_resume()', 'restored');
is(ask($coordinator, 'h', database => 'restored')->{status}, 'granted', 'before it is resumed');
is(ask($coordinator, 'h')->{status}, 'granted', 'the original is not in hold');

# A copy of the database
$coordinator->stop;
$coordinator->start;
value($coordinator, 'CREATE DATABASE template TEMPLATE postgres');
is(ask($coordinator, 'i', database => 'template')->{status}, 'hold', 'a database that was made of a coordinator is in hold');
value($coordinator, 'CREATE DATABASE empty');
value($coordinator, $setup, 'empty');
value($coordinator, 'CREATE DATABASE empty_copy TEMPLATE empty');
is(ask($coordinator, 'i', database => 'empty_copy')->{status}, 'granted', 'but not one of a database that leased nothing');

#
# A synchronous standby
#

my $sync = seqgen_cluster('sync', allows_streaming => 1);
value($sync, 'CREATE ROLE noderole LOGIN');
value($sync, $setup);
$sync->backup('base');
my $mate = PostgreSQL::Test::Cluster->new('mate');
$mate->init_from_backup($sync, 'base', has_streaming => 1);
$mate->start;
$sync->append_conf('postgresql.conf', "seqgen.range_require_sync = on\n");
$sync->reload;
$sync->poll_query_until('postgres', q(SELECT current_setting('seqgen.range_require_sync') = 'on'));
($status, $stdout, $stderr) = $sync->psql('postgres', q(SELECT ask('a', 'none')));
like($stderr, qr/no synchronous standby is named/, 'without a standby that confirms it no number is given');
$sync->append_conf('postgresql.conf', "synchronous_standby_names = 'mate'\n");
$sync->reload;
$sync->poll_query_until('postgres', q(SELECT sync_state = 'sync' FROM pg_stat_replication));
my %confirmed = map { $_ => ask($sync, $_) } qw(a b);
$confirmed{a} = renew($sync, 'a', $confirmed{a});
is(value($sync, 'SELECT synchronous FROM seqgen.node_registry'), 't', 'a standby confirms all leases');
$sync->stop('immediate');
$mate->append_conf('postgresql.conf', "seqgen.range_require_sync = off\nsynchronous_standby_names = ''\n");
$mate->reload;
promote($mate);
is(value($mate, 'SELECT in_hold FROM seqgen.node_registry'), 'f', 'it is not in hold when it is promoted');
$told = ask($mate, 'c');
is($told->{status}, 'granted', 'and gives numbers');
ok(!(grep { $_->{number} == $told->{number} } values %confirmed), 'that nobody has');
$told = renew($mate, 'a', $confirmed{a});
is("$told->{status} $told->{number}", "granted $confirmed{a}{number}", 'renewals go on');
is(value($mate, 'SELECT synchronous FROM seqgen.node_registry'), 'f', 'what nobody confirms from now on is noted');
windows_are_apart($mate, 'synchronous standby');

# It becomes asynchronous, which its standby hears of before it lags.
$mate->backup('base');
my $third = PostgreSQL::Test::Cluster->new('third');
$third->init_from_backup($mate, 'base', has_streaming => 1);
$third->start;
sub set_sync
{
	my ($required, $names) = @_;
	$mate->append_conf('postgresql.conf',
		"seqgen.range_require_sync = $required\nsynchronous_standby_names = '$names'\n");
	$mate->reload;
	$mate->poll_query_until('postgres', 'SELECT current_setting($$seqgen.range_require_sync$$) = '
		  . "'$required' AND current_setting('synchronous_standby_names') = '$names'"
		  . " AND ('$names' = '' OR EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync'))");
	return;
}
set_sync('on', 'third');
ask($mate, 'd');
is(value($mate, 'SELECT synchronous FROM seqgen.node_registry'), 't', 'another standby confirms all leases');
set_sync('off', 'third');
ask($mate, 'e');
is(value($third, 'SELECT synchronous FROM seqgen.node_registry'), 'f', 'until it is not asked to any more');
set_sync('off', '');
$third->append_conf('postgresql.conf', "primary_conninfo = ''");
$third->reload;
$mate->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM pg_stat_replication)');
ask($mate, 'f');
$mate->stop('immediate');
promote($third);
is(ask($third, 'g')->{status}, 'hold', 'then it is in hold when it is promoted');

$_->stop foreach ($coordinator, $third);
done_testing();
