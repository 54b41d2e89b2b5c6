// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The body of a push, delete or expire record: what the parser takes has its arrays within the body, and the
// builder makes the same slices of it.

#include "server/log/record.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {
namespace {

using Slices = std::vector<server::PushSlice>;

// Bytes at an address divisible by 8, as a segment's reader hands them on.
class Aligned {
 public:
  explicit Aligned(absl::Span<const uint8_t> bytes) : size_(bytes.size()), words_((bytes.size() + 7) / 8) {
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(words_.data()));
  }
  absl::Span<const uint8_t> span() const { return {reinterpret_cast<const uint8_t*>(words_.data()), size_}; }

 private:
  const size_t size_;
  std::vector<uint64_t> words_;
};

template <typename T>
std::string BytesOf(absl::Span<const T> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Every bit of a slice.
std::string Describe(const server::PushSlice& slice) {
  ByteWriter out;
  out.Fixed(slice.table);
  out.Fixed(slice.schema_version);
  out.Fixed(slice.dim);
  out.Fixed(slice.hyper.learning_rate);
  out.Fixed(slice.hyper.epsilon);
  out.Fixed(slice.cutoff_unix_seconds);
  return out.Take() + BytesOf(slice.ids) + BytesOf(slice.counts) + BytesOf(slice.values);
}

Buffer Build(const Slices& slices) {
  server::PushBodySize size{.table_count = slices.size()};
  for (const server::PushSlice& slice : slices) {
    size.rows += slice.ids.size();
    size.rows_with_counts += slice.counts.size();
    size.value_floats += slice.values.size();
  }
  server::PushBodyBuilder builder(size);
  for (const server::PushSlice& slice : slices) {
    const auto slots = builder.AddSlice(slice, slice.ids.size(), !slice.counts.empty());
    std::copy(slice.ids.begin(), slice.ids.end(), slots.ids);
    std::copy(slice.counts.begin(), slice.counts.end(), slots.counts);
    std::copy(slice.values.begin(), slice.values.end(), slots.values);
  }
  return builder.Finish();
}

void Run(absl::Span<const uint8_t> input) {
  const Aligned body(input);
  const MemoryScope memory;
  const absl::StatusOr<Slices> slices = server::ParsePushBody(body.span());
  // 32 bytes of a body claim a slice.
  memory.RequireAtMost(4096, 8, input.size());
  if (!slices.ok()) return RequireError(slices.status(), {absl::StatusCode::kDataLoss});
  for (const server::PushSlice& slice : *slices) {
    Require(slice.dim <= limits::kMaxDim, "a dim is beyond the limit");
    Require(slice.counts.empty() || slice.counts.size() == slice.ids.size(), "counts are not as many as ids");
    Require(slice.values.size() == slice.ids.size() * slice.dim, "values are not rows of dim");
  }
  const Buffer built = Build(*slices);
  const absl::StatusOr<Slices> again = server::ParsePushBody(built.span());
  Require(again.ok() && again->size() == slices->size(), "what was built anew is refused");
  for (size_t i = 0; i < slices->size(); ++i) {
    Require(Describe((*again)[i]) == Describe((*slices)[i]), "built anew it is another slice");
  }
}

std::vector<std::string> Seeds() {
  const std::vector<Id> ids = {1, ~Id{0}, 3};
  const std::vector<uint32_t> counts = {1, 2, 3};
  const std::vector<float> values = {0.5f, -1, 0, 1e30f, 2, 3};
  const server::PushSlice push{.table = 1,
                               .schema_version = 2,
                               .dim = 2,
                               .hyper = {.learning_rate = 0.1f, .epsilon = 1e-8f},
                               .ids = ids,
                               .counts = counts,
                               .values = values};
  const server::PushSlice plain{.table = 2, .schema_version = 1, .dim = 2, .ids = ids, .values = values};
  const server::PushSlice expire{.table = 3, .schema_version = 1, .cutoff_unix_seconds = 1000, .ids = ids};
  return {AsString(Build({push, plain}).span()), AsString(Build({expire}).span()),
          AsString(Build({}).span())};
}

}  // namespace

Fuzzer PushBodyFuzzer() { return {"push_body", Run, Seeds, 1024}; }

}  // namespace rowhouse::fuzz
