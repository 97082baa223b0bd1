/*-------------------------------------------------------------------------
 *
 * seqgen.c
 *	  Start of the library: one call per module.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "guc.h"
#include "shmem.h"
#include "clock.h"
#include "identity.h"
#include "backend.h"
#include "slot.h"
#include "generator.h"
#include "worker.h"
#include "session.h"
#include "supply.h"
#include "renewal.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	sg_guc_init();

	/*
	 * Loaded later, by a session that only decodes ids, the library does
	 * without shared memory, and without hooks.
	 */
	if (!process_shared_preload_libraries_in_progress)
		return;

	sg_shmem_init();
	sg_clock_init();
	sg_identity_init();
	sg_backend_init();
	sg_slot_init();
	sg_generator_init();
	sg_worker_init();
	sg_session_init();
	sg_supply_init();
	sg_renewal_init();
}
