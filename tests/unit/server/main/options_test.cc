// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/options.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/listen_address.h"
#include "common/units.h"
#include "server/memory_plan.h"
#include "server/option_table.h"

namespace rowhouse::server {
namespace {

ServerOptions Good() {
  ServerOptions options;
  options.data_directory = "/data";
  return options;
}

void ExpectInvalid(const ServerOptions& options, const std::vector<std::string>& parts) {
  const absl::Status status = options.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << parts[0];
  for (const std::string& part : parts) EXPECT_TRUE(absl::StrContains(status.message(), part)) << status;
}

TEST(ServerOptions, DefaultsWithADirectoryAreValid) {
  EXPECT_TRUE(Good().Validate().ok()) << Good().Validate();
}

// One wrong value each; the message names flag, value and limit.
struct WrongOption {
  std::string key, value, message;
};

class WrongOptionTest : public testing::TestWithParam<WrongOption> {};

TEST_P(WrongOptionTest, IsNamed) {
  ServerOptions options = Good();
  ASSERT_TRUE(FindOption(GetParam().key)->set(GetParam().value, &options).ok());
  ExpectInvalid(options, {GetParam().message});
}

std::string TooManyServers() {
  std::string text;
  for (uint32_t i = 1; i <= limits::kMaxServers + 1; ++i) absl::StrAppend(&text, "a:", i, ",");
  text.pop_back();
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    EachOption, WrongOptionTest,
    testing::Values(
        WrongOption{"data.dir", "", "--data-dir is empty"},
        WrongOption{"listen.grpc", "7600", "--listen is \"7600\": it has no port"},
        WrongOption{"listen.grpc", "10.0.0.1:7600", "--insecure-listen"},
        WrongOption{"listen.grpc", "myhost:7600", "--insecure-listen"},
        WrongOption{"listen.http", "0.0.0.0:7680", "--http-listen is 0.0.0.0:7680, which other machines"},
        WrongOption{"listen.http", "7680", "--http-listen is \"7680\": it has no port"},
        WrongOption{"listen.http", "unix:/x", "--http-listen is unix:/x: a Unix socket"},
        WrongOption{"memory.budget", "127MiB", "--memory-budget is 127MiB, want 128MiB to 64TiB"},
        WrongOption{"memory.budget", "65TiB", "--memory-budget is 65TiB, want 128MiB to 64TiB"},
        WrongOption{"cluster.partitions", "24", "--partitions is 24, want a power of two from 1 to 16384"},
        WrongOption{"cluster.partitions", "32768", "--partitions is 32768"},
        WrongOption{"cluster.partitions", "0", "--partitions is 0"},
        WrongOption{"cluster.servers", "a:1,a:1", "--servers has a:1 twice"},
        WrongOption{"cluster.servers", "a:1,b", "--servers is \"b\""},
        WrongOption{"cluster.servers", "a:0", "--servers has a:0, where nobody can be reached"},
        WrongOption{"cluster.servers", "0.0.0.0:1", "nobody can be reached"},
        WrongOption{"cluster.servers", TooManyServers(), "--servers has 1025 addresses, the limit is 1024"},
        WrongOption{"cluster.server_index", "1024", "--server-index is 1024, want 0 to 1023"},
        WrongOption{"log.sync_interval", "0s", "--log-sync-interval is 0s, want 1ms to 1m"},
        WrongOption{"log.segment_bytes", "1KiB", "--log-segment-bytes is 1KiB, want 1MiB to 1GiB"},
        WrongOption{"disk.low_water", "65TiB", "--disk-low-water is 65TiB, want 0B to 64TiB"},
        WrongOption{"threads.workers", "-1", "--worker-threads is -1, want 0 to 1024"},
        WrongOption{"threads.io", "0", "--io-threads is 0, want 1 to 256"},
        WrongOption{"drain.timeout", "1h", "--drain-timeout is 1h, want 0s to 10m"},
        WrongOption{"logging.level", "loud", "--log-level: log level is \"loud\", allowed are"},
        WrongOption{"logging.format", "xml", "--log-format: log format is \"xml\", allowed are"},
        WrongOption{"logging.modules", "rcp=debug", "--log-modules: \"rcp\" is no module"},
        WrongOption{"logging.slow_request", "2h", "--log-slow-request is 2h, want 0s to 1h"}));

// Texts that no value can be made of.
struct WrongText {
  std::string key, text, message;
};

class WrongTextTest : public testing::TestWithParam<WrongText> {};

TEST_P(WrongTextTest, IsRefusedAndChangesNothing) {
  const OptionEntry& entry = *FindOption(GetParam().key);
  ServerOptions options;
  const absl::Status status = entry.set(GetParam().text, &options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), GetParam().message)) << status;
  EXPECT_EQ(entry.get(options), entry.get(ServerOptions()));
}

