"""Getting Linux and tools through apt, with a fake apt and no network."""

from __future__ import annotations

import contextlib
import io
import shutil
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.fetch import apt, host_packages
from harness.fetch.linux_source import Options
from harness.queue import tree
from harness.tests.fixture import FakeApt, sh

# What apt prints of a machine's sources, whatever their files look like.
URIS = """\
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_debian_x_InRelease 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror.example_debian_y_InRelease 0
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' z 0
'http://other.example/tool/dists/stable/InRelease' w 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' v 0
"""


class Lists(unittest.TestCase):
    def test_sources_of_the_machine(self) -> None:
        with mock.patch.object(apt.proc, "run", return_value=mock.Mock(output=URIS)):
            self.assertEqual(apt.own_sources(), [
                ("http://mirror.example/debian", "bookworm"),
                ("http://mirror.example/debian", "bookworm-updates"),
                ("http://mirror.example/debian-security", "bookworm-security")])

    def test_source_list_puts_security_suites_on_security_mirrors(self) -> None:
        known = ["http://a/debian", "http://a/debian-security"]
        with mock.patch.object(apt, "KEYRING", Path(__file__)):
            lines = apt.source_list(("s", "s-security"), known, ("deb", "deb-src")).splitlines()
        key = f"[signed-by={__file__}]"
        self.assertEqual(lines, [f"deb {key} http://a/debian s main", f"deb-src {key} http://a/debian s main",
                                 f"deb {key} http://a/debian-security s-security main",
                                 f"deb-src {key} http://a/debian-security s-security main"])
        self.assertEqual(apt.source_list(("s",), [], ("deb",)), "")

    def test_versions_of_a_kernel_line(self) -> None:
        for line, versions in (("9.8", ["9.8.10-2", "9.8.9-1", "9.8.1-1", "9.8-1", "9.8~rc7-1~exp1"]),
                               ("9.8", ["9.8-1~exp1", "9.8~rc10-1~exp1", "9.8~rc2-1~exp1"]),
                               ("9.8", ["9.8.7-2", "9.8.7-1~deb12u1", "9.8.7-1"])):
            self.assertEqual(sorted(versions, key=lambda version: apt.release(version, line),
                                    reverse=True), versions)
        for version in ("9.80-1", "9.80~rc1-1", "9.7.3-1"):
            self.assertEqual(apt.release(version, "9.8"), [])


