"""Measures of calibration: bins, expected calibration errors, proper scores, reliability diagrams.

Functions of arrays or tensors alone: this package knows nothing of files, data sets or command lines.
"""

from calibration.bands import bootstrap_accuracy, consistency_band
from calibration.binning import BinStats, bin_index, bin_stats, equal_mass_edges, equal_width_edges
from calibration.bootstrap import Interval, bootstrap
from calibration.confidence import top_label
from calibration.diagram import reliability_diagram
from calibration.ece import classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep, mce
from calibration.proper import brier_score, nll
from calibration.refinement import calibration_part, refinement
from calibration.scores import SCORES, Score, summary
from calibration.smooth import smooth_ece

__all__ = [
    "SCORES",
    "BinStats",
    "Interval",
    "Score",
    "bin_index",
    "bin_stats",
    "bootstrap",
    "bootstrap_accuracy",
    "brier_score",
    "calibration_part",
    "classwise_ece",
    "consistency_band",
    "ece_debias",
    "ece_em",
    "ece_ew",
    "ece_sweep",
    "equal_mass_edges",
    "equal_width_edges",
    "mce",
    "nll",
    "refinement",
    "reliability_diagram",
    "smooth_ece",
    "summary",
    "top_label",
]
