// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/reply_checks.h"

namespace rowhouse::fuzz {
namespace {

std::string At(const ChunkedBytes& bytes, client::Extent extent) {
  return AsString(bytes.Sub(extent.offset, extent.size));
}

void ToProto(const client::PullAnswer& answer, const ChunkedBytes& bytes, v1::PullResponse* out) {
  out->set_map_version(answer.map_version);
  FailuresToProto(answer.failures, out->mutable_results());
  for (const client::PullTableAnswer& table : answer.tables) {
    v1::PullTableRows* rows = out->add_tables();
    rows->set_table_id(table.table);
    rows->set_dtype(static_cast<v1::DataType>(static_cast<int32_t>(table.dtype)));
    rows->set_stored(At(bytes, table.stored));
    rows->set_values(At(bytes, table.values));
  }
}

void Forget(v1::PullResponse* reply) {
  ForgetOfFailures(reply->mutable_results());
  reply->clear_checksum();
}

void Run(absl::Span<const uint8_t> input) {
  CheckReply<client::PullAnswer, v1::PullResponse>({client::DecodePullResponse, ToProto, Forget, {2, 15}},
                                                   input);
}

std::vector<std::string> Seeds() {
  v1::PullResponse reply;
  reply.set_map_version(300);
  AddFailures(reply.mutable_results());
  for (uint32_t table = 1; table <= 2; ++table) {
    v1::PullTableRows* rows = reply.add_tables();
    rows->set_table_id(table);
    rows->set_dtype(v1::DATA_TYPE_FLOAT32);
    rows->set_stored("\3");
    rows->set_values(std::string(16, static_cast<char>(table)));
  }
  reply.set_checksum(0x01020304);
  return ReplySeeds(reply);
}

}  // namespace

Fuzzer PullReplyFuzzer() { return {"pull_reply", Run, Seeds, kMaxReplyInput}; }

}  // namespace rowhouse::fuzz
