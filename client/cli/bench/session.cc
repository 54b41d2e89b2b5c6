// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/output.h"
#include "common/random.h"
#include "common/status_macros.h"

namespace rowhouse::cli::bench {
namespace {

constexpr uint64_t kFillBytes = 4 << 20;      // of one push, about
constexpr uint64_t kMaxFillRows = 64 << 10;   // of one push
constexpr int kFillPushesPerFlush = 64;       // then its errors are looked at
constexpr uint32_t kFillPushesInFlight = 32;  // at least; more where --in-flight is more
constexpr float kGradientScale = 0.01f;
constexpr uint64_t kGradientStream = 0x6772616469656e74;  // other random numbers than those of ids

std::vector<float> MakeGradients(uint64_t count, uint64_t seed) {
  RandomStream random(seed ^ kGradientStream);
  std::vector<float> gradients(count);
  for (float& g : gradients) g = kGradientScale * static_cast<float>(2 * random.NextUnit() - 1);
  return gradients;
}

TableSpec SpecOf(const Workload& workload, std::string name) {
  TableSpec spec;
  spec.name = std::move(name);
  spec.dim = workload.dim;
  spec.durability = workload.durability;
  switch (workload.optimizer) {
    case OptimizerConfig::Kind::kSgd:
      spec.optimizer = Sgd();
      break;
    case OptimizerConfig::Kind::kAdagrad:
      spec.optimizer = Adagrad();
      break;
    case OptimizerConfig::Kind::kRowwiseAdagrad:
      spec.optimizer = RowwiseAdagrad();
      break;
  }
  spec.initializer = InitializerConfig::InverseSqrtDim();
  return spec;
}

// One thread's calls: all tables at once, in buffers of its own.
class ClientCaller : public Caller {
 public:
  ClientCaller(Client* client, const std::vector<Table>& tables, const std::vector<IdGenerator>& generators,
               const Workload& workload, uint64_t seed)
      : client_(client), generators_(generators), random_(seed), ids_(workload.IdsPerCall()) {
    const uint64_t floats = workload.IdsPerCall() * workload.dim;
    if (workload.operation != Operation::kPush) rows_.resize(floats);
    if (workload.operation != Operation::kPull) gradients_ = MakeGradients(floats, seed);
    uint64_t at = 0;
    for (size_t t = 0; t < tables.size(); ++t) {
      const uint64_t count = uint64_t{workload.batch} * workload.tables[t].pooling;
      const absl::Span<uint64_t> ids = absl::MakeSpan(ids_).subspan(at, count);
      const uint64_t from = at * workload.dim, size = count * workload.dim;
      draws_.push_back(ids);
      if (!rows_.empty()) pulls_.push_back({tables[t], ids, absl::MakeSpan(rows_).subspan(from, size)});
      if (!gradients_.empty())
        pushes_.push_back({tables[t], ids, absl::MakeConstSpan(gradients_).subspan(from, size)});
      at += count;
    }
  }

  void Prepare(bool /*push*/) override {
    for (size_t t = 0; t < draws_.size(); ++t) generators_[t].Draw(random_, draws_[t]);
  }
  absl::Status Call(bool push) override {
    return push ? client_->Push(absl::MakeConstSpan(pushes_)).status()
                : client_->Pull(absl::MakeConstSpan(pulls_));
  }

