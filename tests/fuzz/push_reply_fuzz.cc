// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/reply_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const client::PushAnswer& answer, const ChunkedBytes&, v1::PushResponse* out) {
  out->set_map_version(answer.map_version);
  FailuresToProto(answer.failures, out->mutable_results());
  out->set_duplicate_parts(static_cast<uint32_t>(answer.duplicate_parts));
  out->set_skipped_rows(answer.skipped_rows);
}

void Forget(v1::PushResponse* reply) {
  ForgetOfFailures(reply->mutable_results());
  reply->clear_applied();
  reply->clear_checksum();
}

void Run(absl::Span<const uint8_t> input) {
  CheckReply<client::PushAnswer, v1::PushResponse>({client::DecodePushResponse, ToProto, Forget, {2}}, input);
}

std::vector<std::string> Seeds() {
  v1::PushResponse reply;
  reply.set_map_version(1);
  AddFailures(reply.mutable_results());
  reply.set_duplicate_parts(300);
  reply.set_skipped_rows(2);
  reply.add_applied()->set_lsn(5);
  reply.set_checksum(0x01020304);
  return ReplySeeds(reply);
}

}  // namespace

Fuzzer PushReplyFuzzer() { return {"push_reply", Run, Seeds, kMaxReplyInput}; }

}  // namespace rowhouse::fuzz
