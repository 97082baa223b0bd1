# Property: a fast-path call, which does not tell the types of its arguments,
# gives the same result as SQL, and harms nobody whatever it passes.

use strict;
use warnings;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'seqgen'
seqgen.node_id = 1
CONF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION seqgen; CREATE ROLE joe LOGIN');
$node->safe_psql('postgres', "SELECT snowflake_create('g', 'twitter')");

# Read one message of the frontend/backend protocol: its type and its body.
sub message
{
	my ($socket) = @_;
	my ($header, $body) = ('', '');

	return unless read($socket, $header, 5) == 5;
	my ($type, $length) = unpack('a N', $header);
	read($socket, $body, $length - 4) if $length > 4;
	return ($type, $body);
}

# Log in over the socket, without a client library.
sub login
{
	my ($user) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
	my $startup = pack('N Z* Z* Z* Z* x', 196608, 'user', $user, 'database', 'postgres');

	$socket->autoflush(1);
	print $socket pack('N', length($startup) + 4) . $startup;
	while (my ($type, $body) = message($socket))
	{
		die "login refused: $body" if $type eq 'E';
		return $socket if $type eq 'Z';
	}
	die 'the server closed the connection';
}

# Call a function with binary arguments; returns its binary result, or the
# SQLSTATE of its error.
sub fastpath
{
	my ($socket, $oid, @args) = @_;
	my $call = pack('N n n n', $oid, 1, 1, scalar @args)
	  . join('', map { pack('N', length $_) . $_ } @args)
	  . pack('n', 1);
	my $result;

	print $socket 'F' . pack('N', length($call) + 4) . $call;
	while (my ($type, $body) = message($socket))
	{
		$result = substr($body, 4) if $type eq 'V';
		($result) = $body =~ /\0C(\w{5})\0/ if $type eq 'E';
		return $result if $type eq 'Z';
	}
	return 'connection lost';
}

sub oid
{
	my ($function) = @_;
	return $node->safe_psql('postgres', "SELECT '$function'::regprocedure::oid");
}

my $joe = login('joe');
my $id = 1541815603606036480;
my $g = $node->safe_psql('postgres', "SELECT 'g'::regclass::oid");

foreach my $field ('node', 'sequence')
{
	my $expected = $node->safe_psql('postgres', "SELECT snowflake_$field($id, 'twitter')");

	is(unpack('N', fastpath($joe, oid("snowflake_$field(bigint,regclass)"), pack('q>', $id), pack('N', $g))),
		$expected, "$field by generator");
	is(unpack('N', fastpath($joe, oid("snowflake_$field(bigint,text)"), pack('q>', $id), 'twitter')),
		$expected, "$field by layout");
}

# numbers that would be addresses if they were taken for a text
foreach my $number (1, 0x4001, 0x7fffffff)
{
	is(fastpath($joe, oid('snowflake_timestamp(bigint,regclass)'), pack('q>', $id), pack('N', $number)),
		'42P01', "a relation with OID $number does not exist");
}
is(fastpath($joe, oid('snowflake_nextval(regclass)'), pack('N', $g)), '42501', 'privileges are checked');
is(unpack('q>', fastpath($joe, oid('snowflake_nextval()'))) > 0, 1, 'and the default generator draws');

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is there');
$node->stop;
done_testing();
