// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The list of fuzzers: a file each.

#include "tests/fuzz/fuzzer.h"

namespace rowhouse::fuzz {

Fuzzer ConfigFuzzer();
Fuzzer CriteoFuzzer();
Fuzzer DeleteReplyFuzzer();
Fuzzer DeleteRequestFuzzer();
Fuzzer FileNamesFuzzer();
Fuzzer HealthRequestFuzzer();
Fuzzer IdentityFuzzer();
Fuzzer ListenAddressFuzzer();
Fuzzer LogRecordFuzzer();
Fuzzer LogSegmentFuzzer();
Fuzzer ManifestFuzzer();
Fuzzer MetaFileFuzzer();
Fuzzer OptionFuzzer();
Fuzzer PartitionMapFuzzer();
Fuzzer PartitionStateFuzzer();
Fuzzer PrefetchRequestFuzzer();
Fuzzer PullReplyFuzzer();
Fuzzer PullRequestFuzzer();
Fuzzer PushBodyFuzzer();
Fuzzer PushReplyFuzzer();
Fuzzer PushRequestFuzzer();
Fuzzer RemovedLsnsFuzzer();
Fuzzer RestorePlanFuzzer();
Fuzzer RowImageFuzzer();
Fuzzer ServerManifestFuzzer();
Fuzzer SpillValueFuzzer();
Fuzzer TableSchemaFuzzer();
Fuzzer UnitsFuzzer();
Fuzzer WriterFloorFuzzer();

const std::vector<Fuzzer>& AllFuzzers() {
  static const auto* const all = new std::vector<Fuzzer>{
      ConfigFuzzer(),         CriteoFuzzer(),        DeleteReplyFuzzer(),    DeleteRequestFuzzer(),
      FileNamesFuzzer(),      HealthRequestFuzzer(), IdentityFuzzer(),       ListenAddressFuzzer(),
      LogRecordFuzzer(),      LogSegmentFuzzer(),    ManifestFuzzer(),       MetaFileFuzzer(),
      OptionFuzzer(),         PartitionMapFuzzer(),  PartitionStateFuzzer(), PrefetchRequestFuzzer(),
      PullReplyFuzzer(),      PullRequestFuzzer(),   PushBodyFuzzer(),       PushReplyFuzzer(),
      PushRequestFuzzer(),    RemovedLsnsFuzzer(),   RestorePlanFuzzer(),    RowImageFuzzer(),
      ServerManifestFuzzer(), SpillValueFuzzer(),    TableSchemaFuzzer(),    UnitsFuzzer(),
      WriterFloorFuzzer()};
  return *all;
}

}  // namespace rowhouse::fuzz
