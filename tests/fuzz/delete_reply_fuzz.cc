// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/reply_checks.h"

namespace rowhouse::fuzz {
namespace {

void ToProto(const client::PushAnswer& answer, const ChunkedBytes&, v1::DeleteResponse* out) {
  FailuresToProto(answer.failures, out->mutable_results());
  out->set_duplicate_parts(static_cast<uint32_t>(answer.duplicate_parts));
}

void Forget(v1::DeleteResponse* reply) {
  ForgetOfFailures(reply->mutable_results());
  reply->clear_checksum();
}

void Run(absl::Span<const uint8_t> input) {
  CheckReply<client::PushAnswer, v1::DeleteResponse>({client::DecodeDeleteResponse, ToProto, Forget, {1}},
                                                     input);
}

std::vector<std::string> Seeds() {
  v1::DeleteResponse reply;
  AddFailures(reply.mutable_results());
  reply.set_duplicate_parts(300);
  reply.set_checksum(0x01020304);
  return ReplySeeds(reply);
}

}  // namespace

Fuzzer DeleteReplyFuzzer() { return {"delete_reply", Run, Seeds, kMaxReplyInput}; }

}  // namespace rowhouse::fuzz
