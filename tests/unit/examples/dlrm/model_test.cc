// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "examples/dlrm/interaction.h"
#include "tests/unit/examples/dlrm/test_files.h"

namespace rowhouse::dlrm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Doubles = std::vector<double>;

ModelOptions SmallModel(uint64_t seed) {
  ModelOptions options;
  options.dim = 3;
  options.bottom = {13, 5, 3};
  options.top = {7, 4, 1};
  options.seed = seed;
  return options;
}

Batch RandomBatch(size_t size, RandomStream* random) {
  std::vector<Sample> samples(size);
  for (Sample& sample : samples) {
    sample.label = static_cast<float>(random->Below(2));
    for (float& x : sample.dense) x = static_cast<float>(random->Uniform() * 3);
    for (uint64_t& id : sample.ids) id = random->Below(4);
  }
  Batch batch;
  batch.Assign(samples);
  return batch;
}

EmbeddingRows RandomRows(const Batch& batch, size_t dim, RandomStream* random) {
  EmbeddingRows rows;
  rows.Resize(batch, dim);
  for (auto& column : rows.columns) {
    for (float& x : column) x = static_cast<float>(random->Normal() * 0.5);
  }
  return rows;
}

// One layer after the other, in double, from the arrays of Mlp::Arrays.
Doubles ReferenceMlp(const std::vector<int>& sizes, bool relu_last, const std::vector<Doubles>& arrays,
                     Doubles x) {
  for (size_t layer = 0; layer + 1 < sizes.size(); ++layer) {
    const int in = sizes[layer], out = sizes[layer + 1];
    const Doubles& w = arrays[layer * 6];
    Doubles y = arrays[layer * 6 + 3];
    for (int o = 0; o < out; ++o) {
      for (int i = 0; i < in; ++i) y[o] += w[i * out + o] * x[i];
      if (relu_last || layer + 2 < sizes.size()) y[o] = std::max(0.0, y[o]);
    }
    x = y;
  }
  return x;
}

// The whole model in double, written from its definition.
struct Reference {
  std::vector<int> bottom_sizes, top_sizes;
  std::vector<Doubles> bottom, top;
  std::array<Doubles, kSparseCount> rows;

  double Loss(const Batch& batch, int dim) const {
    double loss = 0;
    for (size_t s = 0; s < batch.size; ++s) {
      const Doubles dense(batch.dense.begin() + s * kDenseCount, batch.dense.begin() + (s + 1) * kDenseCount);
      std::vector<Doubles> vectors = {ReferenceMlp(bottom_sizes, true, bottom, dense)};
      for (int c = 0; c < kSparseCount; ++c) {
        const auto begin = rows[c].begin() + batch.columns[c].row_of_sample[s] * dim;
        vectors.emplace_back(begin, begin + dim);
      }
      Doubles input = vectors[0];
      for (size_t i = 1; i < vectors.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          double dot = 0;
          for (int d = 0; d < dim; ++d) dot += vectors[i][d] * vectors[j][d];
          input.push_back(dot);
        }
      }
      const double z = ReferenceMlp(top_sizes, false, top, input)[0];
      const double p = 1 / (1 + std::exp(-z));
      loss -= batch.labels[s] == 1 ? std::log(p) : std::log(1 - p);
    }
    return loss / static_cast<double>(batch.size);
  }
};

Reference MakeReference(const ModelOptions& options, Dlrm* model, const EmbeddingRows& rows) {
  Reference reference;
  reference.bottom_sizes = options.bottom;
  reference.top_sizes = options.top;
  reference.top_sizes.insert(reference.top_sizes.begin(), options.dim + 351);
  const auto arrays = model->Arrays();
  const size_t bottom_arrays = (options.bottom.size() - 1) * 6;
  for (size_t i = 0; i < arrays.size(); ++i) {
    (i < bottom_arrays ? reference.bottom : reference.top).emplace_back(arrays[i].begin(), arrays[i].end());
  }
  for (int c = 0; c < kSparseCount; ++c) {
    reference.rows[c].assign(rows.columns[c].begin(), rows.columns[c].end());
  }
  return reference;
}

// Central difference of the reference's loss along *x.
double Slope(const Reference& reference, const Batch& batch, int dim, double* x) {
  const double h = 1e-6, saved = *x;
  *x = saved + h;
  const double above = reference.Loss(batch, dim);
  *x = saved - h;
  const double below = reference.Loss(batch, dim);
  *x = saved;
  return (above - below) / (2 * h);
}

