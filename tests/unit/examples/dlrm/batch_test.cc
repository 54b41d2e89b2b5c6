// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/dlrm/batch_pipeline.h"
#include "tests/unit/examples/dlrm/test_files.h"

namespace rowhouse::dlrm {
namespace {

using ::testing::ElementsAre;

std::string LinesWithIds(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += Line("0", "1", "0000000" + std::to_string(i % 10)) + "\n";
  return text;
}

TEST(Batch, DistinctIdsAscendAndSamplesPointAtThem) {
  std::vector<Sample> samples(4);
  const uint64_t ids[] = {9, kEmptyFieldId, 3, 9};
  for (int s = 0; s < 4; ++s) {
    samples[s].ids.fill(5);
    samples[s].ids[2] = ids[s];
    samples[s].dense.fill(static_cast<float>(s));
    samples[s].label = s == 1 ? 1.0f : 0.0f;
  }
  Batch batch;
  batch.Assign(samples);
  EXPECT_THAT(batch.columns[2].ids, ElementsAre(3, 9, kEmptyFieldId));
  EXPECT_THAT(batch.columns[2].row_of_sample, ElementsAre(1, 2, 0, 1));
  EXPECT_THAT(batch.columns[0].ids, ElementsAre(5));
  EXPECT_THAT(batch.labels, ElementsAre(0, 1, 0, 0));
  EXPECT_EQ(batch.dense[2 * kDenseCount + 12], 2);
}

TEST(BatchReader, LastBatchIsSmaller) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), LinesWithIds(7));
  CriteoReader reader({directory.File("a.tsv")}, true);
  BatchReader batches(&reader, 3, 0, 1);
  Batch batch;
  std::vector<size_t> sizes;
  while (*batches.Next(&batch)) sizes.push_back(batch.size);
  EXPECT_THAT(sizes, ElementsAre(3, 3, 1));
}

TEST(BatchReader, RanksShareTheBatches) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), LinesWithIds(10));
  std::vector<uint64_t> first_ids[2];
  for (uint32_t rank : {0, 1}) {
    CriteoReader reader({directory.File("a.tsv")}, true);
    BatchReader batches(&reader, 2, rank, 2);
    Batch batch;
    while (*batches.Next(&batch)) first_ids[rank].push_back(batch.columns[0].ids[0]);
  }
  EXPECT_THAT(first_ids[0], ElementsAre(0, 4, 8));
  EXPECT_THAT(first_ids[1], ElementsAre(2, 6));
}

// Counts pulls and answers them as told.
class CountingSource : public EmbeddingSource {
 public:
  std::string Describe() const override { return "counting"; }
  std::future<absl::Status> Pull(const Batch&, EmbeddingRows*) override {
    pulls.emplace_back();
    pulls.back().set_value(answer);
    return pulls.back().get_future();
  }
  absl::Status Push(const Batch&, const EmbeddingRows&, uint64_t) override { return absl::OkStatus(); }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::StatusOr<StorageReport> Report() override { return StorageReport(); }
  absl::Status VisitRows(int, const std::function<void(uint64_t, absl::Span<const float>)>&) override {
    return absl::OkStatus();
  }

  absl::Status answer;
  std::vector<std::promise<absl::Status>> pulls;
};

TEST(BatchPipeline, AsksForTheNextBatchesWhileOneIsOut) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), LinesWithIds(10));
  CriteoReader reader({directory.File("a.tsv")}, true);
  BatchReader batches(&reader, 2, 0, 1);
  CountingSource source;
  BatchPipeline pipeline(&batches, &source, 3);
  for (uint64_t i = 0; i < 5; ++i) {
    BatchPipeline::Item* item = *pipeline.Next();
    ASSERT_NE(item, nullptr);
    EXPECT_EQ(item->batch.columns[0].ids[0], i * 2);
    EXPECT_EQ(source.pulls.size(), std::min<uint64_t>(i + 3, 5));
  }
  EXPECT_EQ(*pipeline.Next(), nullptr);
}

TEST(BatchPipeline, DepthOneDoesNotOverlap) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), LinesWithIds(6));
  CriteoReader reader({directory.File("a.tsv")}, true);
  BatchReader batches(&reader, 2, 0, 1);
  CountingSource source;
  BatchPipeline pipeline(&batches, &source, 1);
  for (size_t i = 1; i <= 3; ++i) {
    ASSERT_NE(*pipeline.Next(), nullptr);
    EXPECT_EQ(source.pulls.size(), i);
  }
}

TEST(BatchPipeline, FailedPullComesOut) {
  TestDirectory directory;
  WriteText(directory.File("a.tsv"), LinesWithIds(6));
  CriteoReader reader({directory.File("a.tsv")}, true);
  BatchReader batches(&reader, 6, 0, 1);
  CountingSource source;
  source.answer = absl::UnavailableError("server gone");
  BatchPipeline pipeline(&batches, &source, 1);
  EXPECT_EQ(pipeline.Next().status(), absl::UnavailableError("server gone"));
}

}  // namespace
}  // namespace rowhouse::dlrm
