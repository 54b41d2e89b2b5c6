// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
#include "common/metrics.h"

#include <utility>

#include "common/check.h"
#include "prometheus/check_names.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace rowhouse {

void MetricsRegistry::Claim(const std::string& name, Kind kind) {
  RH_CHECK(prometheus::CheckMetricName(name));
  RH_CHECK(kinds_.emplace(name, kind).first->second == kind);
}

prometheus::Counter& MetricsRegistry::AddCounter(const std::string& name, const std::string& help,
                                                 const Labels& labels) {
  absl::MutexLock lock(&mu_);
  Claim(name, Kind::kCounter);
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Gauge& MetricsRegistry::AddGauge(const std::string& name, const std::string& help,
                                             const Labels& labels) {
  absl::MutexLock lock(&mu_);
  Claim(name, Kind::kGauge);
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Histogram& MetricsRegistry::AddHistogram(const std::string& name, const std::string& help,
                                                     const Labels& labels,
                                                     const std::vector<double>& buckets) {
  absl::MutexLock lock(&mu_);
  Claim(name, Kind::kHistogram);
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels, buckets);
}

void MetricsRegistry::AddCallback(const std::string& name, const std::string& help, Kind kind,
                                  std::function<std::vector<Sample>()> read) {
  absl::MutexLock lock(&mu_);
  Claim(name, kind);
  CallbackFamily& family = callbacks_[name];
  family.help = help;
  family.kind = kind;
  family.reads.push_back(std::move(read));
}

void MetricsRegistry::AddCounterCallback(const std::string& name, const std::string& help,
                                         const Labels& labels, std::function<double()> read) {
  AddCallback(name, help, Kind::kCounterCallback, [labels, read = std::move(read)] {
    return std::vector<Sample>{{labels, read()}};
  });
}

void MetricsRegistry::AddGaugeCallback(const std::string& name, const std::string& help, const Labels& labels,
                                       std::function<double()> read) {
  AddCallback(name, help, Kind::kGaugeCallback, [labels, read = std::move(read)] {
    return std::vector<Sample>{{labels, read()}};
  });
}

void MetricsRegistry::AddCountersCallback(const std::string& name, const std::string& help,
                                          std::function<std::vector<Sample>()> read) {
  AddCallback(name, help, Kind::kCounterCallback, std::move(read));
}

void MetricsRegistry::AddGaugesCallback(const std::string& name, const std::string& help,
                                        std::function<std::vector<Sample>()> read) {
  AddCallback(name, help, Kind::kGaugeCallback, std::move(read));
}

std::string MetricsRegistry::Serialize() const {
  std::map<std::string, CallbackFamily> callbacks;
  {
    // Callbacks may wait for locks of their owners: they run without ours.
    absl::MutexLock lock(&mu_);
    callbacks = callbacks_;
  }
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  for (const auto& [name, callback] : callbacks) {
    const bool is_counter = callback.kind == Kind::kCounterCallback;
    prometheus::MetricFamily family;
    family.name = name;
    family.help = callback.help;
    family.type = is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
    for (const auto& read : callback.reads) {
      for (const Sample& sample : read()) {
        prometheus::ClientMetric metric;
        for (const auto& [label, value] : sample.labels) metric.label.push_back({label, value});
        (is_counter ? metric.counter.value : metric.gauge.value) = sample.value;
        family.metric.push_back(std::move(metric));
      }
    }
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

const std::vector<double>& MetricsRegistry::LatencyBuckets() {
  static const auto* const buckets =
      new std::vector<double>{0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                              0.025,   0.05,     0.1,     0.25,   0.5,     1,      2.5,   5,      10};
  return *buckets;
}

}  // namespace rowhouse
