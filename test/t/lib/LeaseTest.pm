# What the TAP tests of leased node numbers share: a coordinator and its nodes,
# clients that write down every id they are answered, servers whose processes
# are stopped or whose clocks are wrong, and the exact count over all of it.

package LeaseTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use SeqgenTest;

our @EXPORT = qw(lease_coordinator lease_node allow_nodes name_coordinator create_generators
  clone_cluster set_conf shift_clock await value error_of
  draw draw_soon draws_nothing start_drawing drawing_goes_on files_grow finish_drawing note_ids move_place
  pause resume processes_of
  held held_soon windows numbers_of all_ids_differ only_documented
  is_its_own draw_together);
our @EXPORT_OK = qw(@errors %number);

# In layouts of this many node bits the numbers that are leased are few, so
# that they go from hand to hand.  Of layout dense a unit of time has four ids:
# whoever draws without a break leaves none of them out, and two who bear one
# number at one time cannot but give the same ids.
our $node_bits = 2;
my $epoch = '2025-01-01 00:00:00+00';
my %sequence_bits = (dense => 2, wide => 12);

my @drawn;	# [place, generator, file]
my $files = 0;
my %paused;	# process ids

# ---- Servers

# A cluster whose database postgres is a coordinator: role noderole may ask it
# for node numbers.
sub lease_coordinator
{
	my ($name, %params) = @_;
	my $coordinator = seqgen_cluster($name, %params);

	allow_nodes($coordinator);
	return $coordinator;
}

# Role noderole may ask this database for node numbers.
sub allow_nodes
{
	my ($cluster, $database) = @_;

	$cluster->safe_psql($database // 'postgres', <<'SQL');
DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'noderole') THEN
		CREATE ROLE noderole LOGIN;
	END IF;
	EXECUTE (SELECT format('GRANT EXECUTE ON FUNCTION %s TO noderole', p.oid::regprocedure)
			   FROM pg_proc p
			  WHERE p.proname = 'node_request' AND p.pronamespace = 'seqgen'::regnamespace);
END $$
SQL
	return;
}

# A cluster whose database postgres leases its number from a coordinator (a
# cluster, or a proxy before it; several for a failover; none if undefined).
sub lease_node
{
	my ($name, $coordinator, %params) = @_;
	my $conf = delete $params{conf} // '';
	my $node = seqgen_cluster($name, conf => "seqgen.node_id = ''\nlog_statement = none\n$conf", %params);

	name_coordinator($node, 'postgres', ref $coordinator eq 'ARRAY' ? @$coordinator : $coordinator)
	  if defined $coordinator;
	create_generators($node);
	return $node;
}

# Name the coordinator in a database: one, or several of which one is a primary.
sub name_coordinator
{
	my ($node, $database, @servers) = @_;
	my $hosts = join(',', map { $_->host } @servers);
	my $ports = join(',', map { $_->port } @servers);
	my $target = @servers > 1 ? q{, target_session_attrs 'read-write'} : '';

	$node->safe_psql($database, <<"SQL");
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '$hosts', port '$ports', dbname 'postgres'$target);
CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user 'noderole');
SQL
	return;
}

