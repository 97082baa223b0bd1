# Property: a clock that jumped forward is refused if the kernel does not vouch
# for it, and accepted if it does; what a session shifted nobody vouches for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SeqgenTest;

plan skip_all => 'clock and kernel are replaced on Linux only' unless $^O eq 'linux';

my $library = PostgreSQL::Test::Utils::tempdir . '/timekeeper.so';
my ($compiler) = grep { system("command -v $_ >/dev/null 2>&1") == 0 }
  grep { defined } $ENV{CC}, 'cc', 'gcc', 'clang';
system($compiler, '-shared', '-fPIC', '-O2', '-o', $library,
	"$FindBin::RealBin/lib/timekeeper.c", '-ldl') == 0
  or die "could not compile timekeeper.c";

my $state = PostgreSQL::Test::Utils::tempdir . '/state';

# The wall clock is so many seconds ahead; does the kernel vouch for it?
sub clock_is
{
	my ($ahead, $synchronized) = @_;

	open my $out, '>', "$state.new" or die "could not write $state.new: $!";
	print $out "$ahead $synchronized\n";
	close $out;
	rename "$state.new", $state or die "could not rename $state.new: $!";
	return;
}

clock_is(0, 0);
my $node;
{
	local $ENV{TIMEKEEPER} = $state;
	$node = PostgreSQL::Test::Cluster->new('main');
	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'seqgen'\nseqgen.node_id = 1\nautovacuum = off");
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION seqgen');

my $day = 24 * 3600;
my $session = session($node);
take($session, 'seqgen.snowflake_default');

# in the next transaction nothing is reserved for the day after next
clock_is(2 * $day, 0);
fails($session, 'SELECT snowflake_nextval()', '55000', 'clock jumped forward further than seqgen trusts',
	'a jump that nobody vouches for is refused');
clock_is(2 * $day, 1);
$session->query_safe("SET seqgen.debug_clock_offset = '2d'");
fails($session, 'SELECT snowflake_nextval()', '55000', 'clock jumped forward further than seqgen trusts',
	'nor does the kernel vouch for what a session shifted');
$session->query_safe('RESET seqgen.debug_clock_offset');
my $id = take($session, 'seqgen.snowflake_default');
is($session->query_safe("SELECT snowflake_timestamp($id) > clock_timestamp() - interval '1 minute'"),
	't', 'a jump that the kernel vouches for is accepted');

# from there on it is the clock that the next one is measured against
clock_is(2 * $day + 3600, 0);
take($session, 'seqgen.snowflake_default');
ids_only_grew('and later readings are measured against it');

# after a start, a year is measured against the last checkpoint
$session->quit;
$node->stop;
{
	local $ENV{TIMEKEEPER} = $state;
	local $ENV{LD_PRELOAD} = $library;
	clock_is(400 * $day, 0);
	$node->start;
}
$session = session($node);
fails($session, 'SELECT snowflake_nextval()', '55000', 'clock jumped forward further than seqgen trusts',
	'so is more than a year over a restart');
$session->query_safe('SELECT seqgen.accept_clock()');
take($session, 'seqgen.snowflake_default');
ids_only_grew('until it is accepted');
$session->quit;
$node->stop;
done_testing();
