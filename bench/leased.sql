-- A database whose generator's ceiling no benchmark reaches.

CREATE EXTENSION seqgen;
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
	VALUES ('fast', '2025-01-01 00:00:00+00', 1000, 37, 10, 16);
SELECT snowflake_create('fast', 'fast');
