"""A small world for tests: a tiny "Linux", a queue of two patches, a build folder.

In:  nothing.  Out: World, a TestCase that points settings at temporary folders.
No kernel and no network are needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import cli
from harness.core import queues, settings
from harness.fetch.linux_source import Options
from harness.queue import series, tree

MAKEFILE = "VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\nEXTRAVERSION =\nNAME = Tiny\n"
BASE_TOML = """\
version = "9.8"
subject_prefix = "PATCH 9.8"
package = "linux-source-9.8"
suites = ["stable-security", "stable"]
author = "Test Project <test@invalid>"
"""
# The harness without its tests.
CODE = sorted(path for path in (settings.REPO / "harness").rglob("*.py") if "tests" not in path.parts)
# The queue of this repository, for tests that need one.
QUEUE = queues.load()
COVER = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: Test Project <test@invalid>
Date: Mon, 1 Jan 2024 00:00:00 +0000
Subject: [PATCH 9.8 0/0] two small changes

Written by hand.
"""


def sh(*words: str | Path, cwd: Path) -> str:
    """Runs a command for the set-up of a test."""
    return subprocess.run([str(word) for word in words], cwd=cwd, check=True, text=True,
                          capture_output=True).stdout


def verb(*argv: str) -> int:
    """Runs a verb as ./run does, but without the build folder's lock, which a check may hold."""
    return cli.prepared(argv[0], list(argv[1:]))()


def script(path: Path, text: str) -> None:
    """Writes an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


class World(unittest.TestCase):
    """Each test gets its own folders; self.linux is an unpacked source."""

    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="harness-test-"))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.linux = self.top / "given"
        (self.linux / "kernel").mkdir(parents=True)
        (self.linux / "Makefile").write_text(MAKEFILE)
        (self.linux / "kernel/smp.c").write_text("".join(f"line {n}\n" for n in range(30)))
        (self.linux / "kernel/other.c").write_text("other\n")
        (self.linux / ".gitignore").write_text("*.o\n")
        self.queue = self.top / "repo/patches/v9.8"
        self.queue.mkdir(parents=True)
        (self.queue / "base.toml").write_text(BASE_TOML)
        (self.queue / "series").write_text("# in this order\n")
        (self.queue / "objects.toml").write_text("config = []\n[built_as]\n")
        (self.queue / "0000-cover-letter.patch").write_text(COVER)
        for name, value in (("REPO", self.top / "repo"), ("BUILD", self.top / "build")):
            patcher = mock.patch.object(settings, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.world = queues.load()
        self.opts = Options(self.world, linux=self.linux)
        self.world.build.mkdir(parents=True)

    def git_commit(self, folder: Path, message: str, **env: str) -> None:
        """Commits everything in folder."""
        sh("git", "add", "-A", cwd=folder)
        sh("git", "-c", "user.name=A Tester", "-c", "user.email=a@invalid", "commit", "-q", "-m",
           message, cwd=folder)

    def make_queue(self) -> tree.TreeInfo:
        """Makes the tree, two commits in it, and exports them."""
        made = tree.ensure_tree(self.opts)
        smp = made.path / "kernel/smp.c"
        smp.write_text(smp.read_text().replace("line 5\n", "line five\n"))
        self.git_commit(made.path, "smp: Write 5 in full\n\nWhy: because.")
        (made.path / "kernel/new.c").write_text("new\n")
        smp.write_text(smp.read_text().replace("line 20\n", "line twenty\n"))
        self.git_commit(made.path, "smp: Add a file, with a subject that is long enough to be folded "
                        "by git when it is written as a mail")
        self.silent_export()
        return tree.ensure_tree(self.opts)

    def silent_export(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(verb("export"), 0)

    def queue_bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.queue.iterdir()}

    def break_patch(self) -> str:
        """Makes the second patch one that does not apply; returns its name."""
        path = series.patches(self.world)[1]
        path.write_text(path.read_text().replace("-line 20", "-line twelve"))
        return path.name


class FakeApt(World):
    """A fake apt stands in PATH; self.log says what it was asked, but for addresses and versions."""

    SUITES = (("debian", "stable"), ("debian-security", "stable-security"))

    def setUp(self) -> None:
        super().setUp()
        self.bin, self.log, self.uris = self.top / "bin", self.top / "apt.log", self.top / "uris"
        self.uris.mkdir()
        (self.uris / "update").write_text("".join(
            f"'http://mirror.example/{name}/dists/{suite}/InRelease' x 0\n" for name, suite in self.SUITES))
        patcher = mock.patch.dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}")
        patcher.start()
        self.addCleanup(patcher.stop)

    def offer(self, what: str, file: str, version: str = "") -> None:
        """Lists a file of self.top: apt names it, and its checksum, when it is asked for `what`."""
        path = self.top / file
        digest = hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()
        for name in (what, f"{what}={version}") if version else (what,):
            with (self.uris / name).open("a") as listed:
                listed.write(f"'http://mirror.example/{file}' {file} 7 SHA256:{digest}\n")

    def apt(self, get: str, madison: str = "", own: bool = False) -> None:
        """The fake: `get` is what apt-get does but name addresses; with own, only with own lists."""
        (self.top / "madison").write_text(madison)
        missing = "{ echo \"E: Unable to locate package $last\"; exit 100; }"
        script(self.bin / "apt-get", f'for last; do :; done\ncase "$*" in *tar-only*) part=orig;; '
               '*diff-only*) part=debian.tar;; *) part=;; esac\n'
               f'case "$*" in *print-uris*update) cat {self.uris}/update; exit;; esac\n'
               + (f'case "$*" in *sourcelist*) ;; *) {missing};; esac\n' if own else "")
               + f'case "$*" in *print-uris*) grep "$part" "{self.uris}/$last" 2>/dev/null || {missing}; '
               f'exit;; esac\necho "apt-get $*" >> {self.log}\n{get}\n')
        script(self.bin / "apt-cache", f"cat {self.top}/madison")

    def installs(self, path: Path) -> None:
        """The fake: `apt-get install --download-only` puts that package where it is told to."""
        self.apt('for word; do case "$word" in Dir::Cache::archives=*) cache=${word#*=};; esac; done\n'
                 f'case "$*" in *install*) cp {path} "$cache/";; esac')

    def deb(self, version: str, tarball: Path) -> str:
        """A real package with that tarball, which the fake lists; its name."""
        root, name = self.top / f"deb-{version}", f"linux-source-9.8_{version}_all.deb"
        (root / "usr/src").mkdir(parents=True)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: linux-source-9.8\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: t <t@invalid>\nDescription: t\n")
        shutil.copy(tarball, root / "usr/src/linux-source-9.8.tar.xz")
        sh("dpkg-deb", "--root-owner-group", "-b", root, self.top / name, cwd=self.top)
        self.offer("linux-source-9.8", name, version)
        return name
