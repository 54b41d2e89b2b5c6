// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/render.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <limits>

#include "client/cli/server_status.h"
#include "client/cli/top_view.h"

namespace rowhouse::cli {
namespace {

Listing Sample() {
  return {.columns = {{"id", "ID"},
                      {"bytes", "BYTES", Unit::kBytes},
                      {"hits", "HITS", Unit::kRatio},
                      {"why", "WHY", Unit::kNone, true}},
          .rows = {{"18446744073709551615", 1536, 0.5, "a, \"b\"\nc"}, {"7", 0, nullptr, ""}}};
}

TEST(Render, TableIsForPeople) {
  EXPECT_EQ(Render(Sample(), OutputFormat::kTable, 0),
            "ID                    BYTES   HITS\n"
            "18446744073709551615  1.5KiB  50.00%\n"
            "7                     0B      -\n");
}

TEST(Render, WideHasEveryColumn) {
  Listing listing = Sample();
  listing.rows.erase(listing.rows.begin());
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 0), "ID  BYTES  HITS  WHY\n7   0B     -     \n");
}

TEST(Render, JsonKeepsIdsAsTextAndNumbersRaw) {
  const auto json = nlohmann::json::parse(Render(Sample(), OutputFormat::kJson, 0));
  EXPECT_EQ(json[0]["id"], "18446744073709551615");
  EXPECT_EQ(json[0]["bytes"], 1536);
  EXPECT_TRUE(json[1]["hits"].is_null());
}

TEST(Render, AJsonLineIsOneLineOfTheSame) {
  const std::string line = RenderJsonLine(Sample());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(line), nlohmann::json::parse(Render(Sample(), OutputFormat::kJson, 0)));
}

TEST(Render, YamlIdsStayText) {
  Listing listing = Sample();
  listing.rows[1][2] = Json::array({1, 0.5, std::numeric_limits<double>::quiet_NaN()});
  const std::string text = Render(listing, OutputFormat::kYaml, 0);
  const YAML::Node yaml = YAML::Load(text);
  EXPECT_EQ(yaml[0]["id"].Tag(), "!") << "quoted, so no reader takes it for a number: " << text;
  EXPECT_EQ(yaml[0]["id"].as<std::string>(), "18446744073709551615");
  EXPECT_EQ(yaml[0]["why"].as<std::string>(), "a, \"b\"\nc");
  EXPECT_EQ(yaml[1]["hits"][1].as<double>(), 0.5);
  EXPECT_TRUE(std::isnan(yaml[1]["hits"][2].as<double>()));
}

TEST(Render, CsvIsThatOfRfc4180) {
  EXPECT_EQ(Render(Sample(), OutputFormat::kCsv, 0),
            "id,bytes,hits,why\r\n"
            "18446744073709551615,1536,0.5,\"a, \"\"b\"\"\nc\"\r\n"
            "7,0,,\r\n");
}

TEST(Render, SingleIsAnObjectAndFields) {
  Listing listing = Sample();
  listing.single = true;
  listing.rows.resize(1);
  EXPECT_TRUE(nlohmann::json::parse(Render(listing, OutputFormat::kJson, 0)).is_object());
  EXPECT_EQ(Render(listing, OutputFormat::kTable, 0).rfind("FIELD  VALUE\nid     18446744073709551615\n", 0),
            0u);
}

TEST(Render, SinglesHeaderStandsAboveItsColumns) {
  const Listing listing{
      .columns = {{"name", "NAME"}, {"schema_version", "VERSION"}}, .rows = {{"user", 3}}, .single = true};
  EXPECT_EQ(Render(listing, OutputFormat::kTable, 0),
            "FIELD           VALUE\nname            user\nschema_version  3\n");
}

TEST(Render, ATableThatIsTooWideIsTurnedBeforeItIsSplit) {
  Listing listing{.columns = {{"server", "SERVER"}, {"address", "ADDRESS"}, {"why", "WHY"}},
                  .rows = {{0, "a:1", "x"}, {1, "b:2", "y"}}};
  listing.columns[2].wide = true;
  const std::string turned = "SERVER   0    1\nADDRESS  a:1  b:2\nWHY      x    y\n";
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 18), turned);
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 17), turned);
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 16),
            "SERVER   0\nADDRESS  a:1\nWHY      x\n\nSERVER   1\nADDRESS  b:2\nWHY      y\n");
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 0),
            "SERVER  ADDRESS  WHY\n0       a:1      x\n1       b:2      y\n")
      << "no terminal";
  EXPECT_EQ(Render(listing, OutputFormat::kWide, 20), Render(listing, OutputFormat::kWide, 0)) << "it fits";
}

