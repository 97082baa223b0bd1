/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background worker of a database.  Implemented in worker.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_WORKER_H
#define SEQGEN_WORKER_H

#define SG_CONTACT_SIZE		256

/*
 * Something that a worker does.  All of it runs outside of transactions.  start,
 * run and stop may raise errors: the worker aborts what transaction there is,
 * logs the error, and goes on with the other duties.  What they allocate is
 * freed when they return.
 */
typedef struct SgWorkerDuty
{
	/* called at the beginning, and again after an error in it; may be NULL */
	void		(*start) (void);

	/*
	 * does what is due, without waiting; returns after how many ms at most it
	 * wants to be called again, -1 for no limit.  It is called sooner if
	 * another duty is due, or the worker is woken.
	 */
	long		(*run) (void);

	/*
	 * asked when all duties have run: like the result of run, for what they
	 * have begun with each other.  May be NULL
	 */
	long		(*time_left) (void);

	/*
	 * a socket to wait for; returns WL_SOCKET_* events, 0 for none.  NULL in
	 * all duties but one
	 */
	int			(*socket) (pgsocket *sock);

	/*
	 * called after an error in start or run, or in what comes before them;
	 * may be NULL
	 */
	void		(*failed) (ErrorData *error);

	/*
	 * called at the end, if the database is still there, and also if start
	 * was not; may be NULL
	 */
	void		(*stop) (void);
} SgWorkerDuty;

/*
 * Registers a duty; called while the library is preloaded.  They run in the
 * order in which they were added.
 */
extern void sg_worker_add_duty(const SgWorkerDuty *duty);

/* For what run returns: whichever of two waits ends first, where -1 is none. */
extern long sg_worker_sooner(long a, long b);

/* And whole ms from now until an uptime in us, rounded up. */
extern long sg_worker_ms_until(int64 then);

/*
 * Wake the worker of this database, and start it if it does not run.  Returns
 * NULL, or why it cannot run: a translated message.
 */
extern const char *sg_worker_wake(void);

/* Wake the worker of this database if it runs. */
extern void sg_worker_nudge(void);

/* Its process id, 0 if it does not run. */
extern int	sg_worker_pid(void);

/* What a worker knows of the coordinator.  Times are us since the Unix epoch. */
typedef struct SgContact
{
	int64		heard_at;		/* the last answer; 0 for none */
	int64		failed_at;		/* since then; 0 if it did not */
	char		failure[SG_CONTACT_SIZE];	/* how, if it did */
	bool		has_skew;
	int64		skew;			/* by how much the coordinator's clock is
								 * ahead of ours, as told last, us */
} SgContact;

/* To be called by duties. */
extern void sg_worker_note_answer(void);
extern void sg_worker_note_failure(const char *message);
extern void sg_worker_note_skew(int64 skew);

/* The same from elsewhere; false if the worker of this database does not run. */
extern bool sg_worker_contact(SgContact *contact);

extern void sg_worker_init(void);

#endif							/* SEQGEN_WORKER_H */
