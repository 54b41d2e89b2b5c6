// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts a push into parts, one for each partition it touches: combines repeated ids by sum in request order,
// leaves out padding ids and rows with a NaN or an infinity, and lays each part out as the body of its log
// record.
//
// A pure function of the request and the tables' schemas; no locks, no I/O. Cost: one pass over ids, one copy
// of values.

#include <memory>
#include <vector>

#include "server/partition/partition.h"
#include "server/partition/requests.h"

namespace rowhouse::server {

struct SplitPush {
  struct PartitionPart {
    PartitionId partition = 0;
    Part part;                  // rows not pinned yet
    uint64_t skipped_rows = 0;  // left out because of a NaN or an infinity
  };
  std::vector<PartitionPart>
      parts;  // ascending by partition; a part may have no rows left, its seq is noted all the same
};

// `tables[i]` is the table of request.tables[i]. Requires: the request was validated (sizes, ranges).
SplitPush SplitByPartition(const PushRequest& request, const std::vector<std::shared_ptr<Table>>& tables,
                           uint32_t partition_bits);

}  // namespace rowhouse::server
