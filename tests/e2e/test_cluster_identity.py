# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""A data directory of another cluster with the same shape and addresses is refused, and is as it was afterwards."""
import os
import tempfile
import unittest

from cluster import ROWHOUSE, Cluster, free_ports, run


class ClusterIdentity(unittest.TestCase):
    def test_directory_of_another_cluster(self):
        with Cluster(servers=2, partitions=4) as cluster:
            cluster.cli("table", "create", "first", "--dim", "4")
            for index in (1, 0):
                self.assertEqual(cluster.stop(index), 0)
            own, kept = cluster.data_dir(1), os.path.join(cluster.directory, "kept")
            # A second cluster at the same addresses, made while the first one's directories are away.
            os.rename(own, kept)
            os.rename(cluster.data_dir(0), os.path.join(cluster.directory, "first0"))
            for index in (0, 1):
                cluster.start(index)
            cluster.wait_ready()
            cluster.cli("table", "create", "second", "--dim", "4")
            self.assertEqual(cluster.stop(1), 0)
            os.rename(own, os.path.join(cluster.directory, "second1"))
            os.rename(kept, own)
            before = sorted(os.listdir(own))
            refused = run(*cluster.command(1), check=False, timeout=60)
            self.assertEqual(refused.returncode, 1, refused.stderr)
            for word in (own, "is of cluster", "server 0 (" + cluster.addresses[0], "--data-dir or --servers"):
                self.assertIn(word, refused.stderr)
            self.assertEqual(sorted(os.listdir(own)), before)
            # At home it starts, with its table.
            self.assertEqual(cluster.stop(0), 0)
            os.rename(cluster.data_dir(0), os.path.join(cluster.directory, "second0"))
            os.rename(os.path.join(cluster.directory, "first0"), cluster.data_dir(0))
            for index in (0, 1):
                cluster.start(index)
            cluster.wait_ready()
            self.assertIn("first", cluster.cli("table", "list").stdout)

    def test_a_server_of_another_list_joins_nobody(self):
        """A server alone has the address of the list's first: taking its identity would mix two clusters."""
        with Cluster(servers=1, partitions=4) as alone:
            second, http = (f"127.0.0.1:{port}" for port in free_ports(2))
            for servers, partitions in ((f"{alone.addresses[0]},{second}", 4), (f"{alone.addresses[0]},{second}", 8)):
                with tempfile.TemporaryDirectory() as directory:
                    own = os.path.join(directory, "data")
                    refused = run(ROWHOUSE, "server", "--data-dir", own, "--memory-budget", "128MiB", "--listen", second, "--http-listen", http,
                                  "--servers", servers, "--server-index", "1", "--partitions", str(partitions), check=False, timeout=60)
                    self.assertEqual(refused.returncode, 1, refused.stderr)
                    self.assertIn(f"server 0 ({alone.addresses[0]}) is of a cluster of 1 servers and 4 partitions, this one was told 2 and {partitions}",
                                  refused.stderr)
                    self.assertFalse(os.path.exists(os.path.join(own, "IDENTITY")))


if __name__ == "__main__":
    unittest.main()
