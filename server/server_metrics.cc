// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "server/server_metrics.h"

#include "common/process_memory.h"
#include "server/version.h"

namespace rowhouse::server {
namespace {

using Samples = std::vector<MetricsRegistry::Sample>;

void RegisterMemory(const MetricSources& sources, MetricsRegistry* registry) {
  const auto lines = [ledger = sources.ledger](uint64_t MemoryLedger::Line::*field) {
    return [ledger, field] {
      Samples samples;
      for (int i = 0; i < static_cast<int>(MemoryLine::kCount); ++i) {
        const auto line = static_cast<MemoryLine>(i);
        samples.push_back(
            {{{"line", std::string(MemoryLineName(line))}}, static_cast<double>(ledger->Get(line).*field)});
      }
      return samples;
    };
  };
  registry->AddGaugesCallback("rowhouse_memory_bytes", "Bytes held, by line of the memory ledger",
                              lines(&MemoryLedger::Line::bytes));
  registry->AddGaugesCallback("rowhouse_memory_peak_bytes",
                              "Most bytes held since start, by line of the memory ledger",
                              lines(&MemoryLedger::Line::peak_bytes));
  registry->AddGaugesCallback("rowhouse_memory_limit_bytes",
                              "Bytes that may be held, by line of the memory ledger",
                              lines(&MemoryLedger::Line::limit_bytes));
  registry->AddGaugeCallback("rowhouse_memory_budget_bytes", "--memory-budget", {},
                             [bytes = sources.memory_budget_bytes] { return static_cast<double>(bytes); });
  registry->AddGaugeCallback("rowhouse_resident_bytes", "Resident memory of the process", {}, [] {
    const auto memory = ReadProcessMemory();
    return memory.ok() ? static_cast<double>(memory->resident_bytes) : 0;
  });
  registry->AddGaugeCallback("rowhouse_resident_peak_bytes",
                             "Most resident memory of the process since its start", {}, [] {
                               const auto memory = ReadProcessMemory();
                               return memory.ok() ? static_cast<double>(memory->peak_resident_bytes) : 0;
                             });
}

void RegisterRows(const MetricSources& sources, MetricsRegistry* registry) {
  const RowStore* rows = sources.rows;
  const auto each_table =
      [rows, tables = sources.tables](const std::function<void(const std::string&, const RowStats&)>& visit) {
        for (const auto& table : tables->List()) visit(table->schema()->name, rows->Stats(table->id()));
      };
  registry->AddGaugesCallback(
      "rowhouse_rows", "Rows by table and tier: memory, dirty (of them, newer than spill), stored (in all)",
      [each_table] {
        Samples samples;
        each_table([&](const std::string& table, const RowStats& stats) {
          samples.push_back({{{"table", table}, {"tier", "memory"}}, double(stats.resident_rows)});
          samples.push_back({{{"table", table}, {"tier", "dirty"}}, double(stats.dirty_rows)});
          samples.push_back({{{"table", table}, {"tier", "stored"}}, double(stats.stored_rows)});
        });
        return samples;
      });
  registry->AddGaugesCallback(
      "rowhouse_row_bytes",
      "Bytes of rows (weights, state, columns) by table and tier: memory, stored (in all)",
      [tables = sources.tables, rows] {
        Samples samples;
        for (const auto& table : tables->List()) {
          const RowStats stats = rows->Stats(table->id());
          const double each = table->layout().row_bytes();
          const std::string& name = table->schema()->name;
          samples.push_back({{{"table", name}, {"tier", "memory"}}, each * double(stats.resident_rows)});
          samples.push_back({{{"table", name}, {"tier", "stored"}}, each * double(stats.stored_rows)});
        }
        return samples;
      });
  registry->AddGaugesCallback(
      "rowhouse_pull_hit_ratio", "Part of the pulled ids since start that needed no read of spill, by table",
      [each_table] {
        Samples samples;
        each_table([&](const std::string& table, const RowStats& stats) {
          const double pulled = double(stats.read_rows);
          const double missed = double(stats.spill_read_rows);
          samples.push_back({{{"table", table}}, pulled == 0 ? 1 : 1 - missed / pulled});
        });
        return samples;
      });
  const auto counter = [&](const char* name, const char* help, uint64_t RowStats::*field) {
    registry->AddCountersCallback(name, help, [each_table, field] {
      Samples samples;
      each_table([&](const std::string& table, const RowStats& stats) {
        samples.push_back({{{"table", table}}, static_cast<double>(stats.*field)});
      });
      return samples;
    });
  };
  counter("rowhouse_pulled_rows_total", "Ids asked by pulls", &RowStats::read_rows);
  counter("rowhouse_spill_read_rows_total", "Ids of pulls that were read from spill",
          &RowStats::spill_read_rows);
  counter("rowhouse_pushed_rows_total", "Rows updated by pushes", &RowStats::updated_rows);
  registry->AddGaugeCallback("rowhouse_spill_disk_bytes", "Bytes of spill files", {},
                             [rows] { return static_cast<double>(rows->SpillDiskBytes()); });
}

void RegisterOrder(const MetricSources& sources, MetricsRegistry* registry) {
  const PartitionSet* partitions = sources.partitions;
  const auto counter = [&](const char* name, const char* help, uint64_t PartitionSetStats::*field) {
    registry->AddCounterCallback(
        name, help, {}, [partitions, field] { return static_cast<double>(partitions->stats().*field); });
  };
  counter("rowhouse_push_parts_total", "Parts of pushes that were ordered", &PartitionSetStats::push_parts);
  counter("rowhouse_duplicate_parts_total", "Parts sent again after having been applied",
          &PartitionSetStats::duplicate_parts);
  counter("rowhouse_skipped_rows_total", "Gradient rows left out because of a NaN or an infinity",
          &PartitionSetStats::skipped_rows);
  counter("rowhouse_sweeps_total", "Sweeps of dirty rows to spill", &PartitionSetStats::sweeps);
  const auto log_counter = [&](const char* name, const char* help, uint64_t LogStats::*field) {
    registry->AddCounterCallback(
        name, help, {}, [partitions, field] { return static_cast<double>(partitions->stats().log.*field); });
  };
  log_counter("rowhouse_log_records_total", "Records written to the push log", &LogStats::records);
  log_counter("rowhouse_log_written_bytes_total", "Bytes written to the push log", &LogStats::bytes);
  registry->AddGaugeCallback(
      "rowhouse_sweep_lag_bytes", "Bytes of the push log since the last sweep began: what a restart replays",
      {}, [partitions] { return static_cast<double>(partitions->stats().bytes_to_replay); });
  registry->AddGaugeCallback(
      "rowhouse_restart_replay_seconds", "Estimate of how long a restart now would replay the push log", {},
      [partitions] { return absl::ToDoubleSeconds(partitions->stats().time_to_replay); });
  const auto log_gauge = [&](const char* name, const char* help, uint64_t LogStats::*field) {
    registry->AddGaugeCallback(
        name, help, {}, [partitions, field] { return static_cast<double>(partitions->stats().log.*field); });
  };
  log_gauge("rowhouse_log_disk_bytes", "Bytes of segments of the push log", &LogStats::disk_bytes);
  log_gauge("rowhouse_log_segments", "Segments of the push log", &LogStats::segments);
  log_gauge("rowhouse_log_queued_bytes", "Bytes of records waiting to be written", &LogStats::queued_bytes);
}

}  // namespace

std::function<void(double)> LogSyncObserver(MetricsRegistry* registry) {
  prometheus::Histogram& seconds =
      registry->AddHistogram("rowhouse_log_sync_seconds", "Time of each sync of the push log to its disk.",
                             {}, MetricsRegistry::LatencyBuckets());
  return [&seconds](double took) { seconds.Observe(took); };
}

std::function<void(double, uint64_t)> SpillReadObserver(MetricsRegistry* registry) {
  prometheus::Histogram& seconds =
      registry->AddHistogram("rowhouse_spill_read_seconds", "Time of each read of spill, of up to 32 rows.",
                             {}, MetricsRegistry::LatencyBuckets());
  prometheus::Counter& rows =
      registry->AddCounter("rowhouse_spill_looked_up_rows_total",
                           "Rows looked up in spill by pulls, pushes and prefetches, found or not.");
  return [&seconds, &rows](double took, uint64_t count) {
    seconds.Observe(took);
    rows.Increment(static_cast<double>(count));
  };
}

std::function<void(const CheckpointJob&)> CheckpointObserver(MetricsRegistry* registry) {
  std::map<JobPhase, prometheus::Counter*> ends;
  for (const JobPhase phase : {JobPhase::kDone, JobPhase::kFailed, JobPhase::kCancelled}) {
    ends[phase] = &registry->AddCounter("rowhouse_checkpoints_total", "Checkpoints that ended, by how.",
                                        {{"result", JobPhaseName(phase)}});
  }
  prometheus::Histogram& hold =
      registry->AddHistogram("rowhouse_checkpoint_hold_seconds", "How long pushes were held for each cut.",
                             {}, MetricsRegistry::LatencyBuckets());
  prometheus::Counter& bytes =
      registry->AddCounter("rowhouse_checkpoint_bytes_total", "Bytes of the checkpoints that are complete.");
  prometheus::Gauge& last =
      registry->AddGauge("rowhouse_checkpoint_last_time_seconds",
                         "When the last complete checkpoint ended, in seconds since 1970; 0: "
                         "none since start.");
  return [ends = std::move(ends), &hold, &bytes, &last](const CheckpointJob& job) {
    ends.at(job.phase)->Increment();
    if (job.phase != JobPhase::kDone) return;
    hold.Observe(static_cast<double>(job.hold_micros) * 1e-6);
    bytes.Increment(static_cast<double>(job.bytes_written));
    last.Set(static_cast<double>(job.ended_unix_micros) * 1e-6);
  };
}

void RegisterServerMetrics(const MetricSources& sources, MetricsRegistry* registry) {
  registry->AddGaugeCallback("rowhouse_build_info", "1, with the version of the binary",
                             {{"version", Version()}}, [] { return 1.0; });
  RegisterMemory(sources, registry);
  RegisterRows(sources, registry);
  RegisterOrder(sources, registry);
}

}  // namespace rowhouse::server
