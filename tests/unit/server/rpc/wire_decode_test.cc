// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/limits.h"
#include "server/rpc/wire_codec.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

// ---- what our decoder says of a message, as the generated one would

void ExpectPosition(const PartitionPosition& got, uint32_t partition, uint64_t epoch, uint64_t lsn) {
  EXPECT_EQ(got.partition, partition);
  EXPECT_EQ(got.epoch, epoch);
  EXPECT_EQ(got.lsn, lsn);
}

template <typename Epochs>
void ExpectEpochs(const std::vector<PartitionPosition>& got, const Epochs& want) {
  ASSERT_EQ(got.size(), static_cast<size_t>(want.size()));
  for (size_t i = 0; i < got.size(); ++i) ExpectPosition(got[i], want[i].partition(), want[i].epoch(), 0);
}

void ExpectPullTable(const TableMessage& got, const v1::PullTable& want) {
  EXPECT_EQ(got.table_id, want.table_id());
  EXPECT_EQ(got.schema_version, want.schema_version());
  EXPECT_EQ(got.dim, want.dim());
  EXPECT_EQ(ToString(got.ids), want.ids());
}

void ExpectPull(const PullMessage& got, const v1::PullRequest& want) {
  EXPECT_EQ(got.history, want.history());
  EXPECT_EQ(got.map_version, want.map_version());
  EXPECT_EQ(got.allow_forward, want.allow_forward());
  EXPECT_EQ(got.reply_dtype, static_cast<int32_t>(want.reply_dtype()));
  ASSERT_EQ(got.min_lsn.size(), static_cast<size_t>(want.min_lsn_size()));
  for (size_t i = 0; i < got.min_lsn.size(); ++i) {
    const v1::PartitionLsn& lsn = want.min_lsn(static_cast<int>(i));
    ExpectPosition(got.min_lsn[i], lsn.partition(), lsn.epoch(), lsn.lsn());
  }
  ASSERT_EQ(got.tables.size(), static_cast<size_t>(want.tables_size()));
  for (size_t i = 0; i < got.tables.size(); ++i)
    ExpectPullTable(got.tables[i], want.tables(static_cast<int>(i)));
}

void ExpectPush(const PushMessage& got, const v1::PushRequest& want) {
  EXPECT_EQ(got.history, want.history());
  EXPECT_EQ(got.map_version, want.map_version());
  EXPECT_EQ(got.allow_forward, want.allow_forward());
  EXPECT_EQ(got.writer, want.writer());
  EXPECT_EQ(got.seq, want.seq());
  EXPECT_EQ(got.low, want.low());
  EXPECT_EQ(got.part_count, want.part_count());
  EXPECT_EQ(got.step, want.step());
  EXPECT_EQ(got.group_size, want.group_size());
  EXPECT_EQ(got.rank, want.rank());
  EXPECT_EQ(got.kind, static_cast<int32_t>(want.kind()));
  EXPECT_EQ(got.want_lsn, want.want_lsn());
  ASSERT_EQ(got.tables.size(), static_cast<size_t>(want.tables_size()));
  for (size_t i = 0; i < got.tables.size(); ++i) {
    const v1::PushTable& table = want.tables(static_cast<int>(i));
    EXPECT_EQ(got.tables[i].table_id, table.table_id());
    EXPECT_EQ(got.tables[i].schema_version, table.schema_version());
    EXPECT_EQ(got.tables[i].dim, table.dim());
    ASSERT_EQ(got.tables[i].learning_rate.has_value(), table.has_learning_rate());
    if (table.has_learning_rate()) {
      const auto bits = [](float rate) {
        uint32_t out;
        std::memcpy(&out, &rate, sizeof(out));
        return out;
      };
      EXPECT_EQ(bits(*got.tables[i].learning_rate), bits(table.learning_rate()));
    }
    EXPECT_EQ(ToString(got.tables[i].ids), table.ids());
    EXPECT_EQ(ToString(got.tables[i].counts), table.counts());
    EXPECT_EQ(ToString(got.tables[i].values), table.values());
  }
}

