# What the TAP tests of ranges share: a coordinator and its nodes, exact counts
# of values and blocks, and a proxy that does to their connections whatever a
# network can do.

package RangeTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SeqgenTest;

our @EXPORT = qw(range_coordinator range_node name_coordinator create_range
  node_uuid cursor_of settle gather ledger_is_sound values_fit_ledger values_are_complete);

# A cluster whose database postgres is a coordinator: role noderole may ask it
# for blocks.
sub range_coordinator
{
	my ($name, %params) = @_;
	my $coordinator = seqgen_cluster($name, %params);

	$coordinator->safe_psql('postgres', <<'SQL');
CREATE ROLE noderole LOGIN;
GRANT EXECUTE ON FUNCTION seqgen.range_request TO noderole;
SQL
	return $coordinator;
}

# A cluster whose database postgres takes its blocks from a coordinator, or
# from the proxy before it.
sub range_node
{
	my ($name, $coordinator, %params) = @_;
	my $node = seqgen_cluster($name, %params);

	name_coordinator($node, $coordinator);
	return $node;
}

# Name the coordinator, a cluster or a proxy, in a database of the node.
sub name_coordinator
{
	my ($node, $coordinator, $database) = @_;
	my ($host, $port) = ($coordinator->host, $coordinator->port);

	$node->safe_psql($database // 'postgres', <<"SQL");
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user 'noderole');
SQL
	return;
}

# Create the same range on the coordinator and on the nodes.  arguments are
# those of range_create behind the name.
sub create_range
{
	my ($name, $arguments, @clusters) = @_;

	$_->safe_psql('postgres', "SELECT range_create('$name', $arguments)") foreach @clusters;
	return;
}

# The name of a node towards its coordinator, once it has asked for something.
sub node_uuid
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres', 'SELECT node FROM seqgen.range_identity');
}

# The highest value that was ever allocated.
sub cursor_of
{
	my ($coordinator, $generator) = @_;
	return $coordinator->safe_psql('postgres', "SELECT last_value FROM ${generator}_cursor");
}

# Wait until the nodes' workers have nothing to ask for, which they do behind
# the back of those who draw.
sub settle
{
	my (@nodes) = @_;

	foreach my $node (@nodes)
	{
		$node->poll_query_until('postgres', <<'SQL') or die $node->name . ' does not come to rest';
SELECT NOT EXISTS (SELECT FROM seqgen.range_holding WHERE state = 'requested')
   AND NOT EXISTS (SELECT FROM seqgen.range_block
					WHERE next_block IS NULL AND state <> 'exhausted'
					  AND "position" - lower(block) + 1 >= (upper(block) - lower(block)) / 2.0)
SQL
	}
	return;
}

# Bring the values that query returns on each node into the coordinator's table
# gathered (node, value), which it creates anew.
sub gather
{
	my ($coordinator, $query, @nodes) = @_;

	$coordinator->safe_psql('postgres', <<'SQL');
DROP TABLE IF EXISTS gathered;
CREATE UNLOGGED TABLE gathered (node uuid, value bigint);
SQL
	foreach my $node (@nodes)
	{
		my $uuid = node_uuid($node);
		IPC::Run::run(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
				'-c', "COPY (SELECT '$uuid', value FROM ($query) q (value)) TO STDOUT"
			],
			'|',
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $coordinator->connstr('postgres'),
				'-c', 'COPY gathered FROM STDIN'
			]) or die 'could not gather the values of ' . $node->name;
	}
	$coordinator->safe_psql('postgres', 'ANALYZE gathered');
	return;
}

