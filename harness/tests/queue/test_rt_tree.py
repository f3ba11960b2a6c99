"""rt_tree.py: rt patches under the series, with a fake source package."""

from __future__ import annotations

import io
from unittest import mock

from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.fetch import apt
from harness.queue import rt_tree, tree
from harness.tests.fixture import sh
from harness.tests.queue.test_releases import Fixture


class Under(Fixture):
    def setUp(self) -> None:
        super().setUp()
        self.said = io.StringIO()
        self.rt()
        archive = apt.Download(self.top / "d.tar.xz", "9.8.6-1", "")
        for name, value in (("_lists", None), ("source", archive)):
            patcher = mock.patch.object(apt.Apt, name, return_value=value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.info = tree.ensure_tree(self.opts)

    def ensure(self) -> tree.TreeInfo:
        return rt_tree.ensure(self.info, Progress(1, self.said))

    def test_series_is_on_top(self) -> None:
        found = self.ensure()
        self.assertEqual((found.path / "kernel/other.c").read_text(), "rt\n")
        self.assertIn("line five\n", (found.path / "kernel/smp.c").read_text())
        subjects = sh("git", "log", "--format=%s", f"{found.base_commit}..", cwd=found.path).splitlines()
        self.assertEqual((len(subjects), subjects[-1]), (3, "kernel/other.c: Change it"))
        self.assertEqual(found.source, f"{self.info.source} + rt 9.8.6-1 (1 of 3 patches)")
        self.assertIn("left out: 2.patch", self.said.getvalue())
        self.assertEqual((self.info.path / "kernel/other.c").read_text(), "other\n")

    def test_made_once(self) -> None:
        first = self.ensure()
        with mock.patch.object(rt_tree.series, "apply", side_effect=AssertionError):
            self.assertEqual(self.ensure(), first)

    def test_series_that_does_not_fit(self) -> None:
        _, [path, *_] = rt_tree.patches(self.world)
        path.write_text(path.read_text().replace("kernel/other.c", "kernel/new.c")
                        .replace("--- a/kernel/new.c", "--- /dev/null")
                        .replace("@@ -1 +1 @@\n-other", "@@ -0,0 +1 @@"))
        with self.assertRaises(HarnessError) as caught:
            self.ensure()
        self.assertEqual(caught.exception.code, Exit.APPLY)

    def test_source_without_rt_patches(self) -> None:
        (self.top / "empty/debian").mkdir(parents=True)
        sh("tar", "-cJf", self.top / "d.tar.xz", "debian", cwd=self.top / "empty")
        with self.assertRaisesRegex(HarnessError, "no rt flavour"):
            self.ensure()