void ExpectDelete(const DeleteMessage& got, const v1::DeleteRequest& want) {
  EXPECT_EQ(got.history, want.history());
  EXPECT_EQ(got.map_version, want.map_version());
  EXPECT_EQ(got.writer, want.writer());
  EXPECT_EQ(got.seq, want.seq());
  EXPECT_EQ(got.low, want.low());
  EXPECT_EQ(got.part_count, want.part_count());
  EXPECT_EQ(got.table.table_id, want.table_id());
  EXPECT_EQ(got.table.schema_version, want.schema_version());
  EXPECT_EQ(ToString(got.table.ids), want.ids());
  ExpectEpochs(got.epochs, want.epochs());
  EXPECT_EQ(got.allow_forward, want.allow_forward());
  EXPECT_EQ(got.step, want.step());
}

template <typename Decoded>
void ExpectOk(const absl::StatusOr<Decoded>& decoded) {
  ASSERT_TRUE(decoded.ok()) << decoded.status();
}

TEST(WireDecode, AgreesWithTheGeneratedWriter) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int i = RandomMessages(); i > 0 && !HasFailure(); i -= 4) {
    const size_t largest = 1 + random() % 64;
    const v1::PullRequest pull = RandomPull(random);
    const Pieces pull_bytes(pull.SerializeAsString(), random, largest);
    const auto got_pull = DecodePull(pull_bytes.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_pull));
    ExpectPull(*got_pull, pull);
    ExpectEpochs(got_pull->epochs, pull.epochs());

    const v1::PushRequest push = RandomPush(random);
    const Pieces push_bytes(push.SerializeAsString(), random, largest);
    const auto got_push = DecodePush(push_bytes.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_push));
    ExpectPush(*got_push, push);
    ExpectEpochs(got_push->epochs, push.epochs());

    const v1::PrefetchRequest prefetch = RandomPrefetch(random);
    const Pieces prefetch_bytes(prefetch.SerializeAsString(), random, largest);
    const auto got_prefetch = DecodePrefetch(prefetch_bytes.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_prefetch));
    EXPECT_EQ(got_prefetch->history, prefetch.history());
    ASSERT_EQ(got_prefetch->tables.size(), static_cast<size_t>(prefetch.tables_size()));
    for (int t = 0; t < prefetch.tables_size(); ++t)
      ExpectPullTable(got_prefetch->tables[t], prefetch.tables(t));

    const v1::DeleteRequest message = RandomDelete(random);
    const Pieces delete_bytes(message.SerializeAsString(), random, largest);
    const auto got_delete = DecodeDelete(delete_bytes.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_delete));
    ExpectDelete(*got_delete, message);
  }
}

// Damages a message: flips, cuts, repeats and inserts bytes.
std::string Mutate(std::string bytes, std::mt19937_64& random) {
  for (uint64_t n = 1 + random() % 4; n > 0 && !bytes.empty(); --n) {
    const size_t at = random() % bytes.size();
    switch (random() % 5) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 30));
        break;
      default:
        bytes.insert(at, 1 + random() % 10, static_cast<char>(0xff));
    }
  }
  return bytes;
}

// What we take, the generated parser takes, and with the same meaning: we are the stricter one.
TEST(WireDecode, DamagedMessagesAreRefusedOrMeanTheSame) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  int taken = 0;
  int refused = 0;
  for (int i = RandomMessages(); i > 0 && !HasFailure(); i -= 2) {
    const std::string pull_bytes = Mutate(RandomPull(random).SerializeAsString(), random);
    const Pieces pull_pieces(pull_bytes, random, 1 + random() % 64);
    const auto pull = DecodePull(pull_pieces.view());
    v1::PullRequest want_pull;
    if (pull.ok()) {
      ASSERT_TRUE(want_pull.ParseFromString(pull_bytes));
      ExpectPull(*pull, want_pull);
    }
    const std::string push_bytes = Mutate(RandomPush(random).SerializeAsString(), random);
    const Pieces push_pieces(push_bytes, random, 1 + random() % 64);
    const auto push = DecodePush(push_pieces.view());
    v1::PushRequest want_push;
    if (push.ok()) {
      ASSERT_TRUE(want_push.ParseFromString(push_bytes));
      ExpectPush(*push, want_push);
    } else if (!ChecksumOf(View(push_bytes).chunk(0)).has_value()) {
      EXPECT_EQ(push.status().code(), absl::StatusCode::kInvalidArgument);
    }
    (push.ok() ? taken : refused) += 1;
    // These share the reader; that they do not fall over is enough.
    (void)DecodePrefetch(pull_pieces.view());
    (void)DecodeDelete(push_pieces.view());
  }
  // The damage is neither always fatal nor never.
  EXPECT_GT(taken, 0);
  EXPECT_GT(refused, 0);
}

