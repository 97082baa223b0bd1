--
-- The coordinator's foreign server: only options that say where it is and how
-- to be let in are taken, each with a value that makes sense; only those may
-- define it whom a superuser lets; and only a superuser names files.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;

SELECT fdwname, fdwhandler::oid AS handler, fdwvalidator::regproc, fdwacl, fdwoptions
  FROM pg_foreign_data_wrapper WHERE fdwname = 'seqgen_coordinator';

-- every option, and the least there can be
CREATE SERVER regress_seqgen_all FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host 'a,b', hostaddr '192.0.2.1,2001:db8::1', port '5432,', dbname 'ids',
		target_session_attrs 'read-write', connect_timeout '3', application_name 'node 1',
		keepalives '1', keepalives_idle '60', keepalives_interval '10', keepalives_count '3',
		tcp_user_timeout '5000', channel_binding 'prefer', gssencmode 'disable', krbsrvname 'postgres',
		requirepeer 'postgres', sslmode 'verify-full', sslrootcert 'root.crt', sslcrl 'root.crl',
		sslcrldir 'crl', sslsni '0', ssl_min_protocol_version 'TLSv1.2', ssl_max_protocol_version 'TLSv1.3',
		sslcert 'node.crt', sslkey 'node.key');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen_all
	OPTIONS (user 'node', password 'secret', passfile '/nowhere', sslcert 'node.crt', sslkey 'node.key', sslpassword 'secret');
DROP SERVER regress_seqgen_all CASCADE;
CREATE SERVER regress_seqgen FOREIGN DATA WRAPPER seqgen_coordinator;
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen;
DROP USER MAPPING FOR PUBLIC SERVER regress_seqgen;

-- what the worker sets itself, what belongs to the other object, what does not exist
ALTER SERVER regress_seqgen OPTIONS (ADD options '-c statement_timeout=0');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen OPTIONS (host 'a');
\set VERBOSITY terse
ALTER SERVER regress_seqgen OPTIONS (ADD client_encoding 'LATIN1');
ALTER SERVER regress_seqgen OPTIONS (ADD service 'ids');
ALTER SERVER regress_seqgen OPTIONS (ADD password 'secret');
ALTER SERVER regress_seqgen OPTIONS (ADD "Host" 'a');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen OPTIONS (password_required 'false');
\set VERBOSITY default
ALTER FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (ADD host 'a');
CREATE FOREIGN TABLE regress_seqgen_table () SERVER regress_seqgen OPTIONS (host 'a');

-- values that make no sense
\set VERBOSITY terse
ALTER SERVER regress_seqgen OPTIONS (ADD port '0');
ALTER SERVER regress_seqgen OPTIONS (ADD port '65536');
ALTER SERVER regress_seqgen OPTIONS (ADD port '5432, 5433');
ALTER SERVER regress_seqgen OPTIONS (ADD port '-1');
ALTER SERVER regress_seqgen OPTIONS (ADD connect_timeout '0');
ALTER SERVER regress_seqgen OPTIONS (ADD connect_timeout '601');
ALTER SERVER regress_seqgen OPTIONS (ADD connect_timeout '');
ALTER SERVER regress_seqgen OPTIONS (ADD tcp_user_timeout '2147483648');
ALTER SERVER regress_seqgen OPTIONS (ADD tcp_user_timeout '99999999999999999999');
ALTER SERVER regress_seqgen OPTIONS (ADD keepalives_idle '1min');
ALTER SERVER regress_seqgen OPTIONS (ADD keepalives '2');
ALTER SERVER regress_seqgen OPTIONS (ADD keepalives '');
ALTER SERVER regress_seqgen OPTIONS (ADD sslmode 'allow prefer');
ALTER SERVER regress_seqgen OPTIONS (ADD ssl_min_protocol_version 'SSLv3');
-- a standby grants nothing
ALTER SERVER regress_seqgen OPTIONS (ADD target_session_attrs 'prefer-standby');
\set VERBOSITY default
ALTER SERVER regress_seqgen OPTIONS (ADD port 'five');
ALTER SERVER regress_seqgen OPTIONS (ADD connect_timeout '5s');
ALTER SERVER regress_seqgen OPTIONS (ADD keepalives_count '-1');
ALTER SERVER regress_seqgen OPTIONS (ADD sslmode 'verify');