# Whatever its constraints say: blocks of the ledger are not empty, do not
# overlap, lie in the range and not above the cursor, and each was granted to
# one request of one node.
sub ledger_is_sound
{
	my ($coordinator, $generator, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($coordinator->safe_psql('postgres', <<"SQL"), 'f|f|f|f|f', "$name: the ledger is sound");
WITH ledger AS (
	SELECT *, lower(block) AS lo, upper(block) AS hi,
		   max(upper(block)) OVER (ORDER BY lower(block)
								   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS above
	  FROM seqgen.range_allocation
	 WHERE generator = '$generator'::regclass)
SELECT coalesce(bool_or(lo >= hi OR isempty(block)), false),
	   coalesce(bool_or(lo < above), false),
	   coalesce(bool_or(lo < min_value OR hi - 1 > max_value), false),
	   coalesce(max(hi) - 1 > (SELECT last_value FROM ${generator}_cursor), false),
	   count(*) FILTER (WHERE ledger.state = 'granted') <>
	   count(DISTINCT (incarnation, request)) FILTER (
			WHERE ledger.state = 'granted' AND node IS NOT NULL AND request IS NOT NULL)
  FROM ledger JOIN seqgen.range_generator USING (generator)
SQL
	return;
}

# Of the values in table gathered, none is there twice, and each lies in a
# block that was granted to the node that gave it out.
sub values_fit_ledger
{
	my ($coordinator, $generator, $count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($coordinator->safe_psql('postgres', 'SELECT count(*), count(DISTINCT value) FROM gathered'),
		"$count|$count", "$name: as many different values over all nodes as were drawn");
	is($coordinator->safe_psql('postgres', <<"SQL"), 0, "$name: each lies in a block of its node");
SELECT count(*)
  FROM gathered g
 WHERE NOT EXISTS (SELECT FROM seqgen.range_allocation a
					WHERE a.generator = '$generator'::regclass AND a.state = 'granted'
					  AND a.node = g.node AND a.block @> g.value)
SQL
	return;
}

# Every value of a node's blocks up to its position is in table gathered: it
# lost none, and no block was passed over.  For loads without a rollback.
sub values_are_complete
{
	my ($coordinator, $generator, $node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $uuid = node_uuid($node);
	my $position = $node->safe_psql('postgres',
		"SELECT \"position\" FROM seqgen.range_block WHERE generator = '$generator'::regclass");

	is( $coordinator->safe_psql(
			'postgres', "SELECT count(*), max(value) FROM gathered WHERE node = '$uuid'"),
		$coordinator->safe_psql('postgres', <<"SQL"), "$name: no value of a block was passed over");
SELECT sum(greatest(least(upper(block), $position + 1) - lower(block), 0)), $position
  FROM seqgen.range_allocation
 WHERE generator = '$generator'::regclass AND state = 'granted' AND node = '$uuid'
SQL
	return;
}

# A proxy before a coordinator, a process of its own that ends with the test.
# It knows PostgreSQL's protocol well enough to tell where an answer ends: the
# statement is committed by then.  How it treats answers is its mode, and
# mode() returns when the change is in force.
#
#	pass				hands everything on (at first)
#	hold				lets requests through, and keeps answers until the mode changes
#	delay MS			hands each answer on that much later
#	cut [N [TIMES]]		throws an answer that grants a block away and closes the
#						connection; N answers in all, each block's at most TIMES times
#	tear [N [TIMES]]	the same, but half of the answer gets through
#	lose [N]			throws a request away, and closes the connection
#	blackhole			hands nothing on, in either direction, and says nothing
#	refuse				closes all connections, and new ones at once
package RangeTest::Proxy;

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);
use Time::HiRes ();

# Codes of packets that have no type.
my %NOT_OFFERED = (80877103 => 'SSLRequest', 80877104 => 'GSSENCRequest');

# Before the coordinator, a cluster that need not run yet.
sub new
{
	my ($class, $target) = @_;
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		Proto => 'tcp',
		Listen => 64) or die "could not listen: $!";
	my ($ours, $its) = IO::Socket->socketpair(AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or die "could not create a pair of sockets: $!";
	my $self = bless { port => $listener->sockport, control => $ours, owner => $$ }, $class;
	my $path = $target->host . '/.s.PGSQL.' . $target->port;

	$self->{pid} = fork() // die "could not fork: $!";
	if ($self->{pid} == 0)
	{
		_forget_files($listener->fileno, $its->fileno);
		eval { _serve($listener, $its, $path); };
		print STDERR "proxy: $@" if $@;
		POSIX::_exit(0);
	}
	$listener->close;
	$its->close;
	return $self;
}

sub host { return '127.0.0.1'; }
sub port { return $_[0]->{port}; }

# Change the mode.
sub mode
{
	my ($self, $mode) = @_;
	return $self->_ask("mode $mode");
}

# How many there were of: connections, requests, answers, grants (answers that
# grant a block, whether or not they were handed on), kept (answers that are
# being held), cut, torn, lost.
sub count
{
	my ($self, $what) = @_;
	return $self->_ask("count $what");
}

# All answers that grant a block, in order, as [lo, hi, what became of it]:
# passed, cut or torn.
sub grants
{
	my ($self) = @_;
	return map { [ split /,/ ] } split / /, $self->_ask('grants');
}

sub stop
{
	my ($self) = @_;
	return if !$self->{control} || $self->{owner} != $$;
	$self->{control}->close;
	delete $self->{control};
	waitpid($self->{pid}, 0);
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->stop;
	return;
}

sub _ask
{
	my ($self, $line) = @_;
	$self->{control}->print("$line\n");
	$self->{control}->flush;
	my $answer = $self->{control}->getline // die 'the proxy is gone';
	chomp $answer;
	$answer =~ s/^ok ?// or die "proxy: $answer";
	return $answer;
}

# ---- the process of the proxy

my $path;	# of the coordinator's socket
my $mode = 'pass';
my $limit;	# how many answers to cut, undefined: all
my $times;	# how often each block's
my %cut_of;	# by block, how often it was
my %count;
my @grants;
my %connection;	# by number
my $last_number = 0;

# What the test has open is none of ours: others wait for its end.  Perl counts
# the users of each number, so they must not be free.
sub _forget_files
{
	my %keep = map { $_ => 1 } @_;
	my $null = POSIX::open('/dev/null', POSIX::O_RDWR());

	foreach my $file (grep { !$keep{$_} } 3 .. 255)
	{
		next if $file == $null;
		my $copy = POSIX::dup($file) // next;
		POSIX::close($copy);
		POSIX::dup2($null, $file);
	}
	return;
}

sub _serve
{
	my ($listener, $control, $target) = @_;
	$path = $target;
	local $SIG{PIPE} = 'IGNORE';
	local $SIG{INT} = 'IGNORE';

	for (;;)
	{
		my $read = IO::Select->new($control);
		my $write = IO::Select->new;
		$read->add($listener) if $mode ne 'blackhole';
		foreach my $c ($mode eq 'blackhole' ? () : values %connection)
		{
			$read->add($c->{client});
			$read->add($c->{server}) if !$c->{ended};
			$write->add($c->{client}) if length $c->{to_client};
			$write->add($c->{server}) if length $c->{to_server} && !$c->{ended};
		}
		my ($readable) = IO::Select->select($read, $write, undef, _next_release());
		my %ready = map { $_->fileno => 1 } @{ $readable // [] };

		return if $ready{ $control->fileno } && !_obey($control);
		next if $mode eq 'blackhole';
		_accept($listener) if $ready{ $listener->fileno } && $mode ne 'blackhole';
		foreach my $number (sort { $a <=> $b } keys %connection)
		{
			my $c = $connection{$number};
			_from_client($c) if $ready{ $c->{client}->fileno };
			_from_server($c)
			  if $connection{$number} && !$c->{ended} && $ready{ $c->{server}->fileno };
			_release($c) if $connection{$number};
			_flush($c) if $connection{$number};
		}
	}
	return;
}

# How long until a delayed answer is due, in s; undefined if there is none.
sub _next_release
{
	my @due = map { $_->{due} } map { @{ $_->{answers} } } values %connection;
	return undef if !@due || $mode eq 'hold' || $mode eq 'blackhole';
	my ($first) = sort { $a <=> $b } @due;
	my $left = $first - Time::HiRes::time();
	return $left > 0 ? $left : 0;
}

# A line from the test; false if it has ended.
sub _obey
{
	my ($control) = @_;
	my $line = '';

	# byte by byte, so that nothing of it waits in a buffer
	while ($line !~ /\n/)
	{
		sysread($control, $line, 1, length $line) or return 0;
	}
	chomp $line;
	my ($command, @words) = split / /, $line;
	my $answer = 'ok';
	if ($command eq 'mode')
	{
		_set_mode(@words);
	}
	elsif ($command eq 'count' && $words[0] eq 'kept')
	{
		$answer .= ' ' . scalar(map { @{ $_->{answers} } } values %connection);
	}
	elsif ($command eq 'count')
	{
		$answer .= ' ' . ($count{ $words[0] } // 0);
	}
	elsif ($command eq 'grants')
	{
		$answer .= join('', map { ' ' . join(',', @$_) } @grants);
	}
	else
	{
		$answer = "unknown command \"$line\"";
	}
	syswrite($control, "$answer\n");
	return 1;
}

sub _set_mode
{
	($mode, my @words) = @_;
	($limit, $times) = ($mode eq 'delay' ? undef : @words)[ 0, 1 ];
	my $delay = $mode eq 'delay' ? $words[0] / 1000 : 0;
	foreach my $c (values %connection)
	{
		_close($c), next if $mode eq 'refuse';
		$_->{due} = Time::HiRes::time() + $delay foreach @{ $c->{answers} };
	}
	$mode = "delay $delay" if $mode eq 'delay';
	return;
}

sub _accept
{
	my ($listener) = @_;
	my $client = $listener->accept or return;
	my $server = $mode eq 'refuse' ? undef : IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path);

	if (!$server)
	{
		$client->close;
		return;
	}
	$_->blocking(0) foreach $client, $server;
	$count{connections}++;
	$last_number++;
	$connection{$last_number} = {
		number => $last_number,
		client => $client,
		server => $server,
		to_client => '',
		to_server => '',
		first => '',	# what the client sent before its startup packet is complete
		started => 0,	# that packet was sent on
		ready => 0,	# the coordinator has let the client in
		answer => '',	# what has come of an answer
		answers => [],	# complete ones that are not handed on yet
		ended => 0	# the coordinator has closed the connection
	};
	return;
}

sub _close
{
	my ($c) = @_;
	$c->{client}->close;
	$c->{server}->close;
	delete $connection{ $c->{number} };
	return;
}

sub _from_client
{
	my ($c) = @_;
	my $got = sysread($c->{client}, my $data, 65536);

	return if !defined $got && ($!{EAGAIN} || $!{EINTR});
	return _close($c) if !$got;
	return _start($c, $data) if !$c->{started};
	if ($c->{ready} && $data !~ /^X/)
	{
		$count{requests}++;
		if ($mode eq 'lose' && _may_fail())
		{
			$count{lost}++;
			return _close($c);
		}
	}
	$c->{to_server} .= $data;
	return;
}

# The first packets have no type: offers to encrypt are turned down here.
sub _start
{
	my ($c, $data) = @_;
	$c->{first} .= $data;

	while (length $c->{first} >= 8)
	{
		my ($length, $code) = unpack 'NN', $c->{first};
		if ($NOT_OFFERED{$code})
		{
			substr($c->{first}, 0, 8) = '';
			$c->{to_client} .= 'N';
			next;
		}
		return if length $c->{first} < $length;
		$c->{started} = 1;
		$c->{to_server} .= $c->{first};
		return;
	}
	return;
}

sub _from_server
{
	my ($c) = @_;
	my $got = sysread($c->{server}, my $data, 65536);

	return if !defined $got && ($!{EAGAIN} || $!{EINTR});
	$c->{ended} = 1 if !$got;
	$c->{answer} .= $data if $got;
	while ((my $length = _message($c->{answer}, $c->{read} //= 0)) > 0)
	{
		my $type = substr($c->{answer}, $c->{read}, 1);
		$c->{read} += $length;

		# until the client is let in, everything is handed on at once
		next if $type ne 'Z' && $c->{ready};
		_queue($c, substr($c->{answer}, 0, $c->{read}));
		substr($c->{answer}, 0, $c->{read}) = '';
		$c->{read} = 0;
		$c->{ready} = 1 if $type eq 'Z';
	}
	if ($c->{ended} && length $c->{answer})
	{
		_queue($c, $c->{answer});
		$c->{answer} = '';
	}
	return;
}

# The length of the message at this place, or 0 if it is not complete.
sub _message
{
	my ($data, $at) = @_;
	return 0 if length $data < $at + 5;
	my $length = 1 + unpack 'N', substr($data, $at + 1, 4);
	return length $data < $at + $length ? 0 : $length;
}

sub _queue
{
	my ($c, $data) = @_;

	if (!$c->{ready})
	{
		$c->{to_client} .= $data;
		return;
	}
	my ($delay) = $mode =~ /^delay (.*)/;
	$count{answers}++;
	$count{grants}++ if _grant($data);
	push @{ $c->{answers} }, { data => $data, due => Time::HiRes::time() + ($delay // 0) };
	return;
}

# The next column of a row, which loses it.
sub _column
{
	my ($row) = @_;
	my $length = unpack 'l>', substr($$row, 0, 4, '');
	return $length < 0 ? undef : substr($$row, 0, $length, '');
}

# The block that an answer grants, as (lo, hi), or nothing.
sub _grant
{
	my ($data) = @_;
	my $at = 0;

	while ((my $length = _message($data, $at)) > 0)
	{
		if (substr($data, $at, 1) eq 'D')
		{
			my $row = substr($data, $at + 7, $length - 7);
			my @columns = map { _column(\$row) } 1 .. unpack('n', substr($data, $at + 5, 2));
			return ($columns[0] // '') eq 'granted' ? @columns[ 1, 2 ] : ();
		}
		$at += $length;
	}
	return;
}

# May one more answer be cut, or request be lost?
sub _may_fail
{
	return 1 if !defined $limit;
	return 0 if $limit <= 0;
	$limit--;
	return 1;
}

# Hand on what is due, or do what the mode says.
sub _release
{
	my ($c) = @_;
	my $answers = $c->{answers};

	return if $mode eq 'hold';
	while (@$answers && $answers->[0]{due} <= Time::HiRes::time())
	{
		my $data = (shift @$answers)->{data};
		my ($lo, $hi) = _grant($data);
		my $fate = 'passed';

		if (   defined $lo
			&& ($mode eq 'cut' || $mode eq 'tear')
			&& ($cut_of{$lo} // 0) < ($times // 1e9)
			&& _may_fail())
		{
			$fate = $mode eq 'cut' ? 'cut' : 'torn';
			$cut_of{$lo}++;
			$count{$fate}++;
		}
		push @grants, [ $lo, $hi, $fate ] if defined $lo;
		$data = substr($data, 0, length($data) / 2) if $fate eq 'torn';
		$c->{to_client} .= $data if $fate ne 'cut';
		if ($fate ne 'passed')
		{
			_flush($c);
			return _close($c) if $connection{ $c->{number} };
			return;
		}
	}
	return;
}

sub _flush
{
	my ($c) = @_;

	foreach my $side ('client', 'server')
	{
		my $buffer = \$c->{"to_$side"};
		next if !length $$buffer || ($side eq 'server' && $c->{ended});
		my $sent = syswrite($c->{$side}, $$buffer);
		if (defined $sent)
		{
			substr($$buffer, 0, $sent) = '';
		}
		elsif (!$!{EAGAIN} && !$!{EINTR})
		{
			return _close($c);
		}
	}
	_close($c) if $c->{ended} && !length $c->{to_client} && !@{ $c->{answers} };
	return;
}

1;
