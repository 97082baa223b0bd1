/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Obtaining shared memory, one area per module.
 *
 * Every size is fixed at server start.  After a backend has crashed the
 * postmaster creates shared memory anew without loading the library again,
 * so all initialization happens in the areas' attach functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shmem.h"

#define MAX_AREAS			8
#define TRANCHE_NAME		"seqgen"

static const SgShmemArea *areas[MAX_AREAS];
static int	area_count = 0;
static LWLockPadded *locks = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

void
sg_shmem_add(const SgShmemArea *area)
{
	if (area_count >= MAX_AREAS)
		elog(ERROR, "too many areas of shared memory");
	areas[area_count++] = area;
}

LWLock *
sg_shmem_lock(int number)
{
	return &locks[number].lock;
}

bool
sg_shmem_ready(void)
{
	return locks != NULL;
}

void
sg_shmem_require(void)
{
	if (likely(locks != NULL))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("seqgen is not loaded by the server"),
			 errhint("Add these lines to postgresql.conf and restart the server:\n"
					 "shared_preload_libraries = 'seqgen'\n"
					 "seqgen.node_id = 1")));
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	for (int i = 0; i < area_count; i++)
	{
		RequestAddinShmemSpace(areas[i]->size());
		if (areas[i]->extra)
			RequestAddinShmemSpace(areas[i]->extra());
	}
	RequestNamedLWLockTranche(TRANCHE_NAME, SG_LOCK_COUNT);
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < area_count; i++)
	{
		bool		found;
		void	   *area = ShmemInitStruct(areas[i]->name, areas[i]->size(), &found);

		areas[i]->attach(area, !found);
	}
	LWLockRelease(AddinShmemInitLock);

	locks = GetNamedLWLockTranche(TRANCHE_NAME);
}

void
sg_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
