// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The initial row of an id: a pure function of (table seed, id, column), the same in every language
// (docs/formats/initial-rows.md, tests/golden/initial_rows.json). Stateless, thread-safe.

#include <cstdint>

#include "common/schema/table_schema.h"

namespace rowhouse::server {

class Initializer {
 public:
  virtual ~Initializer() = default;
  // Writes `dim` floats to `weights`.
  virtual void Fill(const InitializerSpec& spec, uint64_t seed, Id id, uint32_t dim,
                    float* weights) const = 0;
};

// The initializer of a kind; one object for the process, never destroyed. Null for a number outside the enum.
const Initializer* GetInitializer(InitializerKind kind);

}  // namespace rowhouse::server
