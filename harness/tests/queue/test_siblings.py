"""siblings.py: two small queues that have something in common, and a file that both add."""

from __future__ import annotations

import unittest
from pathlib import Path

from harness.core import queues, settings
from harness.core.errors import HarnessError
from harness.proof import queue_checks
from harness.queue import siblings
from harness.tests.fixture import World

MAIL = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
Subject: [PATCH 9.8 1/2] smp: Write 5 in full, with a subject that is so long
 that it is folded

Why: because.
---
 kernel/smp.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/kernel/smp.c b/kernel/smp.c
index 1111111..2222222 100644
--- a/kernel/smp.c
+++ b/kernel/smp.c
@@ -4,3 +4,3 @@ static void f(void)
 line 4
-line 5
+line five
 line 6
"""
SUBJECT = "smp: Write 5 in full, with a subject that is so long that it is folded"
OTHER = MAIL.replace("PATCH 9.8 1/2", "PATCH 9.9 3/7").replace("@@ -4,3 +4,3 @@", "@@ -90,3 +97,3 @@") \
    .replace(" line 4", " another line").replace("Why: because.", "Tested on another kernel.")


class Mails(unittest.TestCase):
    def test_subject(self) -> None:
        self.assertEqual(siblings.subject(MAIL), SUBJECT)

    def test_context_does_not_count(self) -> None:
        lines = ["kernel/smp.c: -line 5", "kernel/smp.c: +line five"]
        self.assertEqual(siblings.changed_lines(MAIL), lines)
        self.assertEqual(siblings.changed_lines(OTHER), lines)

    def test_lines_that_look_like_heads(self) -> None:
        mail = MAIL.replace("-line 5\n+line five", "--- a/x\n+++ b/x")
        self.assertEqual(siblings.changed_lines(mail),
                         ["kernel/smp.c: --- a/x", "kernel/smp.c: +++ b/x"])

    def test_new_file_and_modes(self) -> None:
        mail = "Subject: x\n\ndiff --git a/a b/a\nnew file mode 100644\nindex 0..1\n--- /dev/null\n" \
               "+++ b/a\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n"
        self.assertEqual(siblings.changed_lines(mail), ["a: new file mode 100644", "a: +a"])


class Lists(unittest.TestCase):
    def compare(self, other: str = OTHER, **lists) -> list[str]:
        listed = siblings.Compared("v9.9", lists.get("same", ()), lists.get("adapted", {}),
                                   lists.get("only", {}))
        changes = siblings.changed_lines
        return siblings.compare(listed, {SUBJECT: changes(MAIL)}, {SUBJECT: changes(other)} if other else {})

    def test_the_same(self) -> None:
        self.assertEqual(self.compare(same=(SUBJECT,)), [])

    def test_same_that_differs_is_shown(self) -> None:
        wrong = self.compare(OTHER.replace("line five", "line V"), same=(SUBJECT,))
        self.assertEqual(wrong[0], f"same in the list, but v9.9 has another one: {SUBJECT}")
        self.assertIn("    -kernel/smp.c: +line V", wrong)
        self.assertIn("    +kernel/smp.c: +line five", wrong)

    def test_adapted(self) -> None:
        self.assertEqual(self.compare(OTHER.replace("five", "V"), adapted={SUBJECT: "digits"}), [])
        self.assertEqual(self.compare(adapted={SUBJECT: "digits"}),
                         [f"adapted in the list, but v9.9 has the same: {SUBJECT}"])

    def test_only(self) -> None:
        self.assertEqual(self.compare("", only={SUBJECT: "no 5 there"}), [])
        self.assertEqual(self.compare(only={SUBJECT: "no 5 there"}),
                         [f"only in the list, but v9.9 has the same: {SUBJECT}"])

    def test_every_patch_is_listed_once_and_is_there(self) -> None:
        self.assertEqual(self.compare(), [f"not in the list: {SUBJECT}"])
        self.assertEqual(self.compare(same=(SUBJECT, "smp: Gone")),
                         ["there is no patch called smp: Gone"])
        self.assertIn(f"in the list more than once: {SUBJECT}",
                      self.compare(same=(SUBJECT,), only={SUBJECT: "w"}))
        self.assertEqual(self.compare("", same=(SUBJECT,)),
                         [f"same in the list, but v9.9 has none of that name: {SUBJECT}"])


class Queues(World):
    def queue_of(self, name: str, mail: str, compared: str) -> None:
        folder = self.queue.parent / name
        folder.mkdir(exist_ok=True)
        (folder / "base.toml").write_text(
            (self.queue / "base.toml").read_text().replace("9.8", name[1:]))
        (folder / "series").write_text("0001-smp.patch\n")
        (folder / "0001-smp.patch").write_text(mail)
        if compared:
            (folder / "compared.toml").write_text(compared)

    def test_from_the_files(self) -> None:
        self.queue_of("v9.8", MAIL, "")
        self.queue_of("v9.9", OTHER, f'other = "v9.8"\nsame = ["{SUBJECT}"]\n')
        with self.assertRaises(queue_checks.Skipped):
            queue_checks.check_siblings(queues.load("v9.8"))
        self.assertEqual(queue_checks.check_siblings(queues.load("v9.9")),
                         ([], "1 patches as in v9.8, 0 adapted, 0 only here"))
        self.queue_of("v9.8", MAIL.replace("five", "V"), "")
        self.assertTrue(queue_checks.check_siblings(queues.load("v9.9"))[0])

    def test_lists_that_make_no_sense(self) -> None:
        for text in ('same = []\n', 'other = "v9.8"\nsome = []\n',
                     'other = "v9.8"\n[only]\n"smp: X" = ""\n'):
            self.queue_of("v9.9", OTHER, text)
            with self.assertRaises(HarnessError, msg=text):
                siblings.load(queues.load("v9.9"))

    def test_shared_files(self) -> None:
        info = self.make_queue()
        with self.assertRaises(queue_checks.Skipped):
            queue_checks.check_shared(info)
        path = settings.REPO / "shared/kernel/new.c"
        path.parent.mkdir(parents=True)
        path.write_text("new\n")
        self.assertEqual(queue_checks.check_shared(info), ([], "1 file, byte for byte"))
        path.write_text("newer\n")
        Path(path.parent / "gone.c").write_text("")
        self.assertEqual(queue_checks.check_shared(info)[0],
                         ["kernel/gone.c is missing in the tree",
                          "kernel/new.c is not what shared/kernel/new.c is"])


if __name__ == "__main__":
    unittest.main()
