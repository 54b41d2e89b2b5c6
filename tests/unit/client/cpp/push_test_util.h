// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What tests of pushes share.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "common/routing/routing_hash.h"
#include "fake_cluster.h"

namespace rowhouse::client {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

inline TableSpec Spec(const std::string& name, uint32_t dim, bool allow_nan = false) {
  TableSpec spec;
  spec.name = name;
  spec.dim = dim;
  spec.allow_nan = allow_nan;
  return spec;
}

inline ClientOptions Quick() {
  ClientOptions options;
  options.retry_timeout = std::chrono::milliseconds(300);
  options.attempt_timeout = std::chrono::milliseconds(50);
  return options;
}

template <typename T>
std::vector<T> Unpack(const std::string& bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

inline std::vector<uint64_t> Range(uint64_t n) {
  std::vector<uint64_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

inline absl::StatusOr<PushResult> PushOnes(ClientImpl& client, const Table& table,
                                           const std::vector<uint64_t>& ids) {
  std::vector<float> ones(ids.size() * table.dim(), 1.0f);
  GradientSlice slice{table, ids, ones};
  return client.Push({&slice, 1}, {});
}

}  // namespace rowhouse::client
