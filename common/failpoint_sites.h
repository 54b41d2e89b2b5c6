// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Every failpoint: its enumerator, its name, and whether it can return an error. Only common/failpoint.h and
// tests include this. Constants; thread-safe.

#include <cstddef>
#include <cstdint>
#include <iterator>

// clang-format off
#define RH_FAILPOINT_SITES(SITE)                                                                            \
  /* The log. */                                                                                            \
  SITE(kLogAppend, "log.append", false)           /* before a record is queued */                           \
  SITE(kLogWrite, "log.write", false)             /* before records are written */                          \
  SITE(kLogWritten, "log.written", true)          /* written, not synced */                                 \
  SITE(kLogSync, "log.sync", false)               /* before a sync */                                       \
  SITE(kLogSynced, "log.synced", true)            /* synced, nobody was told */                             \
  SITE(kLogAcknowledge, "log.acknowledge", false) /* before a record's owner is told */                     \
  SITE(kLogSeal, "log.seal", true)                /* the footer is written, the file has its full length */ \
  SITE(kLogRoll, "log.roll", false)               /* between a full segment and the next */                 \
  SITE(kLogCreate, "log.create", true)            /* a new segment, its directory entry not synced */       \
  SITE(kLogRemove, "log.remove", true)            /* a segment was removed and it is said to have failed */ \
  SITE(kLogRemoved, "log.removed", true)          /* removed, the directory not synced */                   \
  SITE(kLogCut, "log.cut", true)                  /* recovery cuts a segment */                             \
  /* Order and exactly-once. */                                                                             \
  SITE(kWindowClaim, "window.claim", false)       /* a part has its LSN */                                  \
  SITE(kWindowApply, "window.apply", false)       /* logged, not applied */                                 \
  SITE(kWindowApplied, "window.applied", false)   /* applied, not acknowledged */                           \
  SITE(kWindowSlide, "window.slide", false)       /* the low end of a window moves */                       \
  SITE(kWindowFloor, "window.floor", true)        /* before writers are declared dead */                    \
  SITE(kWindowDead, "window.dead", false)         /* a partition takes the dead in */                       \
  SITE(kWindowLoad, "window.load", true)          /* a start reads a partition's state */                   \
  SITE(kWindowReplay, "window.replay", true)      /* before a record is replayed */                         \
  SITE(kWindowReplayed, "window.replayed", false) /* after it */                                            \
  /* Sweeps. */                                                                                             \
  SITE(kSweepBegin, "sweep.begin", true)                                                                    \
  SITE(kSweepPartition, "sweep.partition", true)  /* the state is made, no row is written */                \
  SITE(kSweepRows, "sweep.rows", true)            /* after a batch of rows */                               \
  SITE(kSweepState, "sweep.state", true)          /* all rows, not the state */                             \
  SITE(kSweepFlush, "sweep.flush", true)          /* before spill is flushed */                             \
  SITE(kSweepRedo, "sweep.redo", true)            /* flushed, the redo LSNs not advanced */                 \
  SITE(kSweepSegments, "sweep.segments", true)    /* before segments are removed */                         \
  /* Eviction. */                                                                                           \
  SITE(kEvictBegin, "evict.begin", true)                                                                    \
  SITE(kEvictPick, "evict.pick", false)           /* rows were picked, clean ones are gone */               \
  SITE(kEvictWrite, "evict.write", true)          /* before changed rows are written */                     \
  SITE(kEvictSpilled, "evict.spilled", true)      /* written, still in memory; of a sweep's rows too */     \
  SITE(kEvictSettled, "evict.settled", false)     /* the end of a batch; of a sweep's too */                \
  SITE(kEvictRoom, "evict.room", false)           /* room was made, nobody was told */                      \
  SITE(kEvictLoad, "evict.load", true)            /* a row came back from spill */                          \
  /* Checkpoints. */                                                                                        \
  SITE(kCheckpointBegin, "checkpoint.begin", true)                                                          \
  SITE(kCheckpointImage, "checkpoint.image", true)         /* after a page of rows */                       \
  SITE(kCheckpointImageEnd, "checkpoint.image_end", true)  /* before the image's files are closed */        \
  SITE(kCheckpointHold, "checkpoint.hold", true)           /* pushes are held */                            \
  SITE(kCheckpointAllow, "checkpoint.allow", true)         /* before incomplete pushes may end */           \
  SITE(kCheckpointCut, "checkpoint.cut", true)             /* before the LSNs are noted */                  \
  SITE(kCheckpointRelease, "checkpoint.release", true)     /* before pushes go on */                        \
  SITE(kCheckpointLog, "checkpoint.log", true)             /* before the log is copied */                   \
  SITE(kCheckpointShare, "checkpoint.share", true)         /* before a server's manifest */                 \
  SITE(kCheckpointManifest, "checkpoint.manifest", true)   /* before the manifest */                        \
  SITE(kCheckpointRename, "checkpoint.rename", true)       /* before it is published */                     \
  SITE(kCheckpointRenamed, "checkpoint.renamed", true)     /* published, its directory entry in doubt */    \
  SITE(kCheckpointPublish, "checkpoint.publish", false)    /* before the shares are told */                 \
  SITE(kCheckpointKept, "checkpoint.kept", true)           /* before the log up to it is given free */      \
  SITE(kCheckpointDelete, "checkpoint.delete", true)       /* before it is taken off the list */            \
  SITE(kCheckpointRemove, "checkpoint.remove", true)       /* before each of its files goes */              \
  /* Restores. */                                                                                           \
  SITE(kRestoreBegin, "restore.begin", true)                                                                \
  SITE(kRestoreMarked, "restore.marked", true)     /* RESTORING stands there, nothing else */               \
  SITE(kRestoreImage, "restore.image", true)       /* before a file of rows */                              \
  SITE(kRestoreRows, "restore.rows", true)         /* before a batch of rows */                             \
  SITE(kRestoreStates, "restore.states", true)     /* before a partition's state */                         \
  SITE(kRestoreLog, "restore.log", true)           /* before the log of a share */                          \
  SITE(kRestoreMeta, "restore.meta", true)         /* before tables and writers */                          \
  SITE(kRestoreIdentity, "restore.identity", true) /* whole, but nobody's yet */                            \
  SITE(kRestoreFinish, "restore.finish", true)     /* before RESTORING goes */                              \
  SITE(kRestoreServing, "restore.serving", true)   /* before the first start of it counts */                \
  /* The meta store and the files that say whose a directory is. */                                         \
  SITE(kMetaOpen, "meta.open", true)                                                                        \
  SITE(kMetaCompare, "meta.compare", true)         /* compared, nothing written */                          \
  SITE(kMetaWritten, "meta.written", true)         /* written, and it is said to have failed */             \
  SITE(kMetaTemporary, "meta.temporary", true)     /* any replaced file: written beside, not renamed */     \
  SITE(kMetaDirectory, "meta.directory", true)     /* any replaced file: renamed, directory not synced */   \
  SITE(kMetaGeneration, "meta.generation", true)   /* before GENERATION is written again */                 \
  SITE(kMetaIdentity, "meta.identity", true)       /* before IDENTITY */                                    \
  SITE(kMetaStarted, "meta.started", true)         /* before STARTED */                                     \
  SITE(kMetaSchema, "meta.schema", true)           /* before a schema's records */                          \
  SITE(kMetaDrop, "meta.drop", true)               /* before the records of a dropped table */              \
  SITE(kMetaSync, "meta.sync", true)               /* before this server catches up */
// clang-format on

namespace rowhouse {

#define RH_FAILPOINT_ENUMERATOR_(site, name, fails) site,
enum class Failpoint : uint8_t { RH_FAILPOINT_SITES(RH_FAILPOINT_ENUMERATOR_) };
#undef RH_FAILPOINT_ENUMERATOR_

struct FailpointSite {
  Failpoint site;
  const char* name;
  bool fails;  // it stands where an error can be returned
};

#define RH_FAILPOINT_ENTRY_(site, name, fails) {Failpoint::site, name, fails},
inline constexpr FailpointSite kFailpointSites[] = {RH_FAILPOINT_SITES(RH_FAILPOINT_ENTRY_)};
#undef RH_FAILPOINT_ENTRY_
inline constexpr size_t kFailpointCount = std::size(kFailpointSites);

constexpr bool FailpointFails(Failpoint site) { return kFailpointSites[static_cast<size_t>(site)].fails; }
constexpr const char* FailpointName(Failpoint site) {
  return kFailpointSites[static_cast<size_t>(site)].name;
}

}  // namespace rowhouse
