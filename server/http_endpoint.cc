// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/http_endpoint.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rowhouse::server {
namespace {

constexpr int kThreads = 4;
constexpr int kTimeoutSeconds = 1;
constexpr size_t kMaxRequestBytes = 4096;
constexpr char kText[] = "text/plain; charset=utf-8";

// The library's default also shares the port with other processes, which would hide that it is taken.
void SetSocketOptions(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

class HttpEndpointImpl final : public HttpEndpoint {
 public:
  explicit HttpEndpointImpl(Sources sources) : sources_(std::move(sources)) {
    server_.set_socket_options(SetSocketOptions);
    server_.set_read_timeout(kTimeoutSeconds);
    server_.set_write_timeout(kTimeoutSeconds);
    // One request a connection, and little patience: an idle client must not keep others from /livez.
    server_.set_keep_alive_max_count(1);
    server_.set_keep_alive_timeout(kTimeoutSeconds);
    server_.set_payload_max_length(kMaxRequestBytes);
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // the library deletes it
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(sources_.metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server_.Get("/livez", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("ok\n", kText);
    });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const std::vector<std::string> failing = sources_.failing_checks();
      if (!failing.empty()) response.status = 503;
      response.set_content(failing.empty() ? "ok\n" : absl::StrCat(absl::StrJoin(failing, "\n"), "\n"),
                           kText);
    });
  }

  ~HttpEndpointImpl() override {
    if (!thread_.joinable()) return;
    // stop() before the accept loop runs would be lost.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    server_.stop();
    thread_.join();
  }

  absl::Status Listen(const ListenAddress& address) {
    address_ = address;
    errno = 0;
    if (address.port == 0) {
      address_.port = server_.bind_to_any_port(address.host);
    } else if (!server_.bind_to_port(address.host, address.port)) {
      address_.port = -1;
    }
    if (address_.port < 0) {
      const int error = errno;
      return absl::UnavailableError(absl::StrCat("cannot listen for HTTP on ", address.ToString(), ": ",
                                                 error == 0 ? "the address cannot be bound" : strerror(error),
                                                 "; stop what uses it or give another --http-listen"));
    }
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;  // asked to, or for an error of the library's accept loop
    });
    return absl::OkStatus();
  }

  std::string address() const override { return address_.ToString(); }

 private:
  const Sources sources_;
  httplib::Server server_;
  ListenAddress address_;
  std::thread thread_;
  std::atomic<bool> ended_{false};
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const ListenAddress& address,
                                                                  Sources sources) {
  auto endpoint = std::make_unique<HttpEndpointImpl>(std::move(sources));
  absl::Status listening = endpoint->Listen(address);
  if (!listening.ok()) return listening;
  return endpoint;
}

}  // namespace rowhouse::server
