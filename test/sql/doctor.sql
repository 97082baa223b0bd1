--
-- The doctor: each check has a verdict, and says what is wrong when it is.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS seqgen;
RESET client_min_messages;
SET timezone = 'UTC';

-- what depends on the machine is left out: clock, fsync, full_page_writes
SELECT check_name, verdict, detail, hint FROM seqgen.doctor();
