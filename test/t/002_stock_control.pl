# Property: a value that was answered is not answered again after kill -9, in
# the very case in which a plain sequence does answer it again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use SeqgenTest;

# No commit of a transaction that wrote nothing flushes WAL; let nothing else
# flush it in the background either.
my $node = seqgen_cluster('main', conf => <<'CONF');
fsync = on
synchronous_commit = on
wal_writer_delay = 10s
checkpoint_timeout = 1d
CONF

# An open transaction draws a value, another session is answered some, the
# server is killed, and some more are answered.  Meanwhile the clock is set
# back, so that it does not help.  Returns how many were answered twice, and how
# many do not exceed the largest answered before the crash.
sub crash_while_drawing
{
	my ($expression) = @_;
	my $draw = "SELECT $expression FROM generate_series(1, 5)";

	# so that the first draw, in the open transaction, is what writes WAL
	$node->safe_psql('postgres', 'CHECKPOINT');
	my $open = session($node);
	$open->query_safe('BEGIN');
	my @before = $open->query_safe("SELECT $expression");
	push @before, split(/\n/, $node->safe_psql('postgres', $draw));
	is(@before, 6, "$expression was answered before the crash");

	$node->kill9;
	$open->{run}->kill_kill;
	restart_after_crash($node);

	my @after = split(/\n/,
		$node->safe_psql('postgres', "SET seqgen.debug_clock_offset = '-10s'; $draw"));
	is(@after, 5, "$expression was answered after the crash");

	my %seen = map { $_ => 1 } @before;
	my ($largest) = sort { $b <=> $a } @before;
	my @repeated = grep { $seen{$_} } @after;
	my @not_above = grep { $_ <= $largest } @after;
	return (scalar(@repeated), scalar(@not_above));
}

$node->safe_psql('postgres', q{
	CREATE SEQUENCE stock;
	SELECT snowflake_create('ours');
});

# The control.  If the server does flush WAL at the wrong moment, once more.
my $repeated = 0;
for (1 .. 5)
{
	($repeated) = crash_while_drawing(q{nextval('stock')});
	last if $repeated > 0;
}
cmp_ok($repeated, '>', 0, 'the plain sequence repeats values');

for my $expression (q{snowflake_nextval('ours')}, 'snowflake_nextval()')
{
	my ($twice, $not_above) = crash_while_drawing($expression);
	is($twice, 0, "$expression repeats none");
	is($not_above, 0, "$expression goes on above what was answered");
}

$node->stop;
done_testing();
