// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "common/flag_checks.h"
#include "common/limits.h"
#include "common/status_macros.h"
#include "common/units.h"

namespace rowhouse::dlrm {
namespace {

constexpr char kDescription[] =
    "Trains a DLRM on Criteo click logs. The 26 embedding tables live in Rowhouse servers (or, with\n"
    "--in-process-twin, in this process); the MLPs live here.";
constexpr char kFooter[] =
    "\nWhat is approximate by default: rows of the next two batches are pulled while a batch is computed, "
    "and\n"
    "pushes are not waited for, so a row may lack the gradients of the two batches before its own, and of\n"
    "pushes still under way. --reproducible gives that up: no overlap, one push at a time, one thread, the\n"
    "same bits in every run. With --world-size N the ranks share the embeddings only: each trains MLPs of "
    "its\n"
    "own on its own batches.\n"
    "\nExit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted (what was pushed is kept, --save is\n"
    "written).";

void AddDataFlags(CLI::App& app, TrainerFlags* f) {
  app.add_option("--data", f->data_directory,
                 "Directory of .tsv and .tsv.gz files: by name, the last one tests")
      ->group("Data");
  app.add_option("--train-files", f->train_files, "Instead of --data: files to train on, in order")
      ->group("Data");
  app.add_option("--test-files", f->test_files, "Instead of --data: files to test on")->group("Data");
  app.add_flag("--strict", f->strict, "Fail at the first bad line instead of skipping and counting it")
      ->group("Data");
}

void AddModelFlags(CLI::App& app, TrainerFlags* f) {
  app.add_option("--arch-sparse-feature-size", f->arch_sparse_feature_size,
                 "Floats of an embedding row (dim)")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->group("Model");
  app.add_option("--arch-mlp-bot", f->arch_mlp_bot, "Bottom MLP: 13, hidden widths, dim")
      ->capture_default_str()
      ->group("Model");
  app.add_option(
         "--arch-mlp-top", f->arch_mlp_top,
         "Top MLP: hidden widths, 1; its input size (dim + 351) is put in front unless it stands there")
      ->capture_default_str()
      ->group("Model");
  app.add_option("--numpy-rand-seed", f->numpy_rand_seed, "Seed of initial weights and rows")
      ->capture_default_str()
      ->group("Model");
}

void AddTrainingFlags(CLI::App& app, TrainerFlags* f) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str()->group("Training");
  };
  add("--mini-batch-size", f->mini_batch_size, "Samples a batch")->check(CLI::Range(1, 65536));
  add("--nepochs", f->nepochs, "Times to go through the training files")->check(CLI::Range(0, 1000000));
  add("--max-batches", f->max_batches, "Stop training after this many batches; 0: no limit");
  add("--optimizer", f->optimizer, "Of the embeddings (the MLPs use Adam)")
      ->check(CLI::IsMember({"adagrad", "rowwise-adagrad", "sgd"}));
  add("--learning-rate", f->learning_rate, "Of the embeddings")->check(CLI::Range(0.0f, 1e6f));
  add("--mlp-learning-rate", f->mlp_learning_rate, "Of the MLPs")->check(CLI::Range(0.0f, 1e6f));
  add("--adagrad-eps", f->adagrad_eps, "Epsilon of both Adagrads")->check(CLI::Range(0.0f, 1e6f));
  add("--embedding-init-bound", f->embedding_init_bound, "Initial rows are uniform in [-bound, bound)")
      ->check(CLI::Range(0.0f, 1e6f));
  add("--threads", f->threads, "Threads of the MLPs and the interaction")->check(CLI::Range(1, 256));
  add("--print-freq", f->print_freq, "Batches between progress lines (when stderr is no terminal)")
      ->check(CLI::Range(1, 1000000000));
  add("--test-freq", f->test_freq, "Batches between tests; 0: only at the end");
  app.add_option("--pushes-in-flight", f->pushes_in_flight, "Pushes sent and not yet acknowledged")
      ->check(CLI::Range(1, 256))
      ->capture_default_str()
      ->group("Training");
  app.add_flag("--eval-only", f->eval_only, "Only test, pushing nothing")->group("Training");
  app.add_flag("--untrained-embeddings", f->untrained_embeddings,
               "Control: train the MLPs, never push a gradient")
      ->group("Training");
  app.add_flag("--reproducible", f->reproducible,
               "Same bits every time: no overlap, one push at a time, one thread")
      ->group("Training");
}