// ---- with a checksum

// The generated parser reads the checksum in front as the field that it is, and the rest as ours does.
TEST(WireDecode, AgreesWithTheGeneratedParserOnMessagesWithAChecksum) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int i = RandomMessages() / 4; i > 0 && !HasFailure(); i -= 3) {
    const size_t largest = 1 + random() % 64;
    const std::string pull_bytes = WithChecksum(RandomPull(random).SerializeAsString());
    v1::PullRequest pull;
    ASSERT_TRUE(pull.ParseFromString(pull_bytes));
    const Pieces pull_pieces(pull_bytes, random, largest);
    const auto got_pull = DecodePull(pull_pieces.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_pull));
    ExpectPull(*got_pull, pull);
    EXPECT_EQ(got_pull->checksum, pull.checksum());

    const std::string push_bytes = WithChecksum(RandomPush(random).SerializeAsString());
    v1::PushRequest push;
    ASSERT_TRUE(push.ParseFromString(push_bytes));
    const Pieces push_pieces(push_bytes, random, largest);
    const auto got_push = DecodePush(push_pieces.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_push));
    ExpectPush(*got_push, push);
    EXPECT_EQ(got_push->checksum, push.checksum());

    const std::string delete_bytes = WithChecksum(RandomDelete(random).SerializeAsString());
    v1::DeleteRequest message;
    ASSERT_TRUE(message.ParseFromString(delete_bytes));
    const Pieces delete_pieces(delete_bytes, random, largest);
    const auto got_delete = DecodeDelete(delete_pieces.view());
    ASSERT_NO_FATAL_FAILURE(ExpectOk(got_delete));
    ExpectDelete(*got_delete, message);
    EXPECT_EQ(got_delete->checksum, message.checksum());
  }
}

// Also one that is no message any more: what it was cannot be told, so the sender is asked for it again.
TEST(WireDecode, ADamagedMessageWithAChecksumMayBeSentAgain) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int i = RandomMessages() / 4; i > 0 && !HasFailure(); --i) {
    const std::string whole = WithChecksum(RandomPush(random).SerializeAsString());
    const std::string damaged = whole.substr(0, 1) + Mutate(whole.substr(1), random);
    if (damaged == whole || damaged.size() < kChecksumBytes) continue;
    const Pieces pieces(damaged, random, 1 + random() % 64);
    const auto got = DecodePush(pieces.view());
    ASSERT_EQ(got.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(got.status().message()), HasSubstr("PushRequest of "));
  }
  const std::string bad = "\x75zzzz";
  EXPECT_EQ(DecodePull(View(bad)).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DecodeDelete(View(bad)).status().code(), absl::StatusCode::kUnavailable);
}

// Else it would be taken for one that never had a checksum. What still decodes has lost its history, which is
// looked at first.
TEST(WireDecode, APushWhoseTagIsDamagedIsRefused) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "ROWHOUSE_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int i = RandomMessages() / 8; i > 0 && !HasFailure(); --i) {
    v1::PushRequest push = RandomPush(random);
    push.set_history(random() | 1);
    std::string bytes = WithChecksum(push.SerializeAsString());
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[0] = static_cast<char>(damaged[0] ^ (1 << bit));
      const auto got = DecodePush(View(damaged));
      EXPECT_TRUE(!got.ok() || got->history != push.history()) << "bit " << bit;
    }
  }
}

