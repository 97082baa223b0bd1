/*-------------------------------------------------------------------------
 *
 * lease.pml
 *	  Leases of node numbers, as a model for SPIN.
 *
 * Promise, checked by "run" in every state that can be reached: no tick of a
 * number is issued twice, and what a node holds only gets newer; whatever
 * requests and answers are lost, late or repeated, whichever process stalls
 * between any two steps, whoever restarts, reboots or is cloned, whatever
 * a node's clock says, and if the coordinator fails over to a standby that
 * lacks the newest commits.
 *
 * Each of the variants leaves out one rule and has its counterexample.
 * README.md names them, and says what is left out of the model.
 *
 * One tick of one number is watched, which may be any.  So a state needs no
 * list of ids, and last of a generator is one bit: the watched tick is behind.
 * The next id of a node does not follow its clock but is any that its slot
 * allows, so whatever its clock does is covered.
 *
 *-------------------------------------------------------------------------
 */

/*
 * Size
 */

#ifndef LEASE
#define LEASE		1			/* length of a lease, in units of time */
#endif
#ifndef SKEW
#define SKEW		1			/* by which clocks may differ: max_node_skew */
#endif
#ifndef HORIZON
#define HORIZON		4			/* the last moment */
#endif
#ifndef NODES
#define NODES		2
#endif
#ifndef ASKS
#define ASKS		2			/* requests of a node, each with a key */
#endif
#ifndef ALL_ASKS
#define ALL_ASKS	3			/* and of all nodes */
#endif
#ifndef REBOOTS
#define REBOOTS		0			/* servers that come with a new identity */
#endif
#ifndef FAILOVERS
#define FAILOVERS	0			/* of the coordinator */
#endif
#ifndef RELEASES
#define RELEASES	0			/* by the DBA */
#endif
#ifndef STRAYS
#define STRAYS		0			/* requests that arrive after newer ones */
#endif

#ifndef NUMBERS
#define NUMBERS		1			/* 0 is none; 1 is watched */
#endif
#define LAST_TICK	(HORIZON + LEASE + 2 * SKEW)
#define NOBODY		255

/*
 * The rules, and what is wrong with them in the variants
 */

#define larger(a, b)		((a) > (b) -> (a) : (b))
#define smaller(a, b)		((a) < (b) -> (a) : (b))

#ifdef NO_RENEW_MARGIN
#define may_renew(end)		(clock < (end))
#define is_over(end)		(clock >= (end))
#else
#define may_renew(end)		(clock + smaller(SKEW, LEASE / 4) < (end))
#define is_over(end)		(clock >= (end) + SKEW)
#endif

#define is_free(i)			(registry.row[i].holder == 0 || is_over(registry.row[i].until))

#if defined(NO_FROM)
#define begin(end)			0
#elif defined(HOLD_WITHOUT_START)
#define begin(end)			(end)
#else
#define begin(end)			larger(end, registry.hold_end)
#endif

#ifdef IGNORE_GENERATION
#define is_newest(i, shown)	true
#else
#define is_newest(i, shown)	((shown) >= registry.row[i].generation)
#endif

/*
 * The coordinator
 */

typedef Row
{
	byte		holder;			/* identity; 0 if never given */
	bit			released;
	byte		generation;
	byte		key;
	byte		from;
	byte		until;
};

typedef Registry
{
	Row			row[NUMBERS + 1];
	byte		generation;
	byte		hold_end;
	bit			elsewhere;		/* not where the leases were granted */
};

Registry	registry;			/* what is committed */
Registry	standby;			/* what was, when it began to lag */
Registry	none;

/*
 * The nodes
 */

typedef Node
{
	byte		identity;		/* 0 while it does not run */

	/* its row in seqgen.node_lease, and what its slots have of it */
	byte		number;
	byte		generation;
	byte		from;
	byte		until;			/* ticks are below it: limit */
	byte		key;			/* of the request under way; 0 for none */
	byte		asks;

	/* the newest answer on its way to it */
	byte		answer;			/* number; 0 if there is none */
	byte		answer_generation;
	byte		answer_from;
	byte		answer_until;

	/* its generator */
	bit			behind;			/* last is at the watched tick, or above */
	bit			taking;			/* a backend is about to swap last to it */
	byte		reaches;		/* a reservation under way; LATE_RAISE only */
};

/* A request that arrives after its node has gone on. */
typedef Request
{
	byte		node;			/* 0 if there is none */
	byte		identity;
	byte		number;
	byte		generation;
	byte		key;
};

Node		node[NODES + 1];
Request		stray;

byte		now;
byte		watched;			/* tick */
bit			issued;				/* it has been given out */

