// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The byte budget as lines that add up: who holds how much, who may hold how much. Thread-safe; lives as long
// as the server.

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace rowhouse {

enum class MemoryLine : uint8_t {
  kFixed,     // program, libraries, threads, allocator slack
  kRowSlabs,  // weights, state, columns
  kRowIndex,  // index entries
  kSpill,     // RocksDB: block cache with memtables, filters, index blocks charged to it
  kRequests,  // bytes from receipt to answer
  kLog,       // records waiting to be written
  kCount,
};
std::string_view MemoryLineName(MemoryLine line);

class MemoryLedger {
 public:
  struct Line {
    uint64_t bytes = 0;
    uint64_t peak_bytes = 0;
    uint64_t limit_bytes = 0;
  };

  // All limits 0: set them before use.
  MemoryLedger() = default;

  // What `line` may hold from now on.
  void SetLimit(MemoryLine line, uint64_t bytes);
  // Takes `bytes` from the line's limit; false, and nothing taken, when they do not fit.
  bool TryReserve(MemoryLine line, uint64_t bytes);
  // Takes them even above the limit (what is there already must be counted).
  void Reserve(MemoryLine line, uint64_t bytes);
  // Gives back what was taken.
  void Release(MemoryLine line, uint64_t bytes);
  Line Get(MemoryLine line) const;
  uint64_t TotalBytes() const;

 private:
  struct Cell {
    std::atomic<uint64_t> bytes{0}, peak{0}, limit{0};
  };
  void RaisePeak(Cell& cell, uint64_t now);
  std::array<Cell, static_cast<size_t>(MemoryLine::kCount)> cells_;
};

}  // namespace rowhouse
