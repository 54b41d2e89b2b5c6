// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), with the SSE4.2 instruction where the CPU has it.

#include <cstddef>
#include <cstdint>

namespace rowhouse {

// The CRC of `data` continued from `crc` (0 to begin). Crc32c("123456789") = 0xE3069283.
uint32_t Crc32c(const void* data, size_t size, uint32_t crc = 0);

namespace internal {

// The two ways to the same number, for tests. Crc32cSse42 requires CpuHasSse42().
uint32_t Crc32cPortable(const void* data, size_t size, uint32_t crc);
uint32_t Crc32cSse42(const void* data, size_t size, uint32_t crc);
bool CpuHasSse42();

}  // namespace internal
}  // namespace rowhouse