TEST(WireDecode, AChecksumElsewhereIsRefused) {
  std::mt19937_64 random(7);
  v1::PullRequest pull = RandomPull(random);
  pull.set_history(1);
  pull.set_checksum(5);
  const std::string pull_bytes = pull.SerializeAsString();
  const absl::Status pulled = DecodePull(View(pull_bytes)).status();
  EXPECT_EQ(pulled.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(pulled.message()), HasSubstr("PullRequest.checksum ends at byte "));
  EXPECT_THAT(std::string(pulled.message()), HasSubstr("allowed is 5"));
  v1::PushRequest push;
  push.set_history(1);
  push.set_checksum(5);
  const std::string twice = WithChecksum(push.SerializeAsString());
  EXPECT_EQ(DecodePush(View(twice)).status().code(), absl::StatusCode::kInvalidArgument);
  v1::DeleteRequest message;
  message.set_history(1);
  message.set_checksum(5);
  const std::string delete_bytes = message.SerializeAsString();
  EXPECT_EQ(DecodeDelete(View(delete_bytes)).status().code(), absl::StatusCode::kInvalidArgument);
  // Field 14 as a number, and with a tag of two bytes.
  EXPECT_EQ(DecodePull(View(std::string("\x70\1", 2))).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodePull(View(std::string("\xf5\0\0\0\0\0", 6))).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The checksum does not name the method: a header of HTTP/2 that is damaged may bring a message to another
// one, which must not take it.
TEST(WireDecode, AMessageOfAnotherMethodIsRefused) {
  v1::PushRequest push;
  push.set_history(1);
  push.set_map_version(1);
  push.add_epochs()->set_epoch(1);
  push.set_writer(7);
  push.set_seq(3);
  push.set_low(3);
  push.set_part_count(1);
  push.set_kind(v1::PUSH_KIND_GRADIENT);
  v1::PushTable* rows = push.add_tables();
  rows->set_ids(std::string(8, 'i'));
  rows->set_values(std::string(4, 'v'));
  v1::DeleteRequest message;
  message.set_history(1);
  message.set_map_version(1);
  message.set_writer(7);
  message.set_ids(std::string(8, 'i'));
  v1::PullRequest pull;
  pull.set_history(1);
  pull.set_reply_dtype(v1::DATA_TYPE_FLOAT32);
  pull.add_tables()->set_ids(std::string(8, 'i'));
  EXPECT_FALSE(DecodePull(View(WithChecksum(push.SerializeAsString()))).ok());
  EXPECT_FALSE(DecodeDelete(View(WithChecksum(push.SerializeAsString()))).ok());
  EXPECT_FALSE(DecodePull(View(WithChecksum(message.SerializeAsString()))).ok());
  EXPECT_FALSE(DecodePush(View(WithChecksum(message.SerializeAsString()))).ok());
  // A pull has no seq and no ids where pushes and deletes have them, which validation refuses.
  const std::string as_push = WithChecksum(pull.SerializeAsString());
  const auto pushed = DecodePush(View(as_push));
  EXPECT_TRUE(!pushed.ok() || pushed->seq == 0);
  const auto deleted = DecodeDelete(View(as_push));
  EXPECT_TRUE(!deleted.ok() || deleted->table.ids.size() == 0);
}

TEST(WireDecode, EveryTruncationIsRefusedOrMeansTheSame) {
  std::mt19937_64 random(7);
  v1::PushRequest push = RandomPush(random);
  while (push.tables_size() < 2) push = RandomPush(random);
  const std::string whole = push.SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string bytes = whole.substr(0, size);
    const Pieces pieces(bytes, random, 8);
    v1::PushRequest want;
    const auto got = DecodePush(pieces.view());
    ASSERT_EQ(got.ok(), want.ParseFromString(bytes)) << "cut at " << size;
    if (got.ok()) ExpectPush(*got, want);
  }
}

TEST(WireDecode, EmptyMessageHasDefaults) {
  const auto pull = DecodePull(ChunkedBytes());
  ASSERT_TRUE(pull.ok());
  EXPECT_EQ(pull->history, 0u);
  EXPECT_TRUE(pull->tables.empty());
}

TEST(WireDecode, PayloadsAreViewsIntoTheRequest) {
  v1::PushRequest push;
  push.add_tables()->set_values(std::string(100, 'v'));
  const std::string bytes = push.SerializeAsString();
  const auto got = DecodePush(View(bytes));
  ASSERT_TRUE(got.ok());
  const uint8_t* const at = got->tables[0].values.chunk(0).data();
  EXPECT_GE(at, reinterpret_cast<const uint8_t*>(bytes.data()));
  EXPECT_LE(at + 100, reinterpret_cast<const uint8_t*>(bytes.data() + bytes.size()));
}

TEST(WireDecode, FieldsComeInAnyOrderAndTheLastOneHolds) {
  // history (fixed64) twice, around a table, numbers over-long.
  const std::string bytes = std::string("\x09\x01\0\0\0\0\0\0\0", 9) +
                            std::string("\x7a\x04\x22\x00\x08\x05", 6) + std::string("\x10\x83\x80\x00", 4) +
                            std::string("\x09\x02\0\0\0\0\0\0\0", 9);
  const auto got = DecodePull(View(bytes));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->history, 2u);
  EXPECT_EQ(got->map_version, 3u);
  ASSERT_EQ(got->tables.size(), 1u);
  EXPECT_EQ(got->tables[0].table_id, 5u);
}

