// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Full paths of the methods that the client calls.

#include <string_view>

namespace rowhouse::client {

inline constexpr std::string_view kPull = "/rowhouse.v1.EmbeddingService/Pull";
inline constexpr std::string_view kPush = "/rowhouse.v1.EmbeddingService/Push";
inline constexpr std::string_view kPrefetch = "/rowhouse.v1.EmbeddingService/Prefetch";
inline constexpr std::string_view kScan = "/rowhouse.v1.EmbeddingService/Scan";
inline constexpr std::string_view kDelete = "/rowhouse.v1.EmbeddingService/Delete";
inline constexpr std::string_view kExpire = "/rowhouse.v1.EmbeddingService/Expire";
inline constexpr std::string_view kCreateTable = "/rowhouse.v1.AdminService/CreateTable";
inline constexpr std::string_view kDescribeTable = "/rowhouse.v1.AdminService/DescribeTable";
inline constexpr std::string_view kListTables = "/rowhouse.v1.AdminService/ListTables";
inline constexpr std::string_view kAlterTable = "/rowhouse.v1.AdminService/AlterTable";
inline constexpr std::string_view kDropTable = "/rowhouse.v1.AdminService/DropTable";
inline constexpr std::string_view kRegisterWriter = "/rowhouse.v1.AdminService/RegisterWriter";
inline constexpr std::string_view kGetServerInfo = "/rowhouse.v1.AdminService/GetServerInfo";
inline constexpr std::string_view kGetPartitionMap = "/rowhouse.v1.AdminService/GetPartitionMap";

}  // namespace rowhouse::client
