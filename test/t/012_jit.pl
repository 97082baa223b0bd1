# Property: compiled by JIT, every function gives what it gives without.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SeqgenTest;

my $node = seqgen_cluster('main');

plan skip_all => 'the server has no JIT (built without LLVM, or its package is not installed)'
  if $node->safe_psql('postgres', 'SELECT pg_jit_available()') ne 't';

my $jit = <<'SQL';
SET jit = on;
SET jit_above_cost = 0;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;
SET timezone = 'UTC';
SQL
my $plain = <<'SQL';
SET jit = off;
SET timezone = 'UTC';
SQL

sub value
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

value(<<'SQL');
SELECT snowflake_create('discord', 'discord');
CREATE TABLE ids (id bigint PRIMARY KEY);
INSERT INTO ids SELECT (i * 9223372036854775::numeric + 1)::bigint FROM generate_series(0, 999) i;
ANALYZE ids;
SQL

# Reading: the same rows, by a plan that was compiled.
my %reading = (
	decode => 'SELECT d.*, id FROM ids, snowflake_decode(id) d ORDER BY id',
	fields => 'SELECT id, snowflake_timestamp(id), snowflake_node(id), snowflake_sequence(id) FROM ids ORDER BY id',
	layout => q{SELECT id, snowflake_timestamp(id, 'twitter'), snowflake_node(id, 'sonyflake'),
					   snowflake_sequence(id, 'instagram') FROM ids ORDER BY id},
	generator => q{SELECT id, snowflake_timestamp(id, 'discord'::regclass), snowflake_decode(id, 'discord'::regclass)
					 FROM ids ORDER BY id},
	bounds => q{SELECT snowflake_min(t), snowflake_max(t), seqgen.snowflake_bound(t),
					   snowflake_min(t, 'pgedge'), snowflake_max(t, 'pgedge'), seqgen.snowflake_bound(t, 'pgedge')
				  FROM ids, least(snowflake_timestamp(id), '2080-01-01') t ORDER BY id},
	during => q{SELECT id, snowflake_during(id, '2030-01-01', '2060-01-01'),
					   snowflake_during(id, '2030-01-01', '2060-01-01', 'twitter') FROM ids ORDER BY id},
	filter => q{SELECT count(*), min(id), max(id) FROM ids WHERE snowflake_during(id, '2030-01-01', '2060-01-01')},
	nulls => q{SELECT snowflake_node(nullif(id, id)), snowflake_decode(nullif(id, id)) FROM ids});
foreach my $name (sort keys %reading)
{
	my $sql = $reading{$name};

	is(value("$jit $sql"), value("$plain $sql"), "$name: the same with and without");
	like(value("$jit EXPLAIN (ANALYZE) $sql"), qr/^JIT:$/m, "$name: was compiled");
}
unlike(value("$plain EXPLAIN (ANALYZE) $reading{fields}"), qr/^JIT:$/m,
	'without, nothing is compiled');

# Drawing: different ids in order, one by one, as a set, and as a default.
my $draw = 'INSERT INTO drawn (id) SELECT snowflake_nextval() FROM generate_series(1, 10000)';
my $draw_set = q{INSERT INTO drawn (id) SELECT snowflake_nextvals(10000)};
my $draw_default = 'INSERT INTO drawn (filler) SELECT i FROM generate_series(1, 10000) i WHERE i % 2 >= 0';
value('CREATE TABLE drawn (nr serial, id bigint DEFAULT snowflake_nextval(), filler integer)');
foreach my $sql ($draw, $draw_set, $draw_default)
{
	like(value("$jit EXPLAIN (ANALYZE) $sql"), qr/^JIT:$/m, "compiled: $sql");
}
is(value('SELECT count(*), count(DISTINCT id) FROM drawn'), '30000|30000', 'no id twice');
is( value('SELECT count(*) FROM (SELECT id <= lag(id) OVER (ORDER BY nr) AS lower FROM drawn) d WHERE lower'),
	0, 'each larger than the one before');
is( value("$jit SELECT snowflake_nextval('discord') = snowflake_currval('discord'),
						snowflake_nextval_after(snowflake_nextval()) = snowflake_currval() WHERE random() >= 0"),
	't|t', 'the current id');

# Errors leave a session that goes on.
my $session = session($node);
$session->query_safe($jit);
foreach my $round (1 .. 3)
{
	fails($session, 'SELECT snowflake_decode(id - id) FROM ids', '22003', 'id 0 is out of range',
		"round $round: an error of reading");
	fails($session, q{SELECT snowflake_nextval(('pg_cl' || 'ass')::regclass) FROM ids}, '42809',
		'"pg_class" is not a sequence', "round $round: an error of drawing");
	take($session, 'discord', 100);
}
$session->quit;
ids_only_grew('and draws in order after them');

done_testing();
