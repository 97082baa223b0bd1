-- Loading with COPY, the key from the column's default; and, as the other way
-- to do it, with ids drawn beforehand and sent along.

CREATE TABLE bench.given (id bigint PRIMARY KEY, payload text);

COPY (SELECT 'nine more' FROM generate_series(1, 300000)) TO :'file';
\set file_with_ids :file .ids
COPY (SELECT snowflake_nextvals(300000), 'nine more') TO :'file_with_ids';

INSERT INTO bench.contender (section, name, prepare, query)
SELECT 'load', name, format('TRUNCATE bench.%I', name), format('COPY bench.%I (payload) FROM %L', name, :'file')
  FROM unnest(ARRAY['snowflake', 'sequence_1', 'sequence_100', 'uuid']) name;

INSERT INTO bench.contender (section, name, prepare, query)
	VALUES ('load', 'given', 'TRUNCATE bench.given', format('COPY bench.given FROM %L', :'file_with_ids'));

CALL bench.measure('load', :rounds);

-- Of seconds, so the other way round than of rows a second.
INSERT INTO bench.figure (section, what, figure, low, high)
SELECT 'load', format('COPY, rows a second: %s / %s', title, rival_title), r.*
  FROM (VALUES
		(1, 'snowflake', 'snowflake'),
		(2, 'given', 'snowflake drawn before')) contenders (number, name, title),
	   (VALUES
		(1, 'sequence_1', 'nextval CACHE 1'),
		(2, 'sequence_100', 'nextval CACHE 100'),
		(3, 'uuid', 'gen_random_uuid()')) rivals (rival_number, rival, rival_title),
	   bench.ratio('load', rival, name) r
 ORDER BY number, rival_number;
