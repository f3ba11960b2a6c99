"""On which releases the series applies, with made-up releases and a fake apt."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tomllib
from pathlib import Path
from unittest import mock

from harness.core import queues, settings
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.fetch import apt
from harness.proof import queue_checks
from harness.queue import releases, series
from harness.queue.releases import APPLIES, Release
from harness.tests.fixture import MAKEFILE, FakeApt, World, sh, verb

README = f"# x\n\n{releases.BEGIN}old\n{releases.END}\nend\n"
MADISON = """\
linux-source-9.8 |   9.8.8-1 | http://mirror.example/debian-security stable-security/main amd64 Packages
linux-source-9.8 |   9.8.7-1 | http://mirror.example/debian-security stable-security/main amd64 Packages
linux-source-9.8 |   9.8.7-1 | http://mirror.example/debian stable/main amd64 Packages
linux-source-9.8 |   9.9.1-1 | http://mirror.example/debian stable/main amd64 Packages
     linux |   9.8.8-1 | http://mirror.example/debian stable/main Sources
     linux |   9.8.7-1 | http://mirror.example/debian stable/main Sources
     linux |   9.8.6-1 | http://mirror.example/debian stable/main Sources
"""
RT = """\
From: A Tester <a@invalid>
Date: Mon, 1 Jan 2024 00:00:00 +0000
Subject: [PATCH {number}/3] {file}: Change it

Why.
---
--- a/{file}
+++ b/{file}
@@ -1 +1 @@
-{old}
+{new}
"""


class Fixture(World):
    def setUp(self) -> None:
        super().setUp()
        self.make_queue()
        (settings.REPO / "README.md").write_text(README)

    def tarball(self, sublevel: int, **files: str) -> Path:
        """A tarball of a release with these files changed, and one that no patch touches."""
        name = f"linux-9.8.{sublevel}"
        folder = self.top / name
        shutil.copytree(self.linux, folder)
        (folder / "Makefile").write_text(MAKEFILE.replace("SUBLEVEL = 7", f"SUBLEVEL = {sublevel}"))
        for file, text in files.items():
            (folder / "kernel" / f"{file}.c").write_text(text)
        sh("tar", "-cJf", self.top / f"{name}.tar.xz", name, cwd=self.top)
        return self.top / f"{name}.tar.xz"

    def rt(self) -> tuple[str, tuple[Path, ...]]:
        """Three patches without git's own lines: one fits, one does not, one is there already."""
        folder = self.top / "deb" / releases.RT
        folder.mkdir(parents=True)
        for number, file, old, new in ((1, "kernel/other.c", "other", "rt"), (2, "kernel/rt.c", "x", "y"),
                                       (3, "kernel/there.c", "past", "there")):
            (folder / f"{number}.patch").write_text(RT.format(number=number, file=file, old=old, new=new))
        (folder / "series").write_text("# rt\n1.patch\n2.patch\n3.patch\n")
        sh("tar", "-cJf", self.top / "d.tar.xz", "debian", cwd=self.top / "deb")
        return "9.8.6-1", releases.unpack_rt(self.top / "d.tar.xz", self.top)