-- lists that do not match
ALTER SERVER regress_seqgen OPTIONS (ADD host 'a,b', ADD hostaddr '192.0.2.1');
ALTER SERVER regress_seqgen OPTIONS (ADD host 'a,b', ADD port '1,2,3');
ALTER SERVER regress_seqgen OPTIONS (ADD hostaddr '192.0.2.1', ADD port '1,2');
ALTER SERVER regress_seqgen OPTIONS (ADD host 'a,b', ADD port '5432');
ALTER SERVER regress_seqgen OPTIONS (SET port ',5433');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'regress_seqgen';

-- nobody else may define a coordinator, or change it
CREATE ROLE regress_seqgen_user;
SET ROLE regress_seqgen_user;
CREATE SERVER regress_seqgen_other FOREIGN DATA WRAPPER seqgen_coordinator;
ALTER SERVER regress_seqgen OPTIONS (SET host 'c,d');
CREATE USER MAPPING FOR CURRENT_USER SERVER regress_seqgen;
DROP SERVER regress_seqgen;
RESET ROLE;

-- who is let, without naming a file that the server would read for him
GRANT USAGE ON FOREIGN DATA WRAPPER seqgen_coordinator TO regress_seqgen_user;
SET ROLE regress_seqgen_user;
CREATE SERVER regress_seqgen_other FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host 'a', sslkey 'server.key');
CREATE SERVER regress_seqgen_other FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host 'a');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen_other OPTIONS (user 'node', passfile '.pgpass');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen_other OPTIONS (user 'node', sslcert 'server.crt');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen_other OPTIONS (user 'node', password 'secret');
DROP SERVER regress_seqgen_other CASCADE;
RESET ROLE;
REVOKE USAGE ON FOREIGN DATA WRAPPER seqgen_coordinator FROM regress_seqgen_user;
DROP ROLE regress_seqgen_user;
DROP SERVER regress_seqgen;

-- each option may be sound, and all of them too much
SET client_min_messages = warning;
DO $$
BEGIN
	EXECUTE format('CREATE SERVER regress_seqgen FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host %L)', repeat('h', 9000));
	CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen;
	PERFORM range_create('co_long', 10);
	PERFORM range_nextval('co_long');
END $$;
RESET client_min_messages;

-- what is done on the coordinator, done on a node; not what is its own
SET client_min_messages = warning;
CREATE SERVER regress_seqgen FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS (host '/nowhere');
CREATE USER MAPPING FOR PUBLIC SERVER regress_seqgen;
RESET client_min_messages;
SELECT range_create('co_range', 10);
SELECT range_alter('co_range', 20);
SELECT range_alloc('co_range', 1);
SELECT range_reserve('co_range', '[5,6)');
SELECT range_release('co_range', '[5,6)');
SELECT range_reclaim('00000000-0000-0000-0000-000000000001', 1, 'co_range', true);
SELECT status, message FROM seqgen.range_request('co_range', '00000000-0000-0000-0000-000000000001', 1, 10,
	'00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', '1/1/2/3:4/b', 0, 0, 0, NULL);
BEGIN;
SELECT range_create('co_new', 10);
SELECT range_nextval('co_new');
ROLLBACK;

-- nor is the ledger of a range that had a coordinator one again without it
DROP SERVER regress_seqgen CASCADE;
INSERT INTO seqgen.range_source
VALUES ('co_range'::regclass, '00000000-0000-0000-0000-000000000001', 1, 1, 11, NULL);
SELECT range_alloc('co_range', 1);
SELECT seqgen.range_restart('co_range');
SELECT status, message FROM seqgen.range_request('co_range', '00000000-0000-0000-0000-000000000001', 1, 10,
	'00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', '1/1/2/3:4/b', 0, 0, 0, NULL);
DROP SEQUENCE co_range;
