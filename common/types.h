// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The words of the system as types. Everything includes this; it includes nothing of ours.

#include <cstdint>

namespace rowhouse {

using Id = uint64_t;             // key of a row in its table; signed ids are the same bits
using TableId = uint32_t;        // from 1, never used again
using SchemaVersion = uint32_t;  // from 1, one more with each change of the schema
using PartitionId = uint32_t;    // 0 .. P-1
using ServerId = uint32_t;       // index in the cluster's list, from 0
using Lsn =
    uint64_t;  // position in a partition's order, from 1; 0 = before the first record. 48 bits are used
using LogSequence = uint64_t;  // position in a server's log, from 1
using Epoch = uint64_t;        // of a partition's ownership, from 1
using HistoryId = uint64_t;    // line of events since creation or the last restore
using ClusterId = uint64_t;    // random, given at creation
using WriterId = uint64_t;     // from 1, increasing
using PushSeq = uint64_t;      // a writer's number for a push, from 1
using Generation = uint32_t;   // placement generation of spilled rows

// The numbers are those of the proto enums and are stored on disk.
enum class DataType : uint8_t { kFloat32 = 1 };
enum class Durability : uint8_t { kVolatile = 1, kAsync = 2, kSync = 3 };
enum class UnseenPolicy : uint8_t { kInitial = 1, kZeros = 2 };
enum class NanPolicy : uint8_t { kSkip = 1, kAllow = 2 };
enum class BadIdPolicy : uint8_t { kError = 1 };
enum class PushKind : uint8_t { kGradient = 1, kDelta = 2, kValue = 3 };
enum class OptimizerKind : uint8_t { kSgd = 1, kAdagrad = 2, kRowwiseAdagrad = 3 };
enum class InitializerKind : uint8_t { kZeros = 1, kConstant = 2, kUniform = 3, kInverseSqrtDim = 4 };

}  // namespace rowhouse
