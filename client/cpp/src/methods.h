// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Full paths of the methods that the client calls.

#include "absl/strings/string_view.h"

namespace rowhouse::client {

inline constexpr absl::string_view kPull = "/rowhouse.v1.EmbeddingService/Pull";
inline constexpr absl::string_view kPush = "/rowhouse.v1.EmbeddingService/Push";
inline constexpr absl::string_view kPrefetch = "/rowhouse.v1.EmbeddingService/Prefetch";
inline constexpr absl::string_view kScan = "/rowhouse.v1.EmbeddingService/Scan";
inline constexpr absl::string_view kDelete = "/rowhouse.v1.EmbeddingService/Delete";
inline constexpr absl::string_view kExpire = "/rowhouse.v1.EmbeddingService/Expire";
inline constexpr absl::string_view kCreateTable = "/rowhouse.v1.AdminService/CreateTable";
inline constexpr absl::string_view kDescribeTable = "/rowhouse.v1.AdminService/DescribeTable";
inline constexpr absl::string_view kListTables = "/rowhouse.v1.AdminService/ListTables";
inline constexpr absl::string_view kAlterTable = "/rowhouse.v1.AdminService/AlterTable";
inline constexpr absl::string_view kDropTable = "/rowhouse.v1.AdminService/DropTable";
inline constexpr absl::string_view kRegisterWriter = "/rowhouse.v1.AdminService/RegisterWriter";
inline constexpr absl::string_view kListWriters = "/rowhouse.v1.AdminService/ListWriters";
inline constexpr absl::string_view kEndWriter = "/rowhouse.v1.AdminService/EndWriter";
inline constexpr absl::string_view kDrainServer = "/rowhouse.v1.AdminService/DrainServer";
inline constexpr absl::string_view kGetServerInfo = "/rowhouse.v1.AdminService/GetServerInfo";
inline constexpr absl::string_view kGetPartitionMap = "/rowhouse.v1.AdminService/GetPartitionMap";
inline constexpr absl::string_view kWriterState = "/rowhouse.v1.AdminService/WriterState";
inline constexpr absl::string_view kBeginCheckpoint = "/rowhouse.v1.CheckpointService/BeginCheckpoint";
inline constexpr absl::string_view kGetCheckpointJob = "/rowhouse.v1.CheckpointService/GetCheckpointJob";
inline constexpr absl::string_view kCutCheckpoint = "/rowhouse.v1.CheckpointService/CutCheckpoint";
inline constexpr absl::string_view kCancelCheckpoint = "/rowhouse.v1.CheckpointService/CancelCheckpoint";
inline constexpr absl::string_view kListCheckpoints = "/rowhouse.v1.CheckpointService/ListCheckpoints";
inline constexpr absl::string_view kDeleteCheckpoint = "/rowhouse.v1.CheckpointService/DeleteCheckpoint";

}  // namespace rowhouse::client
