// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Marked places on the way of a push, a sweep, a checkpoint, where a test build ends the process, fails or
// waits. common/failpoint_sites.h lists them all. In other builds a mark is nothing, and no name of one is in
// the program.
//
// A test arms a place for its n-th passage, by ArmFailpoint or before the start by the environment:
//   ROWHOUSE_FAILPOINTS="log.written=error,sweep.redo=abort@3,window.apply=sleep(20)"
// Thread-safe. Each armed place strikes once.

#ifdef ROWHOUSE_FAILPOINTS

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "common/failpoint_sites.h"

// In a function that cannot fail.
#define RH_FAILPOINT(site)                                                   \
  do {                                                                       \
    static_assert(!::rowhouse::FailpointFails(::rowhouse::Failpoint::site)); \
    ::rowhouse::PassFailpoint(::rowhouse::Failpoint::site).IgnoreError();    \
  } while (false)
// Returns the error from the enclosing function.
#define RH_FAILPOINT_RETURN(site)                                                                           \
  do {                                                                                                      \
    static_assert(::rowhouse::FailpointFails(::rowhouse::Failpoint::site));                                 \
    if (absl::Status rh_failed_ = ::rowhouse::PassFailpoint(::rowhouse::Failpoint::site); !rh_failed_.ok()) \
      return rh_failed_;                                                                                    \
  } while (false)
// Makes of an OK `status`, an absl::Status that is at hand, the error: what was done is said to have failed.
#define RH_FAILPOINT_FAIL(site, status)                                      \
  do {                                                                       \
    static_assert(::rowhouse::FailpointFails(::rowhouse::Failpoint::site));  \
    (status).Update(::rowhouse::PassFailpoint(::rowhouse::Failpoint::site)); \
  } while (false)

namespace rowhouse {

enum class FailpointAction : uint8_t {
  kAbort,  // the process is gone at once, as by kill -9
  kError,  // what a failing disk gives; only where FailpointFails
  kSleep,
};

// Counts the passage and does what the place is armed for. The error of kError, else OK.
absl::Status PassFailpoint(Failpoint site);

// The `passage`-th time from now on (from 1) that the place is passed, `action` is done.
void ArmFailpoint(Failpoint site, FailpointAction action, uint64_t passage, int64_t sleep_ms = 0);
// The same from text, as the environment gives it. InvalidArgument naming what is wrong; then nothing is
// armed.
absl::Status ArmFailpoints(std::string_view text);
// Whatever is armed and has not struck will not.
void DisarmFailpoints();
// How often the place was passed since the process began.
uint64_t FailpointPassages(Failpoint site);

}  // namespace rowhouse

#else

#define RH_FAILPOINT(site) static_cast<void>(0)
#define RH_FAILPOINT_RETURN(site) static_cast<void>(0)
#define RH_FAILPOINT_FAIL(site, status) static_cast<void>(0)

#endif
