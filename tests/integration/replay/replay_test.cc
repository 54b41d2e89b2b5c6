// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// One log, replayed by every instruction set that this machine has, by 1, 2 and 8 threads, with memory for
// all rows and for few of them: one SHA-256 over table, id, weights and state of all rows. It stands here, so
// that every build (optimized or not, with sanitizers or without) has to come to it too.

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdio>
#include <random>

#include "absl/strings/escaping.h"
#include "server/optimizer/kernels.h"
#include "tests/support/node.h"

namespace rowhouse::server {
namespace {

constexpr char kGolden[] = "b7108a9961ceccb2f49238cf187666726ad5f5c34c142dbf2f7ed60562c49ed6";
constexpr uint32_t kPartitions = 8;
constexpr uint64_t kPushes = 600, kIds = 500;
constexpr uint64_t kAmple = 64 << 20, kTight = 192 << 10;

struct TableShape {
  OptimizerKind optimizer;
  uint32_t dim;
};
constexpr TableShape kTables[] = {
    {OptimizerKind::kSgd, 5}, {OptimizerKind::kAdagrad, 16}, {OptimizerKind::kRowwiseAdagrad, 39}};

TableSchema SchemaOf(TableId table) {
  TableSchema schema = AdagradSchema(table, kTables[table - 1].dim, Durability::kAsync);
  schema.optimizer.kind = kTables[table - 1].optimizer;
  return schema;
}

// Pushes of gradients to all tables, ids repeated, with deletes and values among them: the same ones each
// time.
void PushAll(Node& node) {
  std::mt19937_64 random(20261130);
  // Not std::uniform_real_distribution: what that gives is not written down.
  const auto gradient = [&random] {
    return static_cast<float>(static_cast<int64_t>(random() % 20001) - 10000) * 1.7e-4f;
  };
  for (PushSeq seq = 1; seq <= kPushes; ++seq) {
    PushBuilder push(1, seq, seq);
    const bool deletes = seq % 50 == 0;
    if (deletes) push.Type(RecordType::kDelete);
    if (seq % 70 == 0) push.Kind(PushKind::kValue);
    for (TableId table = 1; table <= std::size(kTables); ++table) {
      std::vector<Id> ids;
      std::vector<float> values;
      for (int i = 0; i < 24; ++i) {
        ids.push_back(random() % kIds);
        if (deletes) continue;
        for (uint32_t c = 0; c < kTables[table - 1].dim; ++c) values.push_back(gradient());
      }
      push.Add(table, std::move(ids), std::move(values));
    }
    const PushOutcome outcome = node.Push(push.request());
    ASSERT_TRUE(outcome.status.ok() && outcome.failures.empty()) << outcome.status;
  }
}

std::string Sha256(Node& node) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  for (TableId table = 1; table <= std::size(kTables); ++table) {
    for (const auto& [id, bits] : node.Rows(table)) {  // ascending
      EVP_DigestUpdate(context, &table, sizeof(table));
      EVP_DigestUpdate(context, &id, sizeof(id));
      EVP_DigestUpdate(context, bits.data(), bits.size() * sizeof(bits[0]));
    }
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context, digest, &size);
  EVP_MD_CTX_free(context);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), size});
}

TEST(Replay, OneLogIsOneState) {
  int tries = 0;
  NodeDisk disk;
  {
    Node node({.partitions = kPartitions, .inline_workers = true}, &disk);
    ASSERT_TRUE(node.Start().ok());
    for (TableId table = 1; table <= std::size(kTables); ++table)
      ASSERT_TRUE(node.CreateTable(SchemaOf(table)).ok());
    ASSERT_NO_FATAL_FAILURE(PushAll(node));
    EXPECT_EQ(Sha256(node), kGolden) << "as it was applied, by " << SimdTargetName();
    node.Kill(0, /*power_loss=*/false);
  }
  for (const Kernels* kernels : SupportedKernels()) {
    SetActiveKernelsForTest(kernels);
    for (const int threads : {1, 2, 8}) {
      for (const uint64_t memory : {kAmple, kTight}) {
        Node node(
            {.partitions = kPartitions, .memory_bytes = memory, .threads = threads, .io_threads = threads},
            &disk);
        const absl::Status started = node.Start();
        ASSERT_TRUE(started.ok()) << started;
        for (TableId table = 1; table <= std::size(kTables); ++table) node.tables().Open(table);
        EXPECT_EQ(Sha256(node), kGolden)
            << kernels->target << ", " << threads << " threads, " << memory << " bytes";
        node.Kill(0, /*power_loss=*/false);
        ++tries;
      }
    }
  }
  SetActiveKernelsForTest(nullptr);
  std::printf(
      "reliability: R16 one log replayed by each instruction set, 1, 2, 8 threads, two budgets | %d | %d | "
      "SHA-256 %.16s...\n",
      tries, HasFailure() ? 1 : 0, kGolden);
}

}  // namespace
}  // namespace rowhouse::server
