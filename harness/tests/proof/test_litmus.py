"""herd7.py, litmus.py, proofs.py: verdicts, what is modelled, a missing tool."""

from __future__ import annotations

import contextlib
import io
import unittest
from pathlib import Path
from unittest import mock

from harness.core import report, settings
from harness.core.errors import Exit, HarnessError
from harness.core.progress import Progress
from harness.fetch import apt
from harness.queue import tree
from harness.proof import herd7, litmus
from harness.verbs import prove as prove_verb
from harness.tests.fixture import QUEUE, FakeApt, World, script, sh, verb

OUTPUT = """\
Test csd-a Allowed
States 2
0:r0=0;
0:r0=1;
No
Witnesses
Positive: 0 Negative: 3
Condition exists (0:r0=2)
Observation csd-a Never 0 3
Time csd-a 0.01
"""
TEST = """\
C {name}

(*
 * Result: {result}
 *
 * Two sentences.
 *
 * Models: kernel/smp.c: csd_a() smp_wmb
 * Models: kernel/smp.c: csd_b()
 *)

{{}}

P0(int *x)
{{
	WRITE_ONCE(*x, 1);
}}

exists (x=0)
"""
SMP = """\
static void csd_b(void);

/* csd_a() is told apart from smp_wmb() here. */
static int
csd_a(int x,
      int y)
{
	/* Not smp_rmb(). */
	if (x) {
		smp_wmb();
	}
}

static void csd_b(void)
{
}
"""


class Verdicts(unittest.TestCase):
    def test_parse(self) -> None:
        self.assertEqual(herd7.parse(OUTPUT), ["csd-a", "Never", "0", "3"])
        flagged = herd7.parse(OUTPUT.replace("Never 0 3", "Sometimes 2 5") + "Flag data-race\n")
        self.assertEqual(flagged, ["csd-a", "Sometimes", "2", "5", "data-race"])

    def test_no_verdict(self) -> None:
        for output in ("", 'Warning: File "x.litmus", line 17: unexpected \'lock\' (User error)\n',
                       OUTPUT.replace("Never 0", "Never"), OUTPUT + OUTPUT):
            self.assertEqual(herd7.parse(output), [])

    def judged(self, result: str, verdict: str, positive: int, negative: int,
               *flags: str, name: str = "csd-a") -> list[str]:
        return litmus.judge(litmus.Header("csd-a", result, ()),
                            [name, verdict, str(positive), str(negative), *flags])

    def test_right_verdicts(self) -> None:
        self.assertEqual(self.judged("Never", "Never", 0, 3), [])
        self.assertEqual(self.judged("Sometimes", "Sometimes", 1, 3, "data-race"), [])

    def test_wrong_verdicts(self) -> None:
        self.assertIn("should be Never", self.judged("Never", "Sometimes", 1, 3)[0])
        self.assertIn("should be Never", self.judged("Never", "Always", 3, 0)[0])
        self.assertIn("should be Sometimes", self.judged("Sometimes", "Never", 0, 3)[0])
        self.assertEqual(len(self.judged("", "Never", 0, 3)), 1)

    def test_never_must_mean_something(self) -> None:
        self.assertIn("no execution", self.judged("Never", "Never", 0, 0)[0])
        self.assertIn("data-race", self.judged("Never", "Never", 0, 3, "data-race")[0])
        self.assertEqual(len(self.judged("Never", "Never", 0, 3, name="other")), 1)