# Generators dense and wide, whose layouts share their node numbers.
sub create_generators
{
	my ($node, $database) = @_;

	$node->safe_psql($database // 'postgres', join('', map { <<"SQL" } sort keys %sequence_bits));
INSERT INTO seqgen.layout (name, epoch, unit_us, time_bits, node_bits, sequence_bits)
VALUES ('$_', '$epoch', 1000, 41, $node_bits, $sequence_bits{$_});
SELECT snowflake_create('$_', '$_');
SQL
	return;
}

# A copy of the data directory as it is, as a cluster of its own that is not
# started yet.
sub clone_cluster
{
	my ($original, $name) = @_;
	my $clone = PostgreSQL::Test::Cluster->new($name);

	PostgreSQL::Test::RecursiveCopy::copypath($original->data_dir, $clone->data_dir,
		filterfn => sub { return $_[0] ne 'log' && $_[0] ne 'postmaster.pid'; });
	chmod 0700, $clone->data_dir;
	$clone->append_conf('postgresql.conf', 'port = ' . $clone->port);
	return $clone;
}

# Wait until something is so; false if it does not come to be so in time.
sub await
{
	my ($what, $condition, $seconds) = @_;
	my $deadline = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	until ($condition->())
	{
		if (time > $deadline)
		{
			diag("waited too long: $what");
			return 0;
		}
		usleep(10_000);
	}
	return 1;
}

sub value
{
	my ($cluster, $sql, $database) = @_;
	return $cluster->safe_psql($database // 'postgres', $sql);
}

# Run a statement that is to fail; all that it complains of.
sub error_of
{
	my ($cluster, $sql, %params) = @_;
	my $database = delete $params{database} // 'postgres';
	my ($status, $out, $err) =
	  $cluster->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ], %params);

	return $status ? $err : "no error, but: $out";
}

# Change settings of a running server, and wait until new sessions have them.
# Sessions that are open have them at their next statement.
sub set_conf
{
	my ($cluster, %settings) = @_;
	my $before = value($cluster, 'SELECT pg_conf_load_time()');

	$cluster->append_conf('postgresql.conf',
		join('', map { "$_ = '$settings{$_}'\n" } sort keys %settings));
	$cluster->reload;
	$cluster->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$before'")
	  or BAIL_OUT('settings do not come into force');
	return;
}

# Shift the clock of a running server, against the machine's.
sub shift_clock
{
	my ($cluster, $offset) = @_;
	return set_conf($cluster, 'seqgen.debug_clock_offset' => $offset);
}

# ---- Processes that stand still

# The process ids of a server, its postmaster first; or those of one kind.
sub processes_of
{
	my ($cluster, $backend_type) = @_;
	my $where = defined $backend_type ? "WHERE backend_type = '$backend_type'" : '';
	my ($postmaster) = split /\n/, slurp_file($cluster->data_dir . '/postmaster.pid');
	my @pids = split /\n/, value($cluster, "SELECT pid FROM pg_stat_activity $where ORDER BY backend_start");

	return defined $backend_type ? @pids : ($postmaster, @pids);
}

sub pause
{
	my (@pids) = @_;
	kill('STOP', $_) && ($paused{$_} = 1) foreach @pids;
	return;
}

sub resume
{
	my (@pids) = @_;
	kill('CONT', $_) && delete $paused{$_} foreach reverse @pids;
	return;
}

END
{
	my $status = $?;
	kill('CONT', $_) foreach keys %paused;
	$? = $status;
}

# ---- Ids

sub new_file
{
	my ($cluster) = @_;
	return $cluster->basedir . '/ids_' . ++$files;
}

# Note ids of a generator, for the count of all_ids_differ.
sub note_ids
{
	my ($cluster, $place, $generator, @ids) = @_;
	my $file = new_file($cluster);

	return if !@ids;
	append_to_file($file, join('', map { "$_\n" } @ids));
	push @drawn, [ $place, $generator, $file ];
	return;
}

# What was drawn in one place so far is another's from now on: it was moved.
sub move_place
{
	my ($from, $to) = @_;

	$_->[0] = $to foreach (grep { $_->[0] eq $from } @drawn);
	return;
}

# Where ids come from, in reports.
sub place
{
	my ($cluster, $database) = @_;
	return $cluster->name . ($database eq 'postgres' ? '' : "/$database");
}

