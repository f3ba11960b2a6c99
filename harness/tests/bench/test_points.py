"""points.py: consoles, files of points, times as they are shown."""

import tempfile
import unittest
from pathlib import Path

from harness.core.errors import Exit
from harness.bench import points
from harness.tests.bench.samples import BOOT, CONSOLE, error


class ReadTest(unittest.TestCase):
    def test_good(self):
        found, discards = points.read(CONSOLE, BOOT, "tsc")
        values = {(point.row, point.case, point.x, point.rep): point.value for point in found}
        self.assertEqual(values, {
            ("memory", "task_bytes", 0, 1): 4096, ("cost", "single", 1, 1): 400,
            ("cost", "many", 3, 1): 1500, ("fork", "fork_exit_wait", 0, 1): 45000,
            ("tlb_wakeup", "munmap", 4000000, 1): 2100,
            ("tlb_wakeup_locked", "cow_fault", 4000000, 1): 4000100, ("tlb_cost", "madvise_1", 3, 1): 1700,
            ("tlb_cost", "madvise_1", 3, 2): 1710, ("wakeup", "single", 100000, 1): 1810,
            ("crowd", "munmap", 2, 1): 5000, ("preemptoff", "many", 16000000, 1): 4000,
            ("wakeup", "third", 100000, 1): 2900})
        self.assertEqual({(point.guest, point.boot, point.cpus) for point in found},
                         {("main", 2, 4)})
        self.assertEqual(len(discards), 1)

    def test_bad(self):
        for old, new, words in (
                ("BENCH-OK,2", "BENCH-OK,3", "made 6"), ("single,1,1,8000", "single,1,1,x", "no sense"),
                ("third,100000,1,2900", "third,100000,1,2x", "no sense"), ("CLOCK,tsc", "CLOCK,hpet", "hpet, not by tsc"),
                ("BENCH-CLOCK,tsc", "", "none named")):
            with self.subTest(new), self.assertRaisesRegex(ValueError, words):
                self.assertIn(old, CONSOLE)
                points.read(CONSOLE.replace(old, new), BOOT, "tsc")

    def test_model(self):
        found, _ = points.read(CONSOLE, BOOT._replace(model="none"), "tsc")
        self.assertEqual({point.key.model for point in found}, {"none"})

    def test_csv_without_a_model(self):
        found, _ = points.read(CONSOLE, BOOT, "tsc")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            points.write_csv(found, path)
            path.write_text("\n".join(line.rsplit(",", 1)[0]
                                      for line in path.read_text().splitlines()) + "\n")
            self.assertEqual(points.read_csv(path), found)

    def test_csv(self):
        found, _ = points.read(CONSOLE, BOOT._replace(model="voluntary"), "tsc")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            points.write_csv(found, path)
            self.assertEqual(points.read_csv(path), found)
            path.write_text("a,b\n1,2\n")
            error(self, Exit.USAGE, "not a file of points", points.read_csv, path)
            path.unlink()
            error(self, Exit.USAGE, "No such file", points.read_csv, path)


class ShowTest(unittest.TestCase):
    def test_three_digits(self):
        for value, text in ((7, "7 ns"), (999, "999 ns"), (1_000, "1.00 us"), (1_934, "1.93 us"),
                            (80_003, "80.0 us"), (980_400, "980 us"), (999_900, "1.00 ms"),
                            (9_996_000, "10.0 ms"), (63_990_000, "64.0 ms"),
                            (1_500_000_000, "1.50 s")):
            self.assertEqual(points.show(value), text)

    def test_holds(self):
        self.assertEqual([points.hold(hold) for hold in (0, 100_000, 4_000_000)],
                         ["-", "0.1 ms", "4 ms"])


if __name__ == "__main__":
    unittest.main()
