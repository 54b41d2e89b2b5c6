// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include <rowhouse/client.h>
int main() {
  auto client = rowhouse::Client::Connect({.address = "local:", .writer_name = "consumer"}).value();
  auto table = client->CreateTable({.name = "t", .dim = 2, .optimizer = rowhouse::Sgd{0.5f}}).value();
  const std::vector<uint64_t> ids{7};
  const std::vector<float> gradient{2, -4};
  std::vector<float> row(2);
  if (!client->Push({{table, ids, gradient}}).ok()) return 1;
  if (!client->Pull({{table, ids, absl::MakeSpan(row)}}).ok()) return 1;
  return row[0] == -1 && row[1] == 2 ? 0 : 1;
}
