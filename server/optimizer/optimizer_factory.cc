// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/optimizer/adagrad.h"
#include "server/optimizer/optimizer.h"
#include "server/optimizer/rowwise_adagrad.h"
#include "server/optimizer/sgd.h"

namespace rowhouse::server {

const Optimizer* GetOptimizer(OptimizerKind kind) {
  static const Sgd* const sgd = new Sgd;
  static const Adagrad* const adagrad = new Adagrad;
  static const RowwiseAdagrad* const rowwise_adagrad = new RowwiseAdagrad;
  switch (kind) {
    case OptimizerKind::kSgd:
      return sgd;
    case OptimizerKind::kAdagrad:
      return adagrad;
    case OptimizerKind::kRowwiseAdagrad:
      return rowwise_adagrad;
  }
  return nullptr;
}

}  // namespace rowhouse::server
