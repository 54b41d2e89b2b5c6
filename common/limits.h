// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Every bound of the system, with the relations between them proved. Enforced before allocation, on wire,
// disk and flags.

#include <cstdint>

namespace rowhouse::limits {

inline constexpr uint64_t kMaxMessageBytes = 64ull << 20;  // one gRPC message
inline constexpr int kMaxFrameBytes = 1 << 20;  // of HTTP/2; each costs both ends some microseconds
inline constexpr uint64_t kMaxRowsPerRequest = 1ull << 20;  // ids of one request, all tables together
inline constexpr uint64_t kDefaultRowsPerRequest = 1ull << 18;
inline constexpr uint32_t kMaxTablesPerRequest = 4096;
inline constexpr uint32_t kMaxTables = 4096;
inline constexpr uint32_t kMaxDim = 65536;
inline constexpr uint32_t kMaxNameLength = 128;
inline constexpr uint32_t kMaxPartitions = 16384;
inline constexpr uint32_t kDefaultPartitions = 256;
inline constexpr uint32_t kMaxServers = 1024;
inline constexpr uint64_t kMaxLsn = (1ull << 48) - 1;
inline constexpr uint32_t kWriterWindow = 256;  // seqs above low that a writer may have in flight
inline constexpr uint64_t kMinMemoryBudgetBytes = 128ull << 20;
inline constexpr uint64_t kMinSegmentBytes = 1ull << 20;  // log segments; 64-256 MiB outside tests
inline constexpr uint64_t kMaxSegmentBytes = 1ull << 30;
inline constexpr uint32_t kMaxDeadlineSeconds = 300;
inline constexpr uint32_t kMaxConnections = 4096;          // of one server; fewer where descriptors are few
inline constexpr uint32_t kMaxStreamsPerConnection = 128;  // calls at once on one connection
inline constexpr uint64_t kMaxControlMessageBytes = 1
                                                    << 20;  // of methods that are not hot: generated messages
                                                            // may take many times the bytes they came in
inline constexpr uint64_t kMaxRowBytes = uint64_t{kMaxDim} * 4 * 3 + 16;  // weights, two states, columns
inline constexpr uint64_t kMaxRecordBytes =
    kMaxMessageBytes + (1ull << 20);  // one log record: a push part and its header

static_assert(kMaxRowBytes < kMaxMessageBytes, "one row of the largest dim must fit a message");
static_assert((kMaxPartitions & (kMaxPartitions - 1)) == 0, "partitions are the top bits of a hash");
static_assert(kMaxPartitions <= 65536, "spill keys hold the partition in two bytes");
static_assert(kMaxRecordBytes < (1ull << 32), "log records hold their length in four bytes");

}  // namespace rowhouse::limits