TEST(Dlrm, GradientsAreTheSlopesOfTheLoss) {
  for (uint64_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    RandomStream random(seed);
    const ModelOptions options = SmallModel(seed);
    auto model = *Dlrm::Create(options);
    const Batch batch = RandomBatch(6, &random);
    const EmbeddingRows rows = RandomRows(batch, 3, &random);
    Reference reference = MakeReference(options, model.get(), rows);
    EmbeddingRows gradients;
    const double loss = model->ComputeGradients(batch, rows, &gradients);
    EXPECT_NEAR(loss, reference.Loss(batch, 3), 1e-5);
    for (int c = 0; c < kSparseCount; c += 5) {
      for (size_t i = 0; i < reference.rows[c].size(); ++i) {
        const double slope = Slope(reference, batch, 3, &reference.rows[c][i]);
        EXPECT_NEAR(gradients.columns[c][i], slope, 2e-5) << c << " " << i;
      }
    }
    const auto check = [&](std::vector<Doubles>& arrays, const Mlp::Tape& tape) {
      for (size_t layer = 0; layer < tape.weight_grads.size(); ++layer) {
        Doubles& weights = arrays[layer * 6];
        for (size_t i = 0; i < weights.size(); i += 1 + weights.size() / 40) {
          EXPECT_NEAR(tape.weight_grads[layer].data()[i], Slope(reference, batch, 3, &weights[i]), 2e-5);
        }
        Doubles& bias = arrays[layer * 6 + 3];
        for (size_t i = 0; i < bias.size(); ++i) {
          EXPECT_NEAR(tape.bias_grads[layer].data()[i], Slope(reference, batch, 3, &bias[i]), 2e-5);
        }
      }
    };
    check(reference.bottom, model->bottom_tape());
    check(reference.top, model->top_tape());
  }
}

TEST(Dlrm, PredictGivesTheLogitsOfTheLoss) {
  RandomStream random(7);
  auto model = *Dlrm::Create(SmallModel(7));
  const Batch batch = RandomBatch(5, &random);
  const EmbeddingRows rows = RandomRows(batch, 3, &random);
  std::vector<float> logits;
  model->Predict(batch, rows, &logits);
  double loss = 0;
  for (size_t s = 0; s < 5; ++s) {
    loss += std::log1p(std::exp(batch.labels[s] == 1 ? -logits[s] : logits[s])) / 5;
  }
  EmbeddingRows gradients;
  EXPECT_NEAR(model->ComputeGradients(batch, rows, &gradients), loss, 1e-5);
}

TEST(Dlrm, ThreadsAgreeWithOneThread) {
  RandomStream random(8);
  ModelOptions options = SmallModel(8);
  auto one = *Dlrm::Create(options);
  options.threads = 3;
  auto three = *Dlrm::Create(options);
  const Batch batch = RandomBatch(10, &random);
  const EmbeddingRows rows = RandomRows(batch, 3, &random);
  EmbeddingRows a, b;
  EXPECT_NEAR(one->Train(batch, rows, &a), three->Train(batch, rows, &b), 1e-6);
  for (int c = 0; c < kSparseCount; ++c) {
    for (size_t i = 0; i < a.columns[c].size(); ++i) EXPECT_NEAR(a.columns[c][i], b.columns[c][i], 1e-6);
  }
}

