// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/memory_ledger.h"

#include "common/check.h"

namespace rowhouse {

std::string_view MemoryLineName(MemoryLine line) {
  switch (line) {
    case MemoryLine::kFixed:
      return "fixed";
    case MemoryLine::kRowSlabs:
      return "row_slabs";
    case MemoryLine::kRowIndex:
      return "row_index";
    case MemoryLine::kSpill:
      return "spill";
    case MemoryLine::kRequests:
      return "requests";
    case MemoryLine::kLog:
      return "log";
    case MemoryLine::kCount:
      break;
  }
  return "unknown";
}

void MemoryLedger::SetLimit(MemoryLine line, uint64_t bytes) {
  cells_[static_cast<size_t>(line)].limit = bytes;
}

bool MemoryLedger::TryReserve(MemoryLine line, uint64_t bytes) {
  Cell& cell = cells_[static_cast<size_t>(line)];
  uint64_t held = cell.bytes.load();
  do {
    const uint64_t limit = cell.limit.load();
    if (held > limit || bytes > limit - held) return false;
  } while (!cell.bytes.compare_exchange_weak(held, held + bytes));
  RaisePeak(cell, held + bytes);
  return true;
}

void MemoryLedger::Reserve(MemoryLine line, uint64_t bytes) {
  Cell& cell = cells_[static_cast<size_t>(line)];
  RaisePeak(cell, cell.bytes.fetch_add(bytes) + bytes);
}

void MemoryLedger::Release(MemoryLine line, uint64_t bytes) {
  const uint64_t held = cells_[static_cast<size_t>(line)].bytes.fetch_sub(bytes);
  RH_CHECK(held >= bytes);
}

MemoryLedger::Line MemoryLedger::Get(MemoryLine line) const {
  const Cell& cell = cells_[static_cast<size_t>(line)];
  return {.bytes = cell.bytes.load(), .peak_bytes = cell.peak.load(), .limit_bytes = cell.limit.load()};
}

uint64_t MemoryLedger::TotalBytes() const {
  uint64_t total = 0;
  for (const Cell& cell : cells_) total += cell.bytes.load();
  return total;
}

void MemoryLedger::RaisePeak(Cell& cell, uint64_t now) {
  uint64_t peak = cell.peak.load();
  while (peak < now && !cell.peak.compare_exchange_weak(peak, now)) {
  }
}

}  // namespace rowhouse