void AddServerFlags(CLI::App& app, TrainerFlags* f) {
  const auto add = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->capture_default_str()->group("Servers");
  };
  add("--address", f->address,
      "Any server of the cluster (several: comma-separated), or local: for one in this process");
  app.add_flag("--insecure", f->insecure, "Allow an address of another machine; traffic is not encrypted")
      ->group("Servers");
  app.add_flag("--checksums", f->checksums,
               "Checksums of pulls and pushes from end to end: what a network damages is sent again")
      ->group("Servers");
  add("--table-prefix", f->table_prefix, "Tables are named PREFIXC1 to PREFIXC26");
  add("--durability", f->durability, "Of the tables, when they are made")
      ->check(CLI::IsMember({"volatile", "async", "sync"}));
  add("--retry-timeout", f->retry_timeout_s, "Seconds to wait for a lost server")
      ->check(CLI::Range(1, 86400));
  add("--rank", f->rank, "This trainer's number, from 0: it takes every world-size-th batch");
  add("--world-size", f->world_size, "Trainers that share the embeddings")->check(CLI::Range(1, 1024));
  app.add_flag("--in-process-twin", f->in_process_twin,
               "No servers: plain arrays in this process (the oracle)")
      ->group("Servers");
}

// What the server of --address local: is like.
void AddLocalFlags(CLI::App& app, TrainerFlags* f) {
  app.add_option("--local-partitions", f->local_partitions,
                 "Partitions of the cluster of --address local:, a power of two")
      ->check(CLI::Validator(
          [](std::string& text) {
            uint32_t count = 0;
            const bool ok = CLI::detail::lexical_cast(text, count) && count > 0 && (count & (count - 1)) == 0;
            if (ok && count <= limits::kMaxPartitions) return std::string();
            return absl::StrCat("want a power of two from 1 to ", limits::kMaxPartitions, ", got ", text);
          },
          ""))
      ->capture_default_str()
      ->group("Servers");
  app.add_option_function<std::string>(
         "--local-memory-budget",
         [f](const std::string& text) {
           const absl::StatusOr<uint64_t> bytes = ParseBytes(text);
           if (!bytes.ok()) {
             throw CLI::ValidationError("--local-memory-budget", std::string(bytes.status().message()));
           }
           f->local_memory_budget_bytes = *bytes;
         },
         "Memory of the server of --address local:")
      ->default_str(FormatBytes(f->local_memory_budget_bytes))
      ->group("Servers");
}

void AddResultFlags(CLI::App& app, TrainerFlags* f) {
  app.add_option("--save", f->save, "Write MLPs and Adam state here at the end")->group("Results");
  app.add_option("--load", f->load, "Start from MLPs and Adam state of --save")->group("Results");
  app.add_option("--json", f->json, "Write the final figures here")->group("Results");
  app.add_flag("--digest", f->digest, "Print a SHA-256 over all stored rows at the end")->group("Results");
}

void AddCheckpointFlags(CLI::App& app, TrainerFlags* f) {
  app.add_option("--checkpoint-dir", f->checkpoint_dir,
                 "Directory of the MLPs of each checkpoint; the rows go where the servers keep checkpoints")
      ->check(CLI::ExistingDirectory)
      ->group("Checkpoints");
  app.add_option("--checkpoint-every", f->checkpoint_every, "Batches between checkpoints; 0: none")
      ->capture_default_str()
      ->group("Checkpoints");
  app.add_flag("--resume", f->resume,
               "Go on where the checkpoint ended that the servers were restored from (server --restore-from)")
      ->group("Checkpoints");
}

// What cannot work together.
std::string CheckpointConflict(const TrainerFlags& f) {
  if (f.checkpoint_every == 0 && !f.resume) return "";
  const std::string flag = f.resume ? "--resume" : "--checkpoint-every";
  if (f.checkpoint_dir.empty()) return absl::StrCat(flag, " needs --checkpoint-dir");
  if (f.in_process_twin) return absl::StrCat(flag, " is of servers, not of --in-process-twin");
  if (f.world_size > 1)
    return absl::StrCat(flag, " is for one trainer, got --world-size ", f.world_size,
                        ": several have to agree on the batch first");
  if (!f.load.empty()) return absl::StrCat(flag, " loads the MLPs itself, got --load ", f.load);
  return "";
}