class OneRelease(Fixture):
    def test_applies(self) -> None:
        [item] = releases.look(self.world, self.tarball(8), "t", ("stable",))
        self.assertEqual((item.release, item.result, item.place), ("9.8.8", APPLIES, "t (stable)"))
        self.assertEqual(list(self.world.build.glob("release-*")), [])

    def test_first_patch_that_does_not_apply_is_named(self) -> None:
        name = series.patches(self.world)[0].name
        [item] = releases.look(self.world, self.tarball(8, smp="elsewhere\n"), "t")
        self.assertEqual(item.result, f"{name} does not apply: patch failed: kernel/smp.c:3")

    def test_rt_patches_that_do_not_fit_are_left_out_and_named(self) -> None:
        found = releases.look(self.world, self.tarball(8, there="there\n"), "t", (), *self.rt())
        self.assertEqual([item.result for item in found], [APPLIES, APPLIES])
        self.assertEqual(found[1].rt, 3)
        self.assertEqual(found[1].rt_left_out, ("2.patch: kernel/rt.c: does not exist in index",
                                                "3.patch: the tree has this change"))
        self.assertEqual(found[1].place, "t + rt 9.8.6-1 (1 of 3 rt patches)")

    def test_series_that_does_not_fit_the_rt_patches(self) -> None:
        rt = self.rt()
        rt[1][0].write_text(RT.format(number=1, file="kernel/smp.c", old="line 2", new="rt").replace(
            "@@ -1 +1 @@\n", "@@ -1,5 +1,5 @@\n line 0\n line 1\n") + " line 3\n line 4\n")
        found = releases.look(self.world, self.tarball(8), "t", (), *rt)
        self.assertEqual(found[0].result, APPLIES)
        self.assertIn("does not apply: patch failed: kernel/smp.c", found[1].result)

    def test_source_without_rt_patches(self) -> None:
        (self.top / "deb/debian").mkdir(parents=True)
        sh("tar", "-cJf", self.top / "d.tar.xz", "debian", cwd=self.top / "deb")
        self.assertEqual(releases.unpack_rt(self.top / "d.tar.xz", self.top), ())

    def test_other_line_and_no_kernel(self) -> None:
        tarball = self.tarball(8)
        for queue, path, text in ((self.world, self.top / "none.tar.xz", "none"),
                                  (dataclasses.replace(self.world, version="9.9"), tarball, "9.9.y is wanted")):
            if not path.exists():
                sh("tar", "-cJf", path, "repo/patches/v9.8/series", cwd=self.top)
            with self.assertRaises(HarnessError) as caught:
                releases.look(queue, path, "t")
            self.assertEqual(caught.exception.code, Exit.FETCH)
            self.assertIn(text, caught.exception.message)


class DataFile(Fixture):
    OLD = Release("9.8.6", "p 9.8.6-1", APPLIES, "2024-01-01")
    NEW = Release("9.8.10", 'p "9.8.10-1"', "0001-x.patch does not apply: why", "2024-02-02",
                  ("stable",), 3, ("2.patch: why",))

    def sources(self) -> list[tuple[str, str]]:
        return [(item.source, item.date) for item in releases.load(self.world).release]

    def test_written_and_read(self) -> None:
        releases.save(self.world, [self.OLD, self.NEW])
        self.assertEqual(releases.load(self.world).release, (self.NEW, self.OLD))
        self.assertEqual(tomllib.loads((self.queue / releases.FILE).read_text())["release"][0]["rt"], 3)

    def test_what_was_not_looked_at_stays_while_the_series_is_the_same(self) -> None:
        releases.save(self.world, [self.OLD])
        releases.save(self.world, [dataclasses.replace(self.NEW, date="2024-03-03")])
        self.assertEqual(self.sources(), [(self.NEW.source, "2024-03-03"), (self.OLD.source, self.OLD.date)])
        releases.save(self.world, [self.NEW])
        self.assertEqual(self.sources()[0], (self.NEW.source, self.NEW.date))
        path = series.patches(self.world)[0]
        path.write_text(path.read_text() + "\n")
        releases.save(self.world, [self.NEW])
        self.assertEqual(self.sources(), [(self.NEW.source, self.NEW.date)])

    def test_readme(self) -> None:
        (self.queue / "base.toml").write_text((self.queue / "base.toml").read_text() + (
            '[[tested]]\nrelease = "9.8.6"\nsource = "p 9.8.6-1"\ndate = "2023-12-31"\n'))
        releases.save(self.world, [self.NEW, self.OLD])
        releases.write_readme()
        text = (settings.REPO / "README.md").read_text()
        self.assertIn("| v9.8 | 9.8.6 | p 9.8.6-1 | applies | 2024-01-01 | 2023-12-31 |", text)
        self.assertIn('leave out, on p "9.8.10-1": `2.patch` (why).', text)
        self.assertNotIn("old", text)
        self.assertTrue(text.endswith("end\n"))
        releases.write_readme()
        self.assertEqual((settings.REPO / "README.md").read_text(), text)
        (settings.REPO / "README.md").write_text("no marks")
        with self.assertRaises(HarnessError):
            releases.write_readme()

    def test_queue_check(self) -> None:
        with self.assertRaises(queue_checks.Skipped):
            queue_checks.check_releases(self.world)
        releases.save(self.world, [self.OLD, self.NEW])
        self.assertEqual(queue_checks.check_releases(self.world)[1],
                         "git am took the series on 1 of 2 releases")
        path = series.patches(self.world)[0]
        path.write_text(path.read_text() + "\n")
        with self.assertRaises(queue_checks.Skipped):
            queue_checks.check_releases(self.world)


