// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const server::PushMessage& push, v1::PushRequest* out) {
  out->set_history(push.history);
  out->set_map_version(push.map_version);
  EpochsToProto(push.epochs, out->mutable_epochs());
  out->set_allow_forward(push.allow_forward);
  out->set_writer(push.writer);
  out->set_seq(push.seq);
  out->set_low(push.low);
  out->set_part_count(push.part_count);
  out->set_step(push.step);
  out->set_group_size(push.group_size);
  out->set_rank(push.rank);
  out->set_kind(static_cast<v1::PushKind>(push.kind));
  out->set_want_lsn(push.want_lsn);
  for (const server::TableMessage& table : push.tables) {
    v1::PushTable* to = out->add_tables();
    to->set_table_id(table.table_id);
    to->set_schema_version(table.schema_version);
    to->set_dim(table.dim);
    if (table.learning_rate.has_value()) to->set_learning_rate(*table.learning_rate);
    to->set_ids(AsString(table.ids));
    to->set_counts(AsString(table.counts));
    to->set_values(AsString(table.values));
  }
}

bool WithinLimits(const v1::PushRequest& push) {
  return FewTables(push.tables_size()) && FewPartitions(push.epochs_size());
}

void Run(absl::Span<const uint8_t> input) {
  CheckRequest<server::PushMessage, v1::PushRequest>(
      {server::DecodePush, ToProto, WithinLimits, [](v1::PushRequest* message) { message->clear_checksum(); },
       true},
      input);
}

std::vector<std::string> Seeds() {
  v1::PushRequest push;
  push.set_history(0x0123456789abcdef);
  push.set_map_version(1);
  push.add_epochs()->set_epoch(1);
  push.set_allow_forward(true);
  push.set_writer(7);
  push.set_seq(300);
  push.set_low(299);
  push.set_part_count(2);
  push.set_step(1ull << 40);
  push.set_group_size(4);
  push.set_rank(3);
  push.set_kind(v1::PUSH_KIND_DELTA);
  push.set_want_lsn(true);
  for (uint32_t table = 1; table <= 2; ++table) {
    v1::PushTable* out = push.add_tables();
    out->set_table_id(table);
    out->set_schema_version(1);
    out->set_dim(1);
    if (table == 2) out->set_learning_rate(0.5f);
    out->set_ids(std::string(16, static_cast<char>(table)));
    out->set_counts(std::string(8, '\1'));
    out->set_values(std::string(8, '\0'));
  }
  push.GetReflection()->MutableUnknownFields(&push)->AddFixed32(40, 1000);
  return InPiecesAndSealed(push);
}

}  // namespace

Fuzzer PushRequestFuzzer() { return {"push_request", Run, Seeds, kMaxWireInput}; }

}  // namespace rowhouse::fuzz
