# Drawing from ranges in sessions of their own, with all that their clients see:
# how many values came, how long they took, and the error that ended it.

package Draw;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(draw_create draw start_draw finish_draw start_sql finish_sql
  await seconds_of worker_pid);

# Drawing ends after most values, or with an error other than a cancellation:
#	drawn, first, last	how many values came, and which
#	flowed				seconds until the last of them
#	longest				seconds of the call that took longest to return one
#	waited				seconds of the call that failed
#	code, message, detail, hint	of its error
my @columns = qw(drawn first last flowed longest waited code message detail hint);

# Create the function draw in a database.  A timeout of null leaves the setting
# alone; pause is in seconds, after each value.
sub draw_create
{
	my ($node, $database) = @_;

	$node->safe_psql($database, <<'SQL');
CREATE FUNCTION draw(generator regclass, most bigint, timeout text DEFAULT NULL, pause float8 DEFAULT 0,
	OUT drawn bigint, OUT first bigint, OUT last bigint, OUT flowed float8, OUT longest float8,
	OUT waited float8, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
	called timestamptz := started;
	ended timestamptz := started;
	value bigint;
BEGIN
	drawn := 0;
	longest := 0;
	IF timeout IS NOT NULL THEN
		PERFORM set_config('seqgen.range_timeout', timeout, false);
	END IF;
	BEGIN
		WHILE drawn < most LOOP
			called := clock_timestamp();
			value := range_nextval(generator);
			ended := clock_timestamp();
			longest := greatest(longest, extract(epoch FROM ended - called));
			drawn := drawn + 1;
			first := coalesce(first, value);
			last := value;
			IF pause > 0 THEN
				PERFORM pg_sleep(pause);
			END IF;
		END LOOP;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
			detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
		waited := extract(epoch FROM clock_timestamp() - called);
	END;
	flowed := extract(epoch FROM ended - started);
END $$;
SQL
	return;
}

# Start statements in a session of their own.
sub start_sql
{
	my ($node, $database, $sql, %environment) = @_;
	my $run = { database => $database, stdout => '', stderr => '' };
	local @ENV{ keys %environment } = values %environment;

	$run->{handle} = IPC::Run::start(
		[
			'psql', '-XAtq', '-F', "\x1f", '-v', 'VERBOSITY=verbose',
			'-c', $sql, $node->connstr($database)
		],
		'<', '/dev/null', '>', \$run->{stdout}, '2>', \$run->{stderr},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $run;
}

# Wait for their end; returns what they answered.
sub finish_sql
{
	my ($run) = @_;

	$run->{handle}->finish;
	chomp $run->{stdout};
	return $run->{stdout};
}

# arguments are those of the function draw, as SQL.
sub start_draw
{
	my ($node, $database, $arguments) = @_;
	return start_sql($node, $database, "SELECT * FROM draw($arguments)");
}

# Returns the columns of draw, undefined where null.
sub finish_draw
{
	my ($run) = @_;
	my %result;

	@result{@columns} = map { $_ eq '' ? undef : $_ } split(/\x1f/, finish_sql($run), -1);
	die "draw in $run->{database}: $run->{stderr}" if !defined $result{drawn};
	note("draw in $run->{database}: "
		  . join(', ', map { "$_ $result{$_}" } grep { defined $result{$_} } @columns));
	return \%result;
}

sub draw
{
	my ($node, $database, $arguments) = @_;
	return finish_draw(start_draw($node, $database, $arguments));
}

# Wait until something is so.
sub await
{
	my ($what, $condition) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "waited too long: $what" if time > $deadline;
		usleep(50_000);
	}
	return;
}

# How long a statement takes; it must succeed.
sub seconds_of
{
	my ($session, $sql) = @_;
	my $start = time;

	$session->{stderr} = '';
	$session->query_safe($sql);
	return time - $start;
}

# The process id of a database's worker, '' if it has none; by a session that
# is open in another database.
sub worker_pid
{
	my ($session, $database) = @_;

	$session->{stderr} = '';
	return $session->query_safe(<<"SQL");
SELECT pid FROM pg_stat_activity WHERE backend_type = 'seqgen worker' AND datname = '$database'
SQL
}

1;
