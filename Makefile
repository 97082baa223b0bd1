# seqgen: unique, ordered and fast keys for PostgreSQL.
#
#   make && make install    PG_CONFIG=... chooses the server
#   make installcheck       tests against a running server, see check-server
#   make unit               tests of the pure code, under sanitizers
#   make indent             pgindent's layout
#   make typedefs           writes typedefs.list anew, before make indent

EXTENSION = seqgen
DATA = sql/seqgen--1.0.sql

MODULE_big = seqgen
OBJS = \
	src/allocation.o \
	src/backend.o \
	src/block.o \
	src/bound.o \
	src/catalog.o \
	src/citus.o \
	src/clock.o \
	src/coordinator.o \
	src/counter.o \
	src/doctor.o \
	src/generator.o \
	src/guc.o \
	src/hold.o \
	src/holding.o \
	src/identity.o \
	src/identity_text.o \
	src/layout.o \
	src/lease.o \
	src/ledger.o \
	src/located.o \
	src/located_bits.o \
	src/location.o \
	src/monitor.o \
	src/node.o \
	src/query.o \
	src/question.o \
	src/range.o \
	src/registry.o \
	src/registry_admin.o \
	src/registry_row.o \
	src/remote.o \
	src/renewal.o \
	src/request.o \
	src/seqgen.o \
	src/sequence.o \
	src/session.o \
	src/shmem.o \
	src/slot.o \
	src/snowflake.o \
	src/supply.o \
	src/tenure.o \
	src/tenure_rule.o \
	src/window.o \
	src/worker.o

# In this order; a new test/sql/NAME.sql must be added here.
REGRESS = \
	layout \
	snowflake \
	located \
	generator \
	settings \
	range \
	range_draw \
	monitor \
	doctor \
	node \
	security \
	coordinator \
	range_security
REGRESS_OPTS = --inputdir=test
REGRESS_PREP = check-server

ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=seqgen

TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# test/unit/NAME_test.c together with src/NAME.c, without a server
UNIT = \
	block_test \
	identity_text_test \
	layout_test \
	lease_test \
	located_bits_test \
	tenure_rule_test \
	window_test

EXTRA_CLEAN = $(addprefix test/unit/,$(UNIT)) \
	src/*.new src/*.tmp bench/*.o bench/*.bc bench/*.so

PG_CONFIG = pg_config

# The server's headers are system headers, so that -Wextra speaks of this
# code only.  Callbacks have a given signature, so an unused parameter is no
# mistake.  The server's own CFLAGS hold options that only gcc knows.  Nobody
# replaces our functions by others, so calls among them can be direct: before
# version 16, where they are hidden, this takes some percent off a draw.
# libpq's headers come after the server's: where they lie there are also some
# of the server's names, maybe of another version.
SERVER_HEADERS := $(shell $(PG_CONFIG) --includedir-server)
PG_CPPFLAGS = -I$(srcdir)/src -isystem $(SERVER_HEADERS) -isystem $(libpq_srcdir)
SHLIB_LINK_INTERNAL = $(libpq)
PG_CFLAGS = -Wno-unused-parameter -fno-semantic-interposition
ifneq (,$(findstring clang,$(CC)))
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

ifneq (,$(filter 9.% 10 11 12 13 14,$(MAJORVERSION)))
$(error seqgen needs PostgreSQL 15 or newer, and $(PG_CONFIG) is of version $(MAJORVERSION))
endif

ifeq ($(PORTNAME),linux)
LDFLAGS_SL += -Wl,-Bsymbolic-functions
endif

HEADERS_ALL := $(wildcard $(srcdir)/src/*.h)
$(OBJS) $(OBJS:.o=.bc): $(HEADERS_ALL)

# ---- make installcheck: what the server must have, said before the tests run

define CHECK_SERVER_SQL
SELECT CASE WHEN current_setting('shared_preload_libraries') LIKE '%seqgen%' \
THEN 'loaded' END, \
CASE WHEN coalesce(current_setting('seqgen.node_id', true), '') NOT IN ('', '0') \
THEN 'numbered' END
endef

.PHONY: check-server
check-server:
	@found=`'$(bindir)/psql' -XAtq -F, -d postgres -c "$(CHECK_SERVER_SQL)"` || { \
		echo "make installcheck needs a running server and a superuser;" >&2; \
		echo "PGHOST, PGPORT and PGUSER say which." >&2; \
		exit 1; \
	}; \
	[ "$$found" = loaded,numbered ] || { \
		echo "The server is not set up for seqgen. Install the extension (make install)," >&2; \
		echo "add these lines to the server's postgresql.conf and restart the server:" >&2; \
		echo >&2; \
		echo "    shared_preload_libraries = 'seqgen'" >&2; \
		echo "    seqgen.node_id = 1" >&2; \
		echo >&2; \
		exit 1; \
	}

# ---- make unit

UNIT_CFLAGS = -g -O1 -fno-omit-frame-pointer -Wall -Wextra -Wno-unused-parameter \
	-fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: unit
unit: $(addprefix test/unit/,$(UNIT))
	@for program in $^; do ./$$program || exit 1; done

test/unit/%_test: test/unit/%_test.c test/unit/unit.h src/%.c $(HEADERS_ALL)
	$(CC) $(UNIT_CFLAGS) $(COPT) $(CPPFLAGS) -o $@ $(filter %.c,$^) \
		-L$(pkglibdir) -L$(libdir) -lpgcommon -lpgport -lm

# ---- make indent, make typedefs

INDENT = pg_bsd_indent
INDENT_FLAGS = -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 \
	-i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4
INDENT_FILES = $(wildcard src/*.c src/*.h bench/*.c test/unit/*.c)

# As pgindent does it: comments that begin with dashes are kept from
# pg_bsd_indent, and the '*' of a result type gets one space.
.PHONY: indent
indent:
	@for file in $(INDENT_FILES); do \
		sed -e 's/[[:blank:]]*$$//' -e 's:/\*  *---:/*---X_X:g' $$file >$$file.tmp && \
		$(INDENT) $(INDENT_FLAGS) -Utypedefs.list <$$file.tmp >$$file.new && \
		sed -e 's:/\*---X_X:/* ---:g' \
			-e 's:^\([A-Za-z_][^[:blank:]]*\)[[:blank:]]*\*$$:\1 *:' $$file.new >$$file.tmp && \
		{ cmp -s $$file.tmp $$file || cat $$file.tmp >$$file; } && \
		rm -f $$file.tmp $$file.new || { rm -f $$file.tmp $$file.new; exit 1; }; \
	done

# Every type name that the objects' debug information and the sources share.
.PHONY: typedefs
typedefs: $(OBJS)
	@{ echo bool; echo RelFileLocator; objdump -W $(OBJS) | \
		sed -n '/DW_TAG_typedef/,/DW_AT_name/s/.*DW_AT_name.*: //p'; } | \
		sed 's/[[:blank:]]*$$//' | LC_ALL=C sort -u >typedefs.tmp
	@cat $(INDENT_FILES) | tr -cs 'A-Za-z0-9_' '\n' | LC_ALL=C sort -u | \
		LC_ALL=C comm -12 - typedefs.tmp >typedefs.list
	@rm -f typedefs.tmp

# make print-REGRESS prints the variable
print-%:
	@echo $($*)
