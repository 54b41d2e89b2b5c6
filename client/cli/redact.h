// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Takes secrets out of text that leaves the machine. A pure function.

#include <string>
#include <string_view>

namespace rowhouse::cli {

// `text` with the values of what is named like a secret replaced by [redacted]: the word after password,
// passwd, secret, token, api_key, api-key, private_key, credential(s), authorization or bearer, in any case
// and inside longer names (ROWHOUSE_AUTH_TOKEN), with = or : or a blank and quotes between; and
// user:password@ in addresses.
std::string Redact(std::string_view text);

}  // namespace rowhouse::cli