byte		identities = NODES;
byte		failovers;
bit			lags;
byte		releases;
byte		strays;
byte		asks;

/* what REACH asks for */
bit			lost;				/* a failover that lost a commit */
bit			recycled;			/* the number got another holder */
bit			stalled;			/* an id issued after its window had passed */
#ifdef REACH
#define note(what)			what = 1
#else
#define note(what)			skip
#endif

/* within a step; 0 between steps, so they add no states */
byte	 clock;
byte	 end;
byte	 given;
byte	 first;
byte	 k;

/*
 * Steps of the coordinator
 */

inline copy(to, from_)
{
	for (k : 1 .. NUMBERS)
	{
		to.row[k].holder = from_.row[k].holder;
		to.row[k].released = from_.row[k].released;
		to.row[k].generation = from_.row[k].generation;
		to.row[k].key = from_.row[k].key;
		to.row[k].from = from_.row[k].from;
		to.row[k].until = from_.row[k].until;
	}
	to.generation = from_.generation;
	to.hold_end = from_.hold_end;
	to.elsewhere = from_.elsewhere;
}

inline hold()
{
#if !defined(NO_HOLD) && !defined(SKIP_ONE_BLOCK)
	registry.hold_end = larger(registry.hold_end, clock + LEASE + 2 * SKEW)
#else
	skip
#endif
}

inline note_row(i, who, with_key)
{
	registry.generation++;
	registry.row[i].generation = registry.generation;
	registry.row[i].holder = who;
	registry.row[i].key = with_key;
}

inline take_up()
{
	if
	:: registry.elsewhere ->
		registry.elsewhere = 0;
		hold();
#ifdef SKIP_ONE_BLOCK
		/* the number that would be next may have been given */
		if
		:: is_free(2) -> note_row(2, NOBODY, 0); registry.row[2].until = end
		:: !is_free(2) && is_free(1) -> note_row(1, NOBODY, 0); registry.row[1].until = end
		:: else
		fi
#endif
	:: else
	fi
}

inline grant(i, who, with_key)
{
	registry.row[i].from = begin(registry.row[i].until);
	registry.row[i].until = larger(registry.row[i].until, end);
	registry.row[i].released = 0;
	if
	:: i == 1 && registry.row[i].holder != 0 && registry.row[i].holder != who -> note(recycled)
	:: else
	fi;
	note_row(i, who, with_key);
	given = i
}

/* what a request meets: this server's clock, the later of both, which is free */
inline meet()
{
	if
	:: clock = now
	:: clock = now + SKEW
	fi;
	if
	:: end = clock + LEASE
	:: end = clock + LEASE + SKEW
	fi;
#if defined(SKIP_ONE_BLOCK) || NUMBERS == 1
	first = NUMBERS
#else
	if
	:: first = 1
	:: first = 2
	fi
#endif
}

inline part()
{
	clock = 0;
	end = 0;
	first = 0;
	given = 0;
	k = 0
}

/* node_request; given is the number answered, or 0 */
inline decide(who, number_, shown, with_key)
{
	given = 0;
	take_up();
	if
	:: shown > registry.generation -> registry.generation = shown; hold()
	:: shown <= registry.generation && number_ != 0 && shown > registry.row[number_].generation -> hold()
	:: else
	fi;
	if
	:: number_ != 0 && registry.row[number_].holder == who ->
		if
		:: is_newest(number_, shown) && !registry.row[number_].released &&
			may_renew(registry.row[number_].until) ->
			registry.row[number_].until = larger(registry.row[number_].until, end);
			note_row(number_, who, with_key);
			given = number_
		:: else
		fi
	:: else
	fi;
	/* the same again after a lost answer */
	for (k : 1 .. NUMBERS)
	{
		if
		:: given == 0 && registry.row[k].holder == who && registry.row[k].key == with_key -> given = k
		:: else
		fi
	}
	if
	:: given == 0 && clock >= registry.hold_end ->
		if
		:: is_free(first) -> grant(first, who, with_key)
		:: !is_free(first) && is_free(NUMBERS + 1 - first) -> grant(NUMBERS + 1 - first, who, with_key)
		:: else
		fi
	:: else
	fi
}