class Fake(FakeApt):
    def package(self, version: str = "9.8.7-1") -> str:
        """Makes a real .deb that the fake apt delivers only with its own source list."""
        sh("tar", "-cJf", "source.tar.xz", "--transform", "s/^given/linux-source-9.8/", "given",
           cwd=self.top)
        name = self.deb(version, self.top / "source.tar.xz")
        self.apt(f'case "$*" in *download*) cp {self.top / name} .;; esac', own=True)
        return name

    def fails(self, code: Exit) -> str:
        with self.assertRaises(HarnessError) as caught:
            tree.ensure_tree(Options(self.world))
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(list(self.world.build.glob("linux*")), [])
        return caught.exception.message

    def test_package_through_the_own_source_list(self) -> None:
        self.package()
        made = tree.ensure_tree(Options(self.world))
        self.assertEqual((made.kernel_version, made.source), ("9.8.7", "linux-source-9.8 9.8.7-1"))
        asked = self.log.read_text()
        self.assertNotIn("install", asked)
        [listing] = settings.fetched().glob("apt-*/sources.list")
        self.assertIn("mirror.example/debian stable main", listing.read_text())
        self.log.unlink()
        tree.ensure_tree(Options(self.world))
        self.assertFalse(self.log.exists())     # nothing is asked for again

    def test_wrong_file_of_an_earlier_run(self) -> None:
        name = self.package()
        path = settings.fetched() / "downloads" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes((self.top / name).stat().st_size))
        self.assertEqual(tree.ensure_tree(Options(self.world)).kernel_version, "9.8.7")

    def test_file_that_is_no_tarball(self) -> None:
        for path in __file__, self.top, self.top / "nothing":
            with self.subTest(path), self.assertRaises(HarnessError) as caught:
                tree.ensure_tree(Options(self.world, tarball=Path(path)))
            self.assertEqual(caught.exception.code, Exit.USAGE)
            self.assertIn("is no tarball, or not there; give linux-9.8.y.tar.xz", caught.exception.message)

    def test_no_network(self) -> None:
        self.apt("echo 'E: Could not resolve mirror.example'; exit 100")
        message = self.fails(Exit.FETCH)
        for way in ("mirror", "--tarball linux-9.8.y.tar.xz", "--linux PATH",
                    "from the machine's suites (Could not resolve mirror.example)"):
            self.assertIn(way, message)
        # Lists that could not be fetched are asked for again by the next run.
        self.assertIn("Error-Mode=any", self.log.read_text())
        self.assertEqual(list(settings.fetched().glob("apt-*/updated")), [])

    def test_download_breaks_off(self) -> None:
        self.package()
        self.apt('case "$*" in *download*) echo half > linux-source-9.8_9.8.7-1_all.deb; exit 100;; esac')
        self.assertIn("--linux PATH", self.fails(Exit.FETCH))

    def test_no_apt(self) -> None:
        with mock.patch.object(apt.shutil, "which", return_value=None):
            with mock.patch.object(host_packages, "need"):
                self.assertIn("--tarball", self.fails(Exit.FETCH))

    def test_upstream_tarball_that_the_mirror_dropped(self) -> None:
        madison = ""
        for version in ("9.8.10", "9.8.9", "9.8.8", "9.7.1"):
            (self.top / f"linux_{version}.orig.tar.xz").write_text("tarball")
            self.offer(f"linux={version}-1", f"linux_{version}.orig.tar.xz")
            madison += f"     linux | {version}-1 | http://mirror.example/debian stable/main Sources\n"

        def newest(*there: str) -> str:
            self.apt('v=${last#*=}; [ -e "linux_${v%-*}.orig.tar.xz" ] && exit\n' + "".join(
                f'case "$*" in *={version}-1) cp {self.top}/linux_{version}.orig.tar.xz .; exit;; esac\n'
                for version in there) + "exit 100", madison)
            return apt.upstream_tarball("linux-source-9.8", self.world.suites, "9.8").version

        self.assertEqual(newest("9.8.9", "9.8.8"), "9.8.9-1")
        self.assertEqual(newest("9.8.10"), "9.8.9-1")       # fetched earlier
        shutil.rmtree(settings.fetched())
        self.assertEqual(newest("9.8.10"), "9.8.10-1")

    def test_packages_with_what_they_need(self) -> None:
        self.installs(self.top / self.package())
        for _ in range(2):
            root, versions = apt.unpacked("some", ["linux-source-9.8"])
            self.assertTrue((root / "usr/src/linux-source-9.8.tar.xz").is_file())
            self.assertEqual(versions, {"linux-source-9.8": "9.8.7-1"})
        self.assertEqual(self.log.read_text().count(" install "), 1)

    # --- tools

    def lacking(self, tool: str = "") -> contextlib.AbstractContextManager:
        """A table of packages with one tool that is missing."""
        return mock.patch.object(settings, "toml", return_value={
            "g": [{"find": "no-such-tool", "package": "pkg"}, {"find": "sh", "package": "dash"}]})

    def test_missing_tool_without_root(self) -> None:
        with self.lacking(), mock.patch.object(host_packages, "root_prefix", return_value=None):
            with self.assertRaises(HarnessError) as caught:
                host_packages.need("g")
        self.assertEqual(caught.exception.code, Exit.TOOL)
        self.assertIn("pkg", caught.exception.message)
        self.assertNotIn("dash", caught.exception.message)

    def test_missing_tool_is_installed_after_an_update(self) -> None:
        self.apt('case "$*" in\n'
                  f'*update*) touch {self.top}/updated;;\n'
                  f'*install*) [ -e {self.top}/updated ] || exit 100\n'
                  f'printf "#!/bin/sh\\n" > {self.bin}/no-such-tool\n'
                  f'chmod +x {self.bin}/no-such-tool;;\nesac')
        with self.lacking(), mock.patch.object(host_packages, "root_prefix", return_value=[]), \
                contextlib.redirect_stderr(io.StringIO()):
            host_packages.need("g")
        self.assertIn("install --no-install-recommends pkg", self.log.read_text())
        self.assertTrue((self.bin / "no-such-tool").exists())

    def test_missing_tool_that_cannot_be_installed(self) -> None:
        self.apt("echo 'E: Unable to locate package'; exit 100")
        with self.lacking(), mock.patch.object(host_packages, "root_prefix", return_value=[]), \
                contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaises(HarnessError) as caught:
                host_packages.need("g")
        self.assertEqual(caught.exception.code, Exit.TOOL)
        self.assertIn("apt-get install pkg", caught.exception.message)

    def test_unknown_group(self) -> None:
        with self.assertRaises(HarnessError):
            host_packages.missing("no such group")

    def test_everything_there(self) -> None:
        with mock.patch.object(settings, "toml", return_value={
                "g": [{"find": "sh", "package": "x"}, {"find": "/bin/s*", "package": "y"}]}):
            host_packages.need("g")
