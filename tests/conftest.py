"""Settings of every test, made before torch is imported."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as make does: threads that spin while they wait starve each other
