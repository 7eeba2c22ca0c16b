"""How good predicted probabilities are, beyond accuracy: likelihood, calibration, Brier score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

ECE_BINS = 15
"""Equally wide bins of confidence (Guo et al. 2017)."""
_LEAST = 1e-300  # of a probability whose logarithm is taken
_SCALES = (0.01, 100.0)


class Metrics(NamedTuple):
    """Of predicted probabilities against labels.

    accuracy: share of images. nll: mean negative log likelihood in nats. calibrated_nll: the same
    after temperature scaling. scale: the temperature fitted for that, > 0; above 1 the predictions
    were too sure. brier: mean squared distance from the label's unit vector, 0 to 2. ece: expected
    calibration error over ``ECE_BINS`` equally wide bins of confidence, 0 to 1.
    """

    accuracy: float
    nll: float
    calibrated_nll: float
    scale: float
    brier: float
    ece: float


def metrics(
    probabilities: Floats,
    labels: Labels,
    fit: tuple[Floats, Labels] | None = None,
) -> Metrics:
    """Metrics of probabilities (n, classes) against labels (n,).

    fit: probabilities and labels of other images, on which the temperature is fitted. Without
    them each half of the images (the even and the odd ones) is scaled by what fits the other
    (Ashukha et al. 2020), and ``scale`` is the geometric mean of the two; that needs n >= 2.
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    calibrated, scale = _calibrated(p, y, fit)
    right = p.argmax(axis=1) == y
    return Metrics(
        accuracy=float(right.mean()),
        nll=negative_log_likelihood(p, y),
        calibrated_nll=calibrated,
        scale=scale,
        brier=float(((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean()),
        ece=calibration_error(p.max(axis=1), right),
    )


def negative_log_likelihood(probabilities: Floats, labels: Labels) -> float:
    """Mean of -log p(label) in nats."""
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, _LEAST)).mean())


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean over bins of confidence, weighted
    by their images, of |accuracy - confidence|.

    confidence: (n,) in [0, 1], a bin holds its upper edge; right: (n,).
    """
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def fit_scale(probabilities: Floats, labels: Labels) -> float:
    """The temperature in 0.01..100 that minimises the negative log likelihood of softmax(log p /
    temperature): temperature scaling (Guo et al. 2017), of averaged probabilities too."""
    from scipy.optimize import minimize_scalar  # takes long to load, and only some trials need it

    logs = _logs(probabilities)
    bounds = np.log(_SCALES)
    # Convex in 1 / temperature, hence with one minimum in its logarithm.
    minimum = minimize_scalar(
        lambda log: _scaled_nll(logs, labels, np.exp(log)), bounds=bounds, method="bounded"
    )
    return float(np.exp(minimum.x))


def _calibrated(p: Floats, y: Labels, fit: tuple[Floats, Labels] | None) -> tuple[float, float]:
    if fit is not None:
        scale = fit_scale(*fit)
        return _scaled_nll(_logs(p), y, scale), scale
    halves = [(p[start::2], y[start::2]) for start in (0, 1)]
    scales = [fit_scale(*half) for half in halves]
    losses = [
        _scaled_nll(_logs(half), labels, scale) * len(labels)
        for (half, labels), scale in zip(halves, reversed(scales), strict=True)
    ]
    return sum(losses) / len(y), float(np.sqrt(scales[0] * scales[1]))


def _logs(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, _LEAST))


def _scaled_nll(logs: Floats, labels: Labels, scale: float) -> float:
    scaled = logs / scale
    top = scaled.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
    return float((total - scaled[np.arange(len(labels)), labels]).mean())
