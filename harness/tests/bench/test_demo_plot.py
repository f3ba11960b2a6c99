"""Tests of harness/plot.py."""

import importlib.util
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

from harness.bench import demo_plot
from harness.bench.wakeup import read
from harness.tests.bench.test_wakeup import ASKED, WHERE, console, fast, slow


class NamesTest(unittest.TestCase):
    def test_decades(self):
        self.assertEqual([demo_plot.decade_name(value) for value in (100, 1e3, 1e5, 1e6, 1e8, 1e9)],
                         ["100 ns", "1 µs", "100 µs", "1 ms", "100 ms", "1 s"])


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "matplotlib is not installed")
class DrawTest(unittest.TestCase):
    def test_same_points_give_the_same_bytes(self):
        asked = replace(ASKED, models=("full", "voluntary"))
        boots = [read(console(latency), asked, label, WHERE, model) for model in asked.models
                 for latency, label in ((slow, "base"), (fast, "series"))]
        with tempfile.TemporaryDirectory() as name:
            pictures = [Path(name) / text for text in ("one.svg", "two.svg")]
            for picture in pictures:
                demo_plot.draw(boots, asked, "a subtitle", picture, Path(name))
            texts = [picture.read_bytes() for picture in pictures]
        self.assertEqual(*texts)
        self.assertTrue(ElementTree.fromstring(texts[0]).tag.endswith("svg"))


if __name__ == "__main__":
    unittest.main()
