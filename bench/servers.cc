// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "bench/servers.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "bench/workload.h"
#include "common/listen_address.h"
#include "common/status_macros.h"
#include "server/rpc/connection_acceptor.h"

namespace rowhouse::bench {

absl::StatusOr<std::string> FreeLoopbackAddress() {
  RH_ASSIGN_OR_RETURN(const ListenAddress any, ParseListenAddress("address", "127.0.0.1:0"));
  RH_ASSIGN_OR_RETURN(const auto bound, server::ConnectionAcceptor::Bind(any, 1));
  return bound->address();
}

absl::StatusOr<std::unique_ptr<Servers>> Servers::Start(const std::string& directory, int count,
                                                        uint64_t memory_bytes) {
  static int serial = 0;
  std::unique_ptr<Servers> all(new Servers);
  for (int i = 0; i < count; ++i) {
    RH_ASSIGN_OR_RETURN(all->addresses_.emplace_back(), FreeLoopbackAddress());
    all->directories_.push_back(fmt::format("{}/servers-{}-{}", directory, getpid(), serial++));
  }
  for (int i = 0; i < count; ++i) {
    server::ServerOptions options;
    options.data_directory = all->directories_[i];
    options.listen_address = all->addresses_[i];
    options.http_address = "";
    options.memory_budget_bytes = memory_bytes;
    options.log_level = "error";
    if (count > 1) options.servers = all->addresses_;
    options.server_index = static_cast<ServerId>(i);
    RH_ASSIGN_OR_RETURN(auto server, server::Server::Start(options));
    all->servers_.push_back(std::move(server));
  }
  return all;
}

Servers::~Servers() {
  for (auto& server : servers_) server->Drain();
  servers_.clear();
  std::error_code ignored;
  for (const std::string& directory : directories_) std::filesystem::remove_all(directory, ignored);
}

absl::StatusOr<std::unique_ptr<Client>> Servers::Connect(const std::string& writer, bool checksums) const {
  return Client::Connect({.address = address(), .writer_name = writer, .checksums = checksums});
}

absl::Status FillTable(Client& client, const Table& table, uint64_t rows) {
  const uint64_t batch = std::max<uint64_t>(1, kBatchIds * kDim / table.dim());
  std::vector<uint64_t> ids(batch);
  const std::vector<float> values(batch * table.dim(), 0.5f);
  for (uint64_t begin = 0; begin < rows; begin += batch) {
    const uint64_t n = std::min(batch, rows - begin);
    std::iota(ids.begin(), ids.end(), begin);
    client.PushAsync({{GradientSlice{.table = table,
                                     .ids = absl::MakeSpan(ids).subspan(0, n),
                                     .values = absl::MakeSpan(values).subspan(0, n * table.dim())}}});
  }
  return client.Flush();
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace rowhouse::bench
