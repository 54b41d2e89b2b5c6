#!/usr/bin/env python3
# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A peer of bench/peer_process.h: rows per second of FBGEMM's table-batched embedding bags on the CPU, all in this process.

--what step: forward, backward and exact row-wise Adagrad, which FBGEMM fuses into the backward pass. --what pull: forward alone.
Each bag holds one id; ids are not checked."""
import argparse
import sys

import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import BoundsCheckMode, EmbeddingLocation
from fbgemm_gpu.split_table_batched_embeddings_ops_training import ComputeDevice, SplitTableBatchedEmbeddingBagsCodegen

import peer


def parse_flags():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=["step", "pull"], default="step", help="what a run measures")
    parser.add_argument("--zipf", type=float, default=0, help="exponent of the ids' distribution; 0: uniform")
    peer.add_step_flags(parser)
    return parser.parse_args()


def main():
    flags = parse_flags()
    torch.set_num_threads(flags.threads)
    tables = SplitTableBatchedEmbeddingBagsCodegen(
        [(flags.rows, flags.dim, EmbeddingLocation.HOST, ComputeDevice.CPU)] * flags.tables,
        optimizer=EmbOptimType.EXACT_ROWWISE_ADAGRAD, learning_rate=0.01, eps=1e-10,
        bounds_check_mode=BoundsCheckMode.NONE)
    tables.init_embedding_weights_uniform(-0.01, 0.01)
    ids = torch.from_numpy(peer.draw_ids(flags.rows, peer.BATCHES * flags.tables * flags.batch, flags.zipf))
    ids = ids.view(peer.BATCHES, flags.tables * flags.batch)  # one table after the other
    offsets = torch.arange(flags.tables * flags.batch + 1)
    gradients = torch.full((flags.batch, flags.tables * flags.dim), 0.01)

    def pull(i):
        with torch.no_grad():
            tables(ids[i % peer.BATCHES], offsets)

    def step(i):
        tables(ids[i % peer.BATCHES], offsets).backward(gradients)
    return peer.serve(peer.rate_of(pull if flags.what == "pull" else step, flags.tables * flags.batch))


if __name__ == "__main__":
    sys.exit(main())
