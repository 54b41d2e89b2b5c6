// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The trainer's command line. Names are those of PyTorch's DLRM where it has them.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "examples/dlrm/embedding_source.h"
#include "examples/dlrm/model.h"

namespace rowhouse::dlrm {

struct TrainerFlags {
  // Data.
  std::string data_directory;
  std::vector<std::string> train_files, test_files;
  bool strict = false;
  // Model.
  int arch_sparse_feature_size = 16;
  std::string arch_mlp_bot = "13-64-16", arch_mlp_top = "64-1";
  uint64_t numpy_rand_seed = 123;
  // Training.
  uint32_t mini_batch_size = 512, nepochs = 1, threads = 1;
  float learning_rate = 0.1f, mlp_learning_rate = 1e-3f, adagrad_eps = 1e-8f, embedding_init_bound = 0.01f;
  std::string optimizer = "adagrad";
  uint64_t max_batches = 0, print_freq = 100, test_freq = 0;
  bool eval_only = false, untrained_embeddings = false, reproducible = false, in_process_twin = false;
  // Servers.
  std::string address = "127.0.0.1:7600", table_prefix = "dlrm.", durability = "async";
  bool insecure = false, checksums = false;
  uint32_t rank = 0, world_size = 1, retry_timeout_s = 60;
  uint32_t local_partitions = 256;
  uint64_t local_memory_budget_bytes = 512ull << 20;
  // Results.
  std::string save, load, json;
  uint32_t pushes_in_flight = 8;
  bool digest = false;
  // Checkpoints.
  std::string checkpoint_dir;
  uint64_t checkpoint_every = 0;
  bool resume = false;

  std::string WriterName() const;
  EmbeddingOptions Embeddings() const;
  // InvalidArgument naming the flag.
  absl::StatusOr<ModelOptions> Model() const;
};

// Reads the command line. A value: the process ends with that exit code, after what had to be printed was
// (help, an error).
std::optional<int> ParseTrainerFlags(int argc, const char* const* argv, TrainerFlags* flags);

// Fills train_files and test_files from data_directory: all by name, the last one tests. Errors name the
// flag.
absl::Status ResolveFiles(TrainerFlags* flags);

}  // namespace rowhouse::dlrm
