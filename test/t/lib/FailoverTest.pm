# What the tests of a coordinator's failover and hold share: clients that write
# down what they were answered, and servers that are cut off or come back.

package FailoverTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(await value set_conf name_hosts draw given none_twice
  start_clients clients_draw stop_clients start_draw wait_for_draw
  error_of settle supply_now ledger_rows state_of cut_off);

my %given;	# by generator, how often each value was answered to a client
my $clients = 0;	# how many were started

# Wait until something is so; false if it does not come to be so in time.
sub await
{
	my ($what, $condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		if (time > $deadline)
		{
			diag("waited too long: $what");
			return 0;
		}
		usleep(5_000);
	}
	return 1;
}

sub value
{
	my ($server, $database, $sql, %params) = @_;
	return $server->safe_psql($database, $sql, %params);
}

# Change settings of a running server, and wait until new sessions have them.
sub set_conf
{
	my ($server, %settings) = @_;

	$server->append_conf('postgresql.conf',
		join('', map { "$_ = '$settings{$_}'\n" } sort keys %settings));
	$server->reload;
	foreach my $name (sort keys %settings)
	{
		await("$name is $settings{$name}",
			sub { value($server, 'postgres', "SHOW $name") eq $settings{$name} })
		  or BAIL_OUT('settings do not come into force');
	}
	return;
}

# Name several servers, of which one is the primary, as a database's coordinator.
sub name_hosts
{
	my ($node, $database, @servers) = @_;
	my $hosts = join(',', map { $_->host } @servers);
	my $ports = join(',', map { $_->port } @servers);

	value($node, $database, <<"SQL");
CREATE SERVER coordinator FOREIGN DATA WRAPPER seqgen_coordinator
	OPTIONS (host '$hosts', port '$ports', dbname 'postgres', target_session_attrs 'read-write');
CREATE USER MAPPING FOR PUBLIC SERVER coordinator OPTIONS (user 'noderole');
SQL
	return;
}

# Note values that a client was answered.
sub given
{
	my ($generator, @values) = @_;
	$given{$generator}{$_}++ foreach @values;
	return @values;
}

