// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78). Long inputs go to ISA-L, which picks the widest of
// the CPU's ways (56 GB/s with AVX-512, 28 GB/s with SSE4.2, where one stream of the instruction makes 10);
// short ones to the SSE4.2 instruction; all of it to tables on a CPU without it. Stateless, thread-safe.

#include <cstddef>
#include <cstdint>

namespace rowhouse {

// The CRC of `data` continued from `crc` (0 to begin). Crc32c("123456789") = 0xE3069283.
uint32_t Crc32c(const void* data, size_t size, uint32_t crc = 0);

namespace internal {

// The ways to the same number, for tests. Crc32cSse42 and Crc32cIsal require CpuHasSse42().
uint32_t Crc32cPortable(const void* data, size_t size, uint32_t crc);
uint32_t Crc32cSse42(const void* data, size_t size, uint32_t crc);
uint32_t Crc32cIsal(const void* data, size_t size, uint32_t crc);
bool CpuHasSse42();

}  // namespace internal
}  // namespace rowhouse
