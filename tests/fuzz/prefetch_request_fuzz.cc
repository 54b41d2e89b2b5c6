// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const server::PrefetchMessage& prefetch, v1::PrefetchRequest* out) {
  out->set_history(prefetch.history);
  PullTablesToProto(prefetch.tables, out->mutable_tables());
}

bool WithinLimits(const v1::PrefetchRequest& prefetch) { return FewTables(prefetch.tables_size()); }

void Forget(v1::PrefetchRequest* prefetch) {
  prefetch->clear_map_version();
  prefetch->clear_epochs();
  prefetch->clear_allow_forward();
}

void Run(absl::Span<const uint8_t> input) {
  CheckRequest<server::PrefetchMessage, v1::PrefetchRequest>(
      {server::DecodePrefetch, ToProto, WithinLimits, Forget}, input);
}

std::vector<std::string> Seeds() {
  v1::PrefetchRequest prefetch;
  prefetch.set_history(0x0123456789abcdef);
  prefetch.set_map_version(1);
  prefetch.add_epochs()->set_epoch(1);
  prefetch.set_allow_forward(true);
  v1::PullTable* table = prefetch.add_tables();
  table->set_table_id(1);
  table->set_schema_version(1);
  table->set_dim(16);
  table->set_ids(std::string(16, 'i'));
  return InPieces(prefetch);
}

}  // namespace

Fuzzer PrefetchRequestFuzzer() { return {"prefetch_request", Run, Seeds, kMaxWireInput}; }

}  // namespace rowhouse::fuzz
