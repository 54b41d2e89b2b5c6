// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "examples/dlrm/interaction.h"

#include <Eigen/Core>
#include <algorithm>

namespace rowhouse::dlrm {
namespace {

using ConstRow = Eigen::Map<const Eigen::VectorXf>;
using Row = Eigen::Map<Eigen::VectorXf>;

}  // namespace

void DotInteraction(const float* vectors, int features, int dim, float* output) {
  output = std::copy(vectors, vectors + dim, output);
  for (int i = 1; i < features; ++i) {
    const ConstRow a(vectors + i * dim, dim);
    for (int j = 0; j < i; ++j) *output++ = a.dot(ConstRow(vectors + j * dim, dim));
  }
}

void DotInteractionGrad(const float* vectors, int features, int dim, const float* output_grad,
                        float* vector_grads) {
  std::copy(output_grad, output_grad + dim, vector_grads);
  std::fill(vector_grads + dim, vector_grads + features * dim, 0.0f);
  const float* pair = output_grad + dim;
  for (int i = 1; i < features; ++i) {
    const ConstRow a(vectors + i * dim, dim);
    Row a_grad(vector_grads + i * dim, dim);
    for (int j = 0; j < i; ++j, ++pair) {
      a_grad += *pair * ConstRow(vectors + j * dim, dim);
      Row(vector_grads + j * dim, dim) += *pair * a;
    }
  }
}

}  // namespace rowhouse::dlrm
