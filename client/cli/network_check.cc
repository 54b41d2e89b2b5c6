// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// The checks of self_check.h that look at ports.

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/command_words.h"
#include "client/cli/http_get.h"
#include "client/cli/self_check.h"
#include "common/listen_address.h"
#include "rowhouse/client.h"

namespace rowhouse::cli {
namespace {

constexpr std::chrono::milliseconds kReachTimeout(2500);
constexpr std::chrono::seconds kHttpTimeout(2);

// 0 when this machine could listen there, else why not.
int BindError(const ListenAddress& address) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  if (getaddrinfo(address.host.c_str(), absl::StrCat(address.port).c_str(), &hints, &list) != 0)
    return EADDRNOTAVAIL;
  const int fd = socket(list->ai_family, list->ai_socktype | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // as servers do
  const int error = bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1) == 0 ? 0 : errno;
  close(fd);
  freeaddrinfo(list);
  return error;
}

// What the server at `address` says of itself, with the round trip.
absl::StatusOr<std::string> Greeting(const std::string& address, bool insecure) {
  ClientOptions options;
  options.address = address;
  options.retry_timeout = options.attempt_timeout = kReachTimeout;
  options.insecure = insecure;
  const auto client = Client::Connect(std::move(options));
  if (!client.ok()) return client.status();
  const absl::Time before = absl::Now();
  const auto statuses = (*client)->ServerStatuses();
  const double milliseconds = absl::ToDoubleMilliseconds(absl::Now() - before);
  if (!statuses.ok()) return statuses.status();
  for (const ServerStatus& s : *statuses) {
    if (s.address != address) continue;
    if (s.state == "unreachable") return absl::UnavailableError("does not answer");
    return absl::StrFormat("Rowhouse %s, server %d, %s, %.1f ms", s.version, s.server, s.state, milliseconds);
  }
  return absl::StrCat("a Rowhouse server of ", statuses->size(),
                      " answers, known to others by another address");
}

}  // namespace

CheckResult CheckListen(const std::string& name, const std::string& text) {
  const auto address = ParseListenAddress(name, text);
  if (!address.ok()) return {name, Verdict::kFail, std::string(address.status().message())};
  if (address->is_unix() || address->port == 0)
    return {name, Verdict::kPass, absl::StrCat(text, " needs no port")};
  const int error = BindError(*address);
  if (error == 0) return {name, Verdict::kPass, absl::StrCat(text, " is free")};
  if (error == EADDRINUSE) {
    const auto greeting = Greeting(text, /*insecure=*/true);
    if (greeting.ok()) return {name, Verdict::kPass, absl::StrCat(text, ": ", *greeting)};
    return {name, Verdict::kFail,
            absl::StrCat(text, " is taken by another program: stop it or choose another port")};
  }
  return {name, Verdict::kFail, absl::StrCat("cannot listen on ", text, ": ", std::strerror(error))};
}

CheckResult CheckHttpListen(const std::string& text) {
  const std::string name = "http-listen";
  if (text.empty()) return {name, Verdict::kPass, "no HTTP endpoint wanted"};
  const auto address = ParseListenAddress(name, text);
  if (!address.ok()) return {name, Verdict::kFail, std::string(address.status().message())};
  const int error = address->port == 0 ? 0 : BindError(*address);
  if (error == 0) return {name, Verdict::kPass, absl::StrCat(text, " is free")};
  if (error != EADDRINUSE)
    return {name, Verdict::kFail, absl::StrCat("cannot listen on ", text, ": ", std::strerror(error))};
  const auto answer = HttpGet(*address, "/metrics", kHttpTimeout);
  if (answer.ok() && absl::StrContains(answer->body, "rowhouse_build_info"))
    return {name, Verdict::kPass, absl::StrCat(text, ": a Rowhouse server answers")};
  return {name, Verdict::kFail,
          absl::StrCat(text, " is taken by another program: stop it or choose another port")};
}

CheckResult CheckReach(const std::string& address, bool insecure) {
  const std::string name = absl::StrCat("reach ", address);
  const auto greeting = Greeting(address, insecure);
  if (greeting.ok()) return {name, Verdict::kPass, *greeting};
  return {name, Verdict::kFail, InCommandWords(greeting.status().message())};
}

}  // namespace rowhouse::cli
