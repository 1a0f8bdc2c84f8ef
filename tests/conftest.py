"""Settings of every test, made before torch is imported."""

import os
import tempfile

import hypothesis

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as make does: threads that spin while they wait starve each other
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # and where somebody wants several, they do not spin
if capability := os.environ.get("ATEN_CPU_CAPABILITY"):  # torch would load what it compiled for wider vectors, and err
    place = os.path.join(tempfile.gettempdir(), f"torchinductor-{os.getuid()}-{capability}")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", place)

# No example may fail for the time that it takes.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
