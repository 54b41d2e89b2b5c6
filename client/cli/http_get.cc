// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/http_get.h"

#include <httplib.h>

#include "absl/strings/str_cat.h"

namespace rowhouse::cli {
namespace {

// What happened, for people; the library only names its enumerators.
std::string WhatHappened(httplib::Error error, std::chrono::seconds patience) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing accepts connections there: no server runs, or it listens on another address";
    case httplib::Error::ConnectionTimeout:
      return absl::StrCat("no connection within ", patience.count(), " s");
    case httplib::Error::Read:
      return absl::StrCat("connected, but no HTTP answer came within ", patience.count(),
                          " s, or the connection ended before one did");
    case httplib::Error::Write:
      return "the connection ended while the request was sent";
    default:
      return absl::StrCat("the HTTP client failed: ", httplib::to_string(error));
  }
}

}  // namespace

absl::StatusOr<HttpAnswer> HttpGet(const ListenAddress& address, const std::string& path,
                                   std::chrono::seconds patience) {
  httplib::Client client(address.host, address.port);
  client.set_connection_timeout(patience);
  client.set_read_timeout(patience);
  const auto answer = client.Get(path.c_str());
  if (!answer) {
    return absl::UnavailableError(
        absl::StrCat(address.ToString(), " does not answer: ", WhatHappened(answer.error(), patience)));
  }
  return HttpAnswer{answer->status, answer->body};
}

}  // namespace rowhouse::cli
