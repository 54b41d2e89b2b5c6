# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Commands against servers that are not what they should be: of a later API level, of another hash, of another cluster, or no Rowhouse."""
import concurrent.futures
import http.server
import threading
import unittest

import grpc
from cluster import ROWHOUSE, Cluster, run
from wire import STUBS

admin_pb, admin_grpc = STUBS[0], STUBS[1]


class Impostor(admin_grpc.AdminServiceServicer):
    """Answers as a real server does, but for what `change_map` and `change_info` do to its answers."""

    def __init__(self, real, change_map=lambda answer: None, change_info=lambda answer: None):
        self.channel = grpc.insecure_channel(real)
        self.real = admin_grpc.AdminServiceStub(self.channel)
        self.change_map, self.change_info = change_map, change_info
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
        admin_grpc.add_AdminServiceServicer_to_server(self, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(None)
        self.channel.close()

    def GetPartitionMap(self, request, context):
        answer = self.real.GetPartitionMap(request, timeout=10)
        self.change_map(answer)
        return answer

    def GetServerInfo(self, request, context):
        answer = self.real.GetServerInfo(request, timeout=10)
        self.change_info(answer)
        return answer


class OtherServers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(servers=1, partitions=8)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.__exit__, None, None, None)

    def refused(self, address, *parts):
        for words in (("table", "list"), ("row", "get", "t", "1"), ("table", "create", "t", "--dim", "4"), ("writer", "list"), ("status",),
                      ("server", "info"), ("top", "--once"), ("wait", "--for", "ready")):
            done = run(ROWHOUSE, *words, "--address", address, "--timeout", "2s", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), words)
            for part in parts:
                self.assertIn(part, done.stderr, words)

    def test_later_api_level(self):
        def later(info):
            info.api_level, info.version = info.api_level + 1, "7.8.9"

        with Impostor(self.cluster.addresses[0], change_info=later) as server:
            self.refused(server.address, "version 7.8.9", "API level 2, this client 1", "update the client")

    def test_other_routing_hash(self):
        def other(answer):
            answer.hash_version = 99

        with Impostor(self.cluster.addresses[0], change_map=other) as server:
            self.refused(server.address, "99", "hash")

    def test_map_that_is_none(self):
        def cut(answer):
            del answer.owners[5:]

        with Impostor(self.cluster.addresses[0], change_map=cut) as server:
            self.refused(server.address, server.address, "partition map that cannot be")

    def test_no_rowhouse(self):
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            address = f"127.0.0.1:{web.server_address[1]}"
            done = run(ROWHOUSE, "table", "list", "--address", address, "--timeout", "1s", check=False)
            self.assertIn(done.returncode, (1, 4))
            self.assertIn(address, done.stderr)
        finally:
            web.shutdown()
            thread.join()
            web.server_close()

    def test_addresses_of_two_clusters(self):
        """The first that answers says which cluster it is; a row is asked from its owner, never from the other's server."""
        with Cluster(servers=1, partitions=8) as other:
            done = run(ROWHOUSE, "table", "create", "mine", "--dim", "4", "--address", f"{self.cluster.addresses[0]},{other.addresses[0]}")
            self.assertIn("mine", done.stdout)
            self.assertNotIn("mine", other.cli("table", "list").stdout)

    def test_server_of_another_cluster_behind_an_address_of_ours(self):
        with Cluster(servers=2, partitions=8) as ours, Cluster(servers=1, partitions=8) as other:
            ours.kill(1)
            other.stop(0)
            other.addresses = ours.addresses[1:]
            other.start(0)
            other.wait_ready()

            def cli(*words):
                return run(ROWHOUSE, *words, "--address", ours.addresses[0], "--timeout", "2s", check=False)
            done = cli("status")
            self.assertEqual(done.returncode, 3, done)
            self.assertRegex(done.stdout, rf"(?m)^1 +{ours.addresses[1]} .*foreign")
            self.assertRegex(cli("top", "--once").stdout, rf"(?m)^1 +{ours.addresses[1]} .*foreign")
            done = cli("wait", "--for", "ready")
            self.assertEqual(done.returncode, 4, done)
            self.assertIn(f"server 1 ({ours.addresses[1]}) is foreign", done.stderr)


if __name__ == "__main__":
    unittest.main()
