"""linux_source.peer(): a tree is fetched once, and complete or not there."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.fetch import linux_source


class PeersTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.asked = self.enterContext(mock.patch.object(
            linux_source, "package", return_value=linux_source.Source(
                "package", "linux-source-9.9 9.9.1-1", "x.deb", "sha256:0")))
        self.enterContext(mock.patch.object(linux_source.settings, "fetched", lambda: self.folder / "f"))
        self.unpack = self.enterContext(mock.patch.object(linux_source, "unpack"))

    def ensure(self) -> linux_source.Peer:
        return linux_source.peer("9.9", "linux-source-9.9", ("unstable",))

    def test_complete_tree_is_used_again(self):
        self.unpack.side_effect = lambda made, dest, version: (dest.mkdir(parents=True), "9.9.1")[1]
        one, other = self.ensure(), self.ensure()
        self.assertEqual((one, self.asked.call_count), (other, 1))
        self.assertEqual((one.kernel_version, one.source), ("9.9.1", "linux-source-9.9 9.9.1-1"))
        self.assertTrue(one.path.is_dir())

    def test_nothing_is_left_of_a_failure(self):
        self.unpack.side_effect = HarnessError(Exit.FETCH, "it is Linux 1.0")
        with self.assertRaisesRegex(HarnessError, "Linux 1.0"):
            self.ensure()
        self.assertEqual(list((self.folder / "f").iterdir()), [])


if __name__ == "__main__":
    unittest.main()
