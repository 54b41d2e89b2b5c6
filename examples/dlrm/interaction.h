// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// DLRM's dot interaction: all pairwise products of a sample's feature vectors. Pure functions of one sample.

#include <cstddef>

namespace rowhouse::dlrm {

// Floats that DotInteraction writes for `features` vectors of `dim` floats: the first vector, then the strict
// lower triangle.
constexpr int InteractionSize(int features, int dim) { return dim + features * (features - 1) / 2; }

// `vectors`: `features` vectors one after the other, the first being the bottom MLP's output. Writes that
// vector, then <v1,v0>, <v2,v0>, <v2,v1>, <v3,v0>, ... as PyTorch's DLRM orders them.
void DotInteraction(const float* vectors, int features, int dim, float* output);

// The gradient of the above: `vector_grads` (features * dim floats) is overwritten with d loss / d vectors.
void DotInteractionGrad(const float* vectors, int features, int dim, const float* output_grad,
                        float* vector_grads);

}  // namespace rowhouse::dlrm