class Names(World):
    def setUp(self) -> None:
        super().setUp()
        self.folder = settings.REPO / "proof/litmus"
        self.folder.mkdir(parents=True)
        self.put("csd-a", "Never")
        self.put("csd-a-broken", "Sometimes")
        self.source(SMP)

    def source(self, text: str, file: str = "kernel/smp.c") -> None:
        (self.linux / file).write_text(text)

    def put(self, name: str, result: str, text: str = TEST) -> None:
        (self.folder / f"{name}.litmus").write_text(text.format(name=name, result=result))

    def found(self) -> str:
        return "\n".join(litmus.dangling(self.world, self.linux))

    def test_all_is_well(self) -> None:
        self.assertEqual(self.found(), "")

    def test_no_test_at_all(self) -> None:
        for path in self.folder.glob("*.litmus"):
            path.unlink()
        self.assertIn("no litmus test", self.found())

    def test_twins(self) -> None:
        (self.folder / "csd-a-broken.litmus").unlink()
        self.put("csd-z-broken", "Sometimes")
        self.assertIn("csd-a.litmus has no csd-a-broken.litmus beside it", self.found())
        self.assertIn("csd-z-broken.litmus has no csd-z.litmus beside it", self.found())

    def test_head_of_a_test(self) -> None:
        self.put("csd-a", "Sometimes")
        self.put("csd-a-broken", "Never", TEST.replace("{name}", "other"))
        self.assertIn("csd-a.litmus says Result: Sometimes instead of Never", self.found())
        self.assertIn("csd-a-broken.litmus says Result: Never instead of Sometimes", self.found())
        self.assertIn("csd-a-broken.litmus calls itself other", self.found())
        self.put("csd-a", "Never", TEST.replace("Models", "Shows"))
        self.assertIn("csd-a.litmus does not say what it models", self.found())
        self.assertIn("csd-a-broken.litmus does not model what csd-a does", self.found())

    def test_what_is_modelled_must_be_in_the_kernel(self) -> None:
        self.put("csd-a", "Never", TEST.replace("csd_b()", "csd_gone()"))
        self.assertIn("models kernel/smp.c: csd_gone(), which the kernel does not have", self.found())
        self.put("csd-a", "Never", TEST.replace("kernel/smp.c: csd_b", "kernel/gone.c: csd_b"))
        self.assertIn("models kernel/gone.c: csd_b(), which the kernel does not have", self.found())
        self.put("csd-a", "Never", TEST.replace("csd_b()", "csd_b"))
        self.assertIn("models kernel/smp.c: csd_b, which the kernel does not have", self.found())

    def test_a_weakened_barrier_is_found(self) -> None:
        self.source(SMP.replace("\t\tsmp_wmb();\n", "\t\t/* smp_wmb() */;\n"))
        self.assertIn("models kernel/smp.c: csd_a() smp_wmb, which the kernel does not have", self.found())

    def test_what_a_queue_has_instead(self) -> None:
        def found(of_the_test: str) -> str:
            (self.queue / "litmus.toml").write_text(
                f'[models]\n"kernel/smp.c: {of_the_test}" = "kernel/up.c: csd_c() smp_mb"\n')
            return self.found()
        self.source(SMP.replace("csd_a", "csd_c").replace("wmb", "mb"), "kernel/up.c")
        self.source(SMP.replace("csd_a", "csd_c"))
        self.assertEqual(found("csd_a() smp_wmb"), "")
        self.assertIn("models kernel/smp.c: csd_a()", found("csd_b()"))
        self.assertIn("csd_x() smp_wmb, which no test models", found("csd_x() smp_wmb"))

    def test_body(self) -> None:
        path = self.linux / "kernel/smp.c"
        self.assertIn("smp_wmb", litmus.body(path, "csd_a") or "")
        self.assertNotIn("smp_rmb", litmus.body(path, "csd_a") or "")
        self.assertIn("csd_b", litmus.body(path, "csd_b") or "")
        self.assertIsNone(litmus.body(path, "csd"))
        self.source("void f(void);\nint g(void)\n{\n\tf();\n}\n")
        self.assertIsNone(litmus.body(path, "f"))


class OfAQueue(World):
    def test_own_tests(self) -> None:
        common, own = settings.REPO / "proof/litmus", self.queue / "litmus"
        for folder, names in ((common, ("a", "a-broken")), (own, ("a", "c"))):
            folder.mkdir(parents=True)
            for name in names:
                (folder / f"{name}.litmus").write_text("")
        self.assertEqual(litmus.files(self.world), {
            "a": own / "a.litmus", "a-broken": common / "a-broken.litmus", "c": own / "c.litmus"})