INSTANTIATE_TEST_SUITE_P(
    EachType, WrongTextTest,
    testing::Values(WrongText{"memory.budget", "lots", "\"lots\" is no size"},
                    WrongText{"memory.budget", "12XB", "\"XB\" is no unit"},
                    WrongText{"log.segment_bytes", "-1MiB", "whole number"},
                    WrongText{"disk.low_water", "1.5GiB", "is no unit"},
                    WrongText{"drain.timeout", "30", "\"30\" is no time"},
                    WrongText{"drain.timeout", "-1s", "negative"},
                    WrongText{"drain.timeout", "1000h", "is too long"},
                    WrongText{"log.sync_interval", "1500us", "no whole number of milliseconds"},
                    WrongText{"logging.slow_request", "inf", "infinite"},
                    WrongText{"cluster.partitions", "-1", "\"-1\" is not a whole number from 0"},
                    WrongText{"cluster.partitions", "4294967296", "fits 32 bits"},
                    WrongText{"threads.io", "4.5", "\"4.5\" is not a whole number"},
                    WrongText{"listen.insecure", "maybe", "\"maybe\" is neither true nor false"}));

std::vector<std::string> WrongTextsOf(OptionType type) {
  switch (type) {
    case OptionType::kBytes:
      return {"lots", "12XB", ""};
    case OptionType::kDuration:
      return {"soon", "30", ""};
    case OptionType::kNumber:
      return {"x", "4.5", ""};
    case OptionType::kSwitch:
      return {"maybe", ""};
    default:
      return {};  // any text is text
  }
}

// The values next to both ends of "LOW to HIGH"; none for a range in other words.
std::vector<std::string> JustOutside(const OptionEntry& entry) {
  const std::vector<std::string> ends = absl::StrSplit(entry.range, " to ");
  std::vector<std::string> outside;
  if (ends.size() != 2) return outside;
  switch (entry.type) {
    case OptionType::kBytes:
      if (*ParseBytes(ends[0]) > 0) outside.push_back(absl::StrCat(*ParseBytes(ends[0]) - 1, "B"));
      outside.push_back(absl::StrCat(*ParseBytes(ends[1]) + 1, "B"));
      break;
    case OptionType::kDuration: {
      const absl::Duration low = *ParseDuration(ends[0]), step = absl::Milliseconds(1);
      if (low > absl::ZeroDuration())
        outside.push_back(absl::StrCat(absl::ToInt64Milliseconds(low - step), "ms"));
      outside.push_back(absl::StrCat(absl::ToInt64Milliseconds(*ParseDuration(ends[1]) + step), "ms"));
      break;
    }
    case OptionType::kNumber: {
      int64_t low = 0, high = 0;
      if (!absl::SimpleAtoi(ends[0], &low) || !absl::SimpleAtoi(ends[1], &high)) return {};
      if (low > 0) outside.push_back(absl::StrCat(low - 1));
      outside.push_back(absl::StrCat(high + 1));
      break;
    }
    default:
      break;
  }
  return outside;
}

// So that an option which is added cannot be forgotten.
TEST(OptionTable, EveryOptionRefusesAWrongTypeAndWhatIsBeyondItsRange) {
  int types = 0, ranges = 0;
  for (const OptionEntry& entry : OptionTable()) {
    for (const std::string& text : WrongTextsOf(entry.type)) {
      ServerOptions options;
      EXPECT_EQ(entry.set(text, &options).code(), absl::StatusCode::kInvalidArgument)
          << entry.key << " \"" << text << "\"";
      EXPECT_EQ(entry.get(options), entry.get(ServerOptions())) << entry.key;
      ++types;
    }
    for (const std::string& text : JustOutside(entry)) {
      ServerOptions options = Good();
      ASSERT_TRUE(entry.set(text, &options).ok()) << entry.key << " " << text;
      ExpectInvalid(options, {absl::StrCat(entry.flag(), " is "), absl::StrCat("want ", entry.range)});
      ++ranges;
    }
  }
  EXPECT_GT(types, 30);
  EXPECT_GT(ranges, 15);
}