TEST(WireDecode, WrongWireTypeNamesFieldAndType) {
  const std::string varint_history("\x08\x01", 2);
  const auto got = DecodePull(View(varint_history));
  EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("field 1 with wire type 0"));
}

TEST(WireDecode, LengthBeyondTheMessageIsRefused) {
  // A table of 2^31 - 1 bytes.
  const std::string bytes("\x7a\xff\xff\xff\xff\x07", 6);
  const auto got = DecodePush(View(bytes));
  EXPECT_THAT(std::string(got.status().message()), HasSubstr("a length is larger"));
  // An inner length may not reach beyond its own message either.
  const std::string inner("\x7a\x03\x2a\x05\x01\x01\x01\x01\x01", 9);
  EXPECT_FALSE(DecodePush(View(inner)).ok());
}

TEST(WireDecode, EpochsOfAPrefetchAreNotKeptButMustBeMessages) {
  v1::PrefetchRequest prefetch;
  prefetch.add_epochs()->set_epoch(300);
  EXPECT_TRUE(DecodePrefetch(View(prefetch.SerializeAsString())).ok());
  EXPECT_FALSE(DecodePrefetch(View(std::string("\x1a\x02\x10\xff", 4))).ok());  // a number that does not end
}

TEST(WireDecode, DeepGroupsAndStrayEndsAreRefused) {
  std::string groups;  // field 20 within field 20 ...
  for (int i = 0; i < 10'000; ++i) groups += "\xa3\x01";
  EXPECT_THAT(std::string(DecodePull(View(groups)).status().message()), HasSubstr("nested too deep"));
  EXPECT_FALSE(DecodePull(View(std::string("\xa4\x01", 2))).ok());  // the end of a group that did not begin
  EXPECT_FALSE(DecodePull(View(std::string("\xa3\x01\xac\x01", 4))).ok());  // the end of another one
  EXPECT_TRUE(DecodePull(View(std::string("\xa3\x01\xa4\x01", 4))).ok());
}

TEST(WireDecode, FieldNumberZeroAndTooLongVarintsAreRefused) {
  EXPECT_FALSE(DecodePull(View(std::string("\x00\x01", 2))).ok());
  EXPECT_FALSE(DecodePull(View("\x10" + std::string(10, '\xff') + "\x01")).ok());
  EXPECT_FALSE(DecodePull(View("\x10" + std::string(9, '\xff') + "\x02")).ok());
  const auto largest = DecodePull(View("\x10" + std::string(9, '\xff') + "\x01"));
  ASSERT_TRUE(largest.ok());
  EXPECT_EQ(largest->map_version, ~uint64_t{0});
}

TEST(WireDecode, CountsOfEntriesAreLimited) {
  std::string tables;
  for (uint32_t i = 0; i < limits::kMaxTablesPerRequest; ++i) tables += std::string("\x7a\x00", 2);
  EXPECT_TRUE(DecodePull(View(tables)).ok());
  EXPECT_TRUE(DecodePush(View(tables)).ok());
  tables += std::string("\x7a\x00", 2);
  EXPECT_THAT(std::string(DecodePull(View(tables)).status().message()),
              HasSubstr("tables has more than 4096"));
  EXPECT_FALSE(DecodePush(View(tables)).ok());
  std::string epochs;
  for (uint32_t i = 0; i <= limits::kMaxPartitions; ++i) epochs += std::string("\x1a\x00", 2);
  EXPECT_THAT(std::string(DecodePush(View(epochs)).status().message()),
              HasSubstr("PushRequest.epochs has more than 16384"));
}

}  // namespace
}  // namespace rowhouse::server