# No value of the generator was given to clients twice, ever, and it is some.
sub none_twice
{
	my ($generator, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $count = $given{$generator};
	my @twice = sort { $a <=> $b } grep { $count->{$_} > 1 } keys %$count;

	ok(%$count && !@twice, "$name: no value twice")
	  or diag(scalar(@twice) . ' values came twice, the first are '
		  . join(', ', splice(@twice, 0, 10)));
	note(scalar(keys %$count) . " values of $generator");
	return;
}

# Draw values, which are noted.
sub draw
{
	my ($server, $database, $generator, $count) = @_;
	return given($generator, split /\n/,
		value($server, $database, "SELECT range_nextval('$generator') FROM generate_series(1, $count)"));
}

# The command of a session that draws from a generator in a statement each.
sub psql_command
{
	my ($server, $database, @options) = @_;
	return [ 'psql', '-XAtq', @options, $server->connstr($database) ];
}

# Start clients that draw without end, some hundred values a second, and write
# down what they are answered.
sub start_clients
{
	my ($server, $database, $generator, $sessions) = @_;
	my $script = $server->basedir . "/draw_$generator.sql";
	local $ENV{PGAPPNAME} = "clients of $database";
	local $ENV{PGOPTIONS} = '-c seqgen.range_timeout=60s';
	my @clients;

	append_to_file($script, "SELECT range_nextval('$generator') FROM pg_sleep(0.002);\n" x 50_000)
	  if !-e $script;
	foreach my $i (1 .. $sessions)
	{
		my $file = $server->basedir . "/clients_${database}_" . ++$clients;
		my $run = IPC::Run::start(psql_command($server, $database, '-f', $script),
			'<', '/dev/null', '>', $file, '2>', "$file.errors");
		push @clients,
		  {
			server => $server,
			database => $database,
			generator => $generator,
			run => $run,
			file => $file
		  };
	}
	return @clients;
}

# Does each of the clients draw from here on?
sub clients_draw
{
	my (@clients) = @_;
	my %before = map { $_->{file} => -s $_->{file} // 0 } @clients;

	return await('clients draw',
		sub { !grep { (-s $_->{file} // 0) <= $before{ $_->{file} } } @clients });
}

# End clients; notes what they were answered and returns it.  errors, if given,
# is where what they complained of is added.
sub stop_clients
{
	my ($errors, @clients) = @_;
	my @values;

	foreach my $client (@clients)
	{
		$client->{run}->signal('TERM');
		eval { $client->{run}->finish; };
		my @lines = split /^/, slurp_file($client->{file});

		# a line that is cut short was not answered as a whole
		pop @lines if @lines && $lines[-1] !~ /^\d+\n\z/;
		push @values, given($client->{generator}, map { /^(\d+)$/ ? $1 : die "odd answer: $_" } @lines);
		push @$errors, grep { /ERROR|FATAL/ } split /^/, slurp_file("$client->{file}.errors");
	}
	return @values;
}

# Begin to draw one value, in a session of its own, and do not wait for it.
sub start_draw
{
	my ($server, $database, $generator) = @_;
	my $draw = { generator => $generator, out => '', err => '' };
	local $ENV{PGOPTIONS} = '-c seqgen.range_timeout=60s';

	$draw->{run} = IPC::Run::start(
		psql_command($server, $database, '-c', "SELECT range_nextval('$generator')"),
		'<', '/dev/null', '>', \$draw->{out}, '2>', \$draw->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $draw;
}

# Wait for a draw that was begun; its value, or nothing if it failed.
sub wait_for_draw
{
	my ($draw) = @_;

	$draw->{run}->finish;
	diag($draw->{err}) if $draw->{err};
	return given($draw->{generator}, split /\n/, $draw->{out});
}

# Run a statement that is to fail; all that it complains of.
sub error_of
{
	my ($server, $database, $sql, %params) = @_;
	my $extra = [ '-v', 'VERBOSITY=verbose', @{ delete $params{extra_params} // [] } ];
	my ($status, $out, $err) = $server->psql($database, $sql, extra_params => $extra, %params);

	return $status ? $err : "no error, but: $out";
}

# Wait until the worker of a database has brought all blocks that are due, so
# that what is held, and what the ledger says, do not change by themselves.
sub settle
{
	my ($server, $database) = @_;

	$server->poll_query_until($database, <<'SQL') or BAIL_OUT("$database does not come to rest");
SELECT coalesce(bool_and(block IS NOT NULL AND (next_block IS NOT NULL OR
				"position" < lower(block) + (upper(block) - lower(block) + 1) / 2 - 1)), true)
   AND NOT EXISTS (SELECT FROM seqgen.range_holding WHERE state = 'requested')
  FROM seqgen.range_block
SQL
	return;
}

# How many values a database can serve without its coordinator, whether or not
# more is on its way.
sub supply_now
{
	my ($server, $database) = @_;
	return value($server, $database, <<'SQL');
SELECT coalesce(sum(upper(block) - 1 - "position" + coalesce(upper(next_block) - lower(next_block), 0)), 0)
  FROM seqgen.range_block
SQL
}

# What the view of coordinators says.
sub state_of
{
	my ($server, $database, $columns) = @_;
	return value($server, $database, "SELECT $columns FROM seqgen.range_coordinator");
}

# How many blocks the ledger has.
sub ledger_rows
{
	my ($server, $database) = @_;
	return value($server, $database, 'SELECT count(*) FROM seqgen.range_allocation');
}

# The standby gets no more of the primary's WAL.
sub cut_off
{
	my ($primary, $standby) = @_;

	$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
	$standby->reload;
	$primary->poll_query_until('postgres',
		q(SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = ')
		  . $standby->name . q(')))
	  or BAIL_OUT('the standby goes on receiving');
	return;
}

1;