class Own(unittest.TestCase):
    """The tests of this repository, as far as that needs neither herd7 nor a kernel."""

    def test_heads(self) -> None:
        names = litmus.tests(litmus.files(QUEUE))
        self.assertGreater(len(names), 10)
        for name in names:
            for stem, result in ((name, "Never"), (name + litmus.TWIN, "Sometimes")):
                text = (settings.REPO / f"proof/litmus/{stem}.litmus").read_text("utf-8")
                head = litmus.header(text)
                self.assertEqual((head.name, head.result), (stem, result))
                self.assertTrue(head.models, stem)
                self.assertEqual(len(head.models), text.count("Models:"), stem)


class Tool(FakeApt):
    """Getting herd7."""

    def setUp(self) -> None:
        super().setUp()
        real = herd7.shutil.which
        patcher = mock.patch.object(herd7.shutil, "which",
                                    lambda name: None if name == "herd7" else real(name))
        patcher.start()
        self.addCleanup(patcher.stop)

    def fails(self, code: Exit) -> str:
        with self.assertRaises(HarnessError) as caught:
            herd7.ensure()
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(list(settings.fetched().glob("herd*")), [])
        return caught.exception.message

    def package(self, version: str) -> Path:
        """A package with a loader that starts what comes third."""
        root = self.top / "deb"
        library = root / "usr/lib/x-linux-gnu"
        script(library / "ld-linux-x.so.2", 'exec "$3" "$@"\n')
        (root / "usr/share/herdtools7/herd").mkdir(parents=True)
        script(root / "usr/bin/herd7", version)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN/control").write_text(
            "Package: herdtools7\nVersion: 7\nArchitecture: all\n"
            "Maintainer: t <t@invalid>\nDescription: t\n")
        path = self.top / "herdtools7_7_all.deb"
        sh("dpkg-deb", "--root-owner-group", "-b", root, path, cwd=self.top)
        return path

    def test_unpacked_and_started_through_its_own_loader(self) -> None:
        self.installs(self.package('[ "$1" = --library-path ] && echo "7.99, Rev: x"'))
        self.assertEqual(herd7.ensure().version, "7.99")
        tool = herd7.ensure()
        self.assertEqual(self.log.read_text().count(" install "), 1)
        self.assertIn("ld-linux-x.so.2", tool.command[0])
        self.assertEqual(tool.command[-1], str(settings.fetched() / "herd/root/usr/share/herdtools7/herd"))

    def test_does_not_start(self) -> None:
        self.installs(self.package("exit 127"))
        with self.assertRaises(HarnessError) as caught:
            herd7.ensure()
        self.assertEqual(caught.exception.code, Exit.TOOL)

    def test_nowhere(self) -> None:
        with mock.patch.object(apt.shutil, "which", return_value=None):
            self.assertIn("no apt-get", self.fails(Exit.FETCH))

    def test_no_network(self) -> None:
        self.apt("echo 'E: Could not resolve mirror.example'; exit 100")
        self.assertIn("Could not resolve mirror.example", self.fails(Exit.FETCH))

    def test_broken_package_leaves_nothing(self) -> None:
        bad = self.top / "bad_1_all.deb"
        bad.write_text("no package")
        self.installs(bad)
        self.fails(Exit.FETCH)

    def test_lists_of_the_tool_are_not_those_of_the_base(self) -> None:
        self.installs(self.package("exit 127"))
        apt.unpacked("herd", ["herdtools7"], ("testing",))
        [listing] = settings.fetched().glob("apt-*/sources.list")
        text = listing.read_text()
        self.assertEqual(len(text.splitlines()), 1)
        self.assertTrue(text.startswith("deb ") and text.endswith("debian testing main\n"))
        self.assertIn("--download-only", self.log.read_text())


