"""Pictures of a classifier's mistakes and of how far its probabilities can be trusted."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

MOST_LABELS = 30


def draw_confusion(probabilities: np.ndarray, targets: np.ndarray, labels: list[str]) -> Figure:
    """Confusion matrix of the test part, coloured by the share of each true class. Shapes: (rows, classes), (rows,)."""
    counts = confusion_matrix(targets, probabilities.argmax(axis=1), labels=range(len(labels)))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    size = min(12.0, max(4.0, 1.5 + 0.5 * len(labels)))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(labels) <= MOST_LABELS:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            if counts[row, column]:
                axes.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(labels)), labels, rotation=90)
        axes.set_yticks(range(len(labels)), labels)
    axes.set(title="confusion matrix (test)", xlabel="predicted", ylabel="true")
    return figure


def draw_reliability(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> Figure:
    """Accuracy of the predicted class against its probability, in equal bins, with the number of rows in each."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    filled = counts > 0
    mean_confidence = np.bincount(which, weights=confidence, minlength=bins)[filled] / counts[filled]
    accuracy = np.bincount(which, weights=correct, minlength=bins)[filled] / counts[filled]
    figure = Figure(figsize=(4.8, 4.8))
    figure.subplots_adjust(left=0.14, right=0.95, top=0.93, bottom=0.1)
    axes, behind = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color="0.6", ls="--", lw=1, label="perfectly calibrated")
    axes.plot(mean_confidence, accuracy, "o-", color="tab:blue", label="this network")
    axes.set(title="reliability (test)", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize=8)
    behind.bar((np.arange(bins) + 0.5) / bins, counts, width=0.9 / bins, color="0.7")
    behind.set(xlabel="probability of the predicted class", ylabel="rows")
    return figure
