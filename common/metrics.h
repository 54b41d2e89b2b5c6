// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#pragma once
// The numbers a server shows to Prometheus. Counters, gauges and histograms are prometheus-cpp's own, cheap
// and thread-safe to change; what is already counted elsewhere is read by a callback when scraped.
// Thread-safe. Metric objects live as long as the registry; what callbacks read must outlive the last
// Serialize.
//
// Names: rowhouse_ prefix, base units (_seconds, _bytes), counters end in _total.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace rowhouse {

class MetricsRegistry {
 public:
  using Labels = std::map<std::string, std::string>;
  struct Sample {
    Labels labels;
    double value = 0;
  };

  MetricsRegistry() = default;
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  // The metric of this name and these labels, made at the first call. Requires: a valid Prometheus name that
  // no other kind of metric and no callback has; the process stops otherwise.
  prometheus::Counter& AddCounter(const std::string& name, const std::string& help,
                                  const Labels& labels = {});
  prometheus::Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `buckets`: ascending upper bounds.
  prometheus::Histogram& AddHistogram(const std::string& name, const std::string& help, const Labels& labels,
                                      const std::vector<double>& buckets);

  // One value read at each scrape. A name may have several callbacks with different labels. Requires: as
  // above; `read` is thread-safe and does not call this registry.
  void AddCounterCallback(const std::string& name, const std::string& help, const Labels& labels,
                          std::function<double()> read);
  void AddGaugeCallback(const std::string& name, const std::string& help, const Labels& labels,
                        std::function<double()> read);
  // As many values as there are at each scrape, such as one for each table.
  void AddCountersCallback(const std::string& name, const std::string& help,
                           std::function<std::vector<Sample>()> read);
  void AddGaugesCallback(const std::string& name, const std::string& help,
                         std::function<std::vector<Sample>()> read);

  // Everything in the Prometheus text format, version 0.0.4.
  std::string Serialize() const;

  // 10 microseconds to 10 seconds, in seconds.
  static const std::vector<double>& LatencyBuckets();

 private:
  enum class Kind { kCounter, kGauge, kHistogram, kCounterCallback, kGaugeCallback };
  struct CallbackFamily {
    std::string help;
    Kind kind;
    std::vector<std::function<std::vector<Sample>()>> reads;
  };
  // Notes that `name` is of `kind`.
  void Claim(const std::string& name, Kind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddCallback(const std::string& name, const std::string& help, Kind kind,
                   std::function<std::vector<Sample>()> read);

  prometheus::Registry registry_;  // thread-safe

  mutable absl::Mutex mu_;
  std::map<std::string, Kind> kinds_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, CallbackFamily> callbacks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rowhouse
