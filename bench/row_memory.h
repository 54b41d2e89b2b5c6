// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What a row costs in resident memory beside its weights and state. Measured in a child process, so that
// nothing else of the bench is in the figure: call before the first thread is started.

#include <cstdint>
#include <string>

#include "bench/report.h"

namespace rowhouse::bench {

// W1's table with Adagrad, 256 partitions.
Result MeasureRowMemoryW1(uint64_t rows);
// 26 tables of dim 16 with Adagrad, 256 partitions, as many rows in each as a Criteo training of 104,196
// samples makes: many small segments.
Result MeasureRowMemoryCriteo();

}  // namespace rowhouse::bench
