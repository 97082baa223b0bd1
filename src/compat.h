/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between the server versions we support (15 and up).
 *
 * The code is written for the newest server; this file gives older ones what
 * they lack, under the new name.  No other file names a version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SEQGEN_COMPAT_H
#define SEQGEN_COMPAT_H

#include "access/parallel.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender_private.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/rel.h"

/* 17 moved the local transaction id into PGPROC.vxid */
#if PG_VERSION_NUM >= 170000
#define MyLocalTransactionId()	(MyProc->vxid.lxid)
#else
#define MyLocalTransactionId()	(MyProc->lxid)
#endif

/* 17 replaced backend ids, which start at 1, by proc numbers from 0 */
#if PG_VERSION_NUM >= 170000
#define MyBackendIndex()	((int) MyProcNumber)
#define LeaderBackendIndex()	((int) ParallelLeaderProcNumber)
#else
#define MyBackendIndex()	((int) MyBackendId - 1)
#define LeaderBackendIndex()	((int) ParallelLeaderBackendId - 1)
#endif

/* 17 lets extensions name what their processes wait for */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#define WaitEventExtensionNew(name) PG_WAIT_EXTENSION
#endif

/* 16 made one function of the ownership checks */
#if PG_VERSION_NUM < 160000
static inline bool
object_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	if (classid == DatabaseRelationId)
		return pg_database_ownercheck(objectid, roleid);
	Assert(classid == RelationRelationId);
	return pg_class_ownercheck(objectid, roleid);
}
#endif

/* 16 renamed RelFileNode, its fields, and the field of a relation */
#if PG_VERSION_NUM < 160000
#define RelFileLocator	RelFileNode
#define spcOid			spcNode
#define relNumber		relNode
#define rd_locator		rd_node
#endif

/* 16 added a context for soft errors */
#if PG_VERSION_NUM >= 160000
#define MakeRange(typcache, lower, upper)	make_range(typcache, lower, upper, false, NULL)
#else
#define MakeRange(typcache, lower, upper)	make_range(typcache, lower, upper, false)
#endif

/* 18 added a place for instrumentation */
#if PG_VERSION_NUM >= 180000
#define IndexBeginScan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define IndexBeginScan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/*
 * Is synchronous replication in force?  Minor releases of 2025 replaced
 * sync_standbys_defined by a set of flags, which tells whether the
 * checkpointer has read the setting yet; until it has, the setting counts.
 */
static inline bool
SyncStandbysInUse(void)
{
#ifdef SYNC_STANDBY_DEFINED
	bits8		status = ((volatile WalSndCtlData *) WalSndCtl)->sync_standbys_status;

	if (status & SYNC_STANDBY_INIT)
		return (status & SYNC_STANDBY_DEFINED) != 0;
	return SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
#else
	return ((volatile WalSndCtlData *) WalSndCtl)->sync_standbys_defined;
#endif
}

#endif							/* SEQGEN_COMPAT_H */
