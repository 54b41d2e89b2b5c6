// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/version.h"

namespace rowhouse::server {

const char* Version() { return ROWHOUSE_VERSION; }  // from CMake's project()

}  // namespace rowhouse::server
