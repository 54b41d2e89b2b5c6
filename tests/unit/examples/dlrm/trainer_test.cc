// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "examples/dlrm/in_process_twin.h"
#include "examples/dlrm/report.h"
#include "examples/dlrm/synthetic_data.h"
#include "tests/unit/examples/dlrm/test_files.h"

namespace rowhouse::dlrm {
namespace {

using ::testing::HasSubstr;

SyntheticDataOptions SmallData(const TestDirectory& directory, uint64_t seed) {
  SyntheticDataOptions options;
  options.directory = directory.File("data");
  options.train_files = 2;
  options.model.rows = 30'000;
  options.model.test_rows = 5'000;
  options.model.cardinality_scale = 0.1;
  options.model.tail_scale = 0.3;
  options.model.seed = seed;
  return options;
}

TrainerFlags FlagsFor(const std::string& directory) {
  TrainerFlags flags;
  flags.data_directory = directory;
  flags.print_freq = 1'000'000;
  flags.mini_batch_size = 128;
  EXPECT_TRUE(ResolveFiles(&flags).ok());
  return flags;
}

absl::StatusOr<RunReport> RunOnTwin(const TrainerFlags& flags, bool stopped = false) {
  auto model = *Dlrm::Create(*flags.Model());
  InProcessTwin twin(flags.Embeddings());
  const std::atomic<bool> stop = stopped;
  return Trainer(flags, &twin, model.get(), &stop).Run();
}

TEST(SyntheticData, SameSeedSameFiles) {
  TestDirectory a, b, c;
  SyntheticDataOptions options = SmallData(a, 3);
  options.model.rows = 500;
  options.model.test_rows = 100;
  const auto first = WriteSyntheticData(options);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->files.size(), 3);
  options.directory = b.File("data");
  const auto second = WriteSyntheticData(options);
  options.directory = c.File("data");
  options.model.seed = 4;
  const auto other = WriteSyntheticData(options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ReadText(first->files[i]), ReadText(second->files[i]));
    EXPECT_NE(ReadText(first->files[i]), ReadText(other->files[i]));
  }
}

TEST(SyntheticData, BestAucIsInRangeForAnySeed) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    PlantedOptions options;
    options.seed = seed;
    const PlantedModel model(options);
    RandomStream random(seed);
    std::vector<float> logits, labels;
    for (int i = 0; i < 20'000; ++i) {
      const PlantedSample sample = model.Draw(&random);
      logits.push_back(sample.logit);
      labels.push_back(sample.label);
    }
    const Metrics best = ComputeMetrics(logits, labels);
    EXPECT_GT(best.auc, 0.75);
    EXPECT_LT(best.auc, 0.85);
    EXPECT_NEAR(best.calibration, 1, 0.05);
  }
}

TEST(SyntheticData, CountsTheRowsThatTrainingMakes) {
  TestDirectory directory;
  SyntheticDataOptions options = SmallData(directory, 5);
  options.model.rows = 2'000;
  options.gzip = true;
  const auto data = WriteSyntheticData(options);
  ASSERT_TRUE(data.ok()) << data.status();
  const auto report = RunOnTwin(FlagsFor(options.directory));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->storage.stored_rows, data->train_distinct_ids);
  EXPECT_EQ(report->samples, 2'000);
  EXPECT_EQ(report->skipped_lines, 0);
}

TEST(SyntheticData, BadOptionsAreNamed) {
  TestDirectory directory;
  SyntheticDataOptions options = SmallData(directory, 1);
  options.model.skew = -1;
  EXPECT_THAT(std::string(WriteSyntheticData(options).status().message()),
              HasSubstr("--skew must be 0 to 3, got -1"));
  options = SmallData(directory, 1);
  options.train_files = 0;
  EXPECT_THAT(std::string(WriteSyntheticData(options).status().message()), HasSubstr("--files"));
  options = SmallData(directory, 1);
  options.directory = "/proc/nonexistent";
  EXPECT_EQ(WriteSyntheticData(options).status().code(), absl::StatusCode::kUnavailable);
}

TEST(Trainer, LearnsWhatTheControlCannot) {
  TestDirectory directory;
  const SyntheticDataOptions options = SmallData(directory, 1);
  const auto data = WriteSyntheticData(options);
  ASSERT_TRUE(data.ok()) << data.status();
  TrainerFlags flags = FlagsFor(options.directory);
  const auto trained = RunOnTwin(flags);
  ASSERT_TRUE(trained.ok()) << trained.status();
  flags.untrained_embeddings = true;
  const auto control = RunOnTwin(flags);
  ASSERT_TRUE(control.ok()) << control.status();
  EXPECT_GT(trained->test.auc, control->test.auc + 0.05);
  EXPECT_LT(trained->test.auc, data->bayes_auc + 0.005);
  EXPECT_EQ(control->storage.stored_rows, 0);
}

