// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Byte strings cut into pieces at random, and random messages.

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/bytes.h"
#include "common/message_checksum.h"
#include "rowhouse/v1/embedding_service.pb.h"

namespace rowhouse::server {

// Pieces in memory of exactly their size, so that a sanitizer sees a byte read outside of one.
class Pieces {
 public:
  Pieces(const std::string& bytes, std::mt19937_64& random, size_t largest) {
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min(bytes.size() - at, size_t{1} + random() % largest);
      blocks_.push_back(std::make_unique<uint8_t[]>(size));
      std::memcpy(blocks_.back().get(), bytes.data() + at, size);
      view_.Append({blocks_.back().get(), size});
      at += size;
    }
  }
  const ChunkedBytes& view() const { return view_; }

 private:
  std::vector<std::unique_ptr<uint8_t[]>> blocks_;
  ChunkedBytes view_;
};

inline std::string ToString(const ChunkedBytes& bytes) {
  std::string out(bytes.size(), '\0');
  bytes.CopyTo(out.data());
  return out;
}

inline ChunkedBytes View(const std::string& bytes) {
  return ChunkedBytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

inline std::string ToString(const Buffer& buffer) {
  return std::string(reinterpret_cast<const char*>(buffer.data()), buffer.size());
}

// The message with its checksum in front, as any language can put it there.
inline std::string WithChecksum(const std::string& message, uint32_t request_checksum = 0) {
  std::string out = std::string(kChecksumBytes, '\0') + message;
  WriteChecksum(reinterpret_cast<uint8_t*>(out.data()), out.size(), request_checksum);
  return out;
}

// Numbers of all lengths as varints, 0 among them.
inline uint64_t RandomNumber(std::mt19937_64& random) {
  return random() % 4 == 0 ? 0 : random() >> (random() % 64);
}
inline uint32_t RandomNumber32(std::mt19937_64& random) {
  return static_cast<uint32_t>(RandomNumber(random));
}

inline std::string RandomBytes(std::mt19937_64& random, size_t largest) {
  std::string out(random() % (largest + 1), '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

v1::PullRequest RandomPull(std::mt19937_64& random);
v1::PushRequest RandomPush(std::mt19937_64& random);
v1::PrefetchRequest RandomPrefetch(std::mt19937_64& random);
v1::DeleteRequest RandomDelete(std::mt19937_64& random);

// How many random messages a test makes, unless ROWHOUSE_TEST_MESSAGES says otherwise.
int RandomMessages();
// A new seed each time, unless ROWHOUSE_TEST_SEED gives it.
uint64_t TestSeed();

}  // namespace rowhouse::server
