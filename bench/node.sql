-- A node of that coordinator.

CREATE EXTENSION seqgen;
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host :'host', port :'port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER coordinator OPTIONS (user 'node');
SELECT range_create('blocks_10', block_size => 10, max_block_size => 10);
SELECT range_create('blocks_1000', block_size => 1000, max_block_size => 1000);
SELECT range_create('adaptive');
SELECT range_create('blocks_90000', block_size => 90000, max_block_size => 90000);
CREATE SEQUENCE cache_1;

-- What the section range_outage notes: whether a draw gave a value, and when;
-- and when the coordinator was stopped and started.
CREATE UNLOGGED TABLE draw (generator text, at timestamptz, ok boolean);
CREATE TABLE moment (what text, at timestamptz, generator text, seconds_left bigint);

-- Draws one value at a time, with a pause after each.
CREATE PROCEDURE draw_steadily(generator text, pause double precision, seconds integer)
LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 second';
	ok boolean;
BEGIN
	WHILE clock_timestamp() < until LOOP
		ok := true;
		BEGIN
			PERFORM range_nextval(generator);
		EXCEPTION WHEN connection_failure THEN
			ok := false;
		END;
		INSERT INTO draw VALUES (generator, clock_timestamp(), ok);
		COMMIT;
		PERFORM pg_sleep(pause);
	END LOOP;
END
$$;

CREATE PROCEDURE note_moment(what text) LANGUAGE sql AS $$
	INSERT INTO moment
	SELECT what, clock_timestamp(), generator::text, seconds_left FROM seqgen.range_block
$$;
