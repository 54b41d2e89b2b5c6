#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A peer of bench/peer_process.h: samples per second of the DLRM of examples/dlrm in PyTorch, with its tables in this process.

A run trains a new model for one epoch in file order. The files are read, and their ids numbered, once, before "ready": a run finds
its samples as tensors in memory. --loss prints the mean loss of the last 100 batches on standard error, to be compared with dlrm's."""
import argparse
import gzip
import pathlib
import sys
import time

import numpy as np
import torch

import peer

DENSE, SPARSE = 13, 26
COLUMNS = 1 + DENSE + SPARSE
DIM, HIDDEN = 16, 64
BATCH = 512
INIT_BOUND = 0.01
LOSS_WINDOW = 100


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", help="of Criteo files (.tsv, .tsv.gz); all but the last by name are trained on, in order")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loss", action="store_true")
    return parser.parse_args()


def read_lines(path):
    """The samples of a file, as lists of fields; lines that are none are skipped."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="ascii", errors="replace") as file:
        lines = [line.rstrip("\r\n").split("\t") for line in file]
    return [fields for fields in lines if len(fields) == COLUMNS and fields[0] in ("0", "1")]


def read_samples(directory):
    """Labels (samples), dense fields (samples x 13), and row numbers of one table that holds all 26 (samples x 26); its rows."""
    files = [read_lines(path) for path in sorted(pathlib.Path(directory).iterdir()) if path.name.endswith((".tsv", ".tsv.gz"))]
    files = [lines for lines in files if lines]
    if len(files) < 2:
        sys.exit(f"torch_dlrm.py: {directory}: expected at least two Criteo files, got {len(files)}")
    fields = np.array([line for lines in files[:-1] for line in lines])
    labels = fields[:, 0].astype(np.float32)
    dense = np.where(fields[:, 1:1 + DENSE] == "", "0", fields[:, 1:1 + DENSE]).astype(np.float32)
    ids = np.empty((len(fields), SPARSE), dtype=np.int64)
    rows = 0
    for c in range(SPARSE):
        distinct, numbers = np.unique(fields[:, 1 + DENSE + c], return_inverse=True)
        ids[:, c] = rows + numbers.reshape(-1)
        rows += len(distinct)
    return torch.from_numpy(labels), torch.from_numpy(np.log1p(np.maximum(dense, 0))), torch.from_numpy(ids), rows


class Dlrm(torch.nn.Module):
    """Tables of 26 fields in one, which one look-up and one optimizer step serve faster than 26."""

    def __init__(self, rows):
        super().__init__()
        self.tables = torch.nn.Embedding(rows, DIM, sparse=True)
        torch.nn.init.uniform_(self.tables.weight, -INIT_BOUND, INIT_BOUND)
        pairs = (SPARSE + 1) * SPARSE // 2
        self.bottom = torch.nn.Sequential(torch.nn.Linear(DENSE, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, DIM), torch.nn.ReLU())
        self.top = torch.nn.Sequential(torch.nn.Linear(DIM + pairs, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))
        i, j = torch.tril_indices(SPARSE + 1, SPARSE + 1, -1)
        self.register_buffer("pairs", i * (SPARSE + 1) + j)

    def forward(self, dense, ids):
        bottom = self.bottom(dense)
        vectors = torch.cat([bottom.unsqueeze(1), self.tables(ids)], 1)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        return self.top(torch.cat([bottom, products.index_select(1, self.pairs)], 1)).squeeze(1)


def train_epoch(model, labels, dense, ids):
    """The mean loss of the last batches."""
    tables = torch.optim.Adagrad([model.tables.weight], lr=0.1, eps=1e-8)
    mlps = torch.optim.Adam([*model.bottom.parameters(), *model.top.parameters()], lr=1e-3, fused=True)
    losses = []
    for begin in range(0, len(labels), BATCH):
        end = begin + BATCH
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(dense[begin:end], ids[begin:end]), labels[begin:end])
        tables.zero_grad(set_to_none=True)
        mlps.zero_grad(set_to_none=True)
        loss.backward()
        tables.step()
        mlps.step()
        losses.append(loss.detach())
    return torch.stack(losses[-LOSS_WINDOW:]).mean().item()


def main():
    flags = parse_flags()
    torch.set_num_threads(flags.threads)
    torch.sparse.check_sparse_tensor_invariants.disable()  # the faster choice, said aloud
    torch.manual_seed(peer.SEED)
    labels, dense, ids, rows = read_samples(flags.directory)

    def measure():
        model = Dlrm(rows)
        begin = time.perf_counter()
        loss = train_epoch(model, labels, dense, ids)
        seconds = time.perf_counter() - begin
        if flags.loss:
            print(f"loss {loss:.6f}, {len(labels)} samples, {rows} rows, {seconds:.2f} s", file=sys.stderr)
        return len(labels) / seconds
    return peer.serve(measure)


if __name__ == "__main__":
    sys.exit(main())
