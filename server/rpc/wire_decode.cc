// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/limits.h"
#include "common/message_checksum.h"
#include "common/status_macros.h"
#include "server/rpc/wire_codec.h"
#include "server/rpc/wire_reader.h"

namespace rowhouse::server {
namespace {

// Room for one more element of a repeated message, which may cost a sender two bytes and us hundreds.
template <typename T>
bool HasRoom(WireReader& reader, const std::vector<T>& elements, uint64_t limit, const char* field) {
  if (elements.size() < limit) return true;
  reader.Fail(absl::InvalidArgumentError(
      absl::StrCat(field, " has more than ", limit,
                   " entries, the most that one request may have: send several requests")));
  return false;
}

// One that is elsewhere was not compared with any bytes: a generated writer puts it after other fields.
void ReadChecksum(WireReader& reader, const char* field) {
  reader.Fixed32();
  if (reader.position() == kChecksumBytes) return;
  reader.Fail(absl::InvalidArgumentError(absl::StrCat(field, " ends at byte ", reader.position(),
                                                      ", allowed is ", kChecksumBytes,
                                                      ": put it in front of the serialized message")));
}

// PartitionEpoch and PartitionLsn: an epoch is a position without an LSN.
void ReadPosition(WireReader& reader, std::vector<PartitionPosition>& out, const char* field) {
  if (!HasRoom(reader, out, limits::kMaxPartitions, field)) return;
  PartitionPosition position;
  reader.Message([&]() {
    switch (reader.field()) {
      case 1:
        position.partition = static_cast<uint32_t>(reader.Varint());
        break;
      case 2:
        position.epoch = reader.Varint();
        break;
      case 3:
        position.lsn = reader.Varint();
        break;
      default:
        reader.Skip();
    }
  });
  out.push_back(position);
}

void ReadPullTable(WireReader& reader, std::vector<TableMessage>& out) {
  if (!HasRoom(reader, out, limits::kMaxTablesPerRequest, "tables")) return;
  TableMessage& table = out.emplace_back();
  reader.Message([&]() {
    switch (reader.field()) {
      case 1:
        table.table_id = static_cast<uint32_t>(reader.Varint());
        break;
      case 2:
        table.schema_version = static_cast<uint32_t>(reader.Varint());
        break;
      case 3:
        table.dim = static_cast<uint32_t>(reader.Varint());
        break;
      case 4:
        table.ids = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  });
}

void ReadPushTable(WireReader& reader, std::vector<TableMessage>& out) {
  if (!HasRoom(reader, out, limits::kMaxTablesPerRequest, "tables")) return;
  TableMessage& table = out.emplace_back();
  reader.Message([&]() {
    switch (reader.field()) {
      case 1:
        table.table_id = static_cast<uint32_t>(reader.Varint());
        break;
      case 2:
        table.schema_version = static_cast<uint32_t>(reader.Varint());
        break;
      case 3:
        table.dim = static_cast<uint32_t>(reader.Varint());
        break;
      case 4: {
        const uint32_t bits = reader.Fixed32();
        std::memcpy(&table.learning_rate.emplace(), &bits, sizeof(bits));
        break;
      }
      case 5:
        table.ids = reader.Bytes();
        break;
      case 6:
        table.counts = reader.Bytes();
        break;
      case 7:
        table.values = reader.Bytes();
        break;
      default:
        reader.Skip();
    }
  });
}

void ReadPushField(WireReader& reader, PushMessage& push) {
  switch (reader.field()) {
    case 1:
      push.history = reader.Fixed64();
      break;
    case 2:
      push.map_version = reader.Varint();
      break;
    case 3:
      ReadPosition(reader, push.epochs, "PushRequest.epochs");
      break;
    case 4:
      push.allow_forward = reader.Varint() != 0;
      break;
    case 5:
      push.writer = reader.Varint();
      break;
    case 6:
      push.seq = reader.Varint();
      break;
    case 7:
      push.low = reader.Varint();
      break;
    case 8:
      push.part_count = static_cast<uint32_t>(reader.Varint());
      break;
    case 9:
      push.step = reader.Varint();
      break;
    case 10:
      push.group_size = static_cast<uint32_t>(reader.Varint());
      break;
    case 11:
      push.rank = static_cast<uint32_t>(reader.Varint());
      break;
    case 12:
      push.kind = static_cast<int32_t>(reader.Varint());
      break;
    case 13:
      push.want_lsn = reader.Varint() != 0;
      break;
    case kChecksumField:
      ReadChecksum(reader, "PushRequest.checksum");
      break;
    case 15:
      ReadPushTable(reader, push.tables);
      break;
    default:
      reader.Skip();
  }
}

template <typename T>
absl::StatusOr<T> Finish(const WireReader& reader, T message) {
  if (!reader.ok()) return reader.status();
  return message;
}

}  // namespace

absl::StatusOr<PullMessage> DecodePull(const ChunkedBytes& request) {
  PullMessage pull;
  RH_ASSIGN_OR_RETURN(pull.checksum, CheckChecksum("PullRequest", request));
  WireReader reader("PullRequest", request);
  while (reader.NextField()) {
    switch (reader.field()) {
      case 1:
        pull.history = reader.Fixed64();
        break;
      case 2:
        pull.map_version = reader.Varint();
        break;
      case 3:
        ReadPosition(reader, pull.epochs, "PullRequest.epochs");
        break;
      case 4:
        pull.allow_forward = reader.Varint() != 0;
        break;
      case 5:
        pull.reply_dtype = static_cast<int32_t>(reader.Varint());
        break;
      case 6:
        ReadPosition(reader, pull.min_lsn, "PullRequest.min_lsn");
        break;
      case kChecksumField:
        ReadChecksum(reader, "PullRequest.checksum");
        break;
      case 15:
        ReadPullTable(reader, pull.tables);
        break;
      default:
        reader.Skip();
    }
  }
  return Finish(reader, std::move(pull));
}

absl::StatusOr<PushMessage> DecodePush(const ChunkedBytes& request) {
  PushMessage push;
  RH_ASSIGN_OR_RETURN(push.checksum, CheckChecksum("PushRequest", request));
  WireReader reader("PushRequest", request);
  while (reader.NextField()) ReadPushField(reader, push);
  return Finish(reader, std::move(push));
}

absl::StatusOr<PrefetchMessage> DecodePrefetch(const ChunkedBytes& request) {
  WireReader reader("PrefetchRequest", request);
  PrefetchMessage prefetch;
  while (reader.NextField()) {
    switch (reader.field()) {
      case 1:
        prefetch.history = reader.Fixed64();
        break;
      case 3:  // epochs: not needed, but a message has to be one
        reader.Message([&]() { reader.Skip(); });
        break;
      case 15:
        ReadPullTable(reader, prefetch.tables);
        break;
      default:
        reader.Skip();
    }
  }
  return Finish(reader, std::move(prefetch));
}

absl::StatusOr<DeleteMessage> DecodeDelete(const ChunkedBytes& request) {
  DeleteMessage message;
  RH_ASSIGN_OR_RETURN(message.checksum, CheckChecksum("DeleteRequest", request));
  WireReader reader("DeleteRequest", request);
  while (reader.NextField()) {
    switch (reader.field()) {
      case 1:
        message.history = reader.Fixed64();
        break;
      case 2:
        message.map_version = reader.Varint();
        break;
      case 3:
        message.writer = reader.Varint();
        break;
      case 4:
        message.seq = reader.Varint();
        break;
      case 5:
        message.low = reader.Varint();
        break;
      case 6:
        message.part_count = static_cast<uint32_t>(reader.Varint());
        break;
      case 7:
        message.table.table_id = static_cast<uint32_t>(reader.Varint());
        break;
      case 8:
        message.table.schema_version = static_cast<uint32_t>(reader.Varint());
        break;
      case 9:
        message.table.ids = reader.Bytes();
        break;
      case 10:
        ReadPosition(reader, message.epochs, "DeleteRequest.epochs");
        break;
      case 11:
        message.allow_forward = reader.Varint() != 0;
        break;
      case 12:
        message.step = reader.Varint();
        break;
      case kChecksumField:
        ReadChecksum(reader, "DeleteRequest.checksum");
        break;
      default:
        reader.Skip();
    }
  }
  return Finish(reader, std::move(message));
}

}  // namespace rowhouse::server
