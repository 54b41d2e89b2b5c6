// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/case.h"

namespace rowhouse::bench {

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {{"memory_per_row", "memory_per_row_criteo"}, true, RowMemory},
      {{"probe_hash_gather", "probe_hash_gather_zipf", "engine_pull_uniform", "engine_pull_zipf",
        "engine_pull_2t"},
       true,
       EnginePulls},
      {{"engine_push_sgd", "engine_push_rowwise", "engine_push_adagrad"}, true, EnginePushes},
      {{"rpc_pull", "rpc_push"}, true, RpcThroughput},
      {{"checksums_pull", "checksums_push"}, false, Checksums},
      {{"small_pull_latency_p50", "small_pull_latency_p99", "mixed_tail", "never_read", "one_hot_row"},
       true,
       SmallPulls},
      {{"growth_rows"}, false, GrowthOfRows},
      {{"growth_servers"}, true, GrowthOfServers},
      {{"durable_push"}, false, DurablePush},
      {{"spill_zipf", "spill_uniform"}, false, SpillPulls},
      {{"rpc_pull_vs_redis"}, true, Redis},
      {{"vs_torch_bag", "rpc_step_vs_torch", "vs_fbgemm", "vs_fbgemm_pull", "vs_fbgemm_pull_zipf"},
       false,
       Torch},
      {{"dlrm_step"}, false, DlrmStep},
  };
  return cases;
}

}  // namespace rowhouse::bench