TEST(Trainer, ReproducibleRunsHaveTheSameBits) {
  TestDirectory directory;
  SyntheticDataOptions options = SmallData(directory, 2);
  options.model.rows = 3'000;
  ASSERT_TRUE(WriteSyntheticData(options).ok());
  TrainerFlags flags = FlagsFor(options.directory);
  flags.reproducible = flags.digest = true;
  const auto first = RunOnTwin(flags), second = RunOnTwin(flags);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->digest, second->digest);
  EXPECT_EQ(first->test.auc, second->test.auc);
  EXPECT_EQ(first->final_loss, second->final_loss);
  flags.numpy_rand_seed = 124;
  EXPECT_NE(RunOnTwin(flags)->digest, first->digest);
}

TEST(Trainer, StopsAtMaxBatchesAndWhenInterrupted) {
  TestDirectory directory;
  SyntheticDataOptions options = SmallData(directory, 2);
  options.model.rows = 3'000;
  ASSERT_TRUE(WriteSyntheticData(options).ok());
  TrainerFlags flags = FlagsFor(options.directory);
  flags.max_batches = 5;
  EXPECT_EQ(RunOnTwin(flags)->iterations, 5);
  const auto stopped = RunOnTwin(flags, true);
  ASSERT_TRUE(stopped.ok());
  EXPECT_EQ(stopped->iterations, 1);
  EXPECT_TRUE(stopped->interrupted);
  EXPECT_FALSE(stopped->tested);
}

TEST(Trainer, StrictFailsOnABadLine) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), "rubbish\n");
  WriteText(directory.File("b.tsv"), Line("1", "1", "a") + "\n");
  TrainerFlags flags;
  flags.train_files = {directory.File("a.tsv")};
  flags.test_files = {directory.File("b.tsv")};
  const auto lenient = RunOnTwin(flags);
  ASSERT_TRUE(lenient.ok()) << lenient.status();
  EXPECT_EQ(lenient->skipped_lines, 1);
  EXPECT_EQ(lenient->iterations, 0);
  flags.strict = true;
  EXPECT_EQ(RunOnTwin(flags).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Report, FiguresWithoutAValueAreNull) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), Line("1", "1", "a") + "\n");
  WriteText(directory.File("b.tsv"), Line("1", "1", "a") + "\n");
  const auto report = RunOnTwin(FlagsFor(directory.path()));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_TRUE(WriteJsonReport(*report, directory.File("r.json")).ok());
  const auto json = nlohmann::json::parse(ReadText(directory.File("r.json")));
  EXPECT_TRUE(json["test"]["auc"].is_null());
  EXPECT_EQ(json["iterations"], 1);
  EXPECT_EQ(json["storage"]["stored_rows"], kSparseCount);
  EXPECT_THAT(FormatReport(*report), HasSubstr("1 batches, 1 samples"));
  EXPECT_EQ(WriteJsonReport(*report, "/nonexistent/r.json").code(), absl::StatusCode::kUnavailable);
}

TEST(Flags, WrongUsageIsRefused) {
  const auto parse = [](std::vector<const char*> args) {
    args.insert(args.begin(), "dlrm");
    TrainerFlags flags;
    return ParseTrainerFlags(static_cast<int>(args.size()), args.data(), &flags);
  };
  EXPECT_EQ(parse({}), 2);
  EXPECT_EQ(parse({"--data", "/nonexistent"}), 2);
  EXPECT_EQ(parse({"--data", "x", "--train-files", "y"}), 2);
  EXPECT_EQ(parse({"--test-files", "y"}), 2);
  EXPECT_EQ(parse({"--train-files", "x", "--optimizer", "lion"}), 2);
  EXPECT_EQ(parse({"--train-files", "x", "--rank", "1"}), 2);
  EXPECT_EQ(parse({"--train-files", "x", "--mini-batch-size", "0"}), 2);
  testing::internal::CaptureStderr();
  EXPECT_EQ(parse({"--train-files", "x", "--learning-rat=0.1"}), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("there is no --learning-rat; did you mean --learning-rate?"));
  EXPECT_EQ(parse({"--train-files", "x", "-Q"}), 2);
  for (const char* flag :
       {"--arch-sparse-feature-size", "--numpy-rand-seed", "--mini-batch-size", "--nepochs", "--max-batches",
        "--threads", "--print-freq", "--test-freq", "--pushes-in-flight", "--retry-timeout", "--rank",
        "--world-size", "--local-partitions", "--checkpoint-every"}) {
    for (const char* text : {"-1", "x", "", "1.5", "18446744073709551616"})
      EXPECT_EQ(parse({"--train-files", "x", flag, text}), 2) << flag << " " << text;
  }
  for (const char* flag :
       {"--learning-rate", "--mlp-learning-rate", "--adagrad-eps", "--embedding-init-bound"}) {
    for (const char* text : {"-1", "x", "", "nan", "inf", "1e7"})
      EXPECT_EQ(parse({"--train-files", "x", flag, text}), 2) << flag << " " << text;
  }
  EXPECT_EQ(parse({"--train-files", "x", "--local-memory-budget", "lots", "--address", "local:"}), 2);
  EXPECT_EQ(parse({"--help"}), 0);
  EXPECT_EQ(parse({"--train-files", "x", "--optimizer", "sgd"}), std::nullopt);
  EXPECT_EQ(parse({"--test-files", "y", "--eval-only"}), std::nullopt);
}

}  // namespace
}  // namespace rowhouse::dlrm