/* on its way to the node, if it still is who asked */
inline send_answer(n, who)
{
	if
	:: given != 0 ->
		printf("%d: registry (clock %d) answers identity %d: number %d, generation %d, %d to %d\n",
			   now, clock, who, given, registry.row[given].generation,
			   registry.row[given].from, registry.row[given].until)
	:: else -> printf("%d: registry (clock %d, hold to %d) has nothing for identity %d\n",
					  now, clock, registry.hold_end, who)
	fi;
	if
#ifdef SYNCHRONOUS
	/* a commit that is not confirmed is not answered */
	:: given != 0 && node[n].identity == who && !lags ->
#else
	:: given != 0 && node[n].identity == who ->
#endif
		node[n].answer = given;
		node[n].answer_generation = registry.row[given].generation;
		node[n].answer_from = registry.row[given].from;
		node[n].answer_until = registry.row[given].until
	:: else
	fi
}

#define can_release(i) \
	(releases < RELEASES && registry.row[i].holder != 0 && !registry.row[i].released)

proctype Coordinator()
{
	byte		n;

end_here:
	do
	:: atomic {
			stray.node != 0 ->
			meet();
			d_step {
				n = stray.node;
				decide(stray.identity, stray.number, stray.generation, stray.key);
#ifdef LATE
				send_answer(n, stray.identity);
#endif
				part();
				stray.node = 0; stray.identity = 0; stray.number = 0;
				stray.generation = 0; stray.key = 0; n = 0
			}
		}
	/* the DBA */
	:: d_step { can_release(1) -> releases++; registry.row[1].released = 1; printf("%d: number released\n", now) }
	:: d_step { can_release(NUMBERS) -> releases++; registry.row[NUMBERS].released = 1; printf("%d: number released\n", now) }
	/* the last commit that gets there; before it the standby is not looked at */
	:: d_step { failovers < FAILOVERS && !lags ->
			lags = 1;
			copy(standby, registry);
			k = 0;
			printf("%d: no later commit gets to the standby\n", now)
		}
	:: d_step {
			lags ->
			lags = 0;
			failovers++;
			if
			:: standby.generation < registry.generation -> note(lost)
			:: else
			fi;
			copy(registry, standby);
#if defined(HOLD_NOT_IF_EMPTY)
			registry.elsewhere = (registry.generation > 0);
#elif !defined(SYNCHRONOUS)
			registry.elsewhere = 1;
#endif
			copy(standby, none);
			k = 0;
			printf("%d: the standby takes over\n", now)
		}
	od
}

proctype Time()
{
end_here:
	do
	:: now < HORIZON -> now++
	od
}

/*
 * Steps of a node
 */

inline forget_answer(n)
{
	node[n].answer = 0;
	node[n].answer_generation = 0;
	node[n].answer_from = 0;
	node[n].answer_until = 0
}

/* the server stopped: only rows and bounds are left */
inline stop(n)
{
	forget_answer(n);
	node[n].taking = 0;
	node[n].reaches = 0
}

/* The same number goes on, or a window begins after all that there was. */
#define is_sound(n) \
	(node[n].answer_generation > node[n].generation && \
	 node[n].answer_from < node[n].answer_until && \
	 (node[n].answer != node[n].number || node[n].answer_from == node[n].from || \
	  node[n].answer_from >= node[n].until))

#define continues(n) \
	(node[n].answer == node[n].number && node[n].answer_from == node[n].from)

/*
 * The row is committed, and the slots follow.  Whatever moves last makes swaps
 * in flight fail.
 */
inline accept(n)
{
	assert(node[n].answer_generation > node[n].generation);
	if
#ifdef SAME_NUMBER_PROLONGS
	:: node[n].number == node[n].answer ->
#else
	:: continues(n) ->
#endif
		/* what was lost in a failover may have been longer, and stays ours */
		node[n].until = larger(node[n].until, node[n].answer_until)
	:: else ->
		node[n].taking = 0;
		node[n].behind = (node[n].behind || node[n].answer_from > watched);
#ifndef LATE_RAISE
		node[n].reaches = 0;
#endif
		node[n].until = node[n].answer_until
	fi;
	node[n].number = node[n].answer;
	printf("%d: node %d accepts number %d, generation %d\n", now, n, node[n].answer, node[n].answer_generation);
	node[n].generation = node[n].answer_generation;
	node[n].from = node[n].answer_from;
	node[n].key = 0;
	forget_answer(n)
}