TEST(Contradiction, CheckpointsWithoutADirectory) {
  ServerOptions options = Good();
  options.checkpoint_every_ms = 1000;
  ExpectInvalid(options, {"--checkpoint-every is set, but --checkpoint-directory is empty"});
  options.checkpoint_directory = "/checkpoints";
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  // What nobody asked for contradicts nothing.
  options = Good();
  EXPECT_GT(options.checkpoint_every_ms, 0);
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  options.checkpoint_every_ms = 0;
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  options = Good();
  options.checkpoint_keep_log = true;
  ExpectInvalid(options, {"--checkpoint-keep-log is set, but --checkpoint-directory is empty"});
}

TEST(ServerOptions, TheCheckpointScheduleIsOnAndCanBePutOff) {
  ServerOptions options;
  const OptionEntry& every = *FindOption("checkpoint.every");
  EXPECT_EQ(every.get(options), "30m");
  EXPECT_EQ(FindOption("checkpoint.keep")->get(options), "5");
  for (const char* off : {"off", "0s", "0"}) {
    options = ServerOptions();
    EXPECT_TRUE(every.set(off, &options).ok()) << off;
    EXPECT_EQ(options.checkpoint_every_ms, 0) << off;
    EXPECT_EQ(every.get(options), "0s");
  }
  EXPECT_FALSE(every.set("on", &options).ok());
  EXPECT_FALSE(FindOption("log.sync_interval")->set("off", &options).ok());
}

TEST(ServerOptions, EmptyItemOfAListIsRefused) {
  ServerOptions options;
  EXPECT_FALSE(FindOption("cluster.servers")->set("a:1,,b:1", &options).ok());
  EXPECT_TRUE(FindOption("cluster.servers")->set(" a:1 , b:1 ", &options).ok());
  EXPECT_EQ(options.servers, (std::vector<std::string>{"a:1", "b:1"}));
  EXPECT_TRUE(FindOption("cluster.servers")->set("", &options).ok());
  EXPECT_TRUE(options.servers.empty());
}

