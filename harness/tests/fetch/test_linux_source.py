"""Getting Linux and tools through apt, with a fake apt and no network."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import unittest
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.fetch import apt, host_packages, linux_source
from harness.fetch.linux_source import Options
from harness.queue import tree
from harness.tests.fixture import World, script, sh

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
            lines = apt.source_list(("s", "s-security"), known).splitlines()
        key = f"[signed-by={__file__}]"
        self.assertEqual(lines, [f"deb {key} http://a/debian s main", f"deb-src {key} http://a/debian s main",
                                 f"deb {key} http://a/debian-security s-security main",
                                 f"deb-src {key} http://a/debian-security s-security main"])
        self.assertEqual(apt.source_list(("s",), []), "")

    def test_makefile_version(self) -> None:
        text = "VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\nEXTRAVERSION = -rc1\n"
        self.assertEqual(linux_source.makefile_version(text), "9.8.7-rc1")
        self.assertEqual(linux_source.makefile_version("all:\n"), "")


class Fake(World):
    """A fake apt stands in PATH; self.log says what it was asked."""

    def setUp(self) -> None:
        super().setUp()
        self.bin = self.top / "bin"
        self.log = self.top / "apt.log"
        patcher = mock.patch.dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}")
        patcher.start()
        self.addCleanup(patcher.stop)

    def fake(self, name: str, text: str) -> None:
        uris = "'http://mirror.example/debian/dists/stable/InRelease' x 0"
        script(self.bin / name, f'case "$*" in *print-uris*) echo "{uris}"; exit;; esac\n'
               f'echo "{name} $*" >> {self.log}\n{text}\n')

    def package(self, version: str = "9.8.7-1") -> None:
        """Makes a real .deb that the fake apt delivers only with its own source list."""
        root = self.top / "deb"
        (root / "usr/src").mkdir(parents=True)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            f"Package: linux-source-9.8\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: t <t@invalid>\nDescription: t\n")
        sh("tar", "-cJf", root / "usr/src/linux-source-9.8.tar.xz", "--transform",
           "s/^given/linux-source-9.8/", "given", cwd=self.top)
        name = f"linux-source-9.8_{version}_all.deb"
        sh("dpkg-deb", "--root-owner-group", "-b", root, self.top / name, cwd=self.top)
        digest = hashlib.sha256((self.top / name).read_bytes()).hexdigest()
        self.fake("apt-cache", f'case "$*" in *sourcelist*) printf "Package: linux-source-9.8\\n'
                  f'Version: {version}\\nFilename: pool/{name}\\nSHA256: {digest}\\n";; esac')
        self.fake("apt-get", f'case "$*" in *download*) cp {self.top / name} .;; esac')

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
        self.assertIn("deb http", (settings.fetched() / "apt-linux-source-9.8/sources.list").read_text().replace(
            f"[signed-by={apt.KEYRING}] ", ""))
        self.log.unlink()
        tree.ensure_tree(Options(self.world))
        self.assertFalse(self.log.exists())     # nothing is asked for again

    def test_wrong_checksum(self) -> None:
        self.package()
        path = next(self.top.glob("*.deb"))
        path.write_bytes(path.read_bytes() + b"x")
        self.assertIn("checksum", self.fails(Exit.FETCH))

    def test_no_network(self) -> None:
        self.fake("apt-cache", "exit 100")
        self.fake("apt-get", "echo 'E: Could not resolve mirror.example'; exit 100")
        message = self.fails(Exit.FETCH)
        for way in ("mirror", "--tarball linux-9.8.y.tar.xz", "--linux PATH"):
            self.assertIn(way, message)
        # Lists that could not be fetched are asked for again by the next run.
        self.assertIn("Error-Mode=any", self.log.read_text())
        self.assertFalse((settings.fetched() / "apt-linux-source-9.8/updated").exists())

    def test_download_breaks_off(self) -> None:
        self.package()
        self.fake("apt-get", 'case "$*" in *download*) echo half > linux-source-9.8_x.deb; exit 100;;'
                  ' esac')
        self.assertIn("--linux PATH", self.fails(Exit.FETCH))

    def test_no_apt(self) -> None:
        with mock.patch.object(apt.shutil, "which", return_value=None):
            with mock.patch.object(host_packages, "need"):
                self.assertIn("--tarball", self.fails(Exit.FETCH))

    def test_upstream_tarball_that_the_mirror_dropped(self) -> None:
        data = b"tarball"
        digest = hashlib.sha256(data).hexdigest()
        stanzas = "".join(f"Package: linux\\nVersion: {version}-1\\nChecksums-Sha256:\\n"
                          f" {digest} 7 linux_{version}.orig.tar.xz\\n\\n"
                          for version in ("9.8.10", "9.8.9", "9.7.1"))
        self.fake("apt-cache", 'case "$*" in *sourcelist*showsrc*) printf "' + stanzas +
                  '";; *sourcelist*show*) printf "Source: linux\\n";; esac')
        self.fake("apt-get", 'case "$*" in *9.8.9-1) printf tarball > linux_9.8.9.orig.tar.xz;; '
                  "*source*) exit 100;; esac")
        found = apt.upstream_tarball("linux-source-9.8", self.world.suites, "9.8")
        assert found
        self.assertEqual(found.path.name, "linux_9.8.9.orig.tar.xz")

    def test_upstream_tarball_of_a_release_candidate(self) -> None:
        data = b"tarball"
        digest = hashlib.sha256(data).hexdigest()

        def newest(*versions: str) -> str:
            stanzas = "".join(f"Package: linux\\nVersion: {version}\\nChecksums-Sha256:\\n"
                              f" {digest} 7 linux_{version.split('-')[0]}.orig.tar.xz\\n\\n"
                              for version in versions)
            self.fake("apt-cache", 'case "$*" in *showsrc*) printf "' + stanzas +
                      '";; *show*) printf "Source: linux\\n";; esac')
            self.fake("apt-get", 'for word; do version=${word#linux=}; done; case "$*" in '
                      '*" source "*) printf tarball > "linux_${version%%-*}.orig.tar.xz";; esac')
            found = apt.upstream_tarball("linux-source-9.8", self.world.suites, "9.8")
            shutil.rmtree(settings.fetched() / "downloads", ignore_errors=True)
            return found.version if found else ""

        self.assertEqual(newest("9.8~rc2-1~exp1", "9.8~rc10-1~exp1", "9.7.3-1"), "9.8~rc10-1~exp1")
        self.assertEqual(newest("9.8~rc7-1~exp1", "9.8-1~exp1", "9.8~rc8-1~exp1"), "9.8-1~exp1")
        self.assertEqual(newest("9.8.1-1", "9.8~rc7-1~exp1", "9.8-1", "9.8.10-2", "9.8.9-1"), "9.8.10-2")
        self.assertEqual(newest("9.80-1", "9.80~rc1-1"), "")

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
        self.fake("apt-get", 'case "$*" in\n'
                  f'*update*) touch {self.top}/updated;;\n'
                  f'*install*) [ -e {self.top}/updated ] || exit 100\n'
                  f'printf "#!/bin/sh\\n" > {self.bin}/no-such-tool\n'
                  f'chmod +x {self.bin}/no-such-tool;;\nesac')
        with self.lacking(), mock.patch.object(host_packages, "root_prefix", return_value=[]), \
                contextlib.redirect_stderr(io.StringIO()):
            host_packages.need("g")
        self.assertIn("install --no-install-recommends pkg", self.log.read_text())
        self.assertTrue(host_packages.present("no-such-tool"))

    def test_missing_tool_that_cannot_be_installed(self) -> None:
        self.fake("apt-get", "echo 'E: Unable to locate package'; exit 100")
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
