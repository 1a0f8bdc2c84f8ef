"""`python -m experiments.audit`."""

import sys

from experiments.audit.command import main
from experiments.command import until_nobody_reads

if __name__ == "__main__":
    sys.exit(until_nobody_reads(main))
