# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
# Prometheus of Debian 12, for docker-compose's profile "monitoring". Its configuration is mounted.
FROM debian:bookworm-slim
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
 && install -d -o prometheus -g prometheus -m 0750 /var/lib/prometheus
VOLUME ["/var/lib/prometheus"]
USER prometheus:prometheus
WORKDIR /var/lib/prometheus
EXPOSE 9090
ENTRYPOINT ["/usr/bin/prometheus", "--config.file=/etc/rowhouse-prometheus/prometheus.yml", "--storage.tsdb.path=/var/lib/prometheus", \
            "--web.listen-address=0.0.0.0:9090"]
CMD ["--storage.tsdb.retention.time=7d", "--storage.tsdb.retention.size=1GB"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/promtool", "query", "instant", "http://127.0.0.1:9090", "vector(1)"]
LABEL org.opencontainers.image.title="Prometheus for Rowhouse" \
      org.opencontainers.image.description="Prometheus of Debian 12" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="debian:bookworm-slim"
