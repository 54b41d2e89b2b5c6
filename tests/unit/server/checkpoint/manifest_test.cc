// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/checkpoint/manifest.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "absl/strings/escaping.h"
#include "common/limits.h"
#include "common/schema/schema_proto.h"
#include "server/checkpoint/sealed_json.h"
#include "tests/unit/server/checkpoint/checkpoint_test_util.h"

namespace rowhouse::server {
namespace {

using nlohmann::json;

TableSchema Schema(const std::string& name, TableId table, uint32_t dim, OptimizerKind kind) {
  TableSchema schema;
  schema.name = name;
  schema.table_id = table;
  schema.version = 1;
  schema.dim = dim;
  schema.optimizer.kind = kind;
  schema.optimizer.hyper.learning_rate = 0.5f;
  if (kind != OptimizerKind::kSgd) {
    schema.optimizer.hyper.epsilon = 0.125f;
    schema.optimizer.initial_accumulator = 0.25f;
  }
  schema.seed = 42;
  return schema;
}

// Those of tests/golden/make_checkpoint.py.
ServerManifest GoldenServer() {
  return {.checkpoint = 0x2122232425262728,
          .server = 2,
          .partitions =
              {{.partition = 3, .all_rows = true, .begin_lsn = 18, .cut_lsn = limits::kMaxLsn, .rows = 4}},
          .images = {{"rows-000000.img", 272, 0x3af2321f}},
          .log = {{"log/segment-00000000000000000001.log", 528, 0xbeef}}};
}

Manifest GoldenManifest() {
  Manifest manifest;
  manifest.name = "day-2";
  manifest.id = 0x2122232425262728;
  manifest.kind = CheckpointKind::kIncremental;
  manifest.base = "day-1";
  manifest.base_id = 7;
  manifest.cluster = 0x0102030405060708;
  manifest.history = 0x1112131415161718;
  manifest.partitions = 4;
  manifest.hash_version = 1;
  manifest.begin_unix_micros = 1'700'000'000'000'000;
  manifest.cut_unix_micros = 1'700'000'060'000'000;
  manifest.hold_micros = 1500;
  manifest.servers = {{"server-0000/SERVER.json", 0, 0},
                      {"server-0001/SERVER.json", 0, 0},
                      FileOf("server-0002/SERVER.json", EncodeServerManifest(GoldenServer()))};
  manifest.tables = {Schema("bias", 1, 1, OptimizerKind::kSgd),
                     Schema("item", 7, 2, OptimizerKind::kRowwiseAdagrad)};
  manifest.writers = {{"trainer-0", 3, UINT64_MAX, 12}, {"", (1ull << 53) + 1, 1, 0}};
  manifest.incomplete = {{3, 17, 4, 1}};
  manifest.highest_table = 9;
  manifest.highest_writer = (1ull << 53) + 2;
  manifest.rows = 4;
  manifest.bytes = 4096;
  return manifest;
}

std::string Golden(const std::string& name) {
  std::ifstream file(absl::StrCat(ROWHOUSE_GOLDEN_DIR, "/", name), std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST(Manifest, HasTheGoldenBytes) {
  const std::string golden = Golden("checkpoint_manifest.json");
  EXPECT_EQ(EncodeManifest(GoldenManifest()), golden);
  const auto decoded = DecodeManifest("M", golden);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, GoldenManifest());
}

TEST(ServerManifest, HasTheGoldenBytes) {
  const std::string golden = Golden("checkpoint_server.json");
  EXPECT_EQ(EncodeServerManifest(GoldenServer()), golden);
  const auto decoded = DecodeServerManifest("S", golden);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, GoldenServer());
}

TEST(Manifest, NamesItsKind) {
  EXPECT_EQ(CheckpointKindName(CheckpointKind::kFull), "full");
  EXPECT_EQ(CheckpointKindName(CheckpointKind::kIncremental), "incremental");
  EXPECT_EQ(CheckpointKindName(CheckpointKind::kBarrier), "barrier");
}

TEST(Manifest, GivesBackWhatWasWritten) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  const auto number = [&] { return random() & (kMaxJsonNumber - 1); };
  for (int round = 0; round < 50; ++round) {
    Manifest manifest;
    manifest.name = absl::StrCat("n", random());
    manifest.id = random();
    manifest.kind = static_cast<CheckpointKind>(1 + random() % 3);
    if (manifest.kind != CheckpointKind::kFull) manifest.base = absl::StrCat("b", random());
    manifest.base_id = random();
    manifest.cluster = random();
    manifest.history = random();
    manifest.partitions = 1u << (random() % 15);
    manifest.hash_version = static_cast<uint32_t>(random());
    manifest.begin_unix_micros = static_cast<int64_t>(number());
    manifest.cut_unix_micros = -static_cast<int64_t>(number());  // a clock that was set wrong
    manifest.hold_micros = static_cast<int64_t>(number());
    for (ServerId server = 0; server <= random() % 5; ++server) {
      manifest.servers.push_back(
          {absl::StrCat(ServerFolder(server), "/SERVER.json"), number(), static_cast<uint32_t>(random())});
    }
    for (TableId table = 1; table < random() % 20; table += 1 + random() % 3) {
      manifest.tables.push_back(
          Schema(absl::StrCat("t", table), table, 1 + random() % 64, OptimizerKind::kAdagrad));
      if (random() % 2 == 0) manifest.tables.back().padding_id = random();
    }
    for (WriterId writer = 1 + random() % 3; writer < 20; writer += 1 + random() % 9) {
      manifest.writers.push_back(
          {random() % 2 == 0 ? "" : absl::StrCat("w", writer), writer, random(), random()});
      manifest.incomplete.push_back(
          {writer, random(), static_cast<uint32_t>(random()), static_cast<uint32_t>(random())});
    }
    manifest.highest_table = static_cast<TableId>(random());
    manifest.highest_writer = random();
    manifest.rows = number();
    manifest.bytes = number();
    const auto decoded = DecodeManifest("M", EncodeManifest(manifest));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, manifest);
  }
}