 private:
  Client* const client_;
  const std::vector<IdGenerator>& generators_;
  RandomStream random_;
  std::vector<uint64_t> ids_;
  std::vector<float> rows_, gradients_;
  std::vector<absl::Span<uint64_t>> draws_;  // the ids of each table
  std::vector<PullSlice> pulls_;
  std::vector<GradientSlice> pushes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const ClientOptions& options, const Workload& workload,
                                                       const Check& check) {
  const auto unique = static_cast<uint32_t>(SystemRandom()->Next64());
  std::unique_ptr<Session> session(new Session(workload, absl::StrFormat("bench_%08x", unique)));
  RH_RETURN_IF_ERROR(session->Connect(options, check));
  RH_RETURN_IF_ERROR(session->CreateTables(check));
  for (size_t t = 0; t < workload.tables.size(); ++t)
    session->generators_.emplace_back(workload.tables[t].rows, workload.zipf, t);
  return session;
}

Session::~Session() {
  const absl::Status closed = Close();
  if (!closed.ok()) WriteError(absl::StrCat("error: ", closed.message(), "\n"));
}

absl::Status Session::Connect(ClientOptions options, const Check& check) {
  options.max_pushes_in_flight = std::max(kFillPushesInFlight, workload_.in_flight);
  options.max_bytes_in_flight =
      std::max(options.max_bytes_in_flight, 2 * workload_.in_flight * workload_.BytesPerCall());
  for (uint32_t c = 0; c < workload_.clients; ++c) {
    RH_RETURN_IF_ERROR(check());
    options.writer_name = absl::StrCat(prefix_, "_client", c);
    RH_ASSIGN_OR_RETURN(std::unique_ptr<Client> client, Client::Connect(options));
    clients_.push_back(std::move(client));
  }
  return absl::OkStatus();
}

absl::Status Session::CreateTables(const Check& check) {
  for (size_t t = 0; t < workload_.tables.size(); ++t) {
    RH_RETURN_IF_ERROR(check());
    const TableSpec spec = SpecOf(workload_, absl::StrCat(prefix_, "_table", t));
    absl::StatusOr<Table> table = client().CreateTable(spec);
    if (!table.ok()) {
      // The answer may have been lost after the table was made.
      if (!absl::IsAlreadyExists(table.status())) client().DropTable(spec.name).IgnoreError();
      return table.status();
    }
    tables_.push_back(*std::move(table));
  }
  return absl::OkStatus();
}

absl::Status Session::Fill(const Check& check, const std::function<void(uint64_t, uint64_t)>& progress) {
  uint64_t all = 0, done = 0;
  for (const TableShape& table : workload_.tables) all += table.rows;
  const auto pushed = [&](uint64_t rows) { progress(done += rows, all); };
  for (size_t t = 0; t < tables_.size(); ++t)
    RH_RETURN_IF_ERROR(FillTable(tables_[t], workload_.tables[t].rows, check, pushed));
  return absl::OkStatus();
}

absl::Status Session::FillTable(const Table& table, uint64_t rows, const Check& check,
                                const std::function<void(uint64_t)>& pushed) {
  const uint64_t row_bytes = uint64_t{workload_.dim} * sizeof(float) + sizeof(uint64_t);
  const uint64_t step = std::min(rows, std::clamp<uint64_t>(kFillBytes / row_bytes, 1, kMaxFillRows));
  const std::vector<float> gradients = MakeGradients(step * workload_.dim, workload_.seed);
  std::vector<uint64_t> ids(step);
  int unflushed = 0;
  for (uint64_t first = 0; first < rows; first += step) {
    RH_RETURN_IF_ERROR(check());
    const uint64_t count = std::min(step, rows - first);
    for (uint64_t i = 0; i < count; ++i) ids[i] = first + i;
    const GradientSlice slice{table, absl::MakeConstSpan(ids).first(count),
                              absl::MakeConstSpan(gradients).first(count * workload_.dim)};
    client().PushAsync(absl::MakeConstSpan(&slice, 1));  // Flush has its error
    if (++unflushed == kFillPushesPerFlush || first + count == rows) {
      RH_RETURN_IF_ERROR(client().Flush());
      unflushed = 0;
    }
    pushed(count);
  }
  return absl::OkStatus();
}

std::vector<std::unique_ptr<Caller>> Session::MakeCallers() {
  std::vector<std::unique_ptr<Caller>> callers;
  RandomStream seeds(workload_.seed);
  for (const std::unique_ptr<Client>& client : clients_) {
    for (uint32_t i = 0; i < workload_.in_flight; ++i) {
      callers.push_back(
          std::make_unique<ClientCaller>(client.get(), tables_, generators_, workload_, seeds.Next()));
    }
  }
  return callers;
}

absl::Status Session::Close() {
  const absl::Status dropped = DropTables();
  for (size_t c = 0; c < clients_.size() && dropped.ok(); ++c) {
    // A writer that stays is a name in `writer list`, no more; that its end fails is nobody's loss.
    if (clients_[c]->writer_id() != 0)
      client().EndWriter(absl::StrCat(prefix_, "_client", c), clients_[c]->writer_id()).IgnoreError();
  }
  clients_.clear();
  return dropped;
}

absl::Status Session::DropTables() {
  while (!tables_.empty() && !workload_.keep) {
    const absl::Status dropped = client().DropTable(tables_.back().name());
    if (!dropped.ok() && !absl::IsNotFound(dropped)) {
      const std::string left = tables_.size() == 1 ? absl::StrCat("table ", tables_.front().name(), " is")
                                                   : absl::StrCat("tables ", tables_.front().name(), " to ",
                                                                  tables_.back().name(), " are");
      tables_.clear();
      return absl::Status(dropped.code(),
                          absl::StrCat(left, " left behind: ", dropped.message(),
                                       "; `rowhouse table drop NAME --yes` drops one by hand"));
    }
    tables_.pop_back();
  }
  return absl::OkStatus();
}

uint64_t Session::retries() const {
  uint64_t retries = 0;
  for (const std::unique_ptr<Client>& client : clients_) retries += client->counters().retries;
  return retries;
}

}  // namespace rowhouse::cli::bench
