# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""Writers whose trainers are gone are ended after writers.idle_expiry; those that push, to whichever server, are not."""
import json
import time
import unittest

import numpy as np
from cluster import ROWHOUSE, Cluster, run, wait_until
from wire import Client, pb

EXPIRY_S = 2


class IdleWriters(unittest.TestCase):
    def living(self, cluster):
        listed = run(ROWHOUSE, "writer", "list", "--address", cluster.addresses[1], "-o", "json").stdout
        return {writer["name"] for writer in json.loads(listed)}

    def test_silent_one_is_ended_and_the_others_go_on(self):
        with Cluster(servers=2, extra=["--writer-idle-expiry", f"{EXPIRY_S}s"]) as cluster:
            gone, busy = Client(cluster, "gone"), Client(cluster, "busy")
            table = gone.create_table("watched", 2)
            mine = gone.ids_of_server(table, 0, 4)
            # The one that goes on pushes to server 1 alone, where the other servers do not hear from it.
            theirs = busy.ids_of_server(table, 1, 4)
            ones = np.ones((4, 2), np.float32)
            gone.push_rows(table, mine, ones, pb.PUSH_KIND_VALUE)
            self.assertEqual(self.living(cluster), {"gone", "busy"})

            def is_ended():
                busy.push_rows(table, theirs, ones, pb.PUSH_KIND_VALUE, server=1)
                return "gone" not in self.living(cluster)
            began = time.monotonic()
            wait_until(is_ended, "the silent writer to be ended")
            self.assertGreaterEqual(time.monotonic() - began, EXPIRY_S - 1)
            self.assertEqual(self.living(cluster), {"busy"})

            with self.assertRaises(RuntimeError) as refused:
                gone.push_rows(table, mine, ones, pb.PUSH_KIND_VALUE)
            self.assertRegex(str(refused.exception), "code 9: .*is dead.*writers.idle_expiry")  # FAILED_PRECONDITION
            self.assertEqual(cluster.metrics(0)["rowhouse_idle_writers_ended_total"], 1)
            rows, stored = busy.pull(table, mine)  # what it had pushed stays
            self.assertTrue(stored.all())
            self.assertTrue((rows == 1).all())
            again = Client(cluster, "gone")
            again.push_rows(table, mine, 2 * ones, pb.PUSH_KIND_VALUE)
            self.assertTrue((busy.pull(table, mine)[0] == 2).all())

    def test_list_says_for_how_long_each_is_silent(self):
        with Cluster(servers=2) as cluster:
            def listed():
                out = run(ROWHOUSE, "writer", "list", "--address", cluster.addresses[0], "-o", "json").stdout
                return {writer["name"]: writer["silent_seconds"] for writer in json.loads(out)}
            gone, busy = Client(cluster, "gone"), Client(cluster, "busy")
            table = gone.create_table("watched", 2)
            theirs = busy.ids_of_server(table, 1, 4)

            def gone_is_silent():
                busy.push_rows(table, theirs, np.ones((4, 2), np.float32), pb.PUSH_KIND_VALUE, server=1)
                return listed()["gone"] >= 2
            wait_until(gone_is_silent, "a writer that registered and never pushed to be silent for 2 s")
            silent = listed()
            self.assertLess(silent["busy"], silent["gone"])  # though it pushes to the other server alone
            cluster.kill(1)
            # Who there is, is known; for how long the server that is away has not heard of them is not.
            self.assertEqual(listed(), {"gone": None, "busy": None})


if __name__ == "__main__":
    unittest.main()
