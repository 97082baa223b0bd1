/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The background worker of a database.  Implemented in worker.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_WORKER_H
#define SEQGEN_WORKER_H

/*
 * Something that a worker does.  All of it runs outside of transactions, and
 * may raise errors: the worker aborts what transaction there is, logs the
 * error, and goes on.
 */
typedef struct SgWorkerDuty
{
	/* called at the beginning, and again after an error in it */
	void		(*start) (void);

	/*
	 * does what is due, without waiting; returns after how many ms at most it
	 * wants to be called again, -1 for no limit
	 */
	long		(*run) (void);

	/* a socket to wait for; returns WL_SOCKET_* events, 0 for none */
	int			(*socket) (pgsocket *sock);

	/* called after an error in run */
	void		(*failed) (ErrorData *error);

	/* called at the end, if the database is still there */
	void		(*stop) (void);
} SgWorkerDuty;

/* Registers the duty; called while the library is preloaded. */
extern void sg_worker_set_duty(const SgWorkerDuty *duty);

/*
 * Wake the worker of this database, and start it if it does not run.  Returns
 * NULL, or why it cannot run: a translated message.
 */
extern const char *sg_worker_wake(void);

/* Wake the worker of this database if it runs. */
extern void sg_worker_nudge(void);

/* Its process id, 0 if it does not run. */
extern int	sg_worker_pid(void);

extern void sg_worker_init(void);

#endif							/* SEQGEN_WORKER_H */