# Draw ids, which are noted and returned; none if it fails.  Parameters:
# database, generator (dense), count (100), timeout (of the server's choice),
# errors (where to add what is complained of; otherwise there is to be nothing).
sub draw
{
	my ($cluster, %params) = @_;
	my $database = $params{database} // 'postgres';
	my $generator = $params{generator} // 'dense';
	my $count = $params{count} // 100;
	my $set = defined $params{timeout} ? "SET seqgen.lease_timeout = '$params{timeout}';" : '';
	my ($status, $out, $err) = $cluster->psql($database,
		"$set SELECT snowflake_nextval('$generator') FROM generate_series(1, $count)",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my @ids = split /\n/, $out;

	if ($status != 0)
	{
		push @{ $params{errors} }, $err if $params{errors};
		diag(place($cluster, $database) . ": $err") if !$params{errors};
		return ();
	}
	note_ids($cluster, place($cluster, $database), $generator, @ids);
	return @ids;
}

# The same as soon as it can be done: how many seconds it took, or undefined.
sub draw_soon
{
	my ($cluster, %params) = @_;
	my $started = time;
	my $errors = $params{errors} // [];
	my $done = await(
		place($cluster, $params{database} // 'postgres') . ' draws again',
		sub { scalar draw($cluster, timeout => '1s', %params, errors => $errors) },
		$params{seconds});

	diag($errors->[-1]) if !$done && @$errors;
	return $done ? time - $started : undef;
}

# Drawing fails, so and not otherwise, and in time.
sub draws_nothing
{
	my ($cluster, $pattern, $name, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @errors;
	my $started = time;
	my @ids = draw($cluster, timeout => '1s', count => 1, %params, errors => \@errors);
	my $took = time - $started;

	like($errors[0] // "drew @ids", $pattern, $name);
	cmp_ok($took, '<', 4, "$name: in time");
	return $errors[0];
}

# Start clients that draw until they are ended, and write down each id that
# they are answered.  Parameters: database, generator (dense), clients (1), ids
# (of a statement, 40), pause (in seconds, before each statement, 0.01), stream
# (one statement without an end, whose ids are answered as they are drawn).
sub start_drawing
{
	my ($cluster, %params) = @_;
	my $database = $params{database} // 'postgres';
	my $generator = $params{generator} // 'dense';
	my $ids = $params{ids} // 40;
	my $pause = $params{pause} // 0.01;
	local $ENV{PGAPPNAME} = "drawing $generator";
	local $ENV{PGOPTIONS} = '-c seqgen.lease_timeout=' . ($params{timeout} // '60s');
	my @command = ('psql', '-XAtq', '-v', 'VERBOSITY=verbose', $cluster->connstr($database));
	my @drawing;

	if ($params{stream})
	{
		push @command, '-c', <<"SQL";
COPY (SELECT snowflake_nextval('$generator')
		FROM (SELECT generate_series(1, 1000000000) AS i) s,
			 LATERAL pg_sleep(CASE WHEN i % $ids = 0 THEN $pause ELSE 0 END)) TO STDOUT
SQL
	}
	else
	{
		my $script = new_file($cluster);
		append_to_file($script,
			"SELECT snowflake_nextval('$generator') FROM pg_sleep($pause), generate_series(1, $ids);\n" x 30_000);
		push @command, '-f', $script;
	}
	foreach my $client (1 .. $params{clients} // 1)
	{
		my $file = new_file($cluster);
		append_to_file($_, '') foreach ($file, "$file.errors");
		push @drawing,
		  {
			place => place($cluster, $database),
			generator => $generator,
			file => $file,
			run => IPC::Run::start([@command], '<', '/dev/null', '>', $file, '2>', "$file.errors")
		  };
	}
	return @drawing;
}

# Do these files grow?
sub files_grow
{
	my (@files) = @_;
	my %before = map { $_ => -s $_ } @files;
	return await('clients draw', sub { !grep { -s $_ <= $before{$_} } @files });
}

# Does each of the clients draw from here on?
sub drawing_goes_on
{
	my (@drawing) = @_;
	return files_grow(map { $_->{file} } @drawing);
}

# End clients.  Their ids are noted; what they complained of is added to errors.
sub finish_drawing
{
	my ($errors, @drawing) = @_;

	$_->{run}->signal('TERM') foreach @drawing;
	foreach my $client (@drawing)
	{
		eval { $client->{run}->finish; };
		push @drawn, [ $client->{place}, $client->{generator}, $client->{file} ];
		push @$errors, slurp_file("$client->{file}.errors");
	}
	return;
}

# Whatever clients complained of is documented: each error is one of those that
# are named by kind.
our %documented = (
	# no number: none came in time, or there is a reason not to wait
	timeout => qr/^08006: generator "\w+" got no node number within \d+ ms/,
	exhausted => qr/^53400: generator "\w+" has no node number/,
	hold => qr/^55000: generator "\w+" has no node number/,
	skewed => qr/^55000: generator "\w+" has no node number/,
	refused => qr/^55006: generator "\w+" has no node number/,
	wrong => qr/^08P01: generator "\w+" has no node number/,
	worker => qr/^53000: generator "\w+" has no node number/,

	# a number, but no id
	clock => qr/^55000: generator "\w+" is too far ahead of the clock/,
	recovery => qr/^25006: cannot draw ids during recovery/,

	# the client's own server is gone
	gone => qr/^57P0\d: |server closed the connection|connection to server .*(was lost|failed)|terminating connection/,
	cancelled => qr/^57014: /);

sub only_documented
{
	my ($errors, $kinds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %seen;

	foreach my $line (map { split /\n/ } @$errors)
	{
		$seen{$1}++ if $line =~ /(?:ERROR|FATAL|PANIC|error):\s+(.*)/;
	}
	my @others = grep {
		my $error = $_;
		!grep { $error =~ ($documented{$_} // die "unknown kind $_") } @$kinds
	} sort keys %seen;
	is(scalar(@others), 0, "$name: documented errors only") or diag(join("\n", @others));
	note("$name: $seen{$_} times $_") foreach sort keys %seen;
	return;
}

# ---- Numbers and windows

# The number that a database holds of the pool of our layouts, '' if none.
sub held
{
	my ($cluster, $database) = @_;
	return value($cluster, <<"SQL", $database);
SELECT number FROM seqgen.node_lease
 WHERE bits = $node_bits AND state = 'held' AND number > 0
SQL
}

# The same, once there is one, other than before.
sub held_soon
{
	my ($cluster, $before, $database) = @_;
	my $number;

	await(place($cluster, $database // 'postgres') . ' has another number',
		sub { ($number = held($cluster, $database)) ne '' && $number ne ($before // '') });
	return $number;
}

# All windows that a coordinator has granted: one row (number, node, since,
# until) each.
sub windows
{
	return <<"SQL";
(SELECT h.number, h.node, h.serial, h.valid_from AS since,
		coalesce(h.valid_until, n.valid_until) AS until
   FROM seqgen.node_history h LEFT JOIN seqgen.node n
		ON n.bits = h.bits AND n.datacenter = h.datacenter AND n.number = h.number
  WHERE h.bits = $node_bits)
SQL
}

# How many numbers were ever given to anybody.
sub numbers_of
{
	my ($coordinator) = @_;
	return value($coordinator, "SELECT count(DISTINCT number) FROM seqgen.node_history WHERE bits = $node_bits");
}

# Bring all ids that were noted into the table drawn of a cluster.  A line that
# is cut short was not answered as a whole.
sub load_ids
{
	my ($cluster) = @_;
	my $all = new_file($cluster);
	my $session = 0;
	my $unordered = 0;

	open(my $out, '>', $all) or die "could not open $all: $!";
	foreach my $drawn (@drawn)
	{
		my ($place, $generator, $file) = @$drawn;
		my $last = 0;

		$session++;
		foreach my $line (split /^/, slurp_file($file))
		{
			next if $line !~ /\n\z/ || $line eq "\n";
			$line =~ /^(\d+)\n\z/ or die "odd answer in $file: $line";
			$unordered++ if $1 <= $last;
			$last = $1;
			print $out "$place\t$generator\t$session\t$last\n";
		}
	}
	close($out);
	value($cluster, <<"SQL");
DROP TABLE IF EXISTS drawn;
CREATE UNLOGGED TABLE drawn (place text, generator text, session int, id bigint);
COPY drawn FROM '$all';
ANALYZE drawn;
SQL
	return $unordered;
}

# No id of a generator was given to two sessions, or twice to one, on all nodes
# together; in each session they only grew.  If a coordinator's registry is to
# be trusted, each id lies in a window of its number, all ids of a window come
# from one place, and windows of a number do not overlap.
sub all_ids_differ
{
	my ($cluster, $name, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $unordered = load_ids($cluster);
	my ($count, $distinct, $places, $numbers) = split /\|/, value($cluster, <<"SQL");
SELECT count(*), count(DISTINCT (generator, id)), count(DISTINCT place),
	   count(DISTINCT CASE generator ${\ join(' ', map { "WHEN '$_' THEN (id >> $sequence_bits{$_}) & ((1 << $node_bits) - 1)" } keys %sequence_bits)} END)
  FROM drawn
SQL
	note("$name: $count ids of $places places under $numbers numbers");
	ok($count > 0 && $count == $distinct, "$name: as many different ids over all nodes as were answered")
	  or diag("$count ids, $distinct different\n"
		  . value($cluster, <<"SQL"));
SELECT generator, id, string_agg(place, ', ')
  FROM drawn GROUP BY generator, id HAVING count(*) > 1 ORDER BY id LIMIT 10
SQL
	is($unordered, 0, "$name: ids of each session only grew");
	windows_are_sound($cluster, $params{registry}, $name) if $params{registry};
	return;
}

sub windows_are_sound
{
	my ($cluster, $registry, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $windows = windows();
	my $places = join(' ', map { <<"SQL" } sort keys %sequence_bits);
WHEN '$_' THEN timestamptz '$epoch' + (id >> ($node_bits + $sequence_bits{$_})) * interval '1 ms'
SQL
	my $numbers = join(' ', map { "WHEN '$_' THEN (id >> $sequence_bits{$_}) & ((1 << $node_bits) - 1)" }
		  sort keys %sequence_bits);

	is(value($registry, <<"SQL"), '0', "$name: windows of one number do not overlap");
SELECT count(*) FROM $windows a JOIN $windows b USING (number)
 WHERE a.serial < b.serial AND a.since < b.until AND b.since < a.until
SQL
	my $copy = value($registry, <<"SQL");
SELECT coalesce(string_agg(format('(%s, %s, timestamptz %L, timestamptz %L)', number, serial, since, until), ', '),
				'(0, 0, timestamptz ''-infinity'', timestamptz ''-infinity'')')
  FROM $windows w
SQL
	is(value($cluster, <<"SQL"), '0|0', "$name: each id lies in a window, and those of a window come from one place");
WITH w (number, serial, since, until) AS (VALUES $copy),
ids AS (SELECT place, CASE generator $places END AS at, CASE generator $numbers END AS number FROM drawn),
grouped AS (SELECT place, number, at FROM ids GROUP BY 1, 2, 3),
placed AS (SELECT g.*, w.serial FROM grouped g LEFT JOIN w
				ON w.number = g.number AND g.at >= w.since AND g.at < w.until)
SELECT (SELECT count(*) FROM placed WHERE serial IS NULL),
	   (SELECT count(*) FROM (SELECT FROM placed GROUP BY serial HAVING count(DISTINCT place) > 1) t)
SQL
	return;
}

our @errors;	# that clients of draw_together met
our %number;	# that is_its_own has found, by place

# A server, or database of it, has a leased number that no other one has.
sub is_its_own
{
	my ($cluster, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $number = held($cluster, $database);
	my $place = $cluster->name . '/' . ($database // '');
	my ($twin) = grep { $_ ne $place && $number{$_} eq $number } sort keys %number;

	cmp_ok($number || 0, '>=', 2 ** ($node_bits - 1), "$name: it has a number, of the upper half");
	is($twin, undef, "$name: nobody else has it");
	$number{$place} = $number;
	return;
}

# Draw under load for a moment, on all of these at once.
sub draw_together
{
	my ($name, @clusters) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @drawing = map { start_drawing($_, clients => 2), start_drawing($_, generator => 'wide', ids => 200) } @clusters;

	ok(drawing_goes_on(@drawing), "$name: all draw");
	usleep(200_000);
	finish_drawing(\@errors, @drawing);
	return;
}

1;