proctype NodeServer(byte n)
{
end_here:
	do
	/*
	 * The worker asks, with a key that is committed before.  Nodes are alike,
	 * so the first to ask may be the first.
	 */
	:: d_step {
			node[n].identity != 0 && node[n].key == 0 && node[n].asks < ASKS && asks < ALL_ASKS &&
				(n == 1 || node[n - 1].asks > 0) ->
			asks++;
			node[n].asks++;
			node[n].key = (NODES + 1) * node[n].asks + n;
			printf("%d: node %d wants to ask (number %d, generation %d)\n", now, n, node[n].number, node[n].generation)
		}
	/* what it sent is on its way yet when the node goes on */
	:: d_step {
			strays < STRAYS && stray.node == 0 && node[n].key != 0 ->
			strays++;
			stray.node = n;
			stray.identity = node[n].identity;
			stray.number = node[n].number;
			stray.generation = node[n].generation;
			stray.key = node[n].key;
			printf("%d: what node %d sent is late\n", now, n)
		}
	/* its request is executed, once or more */
	:: atomic {
			node[n].key != 0 ->
			meet();
			d_step {
				decide(node[n].identity, node[n].number, node[n].generation, node[n].key);
				send_answer(n, node[n].identity);
				part()
			}
#ifndef LATE
			if
			:: node[n].answer != 0 && is_sound(n) -> d_step { accept(n) }
			:: node[n].answer != 0 -> d_step { printf("   the answer is lost\n"); forget_answer(n) }
			:: node[n].answer == 0
			fi
#endif
		}
#ifdef LATE
	/* an answer, maybe late; a lost one is one that never gets here */
	:: d_step { node[n].answer != 0 && is_sound(n) -> accept(n) }
	:: d_step { node[n].answer != 0 && !is_sound(n) -> forget_answer(n) }
#endif

	/* a backend: reads last and limit, may stall, swaps last */
#ifdef CHECK_THEN_ISSUE
	/* the lease is checked with a clock; the id has what the clock says then */
	:: d_step { node[n].number == 1 && !node[n].taking && now < node[n].until ->
			node[n].taking = 1;
			printf("%d: node %d finds its lease valid\n", now, n)
		}
	:: d_step {
			node[n].taking && !node[n].behind && now == watched ->
#else
	:: d_step {
			node[n].number == 1 && !node[n].taking && !node[n].behind &&
				watched < node[n].until ->
			node[n].taking = 1;
			printf("%d: node %d is about to issue tick %d\n", now, n, watched)
		}
	:: d_step {
			node[n].taking ->
#endif
			node[n].taking = 0;
			node[n].behind = 1;
			if
			:: now > node[n].until -> note(stalled)
			:: else
			fi;
			printf("%d: node %d issues tick %d\n", now, n, watched);
			assert(!issued);
			issued = 1;
#ifdef REACH
			assert(!(lost && recycled && stalled))
#endif
		}
#ifdef LATE_RAISE
	:: d_step { node[n].number != 0 && node[n].reaches == 0 ->
			node[n].reaches = node[n].until;
			printf("%d: node %d reserves to %d\n", now, n, node[n].until)
		}
	:: d_step {
			node[n].reaches != 0 ->
			node[n].until = larger(node[n].until, node[n].reaches);
			node[n].reaches = 0;
			printf("%d: node %d raises its limit to %d\n", now, n, node[n].until)
		}
#endif

	/* a restart: the same identity, and its row; a reboot: another one */
	:: d_step { node[n].number != 0 && node[n].taking -> stop(n); printf("%d: node %d restarts\n", now, n) }
	:: d_step {
			node[n].identity != 0 && identities < NODES + REBOOTS ->
			identities++;
			stop(n);
			printf("%d: node %d comes with identity %d\n", now, n, identities);
			node[n].identity = identities;
			node[n].number = 0;
			node[n].generation = 0;
			node[n].from = 0;
			node[n].until = 0;
			node[n].key = 0
		}
	od
}

#ifdef TWIN
/*
 * A virtual machine is resumed twice: both have the same identity, row and
 * slots, and go on.  What the lease that runs then covers both may issue; the
 * promise is about all other ticks.
 */
proctype Fork()
{
end_here:
	d_step {
#ifdef TWIN_ASKING
		node[1].number == 1 && watched >= node[1].until ->
#else
		node[1].number == 1 && watched >= node[1].until && node[1].key == 0 ->
#endif
		stop(2);
		node[2].identity = node[1].identity;
		node[2].number = node[1].number;
		node[2].generation = node[1].generation;
		node[2].from = node[1].from;
		node[2].until = node[1].until;
		node[2].key = node[1].key;
		node[2].behind = node[1].behind;
		printf("%d: node 2 is node 1 again\n", now)
	}
}
#endif

init
{
	byte		n;

	atomic
	{
#ifdef W
		watched = W;			/* a variant's counterexample needs one only */
#else
		select (watched : 0 .. LAST_TICK);
#endif
		run Time();
		run Coordinator();
#ifdef TWIN
		run Fork();
#endif
		for (n : 1 .. NODES)
		{
			node[n].identity = n;
			run NodeServer(n)
		}
		n = 0
	}
}
