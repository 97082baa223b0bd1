# Property: whatever a coordinator answers, its node gives out no value of a
# wrong answer, stops the generator over it durably and says why, does not ask
# again until a DBA says so, and neither fails nor grows over what it is sent.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use SeqgenTest;

# Reports would be answers of the hostile kind too, so there are none.
my $node = seqgen_cluster('node', conf => <<'CONF');
seqgen.range_report_interval = '1h'
max_worker_processes = 24
CONF
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
plan skip_all => 'needs a database in UTF8'
  if $node->safe_psql('postgres', 'SHOW server_encoding') ne 'UTF8';

# What is drawn from, or asked of, a generator of the node as one line: the
# value, or SQLSTATE, message and detail.
my $attempt = <<'SQL';
CREATE FUNCTION attempt(generator text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	RETURN range_nextval(generator::regclass);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s; %s', SQLSTATE, message, detail);
END
$$;
SQL

#
# The hostile coordinators: one that speaks SQL, in a database of its own, and
# one that speaks the protocol, see below.
#

my $fake = PostgreSQL::Test::Cluster->new('fake');
$fake->init;
$fake->append_conf('postgresql.conf', 'autovacuum = off');
my $hba = slurp_file($fake->data_dir . '/pg_hba.conf');
unlink $fake->data_dir . '/pg_hba.conf';
append_to_file($fake->data_dir . '/pg_hba.conf', "local all keeper scram-sha-256\n$hba");
$fake->start;

my $signature = 'generator text, incarnation uuid, request bigint, size bigint, node uuid, running uuid,'
  . ' identity text, highest bigint, known_epoch bigint, known_ledger bigint, saved bigint';
my $columns = 'OUT status text, OUT lo bigint, OUT hi bigint, OUT epoch bigint, OUT ledger bigint,'
  . ' OUT ledger_id uuid, OUT message text';
my $ledger_id = '00000000-0000-4000-8000-000000000001';

# It counts requests in sequences, which no error takes back.  What a generator
# has no row in hostile for is answered honestly, with blocks from 1001 on.
my $honest = <<"SQL";
CREATE FUNCTION seqgen.range_request($signature, $columns)
	RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER AS \$\$
#variable_conflict use_column
DECLARE
	name text := split_part(\$1, '.', 2);
	answer text;
	number bigint;
BEGIN
	IF \$4 > 0 THEN
		PERFORM nextval(format('seqgen.%I', name));
	END IF;
	SELECT h.answer INTO answer FROM seqgen.hostile h WHERE h.generator = name AND h.active;
	IF answer IS NOT NULL THEN
		RETURN QUERY EXECUTE answer USING \$8 + 1, \$9, \$10, \$4;
		RETURN;
	END IF;
	IF \$4 > 0 AND NOT EXISTS (SELECT FROM seqgen.granted WHERE incarnation = \$2 AND request = \$3 AND generator = \$1) THEN
		number := nextval('seqgen.block_number');
		INSERT INTO seqgen.granted VALUES (\$1, \$2, \$3, 991 + 10 * number, 1001 + 10 * number);
	END IF;
	RETURN QUERY SELECT CASE WHEN \$4 > 0 THEN 'granted' ELSE 'confirmed' END, g.lo, g.hi, 5::bigint,
						greatest(\$10, 100), '$ledger_id'::uuid, NULL::text
				   FROM seqgen.granted g WHERE g.generator = \$1 AND g.incarnation = \$2 AND g.request = \$3;
	IF NOT FOUND THEN
		RETURN QUERY SELECT 'confirmed', NULL::bigint, NULL::bigint, 5::bigint, 100::bigint,
							'$ledger_id'::uuid, NULL::text;
	END IF;
END
\$\$;
SQL

$fake->safe_psql('postgres', <<"SQL");
CREATE ROLE node LOGIN;
CREATE ROLE keeper LOGIN PASSWORD 'secret';
CREATE SCHEMA seqgen;
GRANT USAGE ON SCHEMA seqgen TO PUBLIC;
CREATE SEQUENCE seqgen.block_number;
CREATE TABLE seqgen.hostile (generator text PRIMARY KEY, answer text, active boolean NOT NULL);
CREATE TABLE seqgen.granted (generator text, incarnation uuid, request bigint, lo bigint, hi bigint,
							 PRIMARY KEY (generator, incarnation, request));
CREATE FUNCTION seqgen.fail(message text, state text, detail text DEFAULT '', hint text DEFAULT '')
	RETURNS bigint LANGUAGE plpgsql AS \$\$
BEGIN
	RAISE EXCEPTION USING MESSAGE = message, ERRCODE = state, DETAIL = detail, HINT = hint;
END
\$\$;
CREATE FUNCTION seqgen.warn(count integer, message text) RETURNS bigint LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM set_config('client_min_messages', 'debug5', true);
	FOR i IN 1..count LOOP
		RAISE WARNING '%', message;
		RAISE NOTICE '%', message;
		RAISE DEBUG '%', message;
	END LOOP;
	RETURN count;
END
\$\$;
SQL

$fake->safe_psql('postgres', 'CREATE DATABASE sleepy TEMPLATE postgres');

# Prepare a database of the node for draws, from a coordinator if one is given.
my $server_number = 0;

sub name_coordinator
{
	my ($database, $server, $mapping) = @_;
	my $name = 'coordinator_' . ++$server_number;

	$node->safe_psql($database, <<"SQL");
CREATE SERVER $name FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ($server);
CREATE USER MAPPING FOR PUBLIC SERVER $name OPTIONS ($mapping);
SQL
	return $name;
}

# A range of which every block has ten values.
sub create_ranges
{
	my ($database, @names) = @_;

	$node->safe_psql($database,
		join ';', map { "SELECT range_create('$_', 10, 1, 1000000, max_block_size => 10)" } @names);
	return;
}

sub state_of
{
	my ($database, $generator) = @_;
	return $node->safe_psql($database,
		"SELECT state FROM seqgen.range_block WHERE generator = '$generator'::regclass");
}

sub message_of
{
	my ($database, $generator) = @_;
	return $node->safe_psql($database,
		"SELECT message FROM seqgen.range_block WHERE generator = '$generator'::regclass");
}

# How often this generator asked for a block.
sub requests
{
	my ($generator) = @_;
	return $fake->safe_psql('postgres',
		"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM seqgen.\"$generator\"");
}

$node->safe_psql('postgres', $attempt);
$node->safe_psql('postgres', "CREATE DATABASE $_ TEMPLATE postgres")
  foreach ('wire', 'silent', 'drip', 'sleepy', 'self', 'far', 'near', 'keeper');

my $address = sprintf "host '%s', port '%s'", $fake->host, $fake->port;
name_coordinator('postgres', "$address, dbname 'postgres'", "user 'node'");

#
# A server that speaks the protocol: a generator w_CASE is answered as the case
# says, without any of a server's own checks.
#

my %types = (text => 25, int8 => 20, uuid => 2950, int4 => 23);
my @answer_columns = (
	[ 'status', 'text' ], [ 'lo', 'int8' ], [ 'hi', 'int8' ], [ 'epoch', 'int8' ],
	[ 'ledger', 'int8' ], [ 'ledger_id', 'uuid' ], [ 'message', 'text' ]);
my @good = ('granted', '2001', '2011', '5', '100', $ledger_id, undef);

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', length($body) + 4) . $body;
}

