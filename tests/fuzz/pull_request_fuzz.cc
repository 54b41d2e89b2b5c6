// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const server::PullMessage& pull, v1::PullRequest* out) {
  out->set_history(pull.history);
  out->set_map_version(pull.map_version);
  EpochsToProto(pull.epochs, out->mutable_epochs());
  out->set_allow_forward(pull.allow_forward);
  out->set_reply_dtype(static_cast<v1::DataType>(pull.reply_dtype));
  for (const server::PartitionPosition& position : pull.min_lsn) {
    v1::PartitionLsn* lsn = out->add_min_lsn();
    lsn->set_partition(position.partition);
    lsn->set_epoch(position.epoch);
    lsn->set_lsn(position.lsn);
  }
  PullTablesToProto(pull.tables, out->mutable_tables());
}

bool WithinLimits(const v1::PullRequest& pull) {
  return FewTables(pull.tables_size()) && FewPartitions(pull.epochs_size()) &&
         FewPartitions(pull.min_lsn_size());
}

void Run(absl::Span<const uint8_t> input) {
  CheckRequest<server::PullMessage, v1::PullRequest>(
      {server::DecodePull, ToProto, WithinLimits, [](v1::PullRequest* message) { message->clear_checksum(); },
       true},
      input);
}

std::vector<std::string> Seeds() {
  v1::PullRequest pull;
  pull.set_history(0x0123456789abcdef);
  pull.set_map_version(300);
  pull.set_allow_forward(true);
  pull.set_reply_dtype(v1::DATA_TYPE_FLOAT32);
  v1::PartitionEpoch* epoch = pull.add_epochs();
  epoch->set_partition(200);
  epoch->set_epoch(~uint64_t{0});
  v1::PartitionLsn* lsn = pull.add_min_lsn();
  lsn->set_partition(3);
  lsn->set_epoch(1);
  lsn->set_lsn(1ull << 40);
  for (uint32_t table = 1; table <= 2; ++table) {
    v1::PullTable* out = pull.add_tables();
    out->set_table_id(table);
    out->set_schema_version(1);
    out->set_dim(16);
    out->set_ids(std::string(16, static_cast<char>(table)));
  }
  pull.GetReflection()->MutableUnknownFields(&pull)->AddGroup(40)->AddVarint(2, 1000);
  return InPiecesAndSealed(pull);
}

}  // namespace

Fuzzer PullRequestFuzzer() { return {"pull_request", Run, Seeds, kMaxWireInput}; }

}  // namespace rowhouse::fuzz
