# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A trainer that makes checkpoints is killed with its servers; other servers are restored, it resumes at the very step, and the end is
what it would have been: the same rows and the same figures, to the last bit."""
import json
import os
import signal
import subprocess
import tempfile
import unittest

from cluster import DLRM, SYNTH, Cluster, run, wait_until

ROWS, TEST_ROWS, BATCH = 24000, 2000, 64
BATCHES = ROWS // BATCH
SMALL = ["--arch-sparse-feature-size", "8", "--arch-mlp-bot", "13-32-8", "--arch-mlp-top", "32-1", "--mini-batch-size", str(BATCH),
         "--reproducible", "--digest"]


def complete(directory):
    """Names of the complete checkpoints in a directory."""
    return sorted(name for name in os.listdir(directory) if not name.endswith(".partial"))


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(prefix="rowhouse-e2e-")
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.data = os.path.join(directory.name, "data")
        run(SYNTH, "--out", cls.data, "--rows", str(ROWS), "--test-rows", str(TEST_ROWS))
        cls.checkpoints = os.path.join(directory.name, "checkpoints")
        cls.mlps = os.path.join(directory.name, "mlps")
        os.mkdir(cls.checkpoints)
        os.mkdir(cls.mlps)

    def command(self, cluster, *arguments):
        return [DLRM, "--data", self.data, "--address", ",".join(cluster.addresses), *SMALL, *arguments]

    def result(self, cluster, *arguments):
        path = os.path.join(self.directory, "result.json")
        done = run(*self.command(cluster, "--json", path, *arguments))
        with open(path, encoding="ascii") as file:
            figures = json.load(file)
        return {"test": figures["test"], "digest": figures["digest"]}, figures, done

    def test_killed_and_resumed_it_ends_with_the_same_bits(self):
        with Cluster(servers=3, partitions=16) as cluster:
            whole, _, _ = self.result(cluster)
        flags = ("--checkpoint-directory", self.checkpoints)
        with Cluster(servers=3, partitions=16, extra=flags) as cluster:
            trainer = subprocess.Popen(self.command(cluster, "--checkpoint-dir", self.mlps, "--checkpoint-every", "40"),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                wait_until(lambda: len(complete(self.checkpoints)) >= 2 or trainer.poll() is not None, "two checkpoints")
                self.assertIsNone(trainer.poll(), "it was to be killed in the middle")
                trainer.send_signal(signal.SIGKILL)
            finally:
                trainer.kill()
                _, errors = trainer.communicate()
            self.assertNotIn("was not made", errors)
            for server in range(cluster.count):
                cluster.kill(server)
        newest = max(complete(self.checkpoints), key=lambda name: os.path.getmtime(os.path.join(self.checkpoints, name)))
        restore = ("--restore-from", os.path.join(self.checkpoints, newest))
        with Cluster(servers=2, partitions=64, extra=restore) as cluster:
            resumed, figures, done = self.result(cluster, "--checkpoint-dir", self.mlps, "--resume")
            self.assertIn("resuming after step", done.stderr)
            self.assertLess(figures["iterations"], BATCHES)
            self.assertGreater(figures["iterations"], 0)
            print(f"{newest}: {BATCHES - figures['iterations']} of {BATCHES} batches were in the checkpoint")
            self.assertEqual(resumed, whole)

    def test_what_cannot_be_resumed_is_said(self):
        with Cluster(servers=1, partitions=4) as cluster:
            for arguments, words in [
                    (["--resume"], "--resume needs --checkpoint-dir"),
                    (["--checkpoint-every", "5"], "--checkpoint-every needs --checkpoint-dir"),
                    (["--resume", "--checkpoint-dir", self.mlps, "--world-size", "2"], "--world-size 2"),
                    (["--resume", "--checkpoint-dir", self.mlps, "--load", "x"], "--load x"),
                    (["--resume", "--checkpoint-dir", os.path.join(self.directory, "none")], "does not exist"),
                    (["--resume", "--checkpoint-dir", self.mlps], "were not restored from a checkpoint that knows the writer dlrm.trainer-0")]:
                done = run(*self.command(cluster, *arguments), check=False)
                self.assertNotEqual(done.returncode, 0, arguments)
                self.assertIn(words, done.stderr)
            # A checkpoint that cannot be made is told and costs no training.
            done = run(*self.command(cluster, "--max-batches", "10", "--checkpoint-dir", self.mlps, "--checkpoint-every", "5"))
            self.assertIn("--checkpoint-directory", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
