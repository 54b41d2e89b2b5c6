// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Early return on a failed absl::Status or StatusOr.

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RH_CONCAT_INNER_(a, b) a##b
#define RH_CONCAT_(a, b) RH_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expr` (an absl::Status) is not OK.
#define RH_RETURN_IF_ERROR(expr)             \
  do {                                       \
    absl::Status rh_status_ = (expr);        \
    if (!rh_status_.ok()) return rh_status_; \
  } while (false)

// Assigns the value of `expr` (an absl::StatusOr) to `lhs`, or returns its status.
#define RH_ASSIGN_OR_RETURN(lhs, expr) RH_ASSIGN_OR_RETURN_(RH_CONCAT_(rh_or_, __LINE__), lhs, expr)
// Names and a declaration, which take no parentheses.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define RH_ASSIGN_OR_RETURN_(var, lhs, expr) \
  auto var = (expr);                         \
  if (!var.ok()) return var.status();        \
  lhs = std::move(var).value()
// NOLINTEND(bugprone-macro-parentheses)
