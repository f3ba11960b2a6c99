"""The command line of one verb: an argparse parser whose errors are one sentence."""

import argparse
from typing import NoReturn

from .errors import Exit, HarnessError


class Parser(argparse.ArgumentParser):
    """`./run help VERB` shows the verb's HELP, so argparse's own help is off."""

    def __init__(self, verb: str) -> None:
        super().__init__(prog=f"./run {verb}", add_help=False, allow_abbrev=False)
        self.verb = verb

    def error(self, message: str) -> NoReturn:
        raise HarnessError(Exit.USAGE, f"{message}; ./run help {self.verb} says what it takes.")
