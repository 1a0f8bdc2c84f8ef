"""Training one run: `loop` first."""
