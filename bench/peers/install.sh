#!/usr/bin/env bash
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
# usage: install.sh DIR      installs what ./x bench --peers compares with into DIR, once: torch and FBGEMM in DIR/venv, and a
# redis-server in DIR/redis that is no service of this machine. For each of redis, torch and fbgemm it leaves DIR/NAME.installed, or
# DIR/NAME.missing with the reason, and tries again next time. Exit status 0 also then: the bench reports what is missing.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: install.sh DIR" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

# PyPI's torch for Linux loads CUDA's libraries also where there is no GPU, so they come with it: 5 GiB on disk.
TORCH="torch==2.14.0 numpy==2.4.6"
FBGEMM=fbgemm-gpu-cpu==1.9.0
REDIS_PACKAGES="redis-server redis-tools libatomic1 libjemalloc2 liblzf1"
STAMP="1 $TORCH $FBGEMM"

say() { printf '\n== %s\n' "$*" >&2; }

# report NAME STATUS LOG: NAME.installed, or NAME.missing with the log's last line.
report() {
  if [ "$2" = 0 ]; then
    touch "$1.installed"
  else
    { grep -v '^[[:space:]]*$' "$3" || echo "it did not install"; } | tail -n 1 | cut -c 1-300 >"$1.missing"
    echo "install.sh: $1 is missing: $(cat "$1.missing")" >&2
  fi
}

install_redis() {
  local work
  work=$(mktemp -d)
  chmod 755 "$work"
  # shellcheck disable=SC2086
  (cd "$work" && apt-get -qq download $REDIS_PACKAGES && for package in *.deb; do dpkg -x "$package" unpacked; done)
  mkdir -p redis/lib
  cp -P "$work"/unpacked/usr/lib/*/*.so* redis/lib/
  cp -L "$work/unpacked/usr/bin/redis-server" redis/redis-server
  rm -rf "$work"
  LD_LIBRARY_PATH=redis/lib redis/redis-server --version
}

install_torch() {
  rm -rf venv
  /usr/bin/python3 -m venv venv
  # shellcheck disable=SC2086
  venv/bin/pip install --no-cache-dir --only-binary :all: $TORCH
  venv/bin/python -c 'import torch; torch.ones(1).sum()'
}

install_fbgemm() {
  venv/bin/pip install --no-cache-dir --only-binary :all: "$FBGEMM"
  venv/bin/python -c 'import torch, fbgemm_gpu.split_table_batched_embeddings_ops_training'
}

if [ "$(cat stamp 2>/dev/null)" != "$STAMP" ]; then
  rm -rf redis venv ./*.installed ./*.missing ./*.log
  echo "$STAMP" >stamp
fi
for part in redis torch fbgemm; do
  [ ! -e "$part.installed" ] || continue
  say "installing $part"
  rm -f "$part.missing"
  status=0
  # In the background, because bash does not stop at errors in what is tested by a condition.
  (set -e; "install_$part") >"$part.log" 2>&1 &
  wait $! || status=$?
  report "$part" "$status" "$part.log"
done
