// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "client/cli/top_view.h"

namespace rowhouse::cli {

Listing TopListing(const std::vector<ServerStatus>& before, const std::vector<ServerStatus>& now,
                   absl::Time time, double seconds) {
  const std::string when = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  // A table of what is not wide fits 80 columns.
  Listing listing{.columns = {{"time", "TIME", Unit::kNone, /*wide=*/true},
                              {"server", "SERVER"},
                              {"address", "ADDRESS"},
                              {"state", "STATE"},
                              {"pulled_rows_per_second", "PULLED", Unit::kRate},
                              {"pushed_rows_per_second", "PUSHED", Unit::kRate},
                              {"hit_ratio", "HITS", Unit::kRatio},
                              {"resident_bytes", "MEMORY", Unit::kBytes},
                              {"memory_budget_bytes", "BUDGET", Unit::kBytes},
                              {"resident_rows", "RESIDENT", Unit::kNone, true},
                              {"stored_rows", "STORED", Unit::kNone, true},
                              {"spill_disk_bytes", "SPILL", Unit::kBytes, true},
                              {"log_disk_bytes", "LOG", Unit::kBytes, true}}};
  for (size_t i = 0; i < now.size(); ++i) {
    const ServerStatus& s = now[i];
    if (!s.answered()) {
      std::vector<Json> row(listing.columns.size(), nullptr);
      row[0] = when, row[1] = s.server, row[2] = s.address, row[3] = s.state;
      listing.rows.push_back(std::move(row));
      continue;
    }
    Json pulled, pushed, hits;
    const bool same_process = i < before.size() && before[i].answered() && before[i].pid == s.pid &&
                              s.pulled_rows >= before[i].pulled_rows &&
                              s.pushed_rows >= before[i].pushed_rows;
    if (same_process && seconds > 0) {
      const auto pulls = static_cast<double>(s.pulled_rows - before[i].pulled_rows);
      pulled = pulls / seconds;
      pushed = static_cast<double>(s.pushed_rows - before[i].pushed_rows) / seconds;
      if (pulls > 0) hits = 1 - static_cast<double>(s.spill_read_rows - before[i].spill_read_rows) / pulls;
    }
    listing.rows.push_back({when, s.server, s.address, s.state, pulled, pushed, hits, s.resident_bytes,
                            s.memory_budget_bytes, s.resident_rows, s.stored_rows, s.spill_disk_bytes,
                            s.log_disk_bytes});
  }
  return listing;
}

}  // namespace rowhouse::cli