TEST(ServerOptions, ReachableAddressNeedsTheWord) {
  ServerOptions options = Good();
  options.listen_address = "10.0.0.1:7600";
  options.insecure_listen = true;
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(ServerOptions, WildcardNeedsTheAddressClientsKnow) {
  ServerOptions options = Good();
  options.listen_address = "0.0.0.0:7600";
  options.insecure_listen = true;
  ExpectInvalid(options, {"--listen is 0.0.0.0:7600", "give --servers"});
  options.servers = {"host:7600"};
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(Contradiction, MoreServersThanPartitions) {
  ServerOptions options = Good();
  options.partitions = 1;
  options.servers = {"a:1", "b:1"};
  ExpectInvalid(options, {"--servers has 2 addresses for 1 partitions", "raise --partitions"});
}

TEST(Contradiction, IndexWithoutServers) {
  ServerOptions options = Good();
  options.server_index = 1;
  ExpectInvalid(options, {"--server-index is 1", "--servers is empty"});
}

TEST(Contradiction, IndexBeyondServers) {
  ServerOptions options = Good();
  options.servers = {"a:1", "b:1"};
  options.server_index = 2;
  ExpectInvalid(options, {"--server-index is 2, want 0 to 1", "--servers"});
}

TEST(Contradiction, ClusterWithoutAListener) {
  ServerOptions options = Good();
  options.servers = {"a:1"};
  options.listen_address = "";
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  options.servers = {"a:1", "b:1"};
  ExpectInvalid(options, {"--listen is empty", "--servers"});
}

TEST(Contradiction, BothListenersOnOnePort) {
  ServerOptions options = Good();
  options.listen_address = options.http_address = "127.0.0.1:7700";
  ExpectInvalid(options, {"--listen and --http-listen are both 127.0.0.1:7700"});
  options.listen_address = options.http_address = "127.0.0.1:0";
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(Contradiction, ListensWhereAnotherServerIs) {
  ServerOptions options = Good();
  options.listen_address = "127.0.0.1:7601";
  options.servers = {"127.0.0.1:7600", "127.0.0.1:7601"};
  ExpectInvalid(options,
                {"--listen is 127.0.0.1:7601, which is server 1 of --servers", "--server-index is 0"});
  options.server_index = 1;
  EXPECT_TRUE(options.Validate().ok()) << options.Validate();
}

TEST(Contradiction, ListensOnAPortThatServersDoNotHave) {
  ServerOptions options = Good();
  options.listen_address = "127.0.0.1:7602";
  options.servers = {"127.0.0.1:7600", "127.0.0.1:7601"};
  ExpectInvalid(options, {"--listen is 127.0.0.1:7602", "--servers has 127.0.0.1:7600"});
  // The same place under another name, or behind something: the others know better.
  for (const char* listen : {"127.0.0.1:0", "localhost:7602", "unix:/run/rowhouse.sock"}) {
    options.listen_address = listen;
    EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  }
}

TEST(Contradiction, LogInTheWayOfTheRows) {
  ServerOptions options = Good();
  for (const char* log : {"/data", "/data/"}) {
    options.log_directory = log;
    ExpectInvalid(options, {"--log-dir and --data-dir are both /data"});
  }
  for (const char* log : {"/data/spill", "/data/spill/", "/data/spill/log"}) {
    options.log_directory = log;
    ExpectInvalid(options, {absl::StrCat("--log-dir is ", log), "--data-dir /data", "spill"});
  }
  for (const char* log : {"/data/log", "/data/spilled", "/log"}) {
    options.log_directory = log;
    EXPECT_TRUE(options.Validate().ok()) << options.Validate();
  }
}

TEST(OptionTable, EveryDefaultReadsBack) {
  const ServerOptions defaults;
  for (const OptionEntry& entry : OptionTable()) {
    ServerOptions changed = defaults;
    const std::string text = entry.get(defaults);
    ASSERT_TRUE(entry.set(text, &changed).ok()) << entry.key << " " << text;
    EXPECT_EQ(entry.get(changed), text) << entry.key;
    EXPECT_TRUE(entry.check(defaults, "x").ok()) << entry.key;
  }
}

TEST(OptionTable, ValuesReadBackExactly) {
  for (const auto& [key, text] :
       {std::pair("memory.budget", "1500MiB"), std::pair("memory.budget", "1000000001B"),
        std::pair("disk.low_water", "0B"), std::pair("drain.timeout", "1m30s"),
        std::pair("log.sync_interval", "1ms"), std::pair("logging.slow_request", "0s"),
        std::pair("logging.modules", "rpc=debug,spill=warn"), std::pair("listen.insecure", "true")}) {
    ServerOptions options;
    ASSERT_TRUE(FindOption(key)->set(text, &options).ok()) << key;
    EXPECT_EQ(FindOption(key)->get(options), text) << key;
  }
}

TEST(OptionTable, NamesAreOfTheirForms) {
  std::set<std::string> keys, flags;
  for (const OptionEntry& entry : OptionTable()) {
    EXPECT_TRUE(keys.insert(entry.key).second) << entry.key;
    EXPECT_TRUE(flags.insert(entry.flag()).second) << entry.flag();
    EXPECT_EQ(entry.section() + "." + entry.name(), entry.key);
    EXPECT_FALSE(SectionHelp(entry.section()).empty()) << entry.key;
    EXPECT_EQ(entry.placeholder.empty(), entry.is_switch()) << entry.key;
    EXPECT_EQ(FindOption(entry.key), &entry);
    EXPECT_EQ(FindOption(entry.flag_name), &entry);
  }
  const OptionEntry* entry = FindOption("log.sync_interval");
  EXPECT_EQ(entry->flag(), "--log-sync-interval");
  EXPECT_EQ(entry->environment_variable(), "ROWHOUSE__LOG__SYNC_INTERVAL");
  EXPECT_EQ(FindOption("log_sync_interval"), entry);
  EXPECT_EQ(FindOption("nothing"), nullptr);
  EXPECT_EQ(SectionHelp("nothing"), "");
}

TEST(OptionTable, SectionsStandTogether) {
  const std::vector<std::string> sections = OptionSections();
  EXPECT_EQ(std::set<std::string>(sections.begin(), sections.end()).size(), sections.size());
}

TEST(OptionTable, HelpSaysRangeAndReload) {
  EXPECT_EQ(FindOption("drain.timeout")->full_help(),
            "How long SIGTERM waits for calls under way; 0s to 10m; SIGHUP reloads it");
  EXPECT_EQ(FindOption("threads.io")->full_help(), "Cold rows read at the same time; 1 to 256");
}

TEST(ListenAddress, FormsAndReach) {
  EXPECT_EQ(ParseListenAddress("x", "[::1]:7600")->host, "::1");
  EXPECT_EQ(ParseListenAddress("x", "[::1]:7600")->ToString(), "[::1]:7600");
  EXPECT_TRUE(ParseListenAddress("x", "[::1]:7600")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "127.0.0.2:0")->is_loopback());
  EXPECT_FALSE(ParseListenAddress("x", "[[::1]]:7600").ok());
  EXPECT_TRUE(ParseListenAddress("x", "localhost:1")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "unix:/a/b")->is_loopback());
  EXPECT_FALSE(ParseListenAddress("x", "128.0.0.1:1")->is_loopback());
  EXPECT_FALSE(ParseListenAddress("x", "127.example.com:1")->is_loopback());
  EXPECT_TRUE(ParseListenAddress("x", "[::]:1")->is_wildcard());
  for (const char* wrong : {"", "a", "a:", "a:x", "a:65536", ":1", "::1:1", "unix:rel", "a:-1"}) {
    EXPECT_FALSE(ParseListenAddress("x", wrong).ok()) << wrong;
  }
}

TEST(MemoryPlan, LinesAddUpToTheBudget) {
  for (uint64_t mib : {128, 129, 256, 512, 1000, 4096, 65536}) {
    const MemoryPlan plan = PlanMemory(mib << 20);
    EXPECT_EQ(plan.fixed_bytes + plan.spill_bytes + plan.request_bytes + plan.row_bytes, mib << 20) << mib;
    EXPECT_GE(plan.row_bytes, (mib << 20) / 8) << mib;
    EXPECT_GE(plan.log_queue_bytes, plan.max_message_bytes + (1 << 20))
        << "one record of the largest message";
    EXPECT_GE(plan.grpc_bytes, 2 * plan.max_message_bytes) << mib;
    EXPECT_LE(plan.write_buffer_bytes * 4, plan.spill_bytes) << "what the spill store asks for";
    EXPECT_GE(plan.request_bytes, 2 * plan.max_message_bytes) << "a request and its answer";
    EXPECT_LE(plan.buffer_pool_bytes, plan.request_bytes);
  }
}

TEST(MemoryPlan, HandComputed) {
  const MemoryPlan small = PlanMemory(128ull << 20);
  EXPECT_EQ(small.max_message_bytes, 8ull << 20);
  EXPECT_EQ(small.spill_bytes, 16ull << 20);
  EXPECT_EQ(small.request_bytes, 18ull << 20);
  EXPECT_EQ(small.fixed_bytes, (36ull + 24 + 16) << 20);
  EXPECT_EQ(small.row_bytes, 18ull << 20);
  EXPECT_EQ(PlanMemory(1ull << 30).max_message_bytes, 64ull << 20);
  EXPECT_EQ(PlanMemory(8ull << 30).row_bytes, (8192ull - 36 - 512 - 256 - 512 - 512) << 20);
}

TEST(MemoryPlan, MoreBudgetIsMoreRows) {
  uint64_t last = 0;
  for (uint64_t mib = 128; mib <= 8192; mib += 64) {
    const uint64_t rows = PlanMemory(mib << 20).row_bytes;
    EXPECT_GT(rows, last) << mib;
    last = rows;
  }
}

}  // namespace
}  // namespace rowhouse::server