TEST(ServerManifest, GivesBackWhatWasWritten) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 50; ++round) {
    ServerManifest manifest{.checkpoint = random(),
                            .server = static_cast<ServerId>(random() % limits::kMaxServers)};
    for (PartitionId p = random() % 3; p < 40; p += 1 + random() % 5) {
      const Lsn cut = random() & limits::kMaxLsn;
      manifest.partitions.push_back({p, random() % 2 == 0, cut - random() % (cut + 1), cut, random() >> 12});
    }
    for (uint32_t i = 0; i < random() % 4; ++i) {
      manifest.images.push_back({RowImageName(i), random() >> 12, static_cast<uint32_t>(random())});
    }
    LogSequence first = 1;
    for (uint32_t i = 0; i < random() % 4; ++i, first += 1 + random() % 1000) {
      manifest.log.push_back({"log/" + SegmentName(first), random() >> 12, static_cast<uint32_t>(random())});
    }
    const auto decoded = DecodeServerManifest("S", EncodeServerManifest(manifest));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, manifest);
  }
}

// ---- damage

absl::Status DecodeAs(bool root, const std::string& text) {
  return root ? DecodeManifest("/c/M.json", text).status() : DecodeServerManifest("/c/M.json", text).status();
}

TEST(ManifestDamage, IsFoundInEveryByteAndAtEveryLength) {
  for (const bool root : {true, false}) {
    const std::string text = root ? EncodeManifest(GoldenManifest()) : EncodeServerManifest(GoldenServer());
    for (size_t i = 0; i < text.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
        const absl::Status status = DecodeAs(root, damaged);
        ASSERT_TRUE(absl::IsDataLoss(status)) << "byte " << i << " bit " << bit << ": " << status;
      }
      const absl::Status cut = DecodeAs(root, text.substr(0, i));
      ASSERT_TRUE(absl::IsDataLoss(cut)) << "length " << i << ": " << cut;
    }
    ExpectFailure(DecodeAs(root, text + text), absl::StatusCode::kDataLoss, {"/c/M.json is damaged"});
    // Neither is taken for the other.
    ExpectFailure(DecodeAs(!root, text), absl::StatusCode::kDataLoss, {"/c/M.json is damaged", "is missing"});
  }
}

TEST(ManifestDamage, IsNotANewerFormat) {
  for (const bool root : {true, false}) {
    const std::string newer = SealJson({{"what", "unknown"}}, 2);
    ExpectFailure(DecodeAs(root, newer), absl::StatusCode::kFailedPrecondition,
                  {"/c/M.json", "format_version 2", "reads up to 1"});
    // A damaged version is no newer one.
    std::string damaged = newer;
    damaged[newer.find(": 2") + 2] = '3';
    ExpectFailure(DecodeAs(root, damaged), absl::StatusCode::kDataLoss, {"checksum"});
    ExpectFailure(DecodeAs(root, SealJson({}, 0)), absl::StatusCode::kDataLoss, {"format_version"});
  }
}

