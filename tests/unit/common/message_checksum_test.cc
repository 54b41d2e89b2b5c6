// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/message_checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "common/crc32c.h"
#include "common/random.h"

namespace rowhouse {
namespace {

using ::testing::HasSubstr;

absl::Span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The message in pieces of `size` bytes.
ChunkedBytes InPieces(const std::string& message, size_t size) {
  ChunkedBytes out;
  for (absl::Span<const uint8_t> rest = Bytes(message); !rest.empty();) {
    out.Append(rest.subspan(0, size));
    rest.remove_prefix(std::min(size, rest.size()));
  }
  return out;
}

// `message` with a checksum in front.
std::string Sealed(const std::string& message, uint32_t request = 0) {
  std::string out(kChecksumBytes, '?');
  out += message;
  const uint32_t said = WriteChecksum(reinterpret_cast<uint8_t*>(out.data()), out.size(), request);
  EXPECT_EQ(ChecksumOf(Bytes(out)), said);
  return out;
}

TEST(MessageChecksum, GoldenVectors) {
  std::ifstream in(ROWHOUSE_SOURCE_DIR "/tests/golden/checksums.json");
  ASSERT_TRUE(in.good());
  const nlohmann::json golden = nlohmann::json::parse(in);
  ASSERT_EQ(golden["vectors"].size(), 5u);
  const auto bytes = [](const nlohmann::json& hex) {
    return absl::HexStringToBytes(hex.get_ref<const std::string&>());
  };
  const auto number = [](const nlohmann::json& hex) {
    uint32_t value = 0;
    EXPECT_TRUE(absl::SimpleHexAtoi(hex.get_ref<const std::string&>(), &value));
    return value;
  };
  for (const nlohmann::json& vector : golden["vectors"]) {
    const std::string request = Sealed(bytes(vector["request"]));
    EXPECT_EQ(request, bytes(vector["request_on_wire"]));
    const uint32_t of_request = *ChecksumOf(Bytes(request));
    EXPECT_EQ(of_request, number(vector["request_checksum"]));
    const std::string answer = Sealed(bytes(vector["answer"]), of_request);
    EXPECT_EQ(answer, bytes(vector["answer_on_wire"]));
    EXPECT_EQ(*ChecksumOf(Bytes(answer)), number(vector["answer_checksum"]));
  }
}

TEST(MessageChecksum, IsFoundInPiecesOfEverySize) {
  std::string message(100, '\0');
  SeededRandom random(1);
  for (char& c : message) c = static_cast<char>(random.Next64());
  const std::string sealed = Sealed(message, 77);
  for (size_t size = 1; size <= sealed.size(); ++size) {
    const auto checked = CheckChecksum("it", InPieces(sealed, size), 77);
    ASSERT_TRUE(checked.ok()) << checked.status();
    EXPECT_EQ(*checked, ChecksumOf(Bytes(sealed)));
  }
}

TEST(MessageChecksum, AMessageThatDoesNotBeginWithOneHasNone) {
  for (const std::string& message :
       {std::string(), std::string("\x75"), std::string("\x75\0\0\0", 4), std::string("\x09\0\0\0\0\0", 6)}) {
    EXPECT_EQ(ChecksumOf(Bytes(message)), std::nullopt);
    const auto checked = CheckChecksum("it", InPieces(message, 2));
    ASSERT_TRUE(checked.ok());
    EXPECT_EQ(*checked, std::nullopt);
  }
}

TEST(MessageChecksum, AnEmptyMessageHasTheRequestsOwn) {
  EXPECT_EQ(Sealed(""), std::string("\x75\0\0\0\0", 5));
  EXPECT_EQ(Sealed("", 0x04030201), "\x75\x01\x02\x03\x04");
}

TEST(MessageChecksum, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string sealed = Sealed("a message with a row in it");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string damaged = sealed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const auto checked = CheckChecksum("it", InPieces(damaged, 7));
    if (bit < 8) {
      EXPECT_EQ(*checked, std::nullopt) << "another tag: whoever asked for one sees that it is not there";
    } else {
      EXPECT_TRUE(absl::IsUnavailable(checked.status())) << "bit " << bit;
    }
  }
  for (size_t size = kChecksumBytes; size < sealed.size(); ++size) {
    EXPECT_FALSE(CheckChecksum("it", InPieces(sealed.substr(0, size), 7)).ok()) << "cut to " << size;
  }
}

TEST(MessageChecksum, ErrorSaysWhatWasFoundAndWhatToDo) {
  std::string damaged = Sealed("123456789");
  damaged.back() = '8';
  const absl::Status status = CheckChecksum("PushRequest", InPieces(damaged, 100)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("PushRequest of 14 bytes was damaged on its way"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("its checksum is 0xe3069283, that of its bytes 0x"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("send it again"));
}

TEST(MessageChecksum, AnAnswerFitsItsRequestOnly) {
  const uint32_t mine = *ChecksumOf(Bytes(Sealed("pull 1")));
  const uint32_t anothers = *ChecksumOf(Bytes(Sealed("pull 2")));
  const std::string answer = Sealed("rows", mine);
  EXPECT_TRUE(CheckChecksum("the answer", InPieces(answer, 100), mine).ok());
  EXPECT_TRUE(absl::IsUnavailable(CheckChecksum("the answer", InPieces(answer, 100), anothers).status()));
}

}  // namespace
}  // namespace rowhouse
