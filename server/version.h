// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rowhouse::server {

// Release of this binary, as "0.1.0".
const char* Version();

}  // namespace rowhouse::server
