"""`python -m figures --help`."""

import sys

from experiments.command import until_nobody_reads
from figures.command import main

sys.exit(until_nobody_reads(main))
