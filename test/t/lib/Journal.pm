# A journal of draws that proves uniqueness and order without any clock.
#
# Every draw notes a value of the plain sequence journal.moment before it
# starts and after it has ended.  That sequence hands out its values one after
# the other, so draw A was over before draw B started if, and only if, A.ended
# is less than B.begun: and then every id of A must be less than every id of B.

package Journal;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(journal_create journal_is_sound);

# Creates schema journal with the table and these functions:
#   journal.draw_each(expression, n)	n draws of one id each
#   journal.draw_set(query)				one draw, whose ids the query returns
sub journal_create
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA journal;
CREATE SEQUENCE journal.moment;
CREATE UNLOGGED TABLE journal.draw (
	begun bigint, ended bigint, position bigint, id bigint);

CREATE PROCEDURE journal.draw_each(expression text, n integer)
LANGUAGE plpgsql AS $$
DECLARE
	begun bigint;
	id bigint;
BEGIN
	FOR i IN 1 .. n LOOP
		begun := nextval('journal.moment');
		EXECUTE 'SELECT ' || expression INTO id;
		INSERT INTO journal.draw VALUES (begun, nextval('journal.moment'), 1, id);
	END LOOP;
END $$;

CREATE PROCEDURE journal.draw_set(query text)
LANGUAGE plpgsql AS $$
DECLARE
	begun bigint := nextval('journal.moment');
	ids bigint[];
BEGIN
	EXECUTE format('SELECT array_agg(id) FROM (%s) s (id)', query) INTO ids;
	INSERT INTO journal.draw
		SELECT begun, m.ended, d.position, d.id
		  FROM nextval('journal.moment') m (ended),
			   unnest(ids) WITH ORDINALITY d (id, position);
END $$;
SQL
	return;
}

# Exactly that many ids were drawn, all different and all in order; and the
# draws did overlap, without which the order would prove nothing.
sub journal_is_sound
{
	my ($node, $count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM journal.draw'),
		"$count|$count", "$name: as many different ids as were drawn");

	is($node->safe_psql('postgres', <<'SQL'), 0, "$name: the ids of each draw increase");
SELECT count(*)
  FROM (SELECT id <= lag(id) OVER (PARTITION BY begun ORDER BY position) AS wrong
		  FROM journal.draw) d
 WHERE wrong
SQL

	is($node->safe_psql('postgres', <<'SQL'), 0, "$name: no id is below one of a draw that had ended");
WITH draw AS (
	SELECT begun, ended, min(id) AS lowest, max(id) AS highest
	  FROM journal.draw GROUP BY begun, ended),
event (moment, lowest, highest) AS (
	SELECT begun, lowest, NULL FROM draw
	UNION ALL
	SELECT ended, NULL, highest FROM draw)
SELECT count(*)
  FROM (SELECT lowest < max(highest) OVER (ORDER BY moment) AS wrong FROM event) e
 WHERE wrong
SQL

	cmp_ok($node->safe_psql('postgres',
			'SELECT count(DISTINCT begun) FROM journal.draw WHERE ended > begun + 1'),
		'>', 0, "$name: draws overlapped");
	return;
}

1;