int UsageError(const std::string& message) {
  std::fprintf(stderr, "dlrm: %s\nRun dlrm --help for all flags.\n", message.c_str());
  return 2;
}

}  // namespace

std::string TrainerFlags::WriterName() const { return absl::StrCat(table_prefix, "trainer-", rank); }

EmbeddingOptions TrainerFlags::Embeddings() const {
  EmbeddingOptions options;
  options.dim = static_cast<uint32_t>(arch_sparse_feature_size);
  options.optimizer = optimizer == "sgd"       ? OptimizerKind::kSgd
                      : optimizer == "adagrad" ? OptimizerKind::kAdagrad
                                               : OptimizerKind::kRowwiseAdagrad;
  options.learning_rate = learning_rate;
  options.epsilon = adagrad_eps;
  options.init_bound = embedding_init_bound;
  options.seed = numpy_rand_seed;
  return options;
}

absl::StatusOr<ModelOptions> TrainerFlags::Model() const {
  ModelOptions options;
  options.dim = arch_sparse_feature_size;
  RH_ASSIGN_OR_RETURN(options.bottom, ParseLayerSizes(arch_mlp_bot));
  RH_ASSIGN_OR_RETURN(options.top, ParseLayerSizes(arch_mlp_top));
  options.adam.learning_rate = mlp_learning_rate;
  options.seed = numpy_rand_seed;
  options.threads = reproducible ? 1 : static_cast<int>(threads);
  return options;
}

std::optional<int> ParseTrainerFlags(int argc, const char* const* argv, TrainerFlags* flags) {
  CLI::App app(kDescription, "dlrm");
  app.footer(kFooter);
  AddDataFlags(app, flags);
  AddModelFlags(app, flags);
  AddTrainingFlags(app, flags);
  AddServerFlags(app, flags);
  AddLocalFlags(app, flags);
  AddResultFlags(app, flags);
  AddCheckpointFlags(app, flags);
  CheckNumbers(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ExtrasError& error) {
    const std::string unknown = UnknownFlag(app);
    return UsageError(unknown.empty() ? error.what() : unknown);
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  if (flags->rank >= flags->world_size) {
    return UsageError(
        absl::StrCat("--rank must be below --world-size ", flags->world_size, ", got ", flags->rank));
  }
  for (const char* name : {"--local-partitions", "--local-memory-budget"}) {
    if (app.count(name) > 0 && (flags->address != "local:" || flags->in_process_twin)) {
      return UsageError(absl::StrCat(name, " is for --address local: only, got --address ", flags->address,
                                     flags->in_process_twin ? " and --in-process-twin" : ""));
    }
  }
  const std::string conflict = CheckpointConflict(*flags);
  if (!conflict.empty()) return UsageError(conflict);
  const absl::Status files = ResolveFiles(flags);
  if (!files.ok()) return UsageError(std::string(files.message()));
  return std::nullopt;
}

absl::Status ResolveFiles(TrainerFlags* flags) {
  const bool listed = !flags->train_files.empty() || !flags->test_files.empty();
  if (flags->data_directory.empty() == !listed) {
    return absl::InvalidArgumentError("give either --data DIR, or --train-files and --test-files");
  }
  if (!listed) {
    std::vector<std::string> left_out;
    RH_ASSIGN_OR_RETURN(flags->train_files, ListCriteoFiles(flags->data_directory, 2, &left_out));
    for (const std::string& path : left_out) {
      std::fprintf(stderr, "dlrm: %s holds no Criteo samples and is left out\n", path.c_str());
    }
    flags->test_files = {flags->train_files.back()};
    flags->train_files.pop_back();
  }
  if (flags->train_files.empty() && !flags->eval_only) {
    return absl::InvalidArgumentError("--train-files is missing (or --eval-only)");
  }
  return absl::OkStatus();
}

}  // namespace rowhouse::dlrm