// The text of a hostile hand: changed, and sealed anew.
std::string Changed(const std::string& text, const std::function<void(json&)>& change) {
  json object = json::parse(text);
  object.erase("checksum");
  change(object);
  return SealJson(object, 1);
}

void ExpectRefused(bool root, const std::string& words, const std::function<void(json&)>& change) {
  const std::string text = root ? EncodeManifest(GoldenManifest()) : EncodeServerManifest(GoldenServer());
  ExpectFailure(DecodeAs(root, Changed(text, change)), absl::StatusCode::kDataLoss,
                {"/c/M.json is damaged", words});
}

TEST(HostileManifest, LacksAField) {
  for (const bool root : {true, false}) {
    const json object =
        json::parse(root ? EncodeManifest(GoldenManifest()) : EncodeServerManifest(GoldenServer()));
    for (const auto& [key, value] : object.items()) {
      if (key == "checksum" || key == "format_version") continue;
      ExpectRefused(root, key + " is missing", [&, k = key](json& o) { o.erase(k); });
      ExpectRefused(root, key, [&, k = key](json& o) { o[k] = nullptr; });
      ExpectRefused(root, key, [&, k = key](json& o) { o[k] = 1.5; });
    }
  }
  ExpectRefused(true, "writers[1].step is missing", [](json& o) { o["writers"][1].erase("step"); });
  ExpectRefused(true, "servers[2].crc32c is missing", [](json& o) { o["servers"][2].erase("crc32c"); });
  ExpectRefused(false, "partitions[0] is not an object", [](json& o) { o["partitions"][0] = 3; });
}

TEST(HostileManifest, HasValuesOutOfRange) {
  ExpectRefused(true, "partitions is not a number of 0 to 16384", [](json& o) { o["partitions"] = 32768; });
  ExpectRefused(true, "partitions is 0", [](json& o) { o["partitions"] = 0; });
  ExpectRefused(true, "partitions is 3, it must be a power of two", [](json& o) { o["partitions"] = 3; });
  ExpectRefused(true, "rows is not a number", [](json& o) { o["rows"] = -1; });
  ExpectRefused(true, "rows is not a number of 0 to 9007199254740992",
                [](json& o) { o["rows"] = UINT64_MAX; });
  ExpectRefused(true, "hold_micros", [](json& o) { o["hold_micros"] = INT64_MIN; });
  ExpectRefused(true, "hold_micros", [](json& o) { o["hold_micros"] = UINT64_MAX; });
  ExpectRefused(true, "id is not a string of 16 hexadecimal", [](json& o) { o["id"] = "ABCDEF0123456789"; });
  ExpectRefused(true, "id is not a string of 16 hexadecimal", [](json& o) { o["id"] = "1"; });
  ExpectRefused(true, "highest_table", [](json& o) { o["highest_table"] = "4294967296"; });
  ExpectRefused(true, "highest_writer", [](json& o) { o["highest_writer"] = "18446744073709551616"; });
  ExpectRefused(true, "highest_writer", [](json& o) { o["highest_writer"] = " 7"; });
  ExpectRefused(true, "kind is \"half\"", [](json& o) { o["kind"] = "half"; });
  ExpectRefused(true, "exactly a full one has none", [](json& o) { o["kind"] = "full"; });
  ExpectRefused(true, "exactly a full one has none", [](json& o) { o["base"] = ""; });
  ExpectRefused(true, "ids must ascend", [](json& o) { o["writers"][1]["writer"] = "3"; });
  ExpectRefused(true, "is not base64", [](json& o) { o["tables"][0]["schema"] = "#"; });
  ExpectRefused(true, "tables[0].schema", [](json& o) { o["tables"][0]["schema"] = "AAAA"; });
  ExpectRefused(true, "tables[1].schema: table id 1 after 1",
                [](json& o) { o["tables"][1] = o["tables"][0]; });
  ExpectRefused(true, "tables[0].schema: dim", [](json& o) {
    TableSchema schema = Schema("wide", 1, 1u << 31, OptimizerKind::kSgd);
    Manifest manifest = GoldenManifest();
    manifest.tables = {schema};
    o["tables"] = json::parse(EncodeManifest(manifest))["tables"];
  });
  ExpectRefused(false, "all_rows is neither true nor false",
                [](json& o) { o["partitions"][0]["all_rows"] = 1; });
}

