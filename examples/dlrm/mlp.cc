// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/mlp.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rowhouse::dlrm {
namespace {

constexpr int kMaxLayerWidth = 65536;

template <typename Array>
absl::Span<float> SpanOf(Array& array) {
  return absl::MakeSpan(array.data(), static_cast<size_t>(array.size()));
}

}  // namespace

void AdamStep(const AdamOptions& options, uint64_t t, absl::Span<const float> gradient,
              absl::Span<float> weights, absl::Span<float> m, absl::Span<float> v) {
  const double step = static_cast<double>(t);
  const double correction1 = 1.0 - std::pow(static_cast<double>(options.beta1), step);
  const double correction2 = 1.0 - std::pow(static_cast<double>(options.beta2), step);
  const auto rate = static_cast<float>(options.learning_rate / correction1);
  const auto root = static_cast<float>(std::sqrt(correction2));
  const float rest1 = 1.0f - options.beta1, rest2 = 1.0f - options.beta2;
  for (size_t i = 0; i < weights.size(); ++i) {
    const float g = gradient[i];
    m[i] += rest1 * (g - m[i]);
    v[i] = options.beta2 * v[i] + rest2 * g * g;
    weights[i] -= rate * (m[i] / (std::sqrt(v[i]) / root + options.epsilon));
  }
}

absl::StatusOr<std::vector<int>> ParseLayerSizes(const std::string& text) {
  std::vector<int> sizes;
  for (absl::string_view part : absl::StrSplit(text, '-')) {
    int size = 0;
    if (!absl::SimpleAtoi(part, &size) || size < 1 || size > kMaxLayerWidth) {
      return absl::InvalidArgumentError(absl::StrCat("layer sizes \"", text,
                                                     "\": expected numbers from 1 to ", kMaxLayerWidth,
                                                     " joined by '-', got \"", part, "\""));
    }
    sizes.push_back(size);
  }
  return sizes;
}

Mlp::Mlp(std::vector<int> sizes, bool relu_last, RandomStream* random)
    : sizes_(std::move(sizes)), relu_last_(relu_last) {
  for (size_t i = 0; i + 1 < sizes_.size(); ++i) {
    const int in = sizes_[i], out = sizes_[i + 1];
    Layer layer;
    layer.weights.resize(out, in);
    const double bound = std::sqrt(1.0 / in);
    for (float& w : SpanOf(layer.weights)) w = static_cast<float>((2 * random->Uniform() - 1) * bound);
    layer.bias.resize(out);
    for (float& b : SpanOf(layer.bias)) b = static_cast<float>((2 * random->Uniform() - 1) * bound);
    layer.weights_m = layer.weights_v = Matrix::Zero(out, in);
    layer.bias_m = layer.bias_v = Vector::Zero(out);
    layers_.push_back(std::move(layer));
  }
}

const Matrix& Mlp::Forward(const Matrix& input, Tape* tape) const {
  tape->outputs.resize(layers_.size());
  const Matrix* x = &input;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Matrix& y = tape->outputs[i];
    y.noalias() = layers_[i].weights * *x;
    y.colwise() += layers_[i].bias;
    if (relu_last_ || i + 1 < layers_.size()) y = y.cwiseMax(0.0f);
    x = &y;
  }
  return tape->outputs.back();
}

void Mlp::Backward(const Matrix& input, const Matrix& output_grad, Tape* tape, Matrix* input_grad) const {
  const size_t n = layers_.size();
  tape->output_grads.resize(n);
  tape->weight_grads.resize(n);
  tape->bias_grads.resize(n);
  tape->output_grads[n - 1] = output_grad;
  for (size_t i = n; i-- > 0;) {
    Matrix& grad = tape->output_grads[i];
    if (relu_last_ || i + 1 < n) grad = (tape->outputs[i].array() > 0.0f).select(grad, 0.0f);
    const Matrix& x = i == 0 ? input : tape->outputs[i - 1];
    tape->weight_grads[i].noalias() = grad * x.transpose();
    tape->bias_grads[i] = grad.rowwise().sum();
    if (i > 0) tape->output_grads[i - 1].noalias() = layers_[i].weights.transpose() * grad;
  }
  if (input_grad != nullptr) input_grad->noalias() = layers_[0].weights.transpose() * tape->output_grads[0];
}

void Mlp::ApplyAdam(const AdamOptions& options, uint64_t t, absl::Span<Tape* const> tapes) {
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    Matrix& weight_grad = tapes[0]->weight_grads[i];
    Vector& bias_grad = tapes[0]->bias_grads[i];
    for (Tape* tape : tapes.subspan(1)) {
      weight_grad += tape->weight_grads[i];
      bias_grad += tape->bias_grads[i];
    }
    AdamStep(options, t, SpanOf(weight_grad), SpanOf(layer.weights), SpanOf(layer.weights_m),
             SpanOf(layer.weights_v));
    AdamStep(options, t, SpanOf(bias_grad), SpanOf(layer.bias), SpanOf(layer.bias_m), SpanOf(layer.bias_v));
  }
}

std::vector<absl::Span<float>> Mlp::Arrays() {
  std::vector<absl::Span<float>> arrays;
  for (Layer& layer : layers_) {
    for (Matrix* m : {&layer.weights, &layer.weights_m, &layer.weights_v}) arrays.push_back(SpanOf(*m));
    for (Vector* v : {&layer.bias, &layer.bias_m, &layer.bias_v}) arrays.push_back(SpanOf(*v));
  }
  return arrays;
}

}  // namespace rowhouse::dlrm
