// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/checkpoint/checkpoint_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/checkpoint/progress_line.h"

namespace rowhouse::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

CheckpointDetail Detail() {
  server::Manifest full{.name = "monday", .id = 1, .partitions = 2, .rows = 7};
  server::Manifest second{.name = "tuesday",
                          .id = 0x1f,
                          .kind = server::CheckpointKind::kIncremental,
                          .base = "monday",
                          .base_id = 1,
                          .cluster = 2,
                          .history = 3,
                          .partitions = 2,
                          .cut_unix_micros = 1'700'000'000'123'456,
                          .hold_micros = 2500,
                          .rows = 5,
                          .bytes = 2048};
  second.tables.push_back(
      {.name = "user", .table_id = 4, .version = 2, .dim = 8, .durability = Durability::kSync});
  second.writers = {{.name = "trainer-0", .writer = 9, .complete_seq = 100, .step = 50}, {.writer = 10}};
  second.incomplete = {{.writer = 9, .seq = 101, .part_count = 3, .parts = 1}};
  server::ServerManifest share{.checkpoint = 0x1f, .server = 0};
  share.partitions = {{.partition = 0, .all_rows = true, .begin_lsn = 5, .cut_lsn = 8, .rows = 3},
                      {.partition = 1, .begin_lsn = 6, .cut_lsn = 6, .rows = 2}};
  share.images = {{.name = "rows-000000.img", .bytes = 1024, .crc32c = 1}};
  return {.chain = {full, second}, .servers = {share}};
}

TEST(CheckpointText, EveryPhaseAndKindHasItsWord) {
  EXPECT_EQ(PhaseText(CheckpointPhase::kImage), "image");
  EXPECT_EQ(PhaseText(CheckpointPhase::kCancelled), "cancelled");
  EXPECT_EQ(PhaseText(static_cast<CheckpointPhase>(99)), "unknown") << "a newer server's";
  EXPECT_EQ(KindText(CheckpointKind::kBarrier), "barrier");
  EXPECT_EQ(MomentText(0), "-");
  EXPECT_EQ(MomentText(1'700'000'000'123'456), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(MicrosText(2500), "2.5ms");
}

TEST(CheckpointText, ManifestAndListOfTheServersSayTheSame) {
  const CheckpointInfo info = InfoOf(Detail().chain.back());
  EXPECT_EQ(info.name, "tuesday");
  EXPECT_EQ(info.kind, CheckpointKind::kIncremental);
  EXPECT_EQ(info.tables, 1u);
  EXPECT_EQ(info.incomplete_pushes, 1u);
  EXPECT_EQ(info.hold_micros, 2500u);
  EXPECT_EQ(InfoOf({.name = "torn", .manifest = absl::DataLossError("checksum")}).error, "checksum");
}

TEST(CheckpointText, ErrorsAreAColumnWhenThereIsOne) {
  const CheckpointInfo good = InfoOf(Detail().chain.back());
  const CheckpointInfo torn{.name = "torn", .error = "its checksum is wrong"};
  EXPECT_THAT(Render(CheckpointsListing({good}, OutputFormat::kTable), OutputFormat::kTable, 0),
              Not(HasSubstr("ERROR")));
  EXPECT_THAT(Render(CheckpointsListing({good, torn}, OutputFormat::kTable), OutputFormat::kTable, 0),
              HasSubstr("its checksum is wrong"));
  const auto json =
      Json::parse(Render(CheckpointsListing({good, torn}, OutputFormat::kJson), OutputFormat::kJson, 0));
  EXPECT_TRUE(json[0]["error"].is_null());
  EXPECT_EQ(json[0]["id"], "000000000000001f");
  EXPECT_EQ(json[1]["error"], "its checksum is wrong");
  EXPECT_TRUE(json[1]["rows"].is_null()) << "not known, which is not 0";
}

TEST(CheckpointText, DetailHasAllOfTheManifest) {
  const auto json = Json::parse(Render(DetailListing(Detail()), OutputFormat::kJson, 0));
  EXPECT_EQ(json["base"], "monday");
  EXPECT_EQ(json["chain"][0]["name"], "monday");
  EXPECT_EQ(json["tables"][0]["durability"], "sync");
  EXPECT_EQ(json["writers"][0]["complete_seq"], 100);
  EXPECT_TRUE(json["writers"][1]["name"].is_null());
  EXPECT_EQ(json["incomplete"][0]["parts"], 1);
  EXPECT_EQ(json["servers"][0]["rows"], 5);
  EXPECT_EQ(json["partitions"][1]["begin_lsn"], 6);
  const std::string text = DetailText(Detail(), /*wide=*/false, /*columns=*/0);
  for (const char* word : {"tuesday", "monday", "user", "trainer-0", "INCOMPLETE PUSH OF", "2KiB", "2.5ms"})
    EXPECT_THAT(text, HasSubstr(word));
  EXPECT_THAT(text, Not(HasSubstr("BEGIN LSN")));
  EXPECT_THAT(DetailText(Detail(), /*wide=*/true, /*columns=*/0), HasSubstr("BEGIN LSN"));
}

TEST(CheckpointText, JobUnderWayHasNoEnd) {
  CheckpointStatus job{
      .id = 7, .name = "x", .phase = CheckpointPhase::kImage, .began_unix_micros = 1'000'000};
  auto json = Json::parse(Render(JobListing(job), OutputFormat::kJson, 0));
  EXPECT_TRUE(json["ended"].is_null() && json["seconds"].is_null() && json["error"].is_null());
  job.phase = CheckpointPhase::kFailed;
  job.error = absl::ResourceExhaustedError("disk full");
  job.ended_unix_micros = 3'500'000;
  json = Json::parse(Render(JobListing(job), OutputFormat::kJson, 0));
  EXPECT_EQ(json["seconds"], 2.5);
  EXPECT_EQ(json["error"], "disk full");
}

TEST(BarText, FitsTheTerminal) {
  EXPECT_EQ(BarText("x", "image", 0.5, "details", 0),
            "x [##############..............]  50%  image  details");
  EXPECT_EQ(BarText("x", "image", 2, "", 0).substr(0, 38), "x [############################] 100% ")
      << "an estimate was low";
  EXPECT_EQ(BarText("x", "image", 0.5, "details", 20), "x  50%  image  ");
  EXPECT_EQ(BarText("x", "image", 0.5, "details", 10), "x  50%  i");
  EXPECT_EQ(BarText("x", "image", 0.5, "details", 41), "x [#######........]  50%  image  details")
      << "one column stays free";
}

TEST(BarText, TheBarGetsShorterBeforeDetailsGoAndTheLastGoFirst) {
  const std::string what = "checkpoint 20260102-030405";
  const std::string details = "12345678 of 20000000 rows, 1.2GiB written, 123456 rows/s";
  const auto text = [&](size_t columns) { return BarText(what, "image", 0.5, details, columns); };
  EXPECT_EQ(text(0),
            what +
                " [##############..............]  50%  image  12345678 of 20000000 rows, 1.2GiB written, "
                "123456 rows/s");
  EXPECT_EQ(text(110), what +
                           " [#####.....]  50%  image  12345678 of 20000000 rows, 1.2GiB written, "
                           "123456 rows/s");
  EXPECT_EQ(text(80), what + " [#####......]  50%  image  12345678 of 20000000 rows");
  EXPECT_EQ(text(60), what + " [########........]  50%  image  ");
  for (size_t columns = 2; columns < 160; ++columns) EXPECT_LT(text(columns).size(), columns);
}

}  // namespace
}  // namespace rowhouse::cli
