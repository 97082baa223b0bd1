-- A coordinator. Where the largest block equals the smallest, nothing adapts.

CREATE EXTENSION seqgen;
SELECT range_create('blocks_10', block_size => 10, max_block_size => 10);
SELECT range_create('blocks_1000', block_size => 1000, max_block_size => 1000);
SELECT range_create('adaptive');
SELECT range_create('blocks_90000', block_size => 90000, max_block_size => 90000);
CREATE ROLE node LOGIN;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO node;
