// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cpp/src/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowhouse::client {
namespace {

using testing::HasSubstr;

void ExpectRefused(const ClientOptions& options, const std::string& text) {
  absl::Status status = ValidateOptions(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(text));
}

TEST(Options, DefaultsAndLocalAreValid) {
  EXPECT_TRUE(ValidateOptions({}).ok());
  ClientOptions options;
  options.address = "local:";
  EXPECT_TRUE(ValidateOptions(options).ok());
  options.address = "localhost:1, [::1]:65535 ,unix:/tmp/s,127.9.9.9:7600";
  EXPECT_TRUE(ValidateOptions(options).ok());
}

TEST(Options, EachBadAddressIsNamed) {
  for (const auto& [address, text] :
       std::vector<std::pair<std::string, std::string>>{{"", "has no port"},
                                                        {"localhost", "has no port"},
                                                        {"localhost:0", "has port '0'"},
                                                        {"localhost:65536", "has port '65536'"},
                                                        {"localhost:x", "has port 'x'"},
                                                        {":7600", "has no host"},
                                                        {"::1:7600", "has no port"},
                                                        {"unix:", "has no path"},
                                                        {"127.0.0.1:7600,", "has no port"}}) {
    ClientOptions options;
    options.address = address;
    ExpectRefused(options, text);
  }
}

TEST(Options, AFarAddressNeedsInsecure) {
  for (const char* address : {"10.0.0.1:7600", "db.example:7600", "127.0.0.1:1,8.8.8.8:1", "127.0.0.256:1",
                              "127.0.0.1.evil.example:1", "[fe80::1]:1"}) {
    ClientOptions options;
    options.address = address;
    ExpectRefused(options, "insecure");
    options.insecure = true;
    EXPECT_TRUE(ValidateOptions(options).ok()) << address;
  }
}

TEST(Options, EachNumberHasItsLimits) {
  ClientOptions options;
  options.retry_timeout = std::chrono::milliseconds(0);
  ExpectRefused(options, "retry_timeout");
  options = {};
  options.retry_timeout = std::chrono::hours(25);
  ExpectRefused(options, "retry_timeout");
  options = {};
  options.attempt_timeout = std::chrono::milliseconds(0);
  ExpectRefused(options, "attempt_timeout");
  options = {};
  options.attempt_timeout = std::chrono::seconds(301);
  ExpectRefused(options, "attempt_timeout (ms) is 301000; allowed is 1 to 300000");
  options = {};
  options.max_bytes_in_flight = 0;
  ExpectRefused(options, "max_bytes_in_flight");
  options = {};
  options.max_pushes_in_flight = 0;
  ExpectRefused(options, "max_pushes_in_flight is 0; allowed is 1 to 256");
  options.max_pushes_in_flight = 257;
  ExpectRefused(options, "max_pushes_in_flight is 257");
  options = {};
  options.writer_name = "no spaces";
  ExpectRefused(options, "writer_name");
  options.writer_name = std::string(129, 'a');
  ExpectRefused(options, "writer_name");
}

}  // namespace
}  // namespace rowhouse::client
