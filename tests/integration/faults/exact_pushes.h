// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Two servers behind proxies, and pushes to them whose sums are exact in whatever order they land, beside a
// model that takes them too. Not thread-safe.

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "rowhouse/client.h"
#include "server/options.h"
#include "tests/support/tcp_proxy.h"

namespace rowhouse::server {

inline constexpr uint32_t kDim = 4;
inline constexpr size_t kServers = 2;
inline constexpr uint64_t kIds = 3000;
using Row = std::array<float, kDim>;
using Rows = std::map<uint64_t, Row>;

// Small multiples of 2^-10, so that every sum of a test is exact in float32 in whatever order pushes land;
// its own for each push, row and column, so that a gradient that is lost, doubled or given to another row
// shows.
inline float GradientOf(uint64_t push, size_t row, uint32_t column) {
  return static_cast<float>((push * 389 + row * 31 + column * 7) % 2039) / 1024.0f;
}

// Server i of the cluster whose servers are reached through `proxies`.
inline ServerOptions OptionsBehind(const std::array<TcpProxy*, kServers>& proxies, size_t i,
                                   const std::string& directory) {
  ServerOptions options;
  options.data_directory = directory + "/" + std::to_string(i);
  options.listen_address = "127.0.0.1:0";
  options.http_address = "";
  for (const TcpProxy* proxy : proxies) options.servers.push_back(proxy->address());
  options.server_index = static_cast<ServerId>(i);
  options.partitions = 16;
  options.memory_budget_bytes = 256ull << 20;
  return options;
}

// Gradients for SGD with learning rate 1, and what they make of rows that begin with zeros.
class ExactPushes {
 public:
  explicit ExactPushes(uint64_t seed) : random_(seed) {}

  // Sends one push of `rows` rows, repeats among them.
  void Push(Client* client, const Table& table, size_t rows = 20) {
    ++count_;
    std::vector<uint64_t> ids;
    std::vector<float> gradients;
    for (size_t i = 0; i < rows; ++i) {
      ids.push_back(RandomId());
      for (uint32_t c = 0; c < kDim; ++c) {
        gradients.push_back(GradientOf(count_, i, c));
        model_[ids.back()][c] -= gradients.back();
      }
    }
    client->PushAsync({GradientSlice{.table = table, .ids = ids, .values = gradients}});
  }
  uint64_t RandomId() { return random_() % kIds; }
  void Erase(uint64_t id) { model_.erase(id); }

  const Rows& model() const { return model_; }
  uint64_t count() const { return count_; }

 private:
  std::mt19937_64 random_;
  Rows model_;
  uint64_t count_ = 0;
};

// All stored rows.
inline absl::StatusOr<Rows> ScanAll(Client* client, const Table& table) {
  Rows rows;
  const absl::Status scanned = client->Scan(table, false, [&](const ScanPage& page) {
    for (size_t i = 0; i < page.ids.size(); ++i)
      std::memcpy(rows[page.ids[i]].data(), &page.rows[i * kDim], sizeof(Row));
    return absl::OkStatus();
  });
  if (!scanned.ok()) return scanned;
  return rows;
}

}  // namespace rowhouse::server