sub description
{
	my ($format, @columns) = @_;
	return message('T',
		pack('n', scalar @columns) . join '',
		map { pack 'Z* N n N n N n', $_->[0], 0, 0, $types{ $_->[1] }, 0xffff, 0xffffffff, $format } @columns);
}

sub row
{
	my (@values) = @_;
	return message('D',
		pack('n', scalar @values) . join '',
		map { defined $_ ? pack('N', length $_) . $_ : pack 'N', 0xffffffff } @values);
}

# The good row but for these fields.
sub row_with
{
	my (%fields) = @_;
	return row(map { exists $fields{ $answer_columns[$_][0] } ? $fields{ $answer_columns[$_][0] } : $good[$_] }
		  0 .. $#good);
}

sub report
{
	my ($type, %fields) = @_;
	return message($type, join('', map { $_ . $fields{$_} . "\0" } sort keys %fields) . "\0");
}

my $parsed = message('1', '') . message('2', '');
my $described = $parsed . description(0, @answer_columns);
my $complete = message('C', "SELECT 1\0");
my $ready = message('Z', 'I');
my $warning = report('N', S => 'WARNUNG', V => 'WARNING', C => '01000', M => 'no standby');
my $notice = report('N', S => 'NOTICE', V => 'NOTICE', C => '00000', M => 'x' x 200);
my $broken = "\xff\xfe \xc3\x28 \xf0\x9f\x98 \x01\e[31m%s%n'\"\\ \xe2\x82\xac";

# what is sent, what becomes of the generator, and what it then says
my %wire = (
	# a wrong answer
	binary => [ $parsed . description(1, @answer_columns) . row(@good) . $complete . $ready, 'stopped', qr/columns/ ],
	six => [ $parsed . description(0, @answer_columns[ 0 .. 5 ]) . row(@good[ 0 .. 5 ]) . $complete . $ready, 'stopped', qr/columns/ ],
	narrow => [ $parsed . description(0, $answer_columns[0], [ 'lo', 'int4' ], @answer_columns[ 2 .. 6 ]) . row(@good) . $complete . $ready, 'stopped', qr/columns/ ],
	zero_byte => [ $described . row_with(hi => "20\00011") . $complete . $ready, 'stopped', qr/columns|number/ ],
	blank => [ $described . row_with(lo => ' 2001') . $complete . $ready, 'stopped', qr/number/ ],
	plus => [ $described . row_with(lo => '+2001') . $complete . $ready, 'stopped', qr/number/ ],
	no_digits => [ $described . row_with(lo => '') . $complete . $ready, 'stopped', qr/number/ ],
	fraction => [ $described . row_with(lo => '2001.5') . $complete . $ready, 'stopped', qr/number/ ],
	too_large => [ $described . row_with(hi => '9223372036854775808') . $complete . $ready, 'stopped', qr/number/ ],
	wrapped => [ $described . row_with(hi => '18446744073709551627') . $complete . $ready, 'stopped', qr/number/ ],
	digits => [ $described . row_with(hi => '9' x 1000) . $complete . $ready, 'stopped', qr/number/ ],
	bad_epoch => [ $described . row_with(epoch => 'five') . $complete . $ready, 'stopped', qr/epoch/ ],
	bad_uuid => [ $described . row_with(ledger_id => 'x' x 36) . $complete . $ready, 'stopped', qr/ledger/ ],
	long_status => [ $described . row_with(status => 'granted' x 100) . $complete . $ready, 'stopped', qr/status/ ],
	two_rows => [ $described . row(@good) . row(@good) . $complete . $ready, 'stopped', qr/more than one row/ ],
	two_results => [ $described . row(@good) . $complete . $described . row(@good) . $complete . $ready, 'stopped', qr/./ ],
	no_result => [ $parsed . $complete . $ready, 'stopped', qr/./ ],
	empty_query => [ $parsed . message('I', '') . $ready, 'stopped', qr/./ ],
	copy_in => [ $parsed . message('G', "\0\0\0") . $ready, 'stopped', qr/./ ],
	copy_out => [ $parsed . message('H', "\0\0\0") . $ready, 'stopped', qr/./ ],
	open => [ $described . row(@good) . $complete . message('Z', 'T'), 'stopped', qr/transaction open/ ],
	refused => [ $described . row_with(status => 'refused', message => "no \xff way\nout\r") . $complete . $ready, 'stopped', qr/refused: no \? way out $/ ],
	rows_forever => [ [ $described, row_with(message => 'x' x 1000) ], 'stopped', qr/more than one row/ ],
	notices_forever => [ [ '', $notice ], 'stopped', qr/too long/ ],
	parameters_forever => [ [ '', message('S', "application_name\0" . 'x' x 200 . "\0") ], 'stopped', qr/too long/ ],

	# no answer
	error => [ report('E', S => 'ERROR', V => 'ERROR', C => '22023', M => $broken, D => $broken) . $ready, 'waiting', qr/(^|: )\?\? \?\( \?+ +\?? ?\[31m%s%n'"\\ \x{20ac}$/ ],
	error_long => [ report('E', S => 'ERROR', V => 'ERROR', C => '22023', M => "\xe2\x82\xac" x 300_000) . $ready, 'waiting', qr/(^|: )\x{20ac}+$/ ],
	error_codeless => [ report('E', S => 'ERROR', V => 'ERROR', M => 'no code') . $ready, 'waiting', qr/no code/ ],
	error_code => [ report('E', S => 'ERROR', V => 'ERROR', C => "2\n\e\xff3", M => 'odd code') . $ready, 'waiting', qr/odd code/ ],
	error_empty => [ message('E', "\0") . $ready, 'waiting', qr// ],
	fatal => [ report('E', S => 'FATAL', V => 'FATAL', C => '57P01', M => "going\ndown"), 'waiting', qr/going/ ],
	garbage => [ "\xde\xad\xbe\xef" x 1000, 'waiting', qr/./ ],
	row_and_error => [ $described . row(@good) . $complete . report('E', S => 'ERROR', V => 'ERROR', C => '40001', M => 'commit failed') . $ready, 'waiting', qr/commit failed/ ],
	row_and_end => [ $described . row(@good) . $complete, 'waiting', qr/./ ],
	row_and_warning => [ $described . row(@good) . $complete . $warning . $ready, 'waiting', qr/standby/ ],
	hold => [ $described . row_with(status => 'hold', message => $broken) . $complete . $ready, 'waiting', qr/%s%n'"\\ \x{20ac}$/ ],
);
# never comes to an end; these take the worker's whole patience
my %slow = (
	silent => [ '', qr/did not answer/ ],
	drip => [ undef, qr/did not answer/ ]);

my $requests_file = PostgreSQL::Test::Utils::tempdir() . '/requests';
my $wire_port = PostgreSQL::Test::Cluster::get_free_port();
my $wire_path = $node->host . "/.s.PGSQL.$wire_port";
my $wire_pid;

sub read_exactly
{
	my ($socket, $length) = @_;
	my $data = '';

	while (length $data < $length)
	{
		sysread($socket, $data, $length - length $data, length $data) or die 'end';
	}
	return $data;
}

# The first parameter of a Bind message.
sub first_parameter
{
	my ($body) = @_;
	my ($portal, $statement, $count) = unpack 'Z* Z* n', $body;
	my $at = length($portal) + length($statement) + 2 + 2 + 2 * $count + 2;

	return substr $body, $at + 4, unpack('N', substr $body, $at, 4);
}

sub answer_wire
{
	my ($socket, $generator) = @_;
	(my $case = $generator) =~ s/.*\bw_//;
	open my $file, '>>', $requests_file or die;
	syswrite $file, "$case\n";
	close $file;

	my $answer = ($wire{$case} // $slow{$case})->[0];
	if (!defined $answer)
	{
		# a byte now and then, which is a notice in the end
		foreach my $byte (split //, $notice x 100)
		{
			syswrite $socket, $byte or die 'end';
			usleep(20_000);
		}
	}
	elsif (ref $answer)
	{
		syswrite $socket, $parsed . $answer->[0] or die 'end';
		my $many = $answer->[1] x 20;
		while (1)
		{
			my $sent = 0;
			while ($sent < length $many)
			{
				$sent += syswrite($socket, $many, length($many) - $sent, $sent) // die 'end';
			}
		}
	}
	else
	{
		syswrite $socket, $answer or die 'end' if length $answer;
		die 'end' if $case eq 'fatal' or $case eq 'row_and_end';
	}
	return;
}

sub serve_wire
{
	my ($socket) = @_;
	my $generator = '';

	while (1)
	{
		my $length = unpack 'N', read_exactly($socket, 4);
		my $code = unpack 'N', read_exactly($socket, $length - 4);
		last if $code < 80_000_000;
		syswrite $socket, 'N';
	}
	syswrite $socket,
	  message('R', pack 'N', 0)
	  . join('',
		map { message('S', $_ . "\0") }
		  "server_version\00015.0", "client_encoding\0UTF8", "in_hot_standby\0off",
		"default_transaction_read_only\0off")
	  . message('K', pack 'N N', 1, 2)
	  . $ready;
	while (1)
	{
		my $type = read_exactly($socket, 1);
		my $body = read_exactly($socket, unpack('N', read_exactly($socket, 4)) - 4);

		die 'end' if $type eq 'X';
		$generator = first_parameter($body) if $type eq 'B';
		answer_wire($socket, $generator) if $type eq 'S';
	}
	return;
}

sub start_wire
{
	my $listener = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $wire_path, Listen => 10)
	  or die "could not listen: $!";

	append_to_file($requests_file, '');
	$wire_pid = fork // die "could not fork: $!";
	if ($wire_pid == 0)
	{
		setpgrp;
		local $SIG{PIPE} = 'IGNORE';
		local $SIG{CHLD} = 'IGNORE';
		while (my $socket = $listener->accept)
		{
			my $child = fork;
			next if $child;
			eval { serve_wire($socket) };
			print STDERR $@ if $@ !~ /^end/;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	close $listener;
	return;
}

END
{
	my $status = $?;
	if ($wire_pid)
	{
		kill 'TERM', -$wire_pid;
		waitpid $wire_pid, 0;
		unlink $wire_path;
	}
	$? = $status;
}

sub wire_requests
{
	my ($case) = @_;
	return scalar grep { $_ eq $case } split /\n/, slurp_file($requests_file);
}

start_wire();
my $wire_address = sprintf "host '%s', port '%d', dbname 'w'", $node->host, $wire_port;

#
# Answers of another shape
#

my $good_row = "'granted'::text, 2001::bigint, 2011::bigint, 5::bigint, 100::bigint, '$ledger_id'::uuid, NULL::text";
(my $text_row = $good_row) =~ s/2001::bigint/'2001'::text/;
(my $int4_row = $good_row) =~ s/2001::bigint/2001::int/;
(my $float_row = $good_row) =~ s/2001::bigint/'NaN'::float8/;
(my $numeric_row = $good_row) =~ s/2011::bigint/9223372036854775808/;
(my $text_id_row = $good_row) =~ s/uuid/text/;
(my $null_row = $good_row) =~ s/[^,]+::/NULL::/g;
my %shapes = (
	text_bound => [ 'text, text, bigint, bigint, bigint, uuid, text', $text_row, qr/columns/ ],
	int4_bound => [ 'text, int, bigint, bigint, bigint, uuid, text', $int4_row, qr/columns/ ],
	float_bound => [ 'text, float8, bigint, bigint, bigint, uuid, text', $float_row, qr/columns/ ],
	numeric_bound => [ 'text, bigint, numeric, bigint, bigint, uuid, text', $numeric_row, qr/columns/ ],
	text_id => [ 'text, bigint, bigint, bigint, bigint, text, text', $text_id_row, qr/columns/ ],
	missing => [ 'text, bigint, bigint, bigint, bigint, uuid', $good_row =~ s/, NULL::text//r, qr/columns/ ],
	additional => [ 'text, bigint, bigint, bigint, bigint, uuid, text, int', "$good_row, 1", qr/columns/ ],
	interval => [ 'int8range', "'[2001,2011)'::int8range", qr/columns/ ],
	no_row => [ 'text, bigint, bigint, bigint, bigint, uuid, text', "$good_row WHERE false", qr/no row/ ],
	two_rows => [ 'text, bigint, bigint, bigint, bigint, uuid, text', "$good_row FROM generate_series(1, 2)", qr/more than one row/ ],
	many_rows => [ 'text, bigint, bigint, bigint, bigint, uuid, text', "$good_row FROM generate_series(1, 10000)", qr/more than one row/ ],
	null_row => [ 'text, bigint, bigint, bigint, bigint, uuid, text', $null_row, qr/status/ ],
);
create_ranges('postgres', map { "shape_$_" } sort keys %shapes);
foreach my $shape (sort keys %shapes)
{
	my ($types, $row, $message) = @{ $shapes{$shape} };
	my $number = 0;
	my $table = join ', ', map { 'c' . ++$number . " $_" } split /, /, $types;

	$fake->safe_psql('postgres', <<"SQL");
DROP FUNCTION IF EXISTS seqgen.range_request;
CREATE SEQUENCE seqgen.shape_$shape;
CREATE FUNCTION seqgen.range_request($signature) RETURNS TABLE ($table) LANGUAGE plpgsql SECURITY DEFINER AS \$\$
BEGIN
	PERFORM nextval('seqgen.shape_$shape');
	RETURN QUERY SELECT $row;
END
\$\$;
SQL
	like($node->safe_psql('postgres', "SELECT attempt('shape_$shape'), attempt('shape_$shape')"),
		qr/^(55000: generator "shape_$shape" is stopped; [^|]*)\|\1$/, "$shape: the generator is stopped");
	like(message_of('postgres', "shape_$shape"), $message, "$shape: and says why");
	is(requests("shape_$shape"), 1, "$shape: and has asked once");
}
$fake->safe_psql('postgres', "DROP FUNCTION seqgen.range_request; $honest");

#
# Answers whose contents are wrong
#

my $high = 'greatest($1, 2000)';
my $id = "'$ledger_id'";

# The answer of a coordinator that grants these bounds; $1 is the first value
# that the node has not seen yet, $2 its epoch, $3 its number of the ledger.
sub granted
{
	my ($lo, $hi, %other) = @_;
	return sprintf 'SELECT %s::text, (%s)::bigint, (%s)::bigint, (%s)::bigint, (%s)::bigint, (%s)::uuid, (%s)::text',
	  $other{status} // "'granted'", $lo, $hi, $other{epoch} // 'greatest($2, 5)', $other{ledger} // '$3 + 1',
	  $other{id} // $id, $other{message} // 'NULL';
}

sub raises
{
	my ($message, $state, $more) = @_;
	return granted("seqgen.fail($message, $state" . ($more // '') . ')', '0');
}

# what is answered, what becomes of the generator, and what it then says; those
# whose name begins with "first" are wrong from the first request on
my $megabyte = "repeat(U&'\\20AC', 350000)";
my %contents = (
	same_again => [ granted('$1 - 10', '$1'), 'stopped', qr/not above/ ],
	overlapping => [ granted('$1 - 5', '$1 + 5'), 'stopped', qr/not above/ ],
	overlapping_by_one => [ granted('$1 - 1', '$1 + 9'), 'stopped', qr/not above/ ],
	below => [ granted('$1 - 500', '$1 - 490'), 'stopped', qr/not above/ ],
	reversed => [ granted('$1 + 10', '$1'), 'stopped', qr/empty or reversed/ ],
	empty => [ granted('$1', '$1'), 'stopped', qr/empty or reversed/ ],
	negative => [ granted('-20', '-10'), 'stopped', qr/not inside/ ],
	zero => [ granted('0', '10'), 'stopped', qr/not inside/ ],
	above_maximum => [ granted('1000001', '1000011'), 'stopped', qr/not inside/ ],
	across_maximum => [ granted('999992', '1000002'), 'stopped', qr/not inside/ ],
	last_of_all => [ granted('9223372036854775806', '9223372036854775807'), 'stopped', qr/not inside/ ],
	all_numbers => [ granted("'-9223372036854775808'", '9223372036854775807'), 'stopped', qr/not inside/ ],
	half_of_all => [ granted("'-9223372036854775808'", '-9223372036854775798'), 'stopped', qr/not inside/ ],
	larger_by_one => [ granted('$1', '$1 + 11'), 'stopped', qr/larger than asked/ ],
	larger => [ granted('$1', '1000001'), 'stopped', qr/larger than asked/ ],
	null_lo => [ granted('NULL', '$1 + 10'), 'stopped', qr/block/ ],
	null_hi => [ granted('$1', 'NULL'), 'stopped', qr/block/ ],
	null_block => [ granted('NULL', 'NULL'), 'stopped', qr/block/ ],
	null_status => [ granted('$1', '$1 + 10', status => 'NULL'), 'stopped', qr/status/ ],
	null_epoch => [ granted('$1', '$1 + 10', epoch => 'NULL'), 'stopped', qr/ledger/ ],
	null_ledger => [ granted('$1', '$1 + 10', ledger => 'NULL'), 'stopped', qr/ledger/ ],
	null_id => [ granted('$1', '$1 + 10', id => 'NULL'), 'stopped', qr/ledger/ ],
	unknown_status => [ granted('$1', '$1 + 10', status => "'perhaps'"), 'stopped', qr/unknown kind/ ],
	other_status => [ granted('$1', '$1 + 10', status => "'confirmed'"), 'stopped', qr/unknown kind/ ],
	upper_status => [ granted('$1', '$1 + 10', status => "'GRANTED'"), 'stopped', qr/status/ ],
	blank_status => [ granted('$1', '$1 + 10', status => "'granted '"), 'stopped', qr/status/ ],
	empty_status => [ granted('$1', '$1 + 10', status => "''"), 'stopped', qr/status/ ],
	long_status => [ granted('$1', '$1 + 10', status => $megabyte), 'stopped', qr/status/ ],
	lower_epoch => [ granted('$1', '$1 + 10', epoch => '$2 - 1'), 'stopped', qr/epoch/ ],
	negative_epoch => [ granted('$1', '$1 + 10', epoch => '-1'), 'stopped', qr/epoch/ ],
	lower_ledger => [ granted('$1', '$1 + 10', ledger => '$3 - 1'), 'stopped', qr/ledger/ ],
	other_ledger => [ granted('$1', '$1 + 10', id => 'gen_random_uuid()'), 'stopped', qr/another ledger/ ],
	first_refused => [ granted('2001', '2011', status => "'refused'", message => "'go away'"), 'stopped', qr/refused: go away$/ ],
	first_refused_long => [ granted('2001', '2011', status => "'refused'", message => $megabyte), 'stopped', qr/refused: \x{20ac}+$/ ],
	flood_of_warnings => [ granted('$1', '$1 + seqgen.warn(20000, repeat($$x$$, 500)) * 0 + 10'), 'stopped', qr/too long/ ],
	kept_with_rest => [ granted('$1 - 10', '$1'), 'stopped', qr/not above/ ],
	kept_refused => [ granted('$1', '$1 + 10', status => "'refused'", message => "'go away'"), 'stopped', qr/refused: go away$/ ],
	first_reversed => [ granted('2010', '2000'), 'stopped', qr/empty or reversed/ ],
	first_larger => [ granted('2000', '2011'), 'stopped', qr/larger than asked/ ],
	first_zero => [ granted('0', '10'), 'stopped', qr/not inside/ ],
	first_above => [ granted('999999', '1000009'), 'stopped', qr/not inside/ ],

	# no answer: it is asked for again, with the same key
	warning => [ granted('$1', '$1 + seqgen.warn(1, $$no standby$$) * 0 + 10'), 'waiting', qr/standby/ ],
	hold => [ granted('$1', '$1 + 10', status => "'hold'", message => "'held back'"), 'waiting', qr/held back$/ ],
	wait => [ granted('$1', '$1 + 10', status => "'wait'", message => "'later'"), 'waiting', qr/later$/ ],
	error => [ raises("'out of order'", "'22023'"), 'waiting', qr/(^|: )out of order$/ ],
	error_odd => [ raises(q(E'a\nb\tc\r\x01\x1b[31m \x7f %s%n%d $1 \' \\\\ "' || U&'\\20AC\\202E\\+01F600'), "'P0001'"),
		'waiting', qr/(^|: )a b c.+\[31m +%s%n%d \$1 ' \\ "\x{20ac}/ ],
	error_empty => [ raises("''", "'P0001'"), 'waiting', qr// ],
	error_state => [ raises("'odd state'", "'ZZZZZ'"), 'waiting', qr/(^|: )odd state$/ ],
	error_limit => [ raises("'exhausted, it says'", "'2200H'"), 'waiting', qr/(^|: )exhausted, it says$/ ],
	map({ ("megabyte_$_" => [ raises($megabyte, "'P0001'", ", $megabyte, $megabyte"), 'waiting', qr/(^|: )\x{20ac}+$/ ]) } 1 .. 8),
);

# what is answered when a node comes back and asks whether its block is its own
my %checks = (
	check_next => granted('$1', '$1 + 10', status => "'confirmed'"),
	check_wider => granted('$1 - 10', '$1 + 10', status => "'confirmed'"),
	check_null => granted('NULL', 'NULL', status => "'confirmed'"),
	check_granted => granted('$1', '$1 + 10', status => q(CASE WHEN $4 = 0 THEN 'granted' ELSE 'wait' END)),
	check_malformed => granted('$1', '$1 + 10', status => 'NULL'));
my @checks = sort keys %checks;
my @cases = sort keys %contents;
my @stopped = grep { $contents{$_}[1] eq 'stopped' } @cases;
my @waiting = grep { $contents{$_}[1] eq 'waiting' } @cases;
my @megabytes = grep { /^megabyte/ } @cases;

$fake->safe_psql(
	'postgres',
	join ";\n",
	'CREATE SEQUENCE seqgen.control',
	map {
		sprintf q(CREATE SEQUENCE seqgen.%s; INSERT INTO seqgen.hostile VALUES ('%s', $answer$%s$answer$, %s)),
		  $_, $_, $checks{$_} // $contents{$_}[0], /^first/ ? 'true' : 'false'
	} @cases, @checks);
create_ranges('postgres', @cases, @checks, 'control');

my %drawn;	# by generator, in order

# Draw so often from each generator of a list, in one session; values are
# noted, and other answers returned by generator.
my $patience = '5s';

sub draw
{
	my ($count, @generators) = @_;
	my $list = join ', ', map { "'$_'" } @generators;
	my %other;

	foreach my $line (split /\n/, $node->safe_psql('postgres', <<"SQL"))
SET seqgen.range_timeout = '$patience';
SELECT g || '=' || attempt(g) FROM unnest(ARRAY[$list]) g, generate_series(1, $count) n;
SQL
	{
		my ($generator, $answer) = split /=/, $line, 2;
		if ($answer =~ /^\d+$/)
		{
			push @{ $drawn{$generator} }, $answer;
		}
		else
		{
			$other{$generator} = $answer;
		}
	}
	return \%other;
}

# The state and message of every generator, by name.
sub states
{
	my %states;

	foreach my $line (split /\n/,
		$node->safe_psql('postgres', q(SELECT generator || '=' || state || '=' || coalesce(message, '') FROM seqgen.range_block)))
	{
		my ($generator, $state, $message) = split /=/, $line, 3;
		utf8::decode($message);
		$states{$generator} = [ $state, $message ];
	}
	return \%states;
}

sub only
{
	my ($answers, $pattern) = @_;
	return join "\n", map { "$_: $answers->{$_}" } grep { $answers->{$_} !~ $pattern } sort keys %$answers;
}

sub requests_of_all
{
	my (@generators) = @_;
	return $fake->safe_psql('postgres', 'SELECT ' . join q( || ' ' || ), map {
		"'$_=' || (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM seqgen.$_)"
	} @generators);
}

# Three of ten values, then everything is hostile, and the rest.
my @later = grep { !/^first/ } @cases;
my @whole = grep { !/^kept/ } @later;
my @kept = grep { /^kept/ } @cases;
is(only(draw(3, @later), qr/^$/), '', 'honest answers are taken')
  or BAIL_OUT('the node gets no blocks at all');
is(only(draw(4, @checks), qr/^$/), '', 'or not even to that');
$fake->safe_psql('postgres', q(UPDATE seqgen.hostile SET active = generator !~ '^check'));
is(only(draw(7, @whole), qr/^$/), '', 'a block that is there is used up to its end');
is(only(draw(3, @kept), qr/^$/), '', 'or to its middle');
my $other = draw(1, grep { /^first/ } @cases);
is(scalar keys %$other, scalar(grep { /^first/ } @cases), 'a first block that is wrong is not used');

$node->poll_query_until('postgres', sprintf q(SELECT count(*) = %d FROM seqgen.range_block
	WHERE state IN ('stopped', 'waiting') AND generator::text !~ '^shape_'), scalar @cases);
my $states = states();
foreach my $case (@cases)
{
	my (undef, $state, $message) = @{ $contents{$case} };
	my ($got, $says) = @{ $states->{$case} // [ 'unknown', '' ] };

	is($got, $state, "$case: the generator is $state");
	like($says, $message, "$case: and says why");
	cmp_ok(do { use bytes; length $says }, '<=', 250, "$case: briefly");
	unlike($says, qr/[\x00-\x1f\x7f]/, "$case: in one line");
}
my $asked = requests_of_all(@stopped);
is($asked, join(' ', map { "$_=" . (/^first/ ? 1 : 2) } @stopped), 'each of them has asked once for what was wrong');

# whoever wants a value is told so
$other = draw(2, grep { !/^kept/ } @stopped);
is(only($other, qr/^55000: generator "\w+" is stopped; ./), '', 'a stopped generator gives out an error');
is(scalar keys %$other, @stopped - @kept, 'each of them');
$patience = '300ms';
$other = draw(1, @waiting);
$patience = '5s';
is(only($other, qr/^08006: generator "\w+" got no block within 300 ms; The background worker reports: |"error_empty"/),
	'', 'one that waits says what the worker saw last');
is(scalar keys %$other, scalar @waiting, 'each of them');
cmp_ok((sort { $b <=> $a } map { length $_ } values %$other)[0], '<', 700, 'in some hundred bytes');
is(only(draw(12, 'control'), qr/^$/), '', 'other generators are served meanwhile');
is(requests_of_all(@stopped), $asked, 'and the stopped ones have not asked again');
foreach my $case (@cases)
{
	my @values = @{ $drawn{$case} // [] };
	my $count = $case =~ /^first/ ? 0 : $case =~ /^kept/ ? 6 : 10;

	is("@values", join(' ', map { $values[0] + $_ } 0 .. $count - 1), "$case: no value but those of the honest block")
	  if $count > 0;
	is(scalar @values, $count, "$case: as many as that has");
}

#
# The worker keeps nothing of what it is sent
#

sub worker
{
	my ($database) = @_;
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'seqgen worker' AND datname = '$database'");
}

# in kB, without shared memory
sub memory_of
{
	my ($pid) = @_;
	return slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : undef;
}

sub megabytes_asked
{
	my $sum = 0;

	$sum += requests($_) foreach (@megabytes);
	return $sum;
}

# Wait until so many more errors of three megabytes have been sent.
sub receive_megabytes
{
	my ($count) = @_;
	my $sum = join ' + ', map { "(SELECT last_value FROM seqgen.$_)" } @megabytes;

	$fake->poll_query_until('postgres', sprintf 'SELECT %s >= %d', $sum, megabytes_asked() + $count)
	  or die 'no more requests';
	return;
}

SKIP:
{
	my $pid = worker('postgres');

	skip '/proc does not tell how much memory a process has', 3
	  if !-e "/proc/$pid/status" || !defined memory_of($pid);
	receive_megabytes(16);
	my $memory = memory_of($pid);
	my $log = -s $node->logfile;
	receive_megabytes(60);
	cmp_ok(memory_of($pid) - $memory, '<', 32 * 1024, 'the worker does not grow by 60 errors of three megabytes');
	cmp_ok((-s $node->logfile) - $log, '<', 200_000, 'nor does the log');
	is(worker('postgres'), $pid, 'and it is the same worker');
}

# the others go on by themselves once there is an answer
$fake->safe_psql('postgres', 'UPDATE seqgen.hostile SET active = false');
$node->poll_query_until('postgres', sprintf q(SELECT count(*) = %d FROM seqgen.range_block
	WHERE state = 'sound' AND next_block IS NOT NULL AND generator::text IN (%s)),
	scalar @waiting, join ', ', map { "'$_'" } @waiting)
  or diag('still waiting');
is(only(draw(10, @waiting), qr/^$/), '', 'after errors a generator goes on by itself');

#
# A restart is no answer to it
#

my %before = map { $_ => $states->{$_} } @stopped;
$fake->safe_psql('postgres', q(UPDATE seqgen.hostile SET active = generator ~ '^check'));
$node->restart;
draw(8, @checks);
$fake->safe_psql('postgres', q(UPDATE seqgen.hostile SET active = false));
$other = draw(1, grep { !/^kept/ } @stopped);
is(only($other, qr/^55000: generator "\w+" is stopped; ./), '', 'after a restart they are stopped still');
is(scalar keys %$other, @stopped - @kept, 'each of them');
$other = draw(5, @kept);
is(only($other, qr/^55000: generator "\w+" is stopped; ./), '', 'also those that had values left, once these are used up');
is(scalar keys %$other, scalar @kept, 'each of them');
is(only(draw(12, 'control'), qr/^$/), '', 'others go on after the restart');
$states = states();
is_deeply({ map { $_ => $states->{$_} } @stopped }, \%before, 'and it is said why, as before');
is(requests_of_all(@stopped), $asked, 'none of them has asked');

# nor is the end of the session, or that of all sessions
$fake->safe_psql('postgres',
	q(SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'seqgen worker'));
is(only(draw(12, 'control'), qr/^$/), '', 'others go on in another session');
$other = draw(1, @stopped);
is(only($other, qr/^55000: generator "\w+" is stopped; ./), '', 'they are stopped still');
is(requests_of_all(@stopped), $asked, 'and have not asked');

# until somebody says so
$node->safe_psql('postgres', join '; ', map { "SELECT seqgen.range_restart('$_')" } @stopped, @checks);
$node->poll_query_until('postgres', sprintf q(SELECT count(*) = 0 FROM seqgen.range_block WHERE state = 'stopped'
	AND generator::text IN (%s)), join ', ', map { "'$_'" } @stopped, @checks);
is(only(draw(10, @stopped, @checks), qr/^$/), '', 'seqgen.range_restart() takes them up again');
my @unsorted = grep { my $case = $_; my @v = @{ $drawn{$case} }; grep { $v[$_] <= $v[ $_ - 1 ] } 1 .. $#v } @cases, @checks;
is("@unsorted", '', 'values have only grown over all of this');
my %count;
$count{$_}++ foreach map { @{ $drawn{$_} } } @cases, @checks, 'control';
is(join(' ', grep { $count{$_} > 1 } sort keys %count), '', 'and none came twice, as no block was granted twice');
my %granted;
foreach my $line (split /\n/, $fake->safe_psql('postgres',
		q(SELECT split_part(generator, '.', 2), generate_series(lo, hi - 1) FROM seqgen.granted)))
{
	my ($generator, $value) = split /\|/, $line;
	$granted{$generator}{$value} = 1;
}
is(join(' ', grep { my $case = $_; grep { !$granted{$case}{$_} } @{ $drawn{$case} } } @cases, @checks, 'control'),
	'', 'and all are of blocks that were granted honestly');
is(join(' ', grep { scalar @{ $drawn{$_} } < (/^first/ ? 10 : /^kept/ ? 16 : 20) } @stopped), '', 'all have drawn on');
my @values = @{ $drawn{kept_with_rest} };
is("@values[0 .. 9]", join(' ', map { $values[0] + $_ } 0 .. 9), 'the rest of a sound block is used too');
@values = @{ $drawn{kept_refused} };
is("@values[0 .. 5]", join(' ', map { $values[0] + $_ } 0 .. 5), 'but who is refused');
cmp_ok($values[6], '>', $values[0] + 9, 'uses nothing any more of what was granted before');
is($node->safe_psql('postgres', sprintf q(SELECT count(*) FROM seqgen.range_in_doubt
	WHERE generator::text IN (%s) AND block IS NULL), join ', ', map { "'$_'" } @stopped),
	scalar @stopped, 'what was asked for and answered wrongly is in doubt');

# what takes long begins now, and is looked at in the end
foreach my $case (sort keys %slow)
{
	create_ranges($case, "w_$case");
	name_coordinator($case, $wire_address, "user 'node'");
	like($node->safe_psql($case, "SET seqgen.range_timeout = '300ms'; SELECT attempt('w_$case')"),
		qr/^08006: generator "w_$case" got no block within 300 ms;/,
		"$case: a session does not wait longer than it wants to");
}
$fake->safe_psql('sleepy', <<"SQL");
CREATE FUNCTION seqgen.range_request($signature, $columns)
	LANGUAGE sql AS 'SELECT ''granted''::text, 2001::bigint, 2011::bigint, 5::bigint, 100::bigint,
		''$ledger_id''::uuid, pg_sleep(3600)::text';
SQL
create_ranges('sleepy', 'dreams');
name_coordinator('sleepy', "$address, dbname 'sleepy'", "user 'node'");
like($node->safe_psql('sleepy', q(SET seqgen.range_timeout = '300ms'; SELECT attempt('dreams'))),
	qr/^08006: /, 'sleepy: a session does not wait longer than it wants to');

#
# Answers that no server gives
#

my @wire = sort keys %wire;
create_ranges('wire', map { "w_$_" } @wire);
name_coordinator('wire', $wire_address, "user 'node'");
foreach my $case (@wire)
{
	my (undef, $state, $message) = @{ $wire{$case} };
	my $name = "w_$case";
	my $answer = $node->safe_psql('wire', "SET seqgen.range_timeout = '400ms'; SELECT attempt('$name')");

	if ($state eq 'stopped')
	{
		like($answer, qr/^55000: generator "$name" is stopped; ./, "protocol, $case: the generator is stopped");
	}
	else
	{
		like($answer, qr/^08006: generator "$name" got no block within/, "protocol, $case: the generator waits");
		$node->poll_query_until('wire', "SELECT state = 'waiting' FROM seqgen.range_block WHERE generator = '$name'::regclass");
	}
	my $says = message_of('wire', $name);
	utf8::decode($says) or fail("protocol, $case: the message is valid in UTF8");
	like($says, $message, "protocol, $case: and says why");
	cmp_ok(do { use bytes; length $says }, '<=', 250, "protocol, $case: briefly");
	unlike($says, qr/[\x00-\x1f\x7f]/, "protocol, $case: in one line");

	# else it would go on asking, and what becomes of the session is told to all
	$node->safe_psql('wire', "DROP SEQUENCE $name") if $state eq 'waiting';
}
my @wire_stopped = grep { $wire{$_}[1] eq 'stopped' } @wire;
is($node->safe_psql('wire', q(SELECT count(*) FROM seqgen.range_block WHERE state = 'stopped')), scalar @wire_stopped,
	'whatever became of the session, they are stopped still');
is(wire_requests($_), 1, "protocol, $_: it has asked once") foreach (@wire_stopped);
is($node->safe_psql('wire', 'SELECT count(*) FROM seqgen.range_holding WHERE block IS NOT NULL'),
	'0', 'no block has come of it');

#
# Who may say where the coordinator is, and how the node gets in there
#

my $session = session($node, database => 'keeper');
$session->query_safe('CREATE ROLE steward');
$session->query_safe('SET ROLE steward');
fails($session, "CREATE SERVER mine FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ($address)",
	'42501', 'permission denied for foreign-data wrapper seqgen_coordinator', 'not everybody names a coordinator');
$session->query_safe('RESET ROLE');
$session->query_safe('GRANT USAGE ON FOREIGN DATA WRAPPER seqgen_coordinator TO steward');
$session->query_safe('CREATE ROLE stranger');
$session->query_safe('SET ROLE steward');
$session->{stderr} = '';
$session->query("CREATE SERVER mine FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ($address, sslpassword 'x')");
like($session->{stderr}, qr/ERROR:  HV00D: invalid option "sslpassword"\nHINT:  Valid options in this context are: host, /,
	'an option that is none is refused, with a list of those there are');
$session->{stderr} = '';
$session->query_safe("CREATE SERVER mine FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ($address, dbname 'postgres')");
$session->query_safe('RESET ROLE; SET ROLE stranger');
fails($session, "ALTER SERVER mine OPTIONS (SET dbname 'x')", '42501', 'must be owner of foreign server mine',
	'the server is its owner\'s to change');
fails($session, "CREATE USER MAPPING FOR PUBLIC SERVER mine OPTIONS (user 'node')", '42501',
	'must be owner of foreign server mine', 'so are its user mappings');
fails($session, "CREATE USER MAPPING FOR stranger SERVER mine OPTIONS (user 'node')", '42501',
	'permission denied for foreign server mine', 'also one\'s own, without USAGE');
$session->query_safe('RESET ROLE');

my @keepers = map { "keeper_$_" } 1 .. 6;
create_ranges('keeper', @keepers);
$fake->safe_psql('postgres', join '; ', map { "CREATE SEQUENCE seqgen.$_" } @keepers, 'g');

# the next generator gets no block, for this reason
sub gets_no_block
{
	my ($reason, $name) = @_;
	my $generator = shift @keepers;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	like($node->safe_psql('keeper', "SET seqgen.range_timeout = '1s'; SELECT attempt('$generator')"),
		qr/^08006: .* The background worker reports: $reason/, $name);
	is(requests($generator), 0, "$name: nobody was asked");
	return;
}

gets_no_block(qr/no user mapping/, 'a server without a user mapping');
$session->query_safe("SET ROLE steward; CREATE USER MAPPING FOR PUBLIC SERVER mine OPTIONS (user 'node'); RESET ROLE");
gets_no_block(qr/password is required/, 'no superuser\'s server, without a password');
$session->query_safe("ALTER USER MAPPING FOR PUBLIC SERVER mine OPTIONS (ADD password 'any')");
gets_no_block(qr/.*did not ask for a password/, 'a coordinator that does not ask for the password');
$session->query_safe("ALTER USER MAPPING FOR PUBLIC SERVER mine OPTIONS (SET user 'keeper')");
gets_no_block(qr/.*password authentication failed/, 'a wrong password');
$session->query_safe("CREATE SERVER another FOREIGN DATA WRAPPER seqgen_coordinator OPTIONS ($address)");
gets_no_block(qr/more than one coordinator is defined/, 'two coordinators');
$session->query_safe('DROP SERVER another');
$session->query_safe("ALTER USER MAPPING FOR PUBLIC SERVER mine OPTIONS (SET password 'secret')");
like($node->safe_psql('keeper', "SELECT attempt('keeper_6')"), qr/^\d+$/, 'with the right password it is let in');
unlike(slurp_file($node->logfile), qr/reports.*secret/, 'no message of the worker has a password in it');
$session->quit;

#
# A database that is named as its own coordinator
#

my $own_address = sprintf "host '%s', port '%s'", $node->host, $node->port;
$node->safe_psql('postgres', 'CREATE ROLE neighbour LOGIN');
foreach my $database ('self', 'far', 'near')
{
	create_ranges($database, 'g');
	$node->safe_psql($database, 'GRANT EXECUTE ON FUNCTION seqgen.range_request TO neighbour');
}
name_coordinator('self', "$own_address, dbname 'self'", "user 'neighbour'");
name_coordinator('near', "$own_address, dbname 'far'", "user 'neighbour'");
like($node->safe_psql('self', "SELECT attempt('g')"),
	qr/^55000: generator "g" is stopped; the coordinator refused: .*this database/, 'a database cannot name itself');
is($node->safe_psql('near', "SELECT attempt('g')"), '1', 'but its neighbour');

#
# An answer that does not come
#

foreach my $case (sort keys %slow)
{
	my $name = "w_$case";

	ok( $node->poll_query_until(
			$case, "SELECT message ~ 'did not answer' FROM seqgen.range_block WHERE generator = '$name'::regclass"),
		"$case: the worker loses patience");
	is(state_of($case, $name), 'waiting', "$case: and will ask again");
}
ok($node->poll_query_until('sleepy', q(SELECT message ~ 'timeout|did not answer' FROM seqgen.range_block)),
	'sleepy: the worker loses patience');
is(state_of('sleepy', 'dreams'), 'waiting', 'sleepy: and will ask again');

is((split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0] != $postmaster, 1, 'the node was restarted once');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC:|TRAP:/, 'no process of the node failed over any of this');
$node->stop;
$fake->stop;

done_testing();
