// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What holds of every hand-written decoder of a request, beside the generated parser:
//
//   - what it takes, the generated parser takes, and with the same meaning: ours is the stricter one;
//   - what the generated parser takes, it takes as the generated writer writes it, within the limits;
//   - what it refuses is InvalidArgument, or Unavailable for a message that begins with a checksum that is
//     not its own, and says something; the memory it claims is bounded by the input.
//
// An input is a byte that says how large the pieces are in which the message arrives (7 bits), and whether a
// checksum that it begins with is put right (1 bit); then the message.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/limits.h"
#include "rowhouse/v1/embedding_service.pb.h"
#include "server/rpc/wire_codec.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {

// Of a table of two bytes: its struct and the vectors' growth; of a piece of one byte: its view.
inline constexpr size_t kRequestMemoryFactor = 700, kRequestMemoryFixed = 16 << 10;
inline constexpr size_t kMaxWireInput = 2048;

inline void EpochsToProto(const std::vector<server::PartitionPosition>& positions,
                          google::protobuf::RepeatedPtrField<v1::PartitionEpoch>* out) {
  for (const server::PartitionPosition& position : positions) {
    v1::PartitionEpoch* epoch = out->Add();
    epoch->set_partition(position.partition);
    epoch->set_epoch(position.epoch);
  }
}

inline void PullTablesToProto(const std::vector<server::TableMessage>& tables,
                              google::protobuf::RepeatedPtrField<v1::PullTable>* out) {
  for (const server::TableMessage& table : tables) {
    v1::PullTable* to = out->Add();
    to->set_table_id(table.table_id);
    to->set_schema_version(table.schema_version);
    to->set_dim(table.dim);
    to->set_ids(AsString(table.ids));
  }
}

// One decoder. Message: what it makes, Proto: the generated message.
template <typename Message, typename Proto>
struct RequestDecoder {
  absl::StatusOr<Message> (*decode)(const ChunkedBytes&);
  void (*to_proto)(const Message&, Proto*);
  bool (*within_limits)(const Proto&);  // counts of entries, which only ours has limits for
  void (*forget)(Proto*);               // clears what ours does not read, and the checksum
  bool has_checksum = false;            // a message may begin with one
};

// What a message means: its known fields, as the generated writer writes them.
template <typename Proto>
std::string MeaningOf(Proto message) {
  message.DiscardUnknownFields();
  return message.SerializeAsString();
}

template <typename Message, typename Proto>
std::string MeaningOf(const RequestDecoder<Message, Proto>& decoder, const Message& message) {
  Proto proto;
  decoder.to_proto(message, &proto);
  return proto.SerializeAsString();
}

template <typename Message, typename Proto>
void CheckRequest(const RequestDecoder<Message, Proto>& decoder, absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const auto choices = in.Take<uint8_t>();
  const uint8_t piece = choices % 128;
  const std::string message = choices >= 128 ? WithRightChecksum(in.rest()) : AsString(in.rest());
  const Pieces pieces(AsBytes(message), piece);
  const MemoryScope memory;
  const absl::StatusOr<Message> ours = decoder.decode(pieces.view());
  memory.RequireAtMost(kRequestMemoryFixed, kRequestMemoryFactor, pieces.view().size());
  const bool damaged = decoder.has_checksum && !CheckChecksum("it", pieces.view()).ok();
  if (!ours.ok())
    RequireError(ours.status(),
                 {damaged ? absl::StatusCode::kUnavailable : absl::StatusCode::kInvalidArgument});
  Require(!damaged || !ours.ok(), "a message with another checksum than its own is taken");

  Proto theirs;
  const bool they_take = theirs.ParseFromString(message);
  Require(they_take || !ours.ok(), "what the generated parser refuses is taken");
  if (!they_take) return;
  decoder.forget(&theirs);
  const std::string meaning = MeaningOf(theirs);
  if (ours.ok()) Require(MeaningOf(decoder, *ours) == meaning, "the generated parser reads another message");
  const Pieces rewritten(AsBytes(meaning), piece);
  const absl::StatusOr<Message> again = decoder.decode(rewritten.view());
  Require(again.ok() == decoder.within_limits(theirs), "what the generated writer writes is refused");
  if (again.ok()) Require(MeaningOf(decoder, *again) == meaning, "written anew it means something else");
}

inline bool FewTables(int tables) { return tables <= static_cast<int>(limits::kMaxTablesPerRequest); }
inline bool FewPartitions(int partitions) { return partitions <= static_cast<int>(limits::kMaxPartitions); }

// A seed in one piece, and one in pieces of three bytes.
inline std::vector<std::string> InPieces(const google::protobuf::MessageLite& message) {
  return {std::string(1, '\0') + message.SerializeAsString(),
          std::string(1, '\3') + message.SerializeAsString()};
}

// And the same with a checksum, right and wrong.
inline std::vector<std::string> InPiecesAndSealed(const google::protobuf::MessageLite& message) {
  std::vector<std::string> seeds = InPieces(message);
  const std::string begun = std::string("\x75", 1) + "crc?" + message.SerializeAsString();
  seeds.push_back(std::string(1, static_cast<char>(128 + 3)) + begun);
  seeds.push_back(std::string(1, '\3') + begun);
  return seeds;
}

}  // namespace rowhouse::fuzz