TEST(Dlrm, ThreadsMayOutnumberSamples) {
  RandomStream random(9);
  ModelOptions options = SmallModel(9);
  options.threads = 4;
  auto model = *Dlrm::Create(options);
  const Batch batch = RandomBatch(2, &random);
  EmbeddingRows gradients;
  EXPECT_TRUE(std::isfinite(model->Train(batch, RandomRows(batch, 3, &random), &gradients)));
  for (absl::Span<float> array : model->Arrays()) {
    for (float x : array) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST(Dlrm, SizesThatDoNotFitAreNamed) {
  ModelOptions options = SmallModel(1);
  options.bottom = {13, 5, 4};
  EXPECT_THAT(std::string(Dlrm::Create(options).status().message()), HasSubstr("--arch-mlp-bot"));
  options = SmallModel(1);
  options.bottom = {12, 3};
  EXPECT_FALSE(Dlrm::Create(options).ok());
  options = SmallModel(1);
  options.top = {7, 2};
  EXPECT_THAT(std::string(Dlrm::Create(options).status().message()), HasSubstr("--arch-mlp-top"));
  options = SmallModel(1);
  options.threads = 0;
  EXPECT_THAT(std::string(Dlrm::Create(options).status().message()), HasSubstr("--threads"));
}

TEST(Dlrm, TopSizesMayBeginWithTheInput) {
  ModelOptions options;
  options.top = {367, 64, 1};  // 16 + 27 * 26 / 2
  auto full = *Dlrm::Create(options);
  options.top = {64, 1};
  auto brief = *Dlrm::Create(options);
  ASSERT_EQ(full->Arrays().size(), brief->Arrays().size());
  for (size_t i = 0; i < full->Arrays().size(); ++i) EXPECT_EQ(full->Arrays()[i], brief->Arrays()[i]);
}

TEST(Dlrm, SavedAndLoadedGoesOnWithTheSameBits) {
  TestDirectory directory;
  RandomStream random(11);
  auto model = *Dlrm::Create(SmallModel(1)), other = *Dlrm::Create(SmallModel(2));
  const Batch batch = RandomBatch(6, &random);
  const EmbeddingRows rows = RandomRows(batch, 3, &random);
  EmbeddingRows gradients, other_gradients;
  for (int i = 0; i < 3; ++i) model->Train(batch, rows, &gradients);
  ASSERT_TRUE(model->Save(directory.File("m")).ok());
  ASSERT_TRUE(other->Load(directory.File("m")).ok());
  EXPECT_EQ(other->steps(), 3);
  EXPECT_EQ(model->Train(batch, rows, &gradients), other->Train(batch, rows, &other_gradients));
  for (size_t i = 0; i < model->Arrays().size(); ++i) EXPECT_EQ(model->Arrays()[i], other->Arrays()[i]);
}

TEST(Dlrm, LoadRefusesWhatIsNotItsFile) {
  TestDirectory directory;
  const std::string path = directory.File("m");
  auto model = *Dlrm::Create(SmallModel(1));
  EXPECT_EQ(model->Load(path).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(model->Save(path).ok());
  std::string bytes = ReadText(path);
  bytes[bytes.size() / 2] ^= 1;
  WriteText(path, bytes);
  EXPECT_EQ(model->Load(path).code(), absl::StatusCode::kDataLoss);
  WriteText(path, bytes.substr(0, bytes.size() - 1));
  EXPECT_EQ(model->Load(path).code(), absl::StatusCode::kDataLoss);
  ModelOptions options = SmallModel(1);
  options.top = {8, 1};
  ASSERT_TRUE((*Dlrm::Create(options))->Save(path).ok());
  EXPECT_EQ(model->Load(path).code(), absl::StatusCode::kFailedPrecondition);
  WriteText(path, "");
  EXPECT_EQ(model->Load(path).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(model->Save("/nonexistent/m").code(), absl::StatusCode::kUnavailable);
}

TEST(Interaction, WritesTheStrictLowerTriangleInOrder) {
  const float vectors[] = {1, 2, 3, 4, 5, 6};  // three vectors of two
  std::vector<float> output(InteractionSize(3, 2));
  DotInteraction(vectors, 3, 2, output.data());
  EXPECT_THAT(output, ElementsAre(1, 2, 11, 17, 39));
}

TEST(Interaction, SizeIsThatOfDlrm) { EXPECT_EQ(InteractionSize(27, 16), 367); }

TEST(Adam, FollowsTorch) {
  // torch.optim.Adam with learning rate 0.1; docs of the optimizers' golden values.
  AdamOptions options;
  options.learning_rate = 0.1f;
  float w[] = {1, -2}, m[2] = {}, v[2] = {};
  const float g[3][2] = {{0.5f, -0.25f}, {0.1f, 0.3f}, {0, 0.2f}};
  const float expected[3][2] = {{0.9f, -1.9f}, {0.81969591f, -1.91429448f}, {0.75762061f, -1.953264f}};
  for (int t = 0; t < 3; ++t) {
    AdamStep(options, t + 1, g[t], absl::MakeSpan(w), absl::MakeSpan(m), absl::MakeSpan(v));
    EXPECT_NEAR(w[0], expected[t][0], 1e-6);
    EXPECT_NEAR(w[1], expected[t][1], 1e-6);
  }
}

TEST(Mlp, InitialWeightsAreUniformAsThoseOfTorchsLinear) {
  RandomStream random(5);
  Mlp mlp({400, 300}, true, &random);
  const absl::Span<float> weights = mlp.Arrays()[0];
  double square = 0, sum = 0;
  for (float w : weights) {
    sum += w;
    square += double{w} * w;
  }
  const double n = static_cast<double>(weights.size());
  EXPECT_NEAR(sum / n, 0, 1e-3);
  EXPECT_NEAR(std::sqrt(square / n), std::sqrt(1.0 / 400 / 3), 1e-3);  // of a uniform in +-sqrt(1 / 400)
  EXPECT_LE(*std::max_element(weights.begin(), weights.end()), std::sqrt(1.0f / 400));
}

TEST(LayerSizes, AreReadOrRefused) {
  EXPECT_THAT(*ParseLayerSizes("13-64-16"), ElementsAre(13, 64, 16));
  for (const char* bad : {"", "13-", "13--16", "a-b", "13-0", "13--1", "70000-1"}) {
    EXPECT_FALSE(ParseLayerSizes(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace rowhouse::dlrm
