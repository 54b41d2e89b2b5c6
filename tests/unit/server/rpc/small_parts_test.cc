// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Admission, status mapping, health, metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/admission.h"
#include "server/rpc/health_service.h"
#include "server/rpc/request_metrics.h"
#include "server/rpc/status_mapping.h"
#include "tests/unit/server/rpc/wire_test_util.h"

namespace rowhouse::server {
namespace {

using ::testing::HasSubstr;

// ---- admission

TEST(Admission, HoldsBytesUntilTheTicketGoes) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRequests, 100);
  Admission admission(&ledger);
  {
    auto ticket = admission.Admit("a request", 60);
    ASSERT_TRUE(ticket.ok());
    Admission::Ticket moved = *std::move(ticket);
    EXPECT_EQ(moved.bytes(), 60u);
    EXPECT_EQ(ledger.Get(MemoryLine::kRequests).bytes, 60u);
  }
  EXPECT_EQ(ledger.Get(MemoryLine::kRequests).bytes, 0u);
}

TEST(Admission, RefusesWithARetryHintWhileOthersHoldTheMemory) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRequests, 100);
  Admission admission(&ledger);
  auto first = admission.Admit("a request", 60);
  ASSERT_TRUE(first.ok());
  const auto second = admission.Admit("a pull's answer", 41);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfterMs(second.status()), kDefaultRetryAfterMs);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("a pull's answer needs 41 bytes; requests under way hold 60 of the 100"));
  EXPECT_EQ(ledger.Get(MemoryLine::kRequests).bytes, 60u);
  first->Release();
  EXPECT_TRUE(admission.Admit("a pull's answer", 41).ok());
}

TEST(Admission, WhatNeverFitsIsInvalid) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRequests, 100);
  Admission admission(&ledger);
  const auto refused = admission.Admit("a request", 101);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RetryAfterMs(refused.status()), 0u);
}

TEST(Admission, CountTakesAboveTheLimit) {
  MemoryLedger ledger;
  ledger.SetLimit(MemoryLine::kRequests, 100);
  Admission admission(&ledger);
  const Admission::Ticket ticket = admission.Count(150);
  EXPECT_EQ(ledger.Get(MemoryLine::kRequests).bytes, 150u);
  EXPECT_EQ(admission.Admit("a request", 1).status().code(), absl::StatusCode::kResourceExhausted);
}

// ---- status mapping

TEST(StatusMapping, CodesGoThereAndBack) {
  for (int32_t code = 0; code <= 16; ++code) {
    const absl::Status status = StatusFromWire(code, "why");
    EXPECT_EQ(WireCode(status), code);
    EXPECT_EQ(status.message(), code == 0 ? "" : "why");
  }
  EXPECT_EQ(StatusFromWire(17, "").code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(StatusFromWire(-1, "").code(), absl::StatusCode::kUnknown);
}

TEST(StatusMapping, RetryHintIsAPayload) {
  const absl::Status status = WithRetryAfter(absl::UnavailableError("later"), 125);
  EXPECT_EQ(RetryAfterMs(status), 125u);
  EXPECT_EQ(std::string(*status.GetPayload("rowhouse.dev/retry-after-ms")), "125");
  EXPECT_EQ(RetryAfterMs(absl::UnavailableError("later")), 0u);
  absl::Status damaged = absl::UnavailableError("later");
  damaged.SetPayload(kRetryAfterPayload, absl::Cord("soon"));
  EXPECT_EQ(RetryAfterMs(damaged), 0u);
  EXPECT_TRUE(WithRetryAfter(absl::OkStatus(), 5).ok());
}

TEST(StatusMapping, MessageIsCutOffAndPrintable) {
  EXPECT_EQ(WireMessage(absl::InternalError("a\nb\x7f\xff")), "a?b??");
  EXPECT_EQ(WireMessage(absl::InternalError("abcdef"), 3), "abc");
}

// ---- health

std::string CheckBytes(const HealthService& health, const std::string& request) {
  const auto answer = health.Check(View(request));
  return answer.ok() ? ToString(*answer) : std::string(answer.status().ToString());
}

TEST(HealthService, AnswersForTheServerAndItsServices) {
  HealthService health;
  EXPECT_EQ(CheckBytes(health, ""), std::string("\x08\x02", 2));  // NOT_SERVING
  health.SetServing(true);
  EXPECT_EQ(CheckBytes(health, ""), std::string("\x08\x01", 2));
  const std::string name = "rowhouse.v1.AdminService";
  EXPECT_EQ(CheckBytes(health, std::string("\x0a\x18", 2) + name), std::string("\x08\x01", 2));
}

TEST(HealthService, UnknownServiceIsNotFoundInACheck) {
  HealthService health;
  EXPECT_EQ(health.Get("other"), ServingStatus::kServiceUnknown);
  EXPECT_EQ(health.Check(View(std::string("\x0a\x01x", 3))).status().code(), absl::StatusCode::kNotFound);
}

TEST(HealthService, DamagedRequestIsInvalid) {
  HealthService health;
  EXPECT_EQ(health.Check(View(std::string("\x0a\x05x", 3))).status().code(),
            absl::StatusCode::kInvalidArgument);
  const std::string longest = std::string("\x0a\xac\x02", 3) + std::string(300, 'x');
  EXPECT_EQ(health.Check(View(longest)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(HealthService, WatchesHearOfChangesUntilTheyEnd) {
  HealthService health;
  int changes = 0;
  const uint64_t watch = health.Watch([&]() { ++changes; });
  health.SetServing(false);  // no change
  EXPECT_EQ(changes, 0);
  health.SetServing(true);
  EXPECT_EQ(changes, 1);
  health.Unwatch(watch);
  health.SetServing(false);
  EXPECT_EQ(changes, 1);
}

// ---- metrics

TEST(MethodMetrics, CountsByMethodAndCode) {
  MetricsRegistry registry;
  MethodMetrics metrics(&registry, "Pull");
  metrics.Record(absl::StatusCode::kOk, 0.5, 10, 20);
  metrics.Record(absl::StatusCode::kNotFound, 0.5, 1, 0);
  metrics.Record(absl::StatusCode::kNotFound, 0.5, 1, 0);
  const std::string text = registry.Serialize();
  EXPECT_THAT(text, HasSubstr("rowhouse_requests_total{code=\"OK\",method=\"Pull\"} 1"));
  EXPECT_THAT(text, HasSubstr("rowhouse_requests_total{code=\"NOT_FOUND\",method=\"Pull\"} 2"));
  EXPECT_THAT(text, HasSubstr("rowhouse_request_seconds_count{method=\"Pull\"} 3"));
  EXPECT_THAT(text, HasSubstr("rowhouse_request_bytes_total{method=\"Pull\"} 12"));
  EXPECT_THAT(text, HasSubstr("rowhouse_response_bytes_total{method=\"Pull\"} 20"));
}

}  // namespace
}  // namespace rowhouse::server