class Prove(World):
    """The verb, with a herd7 that says what the tests say themselves."""

    HERD = ('for last; do :; done\n'
            '[ "$last" = -version ] && { echo 7.99; exit; }\n'
            '[ -e linux-kernel.cfg ] || exit 2\n'
            'name=$(basename "$last" .litmus)\n'
            'verdict=$(sed -n "s/^ \\* Result: //p" "$last")\n'
            'echo "Observation $name $verdict 0 1"\n')

    def setUp(self) -> None:
        super().setUp()
        (self.linux / "kernel/smp.c").write_text(SMP.replace("smp_wmb();", "line 5;"))
        model = self.linux / litmus.MODEL
        (model / "litmus-tests").mkdir(parents=True)
        (model / herd7.CONFIG).write_text("model\n")
        (model / "litmus-tests/own.litmus").write_text(TEST.format(name="own", result="Never"))
        self.tests = self.top / "repo/proof/litmus"
        self.tests.mkdir(parents=True)
        for name, result in (("csd-a", "Never"), ("csd-a-broken", "Sometimes")):
            (self.tests / f"{name}.litmus").write_text(TEST.format(name=name, result=result))
        made = tree.ensure_tree(self.opts)
        smp = made.path / "kernel/smp.c"
        smp.write_text(smp.read_text().replace("line 5;", "smp_wmb();"))
        self.git_commit(made.path, "smp: Order it\n\nWhy: because.")
        self.silent_export()
        self.script = self.top / "bin/herd7"
        script(self.script, self.HERD)
        patcher = mock.patch.object(herd7.shutil, "which", lambda name: str(self.script))
        patcher.start()
        self.addCleanup(patcher.stop)

    def parts(self) -> dict[str, report.Part]:
        with contextlib.redirect_stderr(io.StringIO()) as self.err:
            made = litmus.parts(self.opts, Progress(1, io.StringIO()))
        return {part.name: part for part in made}

    def test_all_is_well(self) -> None:
        parts = self.parts()
        self.assertEqual(list(parts), ["litmus names", "memory model", "litmus csd-a"])
        self.assertEqual(report.exit_code(list(parts.values())), Exit.OK, self.err.getvalue())
        self.assertEqual(report.closing(list(parts.values())), "4 passed, 0 failed, 0 skipped")
        self.assertIn("Never 0 1; twin Sometimes 0 1", parts["litmus csd-a"].note)

    def test_wrong_verdict_of_test_and_twin(self) -> None:
        script(self.script, self.HERD.replace("$verdict 0 1", "Always 1 0"))
        part = self.parts()["litmus csd-a"]
        self.assertEqual((part.code, part.passed, part.failed), (Exit.TEST, 0, 2))

    def test_model_that_does_not_fit(self) -> None:
        script(self.script, self.HERD.replace("echo \"Obs", "[ $name != own ] && echo \"Obs"))
        parts = self.parts()
        self.assertEqual(parts["memory model"].code, Exit.TEST)
        self.assertEqual(parts["litmus csd-a"].code, Exit.OK)

    def test_missing_twin(self) -> None:
        (self.tests / "csd-a-broken.litmus").unlink()
        parts = self.parts()
        self.assertEqual((parts["litmus names"].failed, parts["litmus csd-a"].failed), (1, 1))

    def test_missing_tool_fails(self) -> None:
        error = HarnessError(Exit.FETCH, "herd7 cannot be had.")
        with mock.patch.object(herd7, "ensure", side_effect=error), \
                mock.patch.object(prove_verb, "STEPS", ["litmus tests"]), \
                contextlib.redirect_stderr(io.StringIO()) as err, \
                contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(verb("prove", "--linux", str(self.linux)), Exit.FETCH)
        self.assertIn("herd7 cannot be had.", err.getvalue())
        self.assertTrue(out.getvalue().endswith("1 passed, 1 failed, 0 skipped\n"))


if __name__ == "__main__":
    unittest.main()
