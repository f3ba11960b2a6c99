"""The queue checks find what they are there for."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path
from unittest import mock

from harness.core import settings
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.queue import series
from harness.build import single_objects
from harness.proof import queue_checks
from harness.tests.fixture import QUEUE, World


class Queue(World):
    def test_good_queue(self) -> None:
        info = self.make_queue()
        self.assertEqual(queue_checks.check_files(self.world), ([], "2 patches and the cover letter"))
        for check in (queue_checks.check_am, queue_checks.check_round_trip, queue_checks.check_kernel_doc):
            with mock.patch.object(queue_checks, "kernel_doc", return_value=Counter()):
                self.assertEqual(check(info)[0], [], check.__name__)
        self.assertEqual(queue_checks.check_round_trip(info)[1], "the same bytes")

    def files(self) -> str:
        return "\n".join(queue_checks.check_files(self.world)[0])

    def test_series_and_files_both_ways(self) -> None:
        self.assertIn("series is empty", self.files())
        info = self.make_queue()
        extra, names = self.queue / "0003-extra.patch", series.names(self.queue)
        extra.write_text("")
        self.assertIn(f"{extra.name} would go away", queue_checks.check_round_trip(info)[0])
        extra.rename(self.queue / "extra.patch")         # git am would take it from *.patch
        self.assertEqual(self.files(), "extra.patch is not in series")
        (self.queue / "extra.patch").unlink()
        (self.queue / "series").write_text("\n".join(reversed(names)))
        self.assertIn("series would change", queue_checks.check_round_trip(info)[0])
        (self.queue / names[0]).unlink()
        with self.assertRaises(HarnessError) as caught:
            self.files()
        self.assertEqual(caught.exception.code, Exit.APPLY)

    def test_cover(self) -> None:
        self.make_queue()
        path = self.queue / series.COVER
        text = path.read_text()
        for old, new, said in (("Written by hand", "*** BLURB ***", "place-holder"),
                               ("0/2", "0/3", "2 patches"),
                               ("Base: Linux", "On", "has no line 'Base: Linux '")):
            path.write_text(text.replace(old, new))
            self.assertIn(said, self.files())
            self.assertNotIn("\n", self.files())
        path.unlink()
        self.assertEqual(self.files(), "0000-cover-letter.patch is missing")

    def test_round_trip_notices_an_edit(self) -> None:
        info = self.make_queue()
        path = series.patches(self.world)[0]
        path.write_text(path.read_text().replace("Why: because.", "Why: because.  \n\n\nX"))
        self.assertEqual(queue_checks.check_round_trip(info)[0],
                         [f"{path.name} would change", "use ./run tree, then ./run export"])

    def test_round_trip_on_another_release(self) -> None:
        info = self.make_queue()
        letter = self.queue / series.COVER
        letter.write_text(letter.read_text().replace("Linux 9.8.7", "Linux 9.8.5"))
        path = series.patches(self.world)[0]
        path.write_text(path.read_text().replace("@@ -3,7 +3,7 @@", "@@ -4,7 +4,7 @@"))
        complaints, detail = queue_checks.check_round_trip(info)
        self.assertEqual(complaints, [])
        self.assertIn("9.8.5", detail)

    def test_am_notices_a_bad_patch(self) -> None:
        info = self.make_queue()
        name = self.break_patch()
        with self.assertRaises(HarnessError) as caught:
            queue_checks.check_am(info)
        self.assertIn(name, caught.exception.message)

    def test_no_tree_is_one_failure(self) -> None:
        self.make_queue()
        self.break_patch()
        with contextlib.redirect_stderr(io.StringIO()):
            parts = queue_checks.checks(True, self.opts, Progress(1, io.StringIO()))
        self.assertEqual([part.code for part in parts], [Exit.OK, Exit.OK, Exit.OK, Exit.APPLY])

    def test_checkpatch_judgement(self) -> None:
        output = ("/q/0001-a.patch:7: WARNING:FILE_PATH_CHANGES: added file(s)\n"
                  "/q/0002-b.patch:9: CHECK:LONG_LINE: too long\n"
                  "total: 0 errors, 1 warnings, 1 checks, 9 lines checked\n")
        allowed = ["FILE_PATH_CHANGES 0001"]
        self.assertEqual(queue_checks.judge_checkpatch(output, allowed),
                         (["/q/0002-b.patch:9: CHECK:LONG_LINE: too long"], 1))
        allowed = ["FILE_PATH_CHANGES 0002"]
        self.assertEqual(len(queue_checks.judge_checkpatch(output, allowed)[0]), 2)

    def test_an_exception_must_say_for_what_it_is(self) -> None:
        info = self.make_queue()
        for option, message in (({}, {"LONG_LINE 0002": ""}), ({"--ignore=LONG_LINE": " "}, {})):
            with mock.patch.object(settings, "toml", return_value={"option": option, "message": message}), \
                    self.assertRaises(HarnessError):
                queue_checks.check_checkpatch(info)
        line = "/q/0002-b.patch:9: CHECK:LONG_LINE: too long\n"
        self.assertEqual(queue_checks.judge_checkpatch(line, ["LONG_LINE"])[1], 0)

    def test_checkpatch_has_no_options_but_those_of_the_data(self) -> None:
        info = self.make_queue()
        ran: list[str] = []

        def run(argv, **more):
            ran.extend(map(str, argv))
            return mock.Mock(output="", returncode=0)
        with mock.patch.object(queue_checks.proc, "run", run), \
                mock.patch.object(queue_checks.host_packages, "need"), \
                mock.patch.object(settings, "toml", return_value={"option": {}, "message": {}}):
            self.assertEqual(queue_checks.check_checkpatch(info)[0], [])
        # These make it say more, or say it in a way that can be read.
        self.assertEqual({word for word in ran if word.startswith("-")},
                         {"--strict", "--terse", "--show-types", "--color=never"})

    def test_new_messages_ignore_line_numbers(self) -> None:
        before = single_objects.messages("../kernel/smp.c:10:3: warning: old\n")
        now = single_objects.messages("kernel/smp.c:12:3: warning: old\nkernel/smp.c:9: warning: new\n"
                                      "  CC      kernel/smp.o\n")
        self.assertEqual(list(now - before), ["kernel/smp.c: warning: new"])

    def test_relevant_objects(self) -> None:
        config = single_objects.Config(QUEUE, "c", "x86_64", "", [], {}, not_here=["kernel/up.c"])
        for name in ("arch/x86/a.c", "arch/arm/b.c", "kernel/up.c"):
            (self.linux / name).parent.mkdir(parents=True, exist_ok=True)
            (self.linux / name).touch()
        paths = ["arch/x86/a.c", "arch/arm/b.c", "kernel/up.c", "kernel/smp.c", "kernel/gone.c",
                 "include/linux/smp.h"]
        self.assertEqual(single_objects.relevant(config, self.linux, paths),
                         ["arch/x86/a.o", "kernel/smp.o"])

    def test_which_paths_matter(self) -> None:
        paths = ["arch/x86/mm/tlb.c", "arch/arm/mm/x.c", "arch/Kconfig", "MAINTAINERS",
                 "Documentation/x.rst", "lib/Kconfig.debug", "include/linux/smp.h"]
        listed = {arch: single_objects.concerned(arch, paths)
                  for arch in ("x86_64", "arm")}
        self.assertEqual(listed["x86_64"], ["arch/x86/mm/tlb.c", "arch/Kconfig",
                                            "lib/Kconfig.debug", "include/linux/smp.h"])
        self.assertEqual(listed["arm"], ["arch/arm/mm/x.c", *listed["x86_64"][1:]])

    def test_what_no_configuration_compiles(self) -> None:
        (self.linux / "virt").mkdir()
        for name in ("virt/kvm_main.c", "drivers.c", "kernel/up.c"):
            (self.linux / name).parent.mkdir(exist_ok=True)
            (self.linux / name).touch()
        listed = [single_objects.Config(QUEUE, "all", "x86_64", "", [], {}, prefixes=True,
                                        not_here=["kernel/up.c", "drivers.c"],
                                        built_as={"virt/kvm_main.c": "arch/x86/kvm/../kvm_main.o"}),
                  single_objects.Config(QUEUE, "up", "x86_64", "", [], {}, ["kernel/up.o"])]
        paths = ["virt/kvm_main.c", "drivers.c", "kernel/up.c", "kernel/smp.c", "kernel/gone.c"]
        self.assertEqual(single_objects.not_compiled(listed, self.linux, paths), ["drivers.c"])
        listed.append(single_objects.Config(QUEUE, "more", "arm", "", [], {}, ["drivers.o"]))
        self.assertEqual(single_objects.not_compiled(listed, self.linux, paths), [])

    def test_configs_are_readable(self) -> None:
        self.assertTrue(any(config.prefixes for config in single_objects.configs(QUEUE)))
        self.assertTrue(all(isinstance(config.out, Path) for config in single_objects.configs(QUEUE)))
