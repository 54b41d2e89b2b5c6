// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/sim/planted_bug.h"

#include <memory>
#include <set>
#include <tuple>

#include "rowhouse/v1/embedding_service.pb.h"
#include "server/rpc/proto_bytes.h"

namespace rowhouse::sim {
namespace {

constexpr uint64_t kElsewhere = 100;  // still within the window

}  // namespace

Tamper ForgetNumbersOfPushes() {
  // (writer, seq, the first partition it touches)
  const auto seen = std::make_shared<std::set<std::tuple<uint64_t, uint64_t, uint32_t>>>();
  return [seen](const std::string& method, Buffer* request) {
    if (method != "/rowhouse.v1.EmbeddingService/Push") return;
    v1::PushRequest push;
    if (!server::ParseProto(ChunkedBytes(request->span()), &push) || push.epochs().empty()) return;
    if (seen->emplace(push.writer(), push.seq(), push.epochs(0).partition()).second) return;
    push.set_seq(push.seq() + kElsewhere);
    *request = server::SerializeProto(push);
  };
}

}  // namespace rowhouse::sim
