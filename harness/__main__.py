"""`python3 -m harness VERB ...`: hands the command line to cli.py."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
