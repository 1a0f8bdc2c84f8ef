"""`python -m figures --help`."""

import sys

from figures.command import main

sys.exit(main())
