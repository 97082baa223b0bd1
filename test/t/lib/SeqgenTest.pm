# What the TAP tests of seqgen share.

package SeqgenTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(seqgen_cluster session fails crash restart_after_crash
  checkpointer await_checkpointer_after
  %largest take run_script ids_only_grew);

our %largest;	# by generator, the largest id that a test has seen
my $wrong = 0;	# ids that were not larger than those before them

# A running cluster with the extension in database postgres.  conf is added to
# postgresql.conf, all other parameters are those of init.
sub seqgen_cluster
{
	my ($name, %params) = @_;
	my $conf = delete $params{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%params);
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'seqgen'
seqgen.node_id = 1
autovacuum = off
$conf
CONF
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION seqgen');
	return $node;
}

# A session that stays open, whose errors come with their SQLSTATE, and whose
# clock is shifted by offset if that is given.
sub session
{
	my ($node, %params) = @_;
	my @options = ('-v', 'VERBOSITY=verbose');
	push @options, '-U', $params{user} if defined $params{user};
	my $session = $node->background_psql($params{database} // 'postgres',
		on_error_stop => 0, extra_params => \@options);

	$session->query_safe("SET seqgen.debug_clock_offset = '$params{offset}'")
	  if defined $params{offset};
	return $session;
}

# The statement fails in the session with this SQLSTATE and message.
sub fails
{
	my ($session, $sql, $sqlstate, $message, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$session->{stderr} = '';
	$session->query($sql);
	like($session->{stderr}, qr/ERROR:  $sqlstate: $message/, $name);
	$session->{stderr} = '';
	return;
}

# Draw ids in an open session and return the last.  Each must be larger than
# all ids of the generator before it: ids_only_grew tells.
sub take
{
	my ($session, $generator, $count) = @_;
	my $last = $largest{$generator} // 0;
	$count //= 3;

	$session->{stderr} = '';
	my @ids = split /\n/, $session->query_safe(
		"SELECT snowflake_nextval('$generator') FROM generate_series(1, $count)");
	die 'drew ' . scalar(@ids) . " ids, not $count" unless @ids == $count;
	foreach my $id (@ids)
	{
		next if $id > $last and ($last = $id);
		$wrong++;
		diag("$generator: $id came after $last");
	}
	$largest{$generator} = $last;
	return $last;
}

# Run statements in an open session; "draw" is one that draws.
sub run_script
{
	my ($session, $generator, @script) = @_;

	foreach my $statement (@script)
	{
		$session->{stderr} = '';
		if ($statement eq 'draw')
		{
			take($session, $generator);
		}
		else
		{
			$session->query_safe($statement);
		}
	}
	return;
}

# Every id since the last such test was larger than those before it.
sub ids_only_grew
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($wrong, 0, $name);
	$wrong = 0;
	return;
}

# Start a server that was killed, as soon as its last process has gone.
sub restart_after_crash
{
	my ($node) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $pid_file = $node->data_dir . '/postmaster.pid';

	if (-e $pid_file)
	{
		my ($pid) = split /\n/, slurp_file($pid_file);
		usleep(10_000) while kill(0, $pid) && time < $deadline;
	}
	until ($node->start(fail_ok => 1))
	{
		BAIL_OUT('server does not start after a crash') if time > $deadline;
		usleep(100_000);
	}
	return;
}

# Crash the server, by an immediate stop or by kill -9 of the postmaster, and
# start it again.
sub crash
{
	my ($node, $how) = @_;

	if (($how // 'immediate') eq 'kill9')
	{
		$node->kill9;
	}
	else
	{
		$node->stop('immediate');
	}
	restart_after_crash($node);
	return;
}

# The process that tells one life of the processes of a server from the next:
# when one of them crashes, the postmaster ends all, and starts anew.
sub checkpointer
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
}

# Wait until there is another checkpointer than before.  A psql that cannot
# connect may be gone before it is written a query, as poll_query_until does,
# and that is an error (EPIPE) which ends the test; so the query is an argument.
sub await_checkpointer_after
{
	my ($node, $before) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $query = qq{SELECT pid <> $before FROM pg_stat_activity WHERE backend_type = 'checkpointer'};
	my ($out, $err) = ('', '');

	while (time < $deadline)
	{
		IPC::Run::run([ 'psql', '-XAtq', '-c', $query, $node->connstr('postgres') ],
			'<', '/dev/null', '>', \$out, '2>', \$err);
		return if $out eq "t\n";
		usleep(100_000);
	}
	BAIL_OUT($node->name . " does not come back: $err");
	return;
}

1;