TEST(Render, NarrowTerminalGetsLinesAndEveryCharacter) {
  const std::string text = Render(Sample(), OutputFormat::kTable, 20);
  EXPECT_EQ(text,
            "ID     18446744073709551615\nBYTES  1.5KiB\nHITS   50.00%\n\n"
            "ID     7\nBYTES  0B\nHITS   -\n");
}

TEST(Render, NoRowsIsAHeaderOrAnEmptyList) {
  const Listing listing{.columns = {{"a", "A"}}};
  EXPECT_EQ(Render(listing, OutputFormat::kTable, 0), "A\n");
  EXPECT_EQ(Render(listing, OutputFormat::kJson, 0), "[]\n");
  EXPECT_EQ(Render(listing, OutputFormat::kYaml, 0), "[]\n");
  EXPECT_EQ(Render(listing, OutputFormat::kCsv, 0), "a\r\n");
}

ServerStatus Status(uint64_t pid, uint64_t pulled, uint64_t spill_read, uint64_t pushed) {
  ServerStatus s;
  s.state = "ready";
  s.pid = pid;
  s.pulled_rows = pulled;
  s.spill_read_rows = spill_read;
  s.pushed_rows = pushed;
  s.cluster = UINT64_MAX;
  s.memory = {{"row_slabs", 5, 6, 7}};
  return s;
}

Json CellOf(const Listing& listing, size_t row, const std::string& key) {
  for (size_t c = 0; c < listing.columns.size(); ++c) {
    if (listing.columns[c].key == key) return listing.rows.at(row)[c];
  }
  ADD_FAILURE() << "no column " << key;
  return nullptr;
}

const absl::Time kTime = absl::FromUnixMillis(1700000000123);

TEST(TopListing, RatesAreDifferencesByTime) {
  const Listing listing = TopListing({Status(1, 100, 10, 50)}, {Status(1, 300, 60, 150)}, kTime, 2);
  EXPECT_EQ(CellOf(listing, 0, "pulled_rows_per_second"), 100.0);
  EXPECT_EQ(CellOf(listing, 0, "pushed_rows_per_second"), 50.0);
  EXPECT_EQ(CellOf(listing, 0, "hit_ratio"), 0.75);
}

TEST(TopListing, ARestartAndAFirstLookHaveNoRates) {
  for (const std::vector<ServerStatus>& before : {std::vector<ServerStatus>{}, {Status(2, 1000, 0, 1000)}}) {
    const Listing listing = TopListing(before, {Status(3, 300, 60, 150)}, kTime, 2);
    EXPECT_TRUE(CellOf(listing, 0, "pulled_rows_per_second").is_null());
    EXPECT_TRUE(CellOf(listing, 0, "hit_ratio").is_null());
  }
}

TEST(TopListing, AServerThatDoesNotAnswerIsALine) {
  ServerStatus lost;
  lost.state = "unreachable";
  lost.address = "127.0.0.1:7601";
  const Listing listing = TopListing({}, {lost}, kTime, 1);
  EXPECT_EQ(CellOf(listing, 0, "address"), "127.0.0.1:7601");
  EXPECT_TRUE(CellOf(listing, 0, "resident_bytes").is_null());
}

TEST(InfoListing, LedgerIsNestedOrFlat) {
  const std::vector<ServerStatus> statuses = {Status(1, 0, 0, 0)};
  EXPECT_EQ(CellOf(InfoListing(statuses, OutputFormat::kJson), 0, "memory")[0]["limit_bytes"], 7);
  EXPECT_EQ(CellOf(InfoListing(statuses, OutputFormat::kCsv), 0, "memory_row_slabs_peak_bytes"), 6);
  EXPECT_EQ(CellOf(InfoListing(statuses, OutputFormat::kJson), 0, "cluster"), "18446744073709551615");
}

}  // namespace
}  // namespace rowhouse::cli
