"""proof/README.md names evidence that exists, for each invariant."""

import re
import tomllib
import unittest

from harness.core import queues, settings
from harness.queue import series
from harness.proof import litmus
from harness.tests.fixture import QUEUE

PROOF = settings.REPO / "proof"
COLUMNS = ("case", "mutant", "litmus", "variant")


def rows() -> dict[str, list[set[str]]]:
    """Invariant -> the names in each cell of its row, torture left out."""
    found = {}
    for line in (PROOF / "README.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if name := re.match(r"\*\*(I\d+)\*\* \S", cells[0]):
            found[name[1]] = [set(re.findall(r"`([^`]+)`", cell)) for cell in cells[1:5]]
    return found


def of_queues() -> list[queues.Queue]:
    return [queues.load(name) for name in queues.names()]


def mutants() -> dict[str, dict]:
    """The entries of mutants.toml, with those that a queue adds."""
    found: dict[str, dict] = {}
    for queue in of_queues():
        found |= queue.data(PROOF / "mutants/mutants.toml")
    return {name: entry for name, entry in found.items() if name not in ("general", "left_out")}


def known() -> dict[str, set[str]]:
    """Every name that each column may use."""
    patches = "".join(path.read_text("utf-8") for path in series.patches(QUEUE))
    spin = tomllib.loads((PROOF / "spin/spin.toml").read_text("utf-8"))["variant"]
    return {
        "case": set(re.findall(r"^\+\tKUNIT_CASE\w*\((\w+)", patches, re.M)),
        "mutant": set(mutants()),
        "litmus": {name for queue in of_queues() for name in litmus.tests(litmus.files(queue))},
        "variant": {item["name"] for item in spin},
    }


class ProofTable(unittest.TestCase):
    def test_every_invariant_has_a_row_with_a_case_and_a_mutant(self) -> None:
        table = rows()
        self.assertEqual(list(table), [f"I{number}" for number in range(1, 13)])
        for name, cells in table.items():
            # I12 is what the preemptoff tracer sees: a lane of its own, no case.
            self.assertTrue((cells[0] or name == "I12") and cells[1], name)

    def test_the_names_exist(self) -> None:
        there = known()
        for name, cells in rows().items():
            for column, names in zip(COLUMNS, cells):
                self.assertEqual(names - there[column], set(), f"{name}: {column}")

    def test_every_mutant_and_litmus_test_is_in_the_table(self) -> None:
        there = known()
        for column in ("mutant", "litmus"):
            named = set().union(*(cells[COLUMNS.index(column)] for cells in rows().values()))
            self.assertEqual(there[column] - named, set(), column)

    def test_mutants_are_in_the_rows_of_what_they_break(self) -> None:
        data = mutants()
        for name, cells in rows().items():
            for mutant in cells[1]:
                self.assertIn(name, data[mutant]["invariant"], mutant)

    def test_variants_are_in_the_rows_of_what_rejects_them(self) -> None:
        data = tomllib.loads((PROOF / "spin/spin.toml").read_text("utf-8"))
        expected = {item["name"]: item["expect"] for item in data["variant"]}
        for name, cells in rows().items():
            for variant in cells[3]:
                self.assertEqual(expected[variant], name, variant)


if __name__ == "__main__":
    unittest.main()
