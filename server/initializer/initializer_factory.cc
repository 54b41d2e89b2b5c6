// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/initializer/constant.h"
#include "server/initializer/initializer.h"
#include "server/initializer/inverse_sqrt_dim.h"
#include "server/initializer/uniform.h"
#include "server/initializer/zeros.h"

namespace rowhouse::server {

const Initializer* GetInitializer(InitializerKind kind) {
  static const Zeros* const zeros = new Zeros;
  static const Constant* const constant = new Constant;
  static const Uniform* const uniform = new Uniform;
  static const InverseSqrtDim* const inverse_sqrt_dim = new InverseSqrtDim;
  switch (kind) {
    case InitializerKind::kZeros:
      return zeros;
    case InitializerKind::kConstant:
      return constant;
    case InitializerKind::kUniform:
      return uniform;
    case InitializerKind::kInverseSqrtDim:
      return inverse_sqrt_dim;
  }
  return nullptr;
}

}  // namespace rowhouse::server
