// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/failpoint.h"

#ifdef ROWHOUSE_FAILPOINTS

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status_macros.h"

namespace rowhouse {
namespace {

constexpr char kEnvironment[] = "ROWHOUSE_FAILPOINTS";

struct Armed {
  Failpoint site = {};
  FailpointAction action = FailpointAction::kAbort;
  uint64_t passage = 1;
  int64_t sleep_ms = 0;
};

struct Place {
  std::atomic<uint64_t> passages{0};
  std::atomic<uint64_t> strikes_at{0};  // which of them; 0: none
  std::atomic<FailpointAction> action{FailpointAction::kAbort};
  std::atomic<int64_t> sleep_ms{0};
};
using Places = std::array<Place, kFailpointCount>;

void Arm(const Armed& armed, Places* places) {
  Place& place = (*places)[static_cast<size_t>(armed.site)];
  place.action = armed.action;
  place.sleep_ms = armed.sleep_ms;
  place.strikes_at = place.passages + armed.passage;
}

absl::Status Wrong(absl::string_view entry, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("failpoint \"", entry, "\": ", what));
}

// "name=action" or "name=action@passage".
absl::StatusOr<Armed> Parse(absl::string_view entry) {
  const std::vector<absl::string_view> sides = absl::StrSplit(entry, absl::MaxSplits('=', 1));
  if (sides.size() != 2) return Wrong(entry, "want name=action");
  Armed armed;
  bool known = false;
  for (const FailpointSite& site : kFailpointSites) {
    if (sides[0] != site.name) continue;
    armed.site = site.site;
    known = true;
  }
  if (!known) return Wrong(entry, "there is no such place");
  const std::vector<absl::string_view> action = absl::StrSplit(sides[1], absl::MaxSplits('@', 1));
  if (action.size() == 2 && (!absl::SimpleAtoi(action[1], &armed.passage) || armed.passage == 0))
    return Wrong(entry, "want a passage from 1 after @");
  absl::string_view word = action[0];
  if (word == "abort") return armed;
  if (word == "error") {
    if (!FailpointFails(armed.site)) return Wrong(entry, "it cannot return an error");
    armed.action = FailpointAction::kError;
    return armed;
  }
  armed.action = FailpointAction::kSleep;
  if (absl::ConsumePrefix(&word, "sleep(") && absl::ConsumeSuffix(&word, ")") &&
      absl::SimpleAtoi(word, &armed.sleep_ms) && armed.sleep_ms >= 0)
    return armed;
  return Wrong(entry, "want abort, error or sleep(milliseconds)");
}

absl::Status ArmAll(absl::string_view text, Places* places) {
  std::vector<Armed> all;
  for (absl::string_view entry : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    RH_ASSIGN_OR_RETURN(const Armed armed, Parse(entry));
    all.push_back(armed);
  }
  for (const Armed& armed : all) Arm(armed, places);
  return absl::OkStatus();
}

// Never destroyed: threads pass until the process ends.
Places& AllPlaces() {
  static Places* const places = [] {
    auto* made = new Places;
    const char* const text = std::getenv(kEnvironment);
    if (text == nullptr) return made;
    if (const absl::Status armed = ArmAll(text, made); !armed.ok()) {
      std::fprintf(stderr, "%s: %s\n", kEnvironment, armed.ToString().c_str());
      std::exit(2);
    }
    return made;
  }();
  return *places;
}

}  // namespace

absl::Status PassFailpoint(Failpoint site) {
  Place& place = AllPlaces()[static_cast<size_t>(site)];
  if (place.passages.fetch_add(1) + 1 != place.strikes_at) return absl::OkStatus();
  switch (place.action) {
    case FailpointAction::kAbort:
      std::raise(SIGKILL);
      break;
    case FailpointAction::kError:
      return absl::InternalError(absl::StrCat("input/output error at ", FailpointName(site)));
    case FailpointAction::kSleep:
      absl::SleepFor(absl::Milliseconds(place.sleep_ms.load()));
      break;
  }
  return absl::OkStatus();
}

void ArmFailpoint(Failpoint site, FailpointAction action, uint64_t passage, int64_t sleep_ms) {
  Arm({.site = site, .action = action, .passage = passage, .sleep_ms = sleep_ms}, &AllPlaces());
}

absl::Status ArmFailpoints(std::string_view text) {
  return ArmAll(absl::string_view(text.data(), text.size()), &AllPlaces());
}

void DisarmFailpoints() {
  for (Place& place : AllPlaces()) place.strikes_at = 0;
}

uint64_t FailpointPassages(Failpoint site) { return AllPlaces()[static_cast<size_t>(site)].passages; }

}  // namespace rowhouse

#endif
