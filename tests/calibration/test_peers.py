"""Other libraries as judges, on data without ties, where they compute the same thing."""

import numpy as np
import pytest
import torch

from calibration import brier_score, classwise_ece, ece_em, ece_ew, mce, nll, top_label
from tests.support.predictions import random_logits, random_predictions


@pytest.mark.parametrize(("n", "k"), [(500, 3), (2999, 10), (1000, 100)])
def test_torchmetrics_equal_width(n, k):
    functional = pytest.importorskip("torchmetrics.functional.classification")
    logits, labels = random_logits(n, k, seed=n)
    probabilities = torch.tensor(logits).softmax(1)
    confidence, correct = top_label(logits, labels)
    for norm, ours in (("l1", ece_ew), ("max", mce)):
        theirs = functional.multiclass_calibration_error(probabilities, torch.tensor(labels), k, n_bins=15, norm=norm)
        assert ours(confidence, correct) == pytest.approx(theirs.item(), abs=n * 2**-24), norm  # a sum of n in float32


@pytest.mark.parametrize("n", [3000, 2999])
def test_netcal_equal_width(n):
    metrics = pytest.importorskip("netcal.metrics")
    confidence, correct = random_predictions(n, seed=n, sharpness=2)
    assert ece_ew(confidence, correct) == pytest.approx(
        metrics.ECE(15).measure(confidence, correct.astype(int)), abs=1e-12
    )
    assert mce(confidence, correct) == pytest.approx(
        metrics.MCE(15).measure(confidence, correct.astype(int)), abs=1e-12
    )


@pytest.mark.parametrize("n", [3000, 4500])
def test_equal_counts_when_the_bins_divide_the_samples(n):
    confidence, correct = random_predictions(n, seed=n, sharpness=2)
    order = np.argsort(confidence)
    parts = np.array_split(order, 15)
    expected = sum(len(part) / n * abs(confidence[part].mean() - correct[part].mean()) for part in parts)
    assert ece_em(confidence, correct) == pytest.approx(expected, abs=1e-12)


def test_sklearn_log_loss():
    metrics = pytest.importorskip("sklearn.metrics")
    logits, labels = random_logits(300, 8, seed=6)
    probabilities = torch.tensor(logits).softmax(1).numpy()
    assert nll(logits, labels) == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=list(range(8))), abs=1e-12
    )


def test_classwise_of_two_classes_is_the_mean_of_two_binary_scores():
    metrics = pytest.importorskip("netcal.metrics")
    logits, labels = random_logits(2000, 2, seed=8)
    probabilities = torch.tensor(logits).softmax(1).numpy()
    expected = np.mean([metrics.ECE(15).measure(probabilities[:, k], (labels == k).astype(int)) for k in range(2)])
    assert classwise_ece(logits, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "k"), [(2999, 5), (1000, 100)])
def test_probmetrics(n, k):
    peer = pytest.importorskip("probmetrics.metrics")
    logits, labels = (torch.as_tensor(array) for array in random_logits(n, k, seed=n))
    theirs = peer.Metrics.from_names(["brier", "logloss", "ece-15"]).compute_all_from_labels_logits(
        labels, logits.float()
    )
    ours = {
        "brier": brier_score(logits, labels),
        "logloss": nll(logits, labels),
        "ece-15": ece_ew(*top_label(logits, labels)),
    }
    rounded = n * 2**-24  # theirs are sums of n in float32
    assert ours == pytest.approx({name: float(value) for name, value in theirs.items()}, rel=rounded, abs=rounded)
