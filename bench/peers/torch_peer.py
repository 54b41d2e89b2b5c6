#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A peer of bench/peer_process.h: rows per second of PyTorch's EmbeddingBag(sparse=True, mode="sum") with Adagrad, all in this process.

A step is the forward pass of all tables, the backward pass and the optimizer. Each bag holds one id. The tables lie one after the
other in a single one, which PyTorch serves faster than many."""
import argparse
import sys

import torch

import peer


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer.add_step_flags(parser)
    return parser.parse_args()


def main():
    flags = parse_flags()
    torch.set_num_threads(flags.threads)
    torch.sparse.check_sparse_tensor_invariants.disable()  # the faster choice, said aloud
    step_ids = flags.tables * flags.batch
    tables = torch.nn.EmbeddingBag(flags.tables * flags.rows, flags.dim, mode="sum", sparse=True, include_last_offset=True)
    optimizer = torch.optim.Adagrad(tables.parameters(), lr=0.01)
    ids = torch.from_numpy(peer.draw_ids(flags.rows, peer.BATCHES * step_ids, 0)).view(peer.BATCHES, flags.tables, flags.batch)
    ids = (ids + torch.arange(flags.tables).view(1, -1, 1) * flags.rows).view(peer.BATCHES, step_ids)
    offsets = torch.arange(step_ids + 1)
    gradients = torch.full((step_ids, flags.dim), 0.01)

    def step(i):
        optimizer.zero_grad(set_to_none=True)
        tables(ids[i % peer.BATCHES], offsets).backward(gradients)
        optimizer.step()
    return peer.serve(peer.rate_of(step, step_ids))


if __name__ == "__main__":
    sys.exit(main())
