// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// What holds of the client's hand-written decoders of answers, beside the generated parser:
//
//   - what ours takes is a message, fields and embedded messages alike, and has the generated parser's
//     meaning. That one refuses more in one respect, words that are not UTF-8;
//   - what the generated parser takes, ours takes as the generated writer writes it;
//   - what ours refuses is Internal and says something; the memory it claims is bounded by the input.
//
// An input is a byte that says how large the pieces are in which the message arrives, then the message.

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/src/wire.h"
#include "rowhouse/v1/embedding_service.pb.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzzer.h"
#include "tests/fuzz/memory_scope.h"

namespace rowhouse::fuzz {

// Of a table of two bytes, its struct and the vector's growth; the words of a failure.
inline constexpr size_t kReplyMemoryFactor = 200, kReplyMemoryFixed = 16 << 10;
inline constexpr size_t kMaxReplyInput = 2048;

// One decoder. Answer: what it makes, Proto: the generated message.
template <typename Answer, typename Proto>
struct ReplyDecoder {
  absl::StatusOr<Answer> (*decode)(const ChunkedBytes&);
  void (*to_proto)(const Answer&, const ChunkedBytes& bytes, Proto*);
  void (*forget)(Proto*);     // clears what ours does not read
  std::vector<int> embedded;  // fields that are messages
};

// The partitions that failed, as the client keeps them; OK says that one did not.
inline void FailuresToProto(const std::vector<client::PartitionFailure>& failures,
                            google::protobuf::RepeatedPtrField<v1::PartitionResult>* out) {
  for (const client::PartitionFailure& failure : failures) {
    v1::PartitionResult* result = out->Add();
    result->set_partition(failure.partition);
    result->set_code(failure.status.raw_code());
    result->set_retry_after_ms(failure.retry_after_ms);
    result->set_message(std::string(failure.status.message()));
  }
}

inline void ForgetOfFailures(google::protobuf::RepeatedPtrField<v1::PartitionResult>* results) {
  for (int i = results->size() - 1; i >= 0; --i) {
    (*results)[i].clear_epoch();
    (*results)[i].clear_lsn();
    if ((*results)[i].code() == 0) results->DeleteSubrange(i, 1);
  }
}

// Whether the bytes are fields, and those with a number in `embedded` messages, whatever they mean.
inline bool IsWellFormed(absl::Span<const uint8_t> bytes, const std::vector<int>& embedded) {
  google::protobuf::Empty any;
  if (!any.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  const google::protobuf::UnknownFieldSet& fields = any.GetReflection()->GetUnknownFields(any);
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& field = fields.field(i);
    const bool is_message = field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED &&
                            std::count(embedded.begin(), embedded.end(), field.number()) != 0;
    google::protobuf::Empty inner;
    if (is_message && !inner.ParseFromString(field.length_delimited())) return false;
  }
  return true;
}

template <typename Answer, typename Proto>
std::string MeaningOf(const ReplyDecoder<Answer, Proto>& decoder, const Answer& answer,
                      const ChunkedBytes& bytes) {
  Proto proto;
  decoder.to_proto(answer, bytes, &proto);
  return proto.SerializeAsString();
}

template <typename Answer, typename Proto>
void CheckReply(const ReplyDecoder<Answer, Proto>& decoder, absl::Span<const uint8_t> input) {
  FuzzInput in(input);
  const uint8_t piece = in.Take<uint8_t>();
  const Pieces pieces(in.rest(), piece);
  const MemoryScope memory;
  const absl::StatusOr<Answer> ours = decoder.decode(pieces.view());
  memory.RequireAtMost(kReplyMemoryFixed, kReplyMemoryFactor, pieces.view().size());
  if (!ours.ok()) RequireError(ours.status(), {absl::StatusCode::kInternal});
  if (ours.ok()) Require(IsWellFormed(in.rest(), decoder.embedded), "what is no message is taken");

  Proto theirs;
  if (!theirs.ParseFromArray(in.rest().data(), static_cast<int>(in.rest().size()))) return;
  decoder.forget(&theirs);
  theirs.DiscardUnknownFields();
  const std::string meaning = theirs.SerializeAsString();
  if (ours.ok()) {
    Require(MeaningOf(decoder, *ours, pieces.view()) == meaning,
            "the generated parser reads another message");
  }
  const Pieces rewritten(AsBytes(meaning), piece);
  const absl::StatusOr<Answer> again = decoder.decode(rewritten.view());
  Require(again.ok(), "what the generated writer writes is refused");
  Require(MeaningOf(decoder, *again, rewritten.view()) == meaning, "written anew it means something else");
}

// Two failures for a seed, one of which is none.
inline void AddFailures(google::protobuf::RepeatedPtrField<v1::PartitionResult>* out) {
  for (const int code : {8, 0}) {
    v1::PartitionResult* result = out->Add();
    result->set_partition(300);
    result->set_code(code);
    result->set_epoch(1);
    result->set_lsn(1ull << 40);
    result->set_retry_after_ms(50);
    result->set_message("no room");
  }
}

inline std::vector<std::string> ReplySeeds(const google::protobuf::MessageLite& message) {
  return {std::string(1, '\0') + message.SerializeAsString(),
          std::string(1, '\3') + message.SerializeAsString()};
}

}  // namespace rowhouse::fuzz
