"""names.py: times as they are shown."""

import unittest

from harness.bench import names


class ShowTest(unittest.TestCase):
    def test_three_digits(self):
        for value, text in ((7, "7 ns"), (999, "999 ns"), (1_000, "1.00 us"), (1_934, "1.93 us"),
                            (80_003, "80.0 us"), (980_400, "980 us"), (999_900, "1.00 ms"),
                            (9_996_000, "10.0 ms"), (63_990_000, "64.0 ms"),
                            (1_500_000_000, "1.50 s")):
            self.assertEqual(names.show(value), text)

    def test_holds(self):
        self.assertEqual([names.hold_name(hold) for hold in (100_000, 4_000_000)], ["0.1 ms", "4 ms"])


if __name__ == "__main__":
    unittest.main()
