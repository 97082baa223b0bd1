-- A node that leases its number.

CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host :'host', port :'port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER coordinator OPTIONS (user 'node');
SELECT snowflake_nextval('fast');
SELECT 1 / (snowflake_node(snowflake_nextval('fast'), 'fast') > 511)::int;
