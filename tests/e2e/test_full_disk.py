# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A disk of 64 MiB that is full, by the server's low-water mark and by the last byte: pushes are refused and go on by themselves, pulls go on
meanwhile, nothing is lost and nothing applied twice. Once each; ten times each, with other sizes, with ROWHOUSE_CRASH_FULL=1. ROWHOUSE_E2E_SEED
repeats the sizes of a run."""
import os
import random
import sys
import time
import unittest

import grpc
import numpy
from cluster import Cluster, run, wait_until
from wire import Client, code_and_words, pb, plain_grpc

FULL = os.environ.get("ROWHOUSE_CRASH_FULL", "0") != "0"
TRIES = 10 if FULL else 1
SEED = int(os.environ.get("ROWHOUSE_E2E_SEED") or random.randrange(1_000_000))


class SmallDisk(Cluster):
    """One server whose data lies on a file system of its own, of 64 MiB."""
    MIB = 64

    def __init__(self, **kwargs):
        super().__init__(servers=1, **kwargs)
        self.mount = os.path.join(self.directory, "disk")
        self.mounted = False

    def data_dir(self, index):
        return os.path.join(self.mount, f"server{index}")

    def ballast(self):
        return os.path.join(self.mount, "ballast")

    def fill(self, leave_bytes):
        """Writes zeros until less than that is free."""
        with open(self.ballast(), "ab", buffering=0) as file:
            while (free := self.free_bytes()) > leave_bytes:
                file.write(bytes(min(1 << 20, free - leave_bytes)))

    def free_bytes(self):
        disk = os.statvfs(self.mount)
        return disk.f_bavail * disk.f_frsize

    def __enter__(self):
        os.mkdir(self.mount)
        done = run("mount", "-t", "tmpfs", "-o", f"size={self.MIB}m", "rowhouse-e2e", self.mount, check=False)
        if done.returncode != 0:
            super().__exit__(None, None, None)
            raise unittest.SkipTest("no small disk can be mounted: " + done.stderr.strip())
        self.mounted = True
        return super().__enter__()

    def __exit__(self, *_):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if self.mounted:
            self.mounted = False
            run("umount", self.mount)
        super().__exit__(None, None, None)


RESUME_SECONDS = 10  # promised


class FullDisk(unittest.TestCase):
    DIM = 64
    tries, kept, resumed = 0, 0, []

    @classmethod
    def tearDownClass(cls):
        if cls.resumed:
            print(f"\nreliability: R06 a full disk, a real tmpfs of {SmallDisk.MIB} MiB | {cls.tries} | {cls.tries - cls.kept} | pushes refused, "
                  f"pulls go on; pushes again {max(cls.resumed):.2f} s after room at most; every row once, also after a kill", flush=True)

    def push(self, server, request):
        """(name of the code, words) of what one push is answered."""
        try:
            answer = server.Push(request, timeout=30)
        except grpc.RpcError as error:
            return code_and_words(error)
        names = {code.value[0]: code.name for code in grpc.StatusCode}
        return (names[answer.results[0].code], answer.results[0].message) if answer.results else ("OK", "")

    def check(self, low_water, leave_bytes, *words):
        generator = random.Random(f"{low_water} {SEED}")
        print(f"\nROWHOUSE_E2E_SEED={SEED}", file=sys.stderr)
        for one in range(TRIES):
            type(self).tries += 1
            # The first as large as ever, the others of any size.
            self.check_one(low_water, leave_bytes, 512 if one == 0 else generator.randrange(1, 2048), words)
            type(self).kept += 1

    def check_one(self, low_water, leave_bytes, rows_of_a_push, words):
        # One partition: a push of several may be refused by some of them.
        with SmallDisk(partitions=1, extra=["--disk-low-water", low_water, "--log-segment-bytes", "1MiB"]) as cluster:
            client = Client(cluster)
            table = client.create_table("full", self.DIM)
            ids = numpy.arange(rows_of_a_push, dtype=numpy.uint64)
            expected = plain_grpc.uniform_rows(table.seed, ids, self.DIM, -1.0, 1.0)
            gradients = numpy.ones((rows_of_a_push, self.DIM), numpy.float32)
            client.push(table, ids, gradients)
            expected -= gradients
            cluster.fill(leave_bytes)

            refused, accepted = [], 0

            def push():  # a new one each time, until it is refused
                nonlocal accepted
                request = client.push_request(table, ids, gradients)
                code, message = self.push(client.servers[0], request)
                if code == "OK":
                    accepted += 1
                    return False
                refused.append((request, code, message))
                return True
            wait_until(push, "a push to be refused")
            request, code, message = refused[0]
            self.assertEqual(code, "RESOURCE_EXHAUSTED", message)
            for word in words:
                self.assertIn(word, message)
            for _ in range(accepted):
                expected -= gradients
            for _ in range(5):  # refused for as long as it is full, and pulls go on
                self.assertEqual(self.push(client.servers[0], request)[0], "RESOURCE_EXHAUSTED")
                rows, stored = client.pull(table, ids)
                self.assertTrue(stored.all())
                self.assertEqual(rows.tobytes(), expected.tobytes())
            self.assertIsNone(cluster.processes[0].poll())
            self.assertEqual(cluster.http_code(0, "/livez"), 200)

            os.remove(cluster.ballast())
            freed = time.monotonic()
            wait_until(lambda: self.push(client.servers[0], request)[0] == "OK", "the push to be accepted after space was freed", RESUME_SECONDS)
            self.resumed.append(time.monotonic() - freed)
            self.assertEqual(self.push(client.servers[0], request)[0], "OK")  # a duplicate
            expected -= gradients  # once
            self.assertEqual(client.pull(table, ids)[0].tobytes(), expected.tobytes())
            cluster.kill(0)
            cluster.start(0)
            cluster.wait_ready()
            self.assertEqual(Client(cluster, "after").pull(table, ids)[0].tobytes(), expected.tobytes())

    def test_low_water_mark(self):
        self.check("16MiB", 8 << 20, "bytes free at", str(16 << 20), "free space and retry")

    def test_no_space_left(self):
        self.check("0B", 0, "No space left on device", "free space on the disk")


if __name__ == "__main__":
    unittest.main()