TEST(HostileManifest, HasSharesOutOfRange) {
  ExpectRefused(false, "server is not a number of 0 to 1023", [](json& o) { o["server"] = 1024; });
  ExpectRefused(false, "partitions[0].cut_lsn", [](json& o) { o["partitions"][0]["cut_lsn"] = 1ull << 48; });
  ExpectRefused(false, "above cut_lsn, which is 17", [](json& o) { o["partitions"][0]["cut_lsn"] = 17; });
  ExpectRefused(false, "partitions must ascend",
                [](json& o) { o["partitions"].push_back(o["partitions"][0]); });
  ExpectRefused(false, "partitions[0].partition", [](json& o) { o["partitions"][0]["partition"] = 16384; });
}

// No name in a manifest leads out of its folder.
TEST(HostileManifest, HasNamesThatWeDoNotGive) {
  for (const char* name :
       {"", "/etc/passwd", "../../x", "server-0001/SERVER.json", "server-0000/SERVER.json/"}) {
    ExpectRefused(true, "servers[0].name is not server-0000/SERVER.json",
                  [&](json& o) { o["servers"][0]["name"] = name; });
  }
  ExpectRefused(true, "servers is empty", [](json& o) { o["servers"] = json::array(); });
  for (const char* name : {"", "..", "../x", "a/b", ".hidden", "x.partial"}) {
    ExpectRefused(true, "name", [&](json& o) { o["name"] = name; });
    ExpectRefused(true, "base", [&](json& o) { o["base"] = name; });
  }
  ExpectRefused(true, "at most 128", [](json& o) { o["base"] = std::string(129, 'x'); });
  for (const char* name : {"", "rows-000001.img", "../rows-000000.img", "rows-0.img"}) {
    ExpectRefused(false, "images[0].name is not rows-000000.img",
                  [&](json& o) { o["images"][0]["name"] = name; });
  }
  for (const char* name : {"", "segment-00000000000000000001.log", "log/../x", "log/segment-1.log"}) {
    ExpectRefused(false, "log[0].name is not log/segment-00000000000000000001.log",
                  [&](json& o) { o["log"][0]["name"] = name; });
  }
  ExpectRefused(false, "log[1].name", [](json& o) { o["log"].push_back(o["log"][0]); });
}

TEST(HostileManifest, IsNestedOrListsTooMuch) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 200'000; ++i) text += open;
    EXPECT_TRUE(absl::IsDataLoss(DecodeAs(true, text + "\n")));
    text += "1";
    for (int i = 0; i < 200'000; ++i) text += open[0] == '[' ? "]" : "}";
    EXPECT_TRUE(absl::IsDataLoss(DecodeAs(true, text + "\n")));
    EXPECT_TRUE(absl::IsDataLoss(DecodeAs(true, "{\"checksum\":\"0\",\"x\":" + text + "}\n")));
  }
  ExpectRefused(true, "servers is not a list of at most 1024",
                [](json& o) { o["servers"] = json(1025, o["servers"][0]); });
  ExpectRefused(true, "tables is not a list of at most 4096",
                [](json& o) { o["tables"] = json(4097, o["tables"][0]); });
  for (const char* text : {"", "\n", "null\n", "[]\n", "7\n", "{}\n", "{\"checksum\":7}\n", "\xff\n"}) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeAs(true, text))) << text;
  }
}

TEST(Manifest, WithASchemaOfANewerProgramIsNoDamage) {
  // An empty gradient_clip, field 22, which this program does not do.
  const std::string text = Changed(EncodeManifest(GoldenManifest()), [](json& o) {
    std::string bytes = EncodeSchema(GoldenManifest().tables[0]);
    bytes += std::string("\xb2\x01\x00", 3);
    o["tables"][0]["schema"] = absl::Base64Escape(bytes);
  });
  ExpectFailure(DecodeAs(true, text), absl::StatusCode::kFailedPrecondition, {"/c/M.json", "gradient_clip"});
}

}  // namespace
}  // namespace rowhouse::server
