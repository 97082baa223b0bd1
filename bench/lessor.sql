-- A coordinator with 1,000 numbers in use, of a width that has 1,024.

GRANT EXECUTE ON FUNCTION seqgen.node_request TO node;
CREATE TABLE lessee (id integer PRIMARY KEY, node uuid, running uuid, number bigint, generation bigint);

-- The identity is made up, but its shape is a node's.
CREATE PROCEDURE take_leases(count integer) LANGUAGE plpgsql AS $$
DECLARE
	node uuid;
	answer record;
BEGIN
	FOR i IN 0 .. count - 1 LOOP
		node := gen_random_uuid();
		SELECT * INTO answer FROM seqgen.node_request(node, node, format('7%s/1/5/1:1/boot', i), 11, -1,
			NULL, NULL, gen_random_uuid(), '', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0);
		INSERT INTO lessee VALUES (i, node, node, answer.granted_number, answer.granted_generation);
		COMMIT;
	END LOOP;
END
$$;
CALL take_leases(1000);
SELECT 1 / (count(DISTINCT number) = 1000)::int FROM lessee;

CREATE FUNCTION renew_lease(client integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	l lessee;
	answer record;
BEGIN
	SELECT * INTO l FROM lessee WHERE id = client;
	SELECT * INTO answer FROM seqgen.node_request(l.node, l.running, format('7%s/1/5/1:1/boot', l.id), 11, -1,
		l.number, l.generation, gen_random_uuid(), '', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0);
	IF answer.status <> 'granted' OR answer.granted_number <> l.number THEN
		RAISE EXCEPTION 'lease % was not renewed: %', l, answer;
	END IF;
	UPDATE lessee SET generation = answer.granted_generation WHERE id = client;
	RETURN answer.granted_generation;
END
$$;