class AllReleases(FakeApt, Fixture):
    def setUp(self) -> None:
        super().setUp()
        self.rt()

    def apt(self, get: str, madison: str = MADISON) -> None:
        shutil.copy(self.top / "d.tar.xz", self.top / "linux_9.8.6-1.debian.tar.xz")
        if (self.top / "linux-9.8.7.tar.xz").exists():
            shutil.copy(self.top / "linux-9.8.7.tar.xz", self.top / "linux_9.8.7.orig.tar.xz")
        for version, file in (("9.8.8-1", "linux_9.8.8-1.debian.tar.xz"),
                              ("9.8.6-1", "linux_9.8.6-1.debian.tar.xz"),
                              ("9.8.8-1", "linux_9.8.8.orig.tar.xz"),
                              ("9.8.7-1", "linux_9.8.7.orig.tar.xz")):
            self.offer(f"linux={version}", file)
        super().apt(get, madison)

    def package(self, sublevel: int, **files: str) -> None:
        self.deb(f"9.8.{sublevel}-1", self.tarball(sublevel, **files))

    # What the mirror has: two packages; of the sources the patches of 9.8.6, the tarball of 9.8.7.
    GET = """\
for last; do :; done
version=${{last#*=}}
case "$*" in
*download\\ *) cp {top}/linux-source-9.8_"$version"_all.deb . ;;
*diff-only*9.8.6-1) cp {top}/linux_9.8.6-1.debian.tar.xz . ;;
*tar-only*9.8.7-1) cp {top}/linux_9.8.7.orig.tar.xz . ;;
*source*) echo "E: Failed to fetch http://mirror.example/x  404  Not Found [IP: 1 80]"; exit 100;;
esac"""

    def run_all(self) -> tuple[list, str]:
        log = io.StringIO()     # of what is done, a line each
        parts = releases.check([self.world], Progress(1, log))
        return parts, log.getvalue()

    def test_everything_that_can_be_had(self) -> None:
        self.package(7)
        self.package(8, smp="elsewhere\n")
        self.apt(self.GET.format(top=self.top))
        parts, log = self.run_all()
        listed = releases.load(self.world).release
        bad = f"{series.names(self.queue)[0]} does not apply: patch failed: kernel/smp.c:3"
        self.assertEqual([(item.release, item.source, item.result, item.suites) for item in listed], [
            ("9.8.8", "linux-source-9.8 9.8.8-1", bad, ("stable-security",)),
            ("9.8.8", "linux-source-9.8 9.8.8-1 + rt 9.8.6-1", bad, ("stable-security",)),
            ("9.8.7", "linux-source-9.8 9.8.7-1", APPLIES, ("stable",)),
            ("9.8.7", "linux-source-9.8 9.8.7-1 + rt 9.8.6-1", APPLIES, ("stable",)),
            ("9.8.7", "linux_9.8.7.orig.tar.xz", APPLIES, ())])
        self.assertEqual([part.code for part in parts], [Exit.APPLY] * 2 + [Exit.OK] * 3)
        readme = (settings.REPO / "README.md").read_text()
        self.assertIn("`2.patch` (kernel/rt.c: does not exist in index)", readme)
        self.assertIn(bad, readme)
        self.assertIn("9.8.7, linux_9.8.7.orig.tar.xz: applies", log)

    def test_what_cannot_be_had_does_not_stop_the_others(self) -> None:
        self.package(7)
        self.package(8)
        self.apt(self.GET.format(top=self.top).replace(
            "*download\\ *)", "*download\\ *9.8.8-1) echo half > x.deb; echo 'E: broken pipe'; exit 100 ;;\n"
            "*diff-only*) exit 100 ;;\n*download\\ *)"),
            "\n".join(line for line in MADISON.splitlines() if "debian-security" in line or
                      "9.8.7" in line or "Sources" in line))
        parts, log = self.run_all()
        self.assertEqual([item.source for item in releases.load(self.world).release],
                         ["linux-source-9.8 9.8.7-1", "linux_9.8.7.orig.tar.xz"])
        notes = [part.note for part in parts if part.skipped]
        self.assertEqual(notes, [
            "rt patches: linux=9.8.8-1 could not be fetched from stable-security, stable (exit value "
            "100).", "linux-source-9.8 9.8.8-1: linux-source-9.8=9.8.8-1 could not be fetched from "
            "stable-security, stable (broken pipe)."])

    def test_suite_without_the_package_and_suite_without_lists(self) -> None:
        self.apt("exit 0", "\n".join(line for line in MADISON.splitlines() if "security" in line))
        there = apt.Apt(("stable-security", "stable", "gone"))
        (there.folder / "lists/m_dists_stable_InRelease").touch()
        self.assertEqual(there.newest("linux-source-9.8", "9.8"), (
            {"9.8.8-1": ("stable-security",)},
            ["stable does not offer linux-source-9.8.", "the lists of gone could not be fetched."]))

    def test_no_network(self) -> None:
        self.apt("echo 'E: Could not resolve mirror.example'; exit 100", "")
        parts, log = self.run_all()
        self.assertEqual([(part.code, part.failed, part.skipped) for part in parts],
                         [(Exit.OK, 0, 1), (Exit.OK, 0, 1), (Exit.FETCH, 1, 0)])
        self.assertFalse((self.queue / releases.FILE).exists())
        self.assertIn("the lists of stable could not be fetched.", log)

    def test_no_apt(self) -> None:
        with mock.patch("harness.fetch.apt.shutil.which", return_value=None):
            self.assertIn("there is no apt-get here", self.run_all()[1])

    def test_disk(self) -> None:
        with mock.patch("harness.core.files.shutil.disk_usage", return_value=mock.Mock(free=1 << 20)):
            self.package(7)
            self.apt(self.GET.format(top=self.top))
            parts, _ = self.run_all()
        self.assertEqual(releases.load(self.world).release, ())
        self.assertTrue(any("GiB are free" in part.note for part in parts))

    def test_two_versions_in_one_folder(self) -> None:
        self.package(8)
        self.package(7)
        self.apt(self.GET.format(top=self.top))
        there = apt.Apt(self.world.suites)
        for version in ("9.8.8-1", "9.8.7-1"):
            self.assertIn(version, there.binary("linux-source-9.8", version).path.name)


class Verb(Fixture):
    def test_takes_no_lane_and_no_source(self) -> None:
        for args in (["x86_64"], ["--tarball", "t"], ["--quick"], ["--all"]):
            with self.assertRaises(HarnessError) as caught:
                verb("check", "--releases", *args)
            self.assertEqual(caught.exception.code, Exit.USAGE)


class Repository(World):
    def test_readme_has_the_table_of_the_data_files(self) -> None:
        with mock.patch.object(settings, "REPO", Path(releases.__file__).parents[2]):
            readme = (settings.REPO / "README.md").read_text("utf-8")
            self.assertIn(releases.table(map(queues.load, queues.names())), readme)
            for queue in map(queues.load, queues.names()):
                for item in releases.load(queue).release:
                    self.assertTrue(apt.release(item.release, queue.version), item)
