// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "tests/unit/server/rpc/wire_test_util.h"

#include <cstdlib>

namespace rowhouse::server {
namespace {

void RandomEpochs(std::mt19937_64& random, google::protobuf::RepeatedPtrField<v1::PartitionEpoch>* out) {
  for (uint64_t n = random() % 4; n > 0; --n) {
    v1::PartitionEpoch* epoch = out->Add();
    epoch->set_partition(RandomNumber32(random));
    epoch->set_epoch(RandomNumber(random));
  }
}

void RandomTables(std::mt19937_64& random, google::protobuf::RepeatedPtrField<v1::PullTable>* out) {
  for (uint64_t n = random() % 4; n > 0; --n) {
    v1::PullTable* table = out->Add();
    table->set_table_id(RandomNumber32(random));
    table->set_schema_version(RandomNumber32(random));
    table->set_dim(RandomNumber32(random));
    table->set_ids(RandomBytes(random, 80));
  }
}

// Fields that a later version may add.
template <typename Message>
void RandomUnknown(std::mt19937_64& random, Message* message) {
  if (random() % 3 != 0) return;
  auto* unknown = message->GetReflection()->MutableUnknownFields(message);
  const int field = 100 + static_cast<int>(random() % 1000);
  switch (random() % 5) {
    case 0:
      unknown->AddVarint(field, random());
      break;
    case 1:
      unknown->AddFixed64(field, random());
      break;
    case 2:
      unknown->AddFixed32(field, static_cast<uint32_t>(random()));
      break;
    case 3:
      unknown->AddLengthDelimited(field, RandomBytes(random, 40));
      break;
    default: {
      auto* group = unknown->AddGroup(field);
      group->AddVarint(3, random());
      group->AddGroup(4)->AddLengthDelimited(5, RandomBytes(random, 10));
    }
  }
}

}  // namespace

v1::PullRequest RandomPull(std::mt19937_64& random) {
  v1::PullRequest pull;
  pull.set_history(RandomNumber(random));
  pull.set_map_version(RandomNumber(random));
  RandomEpochs(random, pull.mutable_epochs());
  pull.set_allow_forward(random() % 2 == 0);
  pull.set_reply_dtype(static_cast<v1::DataType>(static_cast<int32_t>(RandomNumber32(random))));
  for (uint64_t n = random() % 3; n > 0; --n) {
    v1::PartitionLsn* lsn = pull.add_min_lsn();
    lsn->set_partition(RandomNumber32(random));
    lsn->set_epoch(RandomNumber(random));
    lsn->set_lsn(RandomNumber(random));
  }
  RandomTables(random, pull.mutable_tables());
  RandomUnknown(random, &pull);
  for (auto& table : *pull.mutable_tables()) RandomUnknown(random, &table);
  return pull;
}

v1::PushRequest RandomPush(std::mt19937_64& random) {
  v1::PushRequest push;
  push.set_history(RandomNumber(random));
  push.set_map_version(RandomNumber(random));
  RandomEpochs(random, push.mutable_epochs());
  push.set_allow_forward(random() % 2 == 0);
  push.set_writer(RandomNumber(random));
  push.set_seq(RandomNumber(random));
  push.set_low(RandomNumber(random));
  push.set_part_count(RandomNumber32(random));
  push.set_step(RandomNumber(random));
  push.set_group_size(RandomNumber32(random));
  push.set_rank(RandomNumber32(random));
  push.set_kind(static_cast<v1::PushKind>(static_cast<int32_t>(RandomNumber32(random))));
  push.set_want_lsn(random() % 2 == 0);
  for (uint64_t n = random() % 4; n > 0; --n) {
    v1::PushTable* table = push.add_tables();
    table->set_table_id(RandomNumber32(random));
    table->set_schema_version(RandomNumber32(random));
    table->set_dim(RandomNumber32(random));
    if (random() % 2 == 0) table->set_learning_rate(static_cast<float>(random() % 1000) / 8);
    table->set_ids(RandomBytes(random, 80));
    table->set_counts(RandomBytes(random, 20));
    table->set_values(RandomBytes(random, 200));
    RandomUnknown(random, table);
  }
  RandomUnknown(random, &push);
  return push;
}

v1::PrefetchRequest RandomPrefetch(std::mt19937_64& random) {
  v1::PrefetchRequest prefetch;
  prefetch.set_history(RandomNumber(random));
  RandomTables(random, prefetch.mutable_tables());
  RandomUnknown(random, &prefetch);
  return prefetch;
}

v1::DeleteRequest RandomDelete(std::mt19937_64& random) {
  v1::DeleteRequest message;
  message.set_history(RandomNumber(random));
  message.set_map_version(RandomNumber(random));
  message.set_writer(RandomNumber(random));
  message.set_seq(RandomNumber(random));
  message.set_low(RandomNumber(random));
  message.set_part_count(RandomNumber32(random));
  message.set_table_id(RandomNumber32(random));
  message.set_schema_version(RandomNumber32(random));
  message.set_ids(RandomBytes(random, 80));
  RandomEpochs(random, message.mutable_epochs());
  message.set_allow_forward(random() % 2 == 0);
  message.set_step(RandomNumber(random));
  RandomUnknown(random, &message);
  return message;
}

int RandomMessages() {
  const char* const given = std::getenv("ROWHOUSE_TEST_MESSAGES");
  return given != nullptr ? std::atoi(given) : 20'000;
}

uint64_t TestSeed() {
  const char* const given = std::getenv("ROWHOUSE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

}  // namespace rowhouse::server
