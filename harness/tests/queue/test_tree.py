"""The trees and the export: reuse, round trip, and that no work is ever lost."""

from __future__ import annotations

import shutil
import tarfile
import unittest
from unittest import mock

from harness.core import git
from harness.core.errors import Exit, HarnessError
from harness.fetch.linux_source import Options
from harness.queue import series, tree
from harness.proof import queue_checks
from harness.tests.fixture import World, sh, verb


class Trees(World):
    def refused(self, code: Exit, *args, **kwargs) -> str:
        with self.assertRaises(HarnessError) as caught:
            tree.ensure_tree(*args, **kwargs)
        self.assertEqual(caught.exception.code, code)
        return caught.exception.message

    def test_round_trip_gives_the_same_bytes(self) -> None:
        self.make_queue()
        before = self.queue_bytes()
        self.assertEqual(len([name for name in before if name.startswith("000")]), 3)
        shutil.rmtree(self.world.build)
        tree.ensure_tree(self.opts)
        self.silent_export()
        self.assertEqual(self.queue_bytes(), before)

    def test_export_format(self) -> None:
        self.make_queue()
        first = series.patches(self.world)[0].read_text()
        self.assertIn("From 0000000000000000000000000000000000000000 ", first)
        self.assertIn("\nSubject: [PATCH 9.8 1/2] smp: Write 5 in full\n", first)
        self.assertNotIn("\n-- \n", first)
        letter = (self.queue / "0000-cover-letter.patch").read_text()
        self.assertIn("Subject: [PATCH 9.8 0/2] two small changes", letter)
        self.assertIn("Written by hand.\n\nBase: Linux 9.8.7\n", letter)
        self.assertIn("# in this order\n0001-", (self.queue / "series").read_text())

    def test_ids_are_reproducible(self) -> None:
        first = self.make_queue()
        shutil.rmtree(self.world.build)
        second = tree.ensure_tree(self.opts)
        self.assertEqual((first.base_commit, first.tip_commit),
                         (second.base_commit, second.tip_commit))

    def test_reuse_and_time_stamps(self) -> None:
        made = self.make_queue()
        other = made.path / "kernel/other.c"
        stamp = other.stat().st_mtime_ns
        with mock.patch.object(tree.series, "apply", side_effect=AssertionError):
            self.assertEqual(tree.ensure_tree(self.opts), made)
        path = series.patches(self.world)[0]
        path.write_text(path.read_text().replace("line five", "line FIVE"))
        changed = tree.ensure_tree(self.opts)
        self.assertIn("line FIVE", (changed.path / "kernel/smp.c").read_text())
        self.assertEqual(changed.base_commit, made.base_commit)
        self.assertEqual(other.stat().st_mtime_ns, stamp)

    def test_removed_patch_file_goes_away(self) -> None:
        made = self.make_queue()
        sh("git", "reset", "-q", "--hard", "HEAD~1", cwd=made.path)
        self.silent_export()
        self.assertEqual(len(series.patches(self.world)), 1)
        self.assertEqual(queue_checks.check_files(self.world)[0], [])

    def test_patch_that_does_not_apply_is_named_and_tree_is_kept(self) -> None:
        made = self.make_queue()
        name = self.break_patch()
        message = self.refused(Exit.APPLY, self.opts)
        self.assertIn(name, message)
        self.assertEqual(git.ask(made.path, "rev-parse", "HEAD"), made.tip_commit)
        self.assertEqual(git.ask(made.path, "status", "--porcelain"), "")
        self.assertFalse((self.world.build / "am").exists())

    def test_patch_that_does_not_apply_leaves_no_new_tree(self) -> None:
        self.make_queue()
        shutil.rmtree(self.world.build)
        self.world.build.mkdir()
        self.break_patch()
        self.refused(Exit.APPLY, self.opts)
        self.assertEqual(list(self.world.build.glob("linux*")), [])

    def test_local_commit_and_change_are_refused_until_discarded(self) -> None:
        made = self.make_queue()
        (made.path / "kernel/other.c").write_text("mine\n")
        self.assertIn("not committed", self.refused(Exit.APPLY, self.opts))
        self.git_commit(made.path, "mine")
        self.assertIn("not exported", self.refused(Exit.APPLY, self.opts))
        self.assertEqual((made.path / "kernel/other.c").read_text(), "mine\n")
        self.assertEqual(tree.ensure_tree(self.opts, discard=True).tip_commit, made.tip_commit)
        self.assertEqual((made.path / "kernel/other.c").read_text(), "other\n")

    def test_interrupted_unpacking_leaves_nothing(self) -> None:
        with mock.patch.object(tree, "commit_base", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                tree.ensure_tree(self.opts)
        self.assertEqual(list(self.world.build.glob("linux*")), [])

    def test_killed_run_is_not_taken_for_good(self) -> None:
        (self.world.build / "linux.new").mkdir()
        (self.world.build / "linux.new/Makefile").write_text("half")
        made = tree.ensure_tree(self.opts)
        self.assertTrue((made.path / "kernel/smp.c").exists())
        self.assertFalse((self.world.build / "linux.new").exists())

    def test_killed_move_is_completed(self) -> None:
        made = self.make_queue()
        record = tree.read_record(made.path)
        assert record
        tree.replace(record, moving_to=record.base_commit).write(made.path)
        sh("git", "reset", "-q", "--hard", "base", cwd=made.path)
        (made.path / "kernel/smp.c").write_text("half written")
        (made.path / ".git/index.lock").touch()
        self.assertEqual(tree.ensure_tree(self.opts).tip_commit, made.tip_commit)
        self.assertIn("line five", (made.path / "kernel/smp.c").read_text())

    def test_foreign_folder_is_left_alone(self) -> None:
        (self.world.build / "linux").mkdir()
        (self.world.build / "linux/work").write_text("precious")
        self.refused(Exit.APPLY, self.opts)
        self.assertEqual((self.world.build / "linux/work").read_text(), "precious")

    def test_git_tree_is_only_read(self) -> None:
        sh("git", "init", "-q", cwd=self.linux)
        self.git_commit(self.linux, "own")
        before = sh("git", "for-each-ref", cwd=self.linux), sh("git", "status", cwd=self.linux)
        made = tree.ensure_tree(self.opts)
        self.assertEqual(made.kernel_version, "9.8.7")
        self.assertTrue(made.checksum.startswith("git:"))
        self.assertEqual((sh("git", "for-each-ref", cwd=self.linux),
                          sh("git", "status", cwd=self.linux)), before)
        self.assertEqual(sh("git", "worktree", "list", cwd=self.linux).count("\n"), 1)

    def test_dirty_git_tree_is_refused(self) -> None:
        sh("git", "init", "-q", cwd=self.linux)
        self.git_commit(self.linux, "own")
        (self.linux / "kernel/smp.c").write_text("changed")
        self.assertIn("not committed", self.refused(Exit.USAGE, self.opts))

    def test_built_source_is_refused(self) -> None:
        (self.linux / ".config").touch()
        self.assertIn("mrproper", self.refused(Exit.USAGE, self.opts))

    def test_wrong_version(self) -> None:
        makefile = self.linux / "Makefile"
        makefile.write_text(makefile.read_text().replace("PATCHLEVEL = 8", "PATCHLEVEL = 9"))
        message = self.refused(Exit.FETCH, self.opts)
        self.assertIn("is Linux 9.9.7, but 9.8.y is wanted", message)

    def test_not_a_kernel(self) -> None:
        self.refused(Exit.USAGE, Options(self.world, linux=self.top))
        self.refused(Exit.USAGE, Options(self.world, tarball=self.top / "absent.tar.xz"))

    def test_tarball(self) -> None:
        sh("tar", "-cJf", self.top / "t.tar.xz", "--transform", "s/^given/linux-9.8.7/", "given",
           cwd=self.top)
        made = tree.ensure_tree(Options(self.world, tarball=self.top / "t.tar.xz"))
        self.assertTrue(made.checksum.startswith("sha256:"))
        self.assertTrue((made.path / "kernel/smp.c").exists())

    def test_broken_tarball(self) -> None:
        path = self.top / "t.tar"
        with tarfile.open(path, "w") as made:
            made.add(__file__, "linux/Makefile")
        with path.open("r+b") as file:
            file.truncate(4096)         # the end of a download is missing
        self.assertIn("unpacking t.tar", self.refused(Exit.FETCH, Options(self.world, tarball=path)))
        self.assertEqual(list(self.world.build.glob("linux*")), [])

    def test_disk_full(self) -> None:
        with mock.patch("harness.core.files.shutil.disk_usage",
                        return_value=mock.Mock(free=1 << 29)):
            message = self.refused(Exit.DISK, self.opts)
        self.assertIn("needs 4 GiB, and 0.5 GiB are free", message)
        self.assertEqual(list(self.world.build.glob("linux*")), [])

    def test_other_source_replaces_the_tree(self) -> None:
        made = self.make_queue()
        tree.worktree(made, "base", made.base_commit)
        (self.linux / "kernel/other.c").write_text("another release\n")
        again = tree.ensure_tree(self.opts)
        self.assertNotEqual(again.base_commit, made.base_commit)
        self.assertFalse((self.world.build / "linux-base").exists())

    def test_base_tree(self) -> None:
        made = self.make_queue()
        base = tree.worktree(made, "base", made.base_commit)
        self.assertNotIn("five", (base / "kernel/smp.c").read_text())
        self.assertEqual(tree.worktree(made, "base", made.base_commit), base)

    def test_export_refuses_what_it_cannot_write(self) -> None:
        with self.assertRaises(HarnessError):
            verb("export")
        made = self.make_queue()
        (made.path / "kernel/other.c").write_text("mine\n")
        with self.assertRaises(HarnessError) as caught:
            verb("export")
        self.assertIn("not committed", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
