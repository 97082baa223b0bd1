# A stand-in for the extension citus: a row of pg_extension, and the two tables
# that tell a database its place in a cluster, in the shape that Citus gives them.

package CitusTest;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(citus_install citus_group citus_window);

# Install it in a database, without any node.
sub citus_install
{
	my ($node, $database, $group) = @_;

	$node->safe_psql($database, <<"SQL");
SET allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
	SELECT 16000, 'citus', 10, oid, false, '13.2-1' FROM pg_namespace WHERE nspname = 'pg_catalog';
CREATE TYPE pg_catalog.noderole AS ENUM ('primary', 'secondary', 'unavailable');
CREATE TABLE pg_catalog.pg_dist_local_group (groupid int NOT NULL PRIMARY KEY);
CREATE TABLE pg_catalog.pg_dist_node (
	nodeid int NOT NULL PRIMARY KEY,
	groupid int NOT NULL,
	nodename text NOT NULL,
	nodeport int NOT NULL DEFAULT 5432,
	noderack text NOT NULL DEFAULT 'default',
	hasmetadata bool NOT NULL DEFAULT false,
	isactive bool NOT NULL DEFAULT true,
	noderole pg_catalog.noderole NOT NULL DEFAULT 'primary',
	nodecluster name NOT NULL DEFAULT 'default',
	metadatasynced bool NOT NULL DEFAULT false,
	shouldhaveshards bool NOT NULL DEFAULT true,
	UNIQUE (nodename, nodeport));
GRANT SELECT ON pg_catalog.pg_dist_local_group TO PUBLIC;
GRANT SELECT ON pg_catalog.pg_dist_node TO PUBLIC;
INSERT INTO pg_catalog.pg_dist_local_group VALUES (0);
SQL
	citus_group($node, $database, $group) if defined $group;
	return;
}

# Put a database into a cluster, or into another group.
sub citus_group
{
	my ($node, $database, $group) = @_;

	$node->safe_psql($database, <<"SQL");
SET allow_system_table_mods = on;
UPDATE pg_catalog.pg_dist_local_group SET groupid = $group;
INSERT INTO pg_catalog.pg_dist_node (nodeid, groupid, nodename) VALUES (1, 1, 'elsewhere')
	ON CONFLICT DO NOTHING;
SQL
	return;
}

# The statement by which Citus gives a sequence the window of a worker's group.
sub citus_window
{
	my ($sequence, $group) = @_;
	my $start = ($group << 48) + 1;
	my $end = $start + (1 << 48);

	return "ALTER SEQUENCE $sequence START $start MINVALUE $start MAXVALUE $end RESTART $start";
}

1;
