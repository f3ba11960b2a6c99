"""queues.py: which queue is meant, and what it says for itself."""

from __future__ import annotations

import unittest

from harness.core import queues, settings
from harness.core.errors import Exit, HarnessError
from harness.tests.fixture import World


class OurOwn(unittest.TestCase):
    def test_every_queue_can_be_read(self) -> None:
        self.assertTrue(queues.names())
        for name in queues.names():
            self.assertEqual(queues.load(name).name, name)

    def test_one_is_the_default(self) -> None:
        self.assertIn(queues.load().name, queues.names())


class Queues(World):
    def error(self, name: str | None = None) -> str:
        with self.assertRaises(HarnessError) as caught:
            queues.load(name)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def second(self, more: str = "") -> None:
        folder = self.queue.parent / "v9.9"
        folder.mkdir(exist_ok=True)
        text = (self.queue / "base.toml").read_text()
        (folder / "base.toml").write_text(more + text.replace("9.8", "9.9"))

    def test_the_only_one_is_taken(self) -> None:
        self.assertEqual(queues.load().name, "v9.8")

    def test_several_need_a_name_or_a_default(self) -> None:
        self.second()
        self.assertIn("v9.8, v9.9", self.error())
        self.assertEqual(queues.load("v9.9").version, "9.9")
        self.second("default = true\n")
        self.assertEqual(queues.load().name, "v9.9")
        self.assertEqual(queues.load("v9.8").name, "v9.8")
        self.assertIn("no queue v1.0", self.error("v1.0"))

    def test_each_has_its_folder_and_what_is_fetched_is_shared(self) -> None:
        self.second()
        one, other = queues.load("v9.8"), queues.load("v9.9")
        self.assertEqual((one.build, other.build), (settings.BUILD / "v9.8", settings.BUILD / "v9.9"))
        self.assertEqual(settings.fetched().parent, settings.BUILD)

    def test_broken_files(self) -> None:
        (self.queue / "base.toml").write_text("version = ")
        self.assertIn("not valid TOML", self.error())
        (self.queue / "base.toml").write_text('version = "9.8"\n')
        self.assertIn("package", self.error())

    def test_own_data_comes_first(self) -> None:
        common = self.top / "some.toml"
        common.write_text('[a]\none = 1\ntwo = 2\n[[b]]\nx = 1\n')
        self.assertEqual(self.world.file(common), common)
        self.assertEqual(self.world.data(common), {"a": {"one": 1, "two": 2}, "b": [{"x": 1}]})
        (self.queue / "some.toml").write_text('[a]\ntwo = 3\n[[b]]\nx = 2\n')
        self.assertEqual(self.world.file(common), self.queue / "some.toml")
        self.assertEqual(self.world.data(common), {"a": {"one": 1, "two": 3}, "b": [{"x": 2}]})


if __name__ == "__main__":
    unittest.main()
