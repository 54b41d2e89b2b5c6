# Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
"""What is shipped has no failpoints: no name of one is in the program, nor that of the variable that arms them."""
import os
import re
import unittest

from cluster import BUILD, ROWHOUSE, SOURCE

SITES = os.path.join(SOURCE, "common", "failpoint_sites.h")
VARIABLE = b"ROWHOUSE_FAILPOINTS"
IN_EVERY_BUILD = b"invariant does not hold"  # of common/check.h: what is there is found


class Failpoints(unittest.TestCase):
    def names(self):
        with open(SITES, encoding="utf-8") as file:
            return re.findall(r'SITE\(k\w+, "([a-z_.]+)"', file.read())

    def test_none_is_in_what_is_shipped(self):
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as cache:
            self.assertIn("ROWHOUSE_FAILPOINTS:BOOL=OFF", cache.read())
        names = self.names()
        self.assertGreaterEqual(len(names), 35)
        with open(ROWHOUSE, "rb") as file:
            content = file.read()
        self.assertIn(IN_EVERY_BUILD, content)
        self.assertNotIn(VARIABLE, content)
        for name in names:
            self.assertNotIn(name.encode() + b"\0", content)


if __name__ == "__main__":
    unittest.main()
