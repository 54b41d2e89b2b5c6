// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const server::DeleteMessage& message, v1::DeleteRequest* out) {
  out->set_history(message.history);
  out->set_map_version(message.map_version);
  out->set_writer(message.writer);
  out->set_seq(message.seq);
  out->set_low(message.low);
  out->set_part_count(message.part_count);
  out->set_table_id(message.table.table_id);
  out->set_schema_version(message.table.schema_version);
  out->set_ids(AsString(message.table.ids));
  EpochsToProto(message.epochs, out->mutable_epochs());
  out->set_allow_forward(message.allow_forward);
  out->set_step(message.step);
}

bool WithinLimits(const v1::DeleteRequest& message) { return FewPartitions(message.epochs_size()); }

void Run(absl::Span<const uint8_t> input) {
  CheckRequest<server::DeleteMessage, v1::DeleteRequest>(
      {server::DecodeDelete, ToProto, WithinLimits,
       [](v1::DeleteRequest* message) { message->clear_checksum(); }, true},
      input);
}

std::vector<std::string> Seeds() {
  v1::DeleteRequest message;
  message.set_history(0x0123456789abcdef);
  message.set_map_version(1);
  message.set_writer(7);
  message.set_seq(300);
  message.set_low(299);
  message.set_part_count(2);
  message.set_table_id(1);
  message.set_schema_version(1);
  message.set_ids(std::string(16, 'i'));
  message.add_epochs()->set_epoch(1);
  message.set_allow_forward(true);
  message.set_step(5);
  return InPiecesAndSealed(message);
}

}  // namespace

Fuzzer DeleteRequestFuzzer() { return {"delete_request", Run, Seeds, kMaxWireInput}; }

}  // namespace rowhouse::fuzz
