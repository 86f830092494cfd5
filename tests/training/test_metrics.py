"""Metrics, each against scikit-learn or a few lines of numpy that share nothing with the code under test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.preprocessing import label_binarize
from torch import Tensor

from adaptact import config
from adaptact.training.metrics import Outputs, metric_of_arrays

modest = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 10_000)
NAMES = set(config.METRICS["classification"])


def classified(n_classes: int, rows: int = 200, scale: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that know something of their targets; every class occurs."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.cat([torch.arange(n_classes), torch.randint(n_classes, (rows - n_classes,), generator=draw)])
    logits = torch.randn(rows, n_classes, generator=draw) + torch.nn.functional.one_hot(targets, n_classes)
    return logits * scale, targets


def measured(outputs: Tensor, targets: Tensor, task: str = "classification", **unit: float) -> dict[str, float]:
    metric = Outputs(task, **unit)
    metric.update(outputs, targets)
    return {name: value.item() for name, value in metric.compute().items()}


def softmax(logits: Tensor) -> np.ndarray:
    exact = logits.double().numpy()
    shifted = np.exp(exact - exact.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def calibration_error(probabilities: np.ndarray, targets: np.ndarray, n_bins: int = 15) -> float:
    """Naeini et al. 2015: mean distance of accuracy and confidence over equal bins, weighted by their rows."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    error = 0.0
    for number in range(n_bins):
        low, high = number / n_bins, (number + 1) / n_bins
        inside = (confidence >= low) & ((confidence < high) | (number == n_bins - 1))
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def expected(logits: Tensor, targets: Tensor) -> dict[str, float]:
    y, p = targets.numpy(), softmax(logits)
    n_classes = p.shape[1]
    found = p.argmax(axis=1)
    values = {
        "accuracy": reference.accuracy_score(y, found),
        "f1_macro": reference.f1_score(y, found, average="macro"),
        "log_loss": reference.log_loss(y, p, labels=range(n_classes)),
        "ece": calibration_error(p, y),
    }
    if n_classes == 2:
        values["auroc"] = reference.roc_auc_score(y, p[:, 1])
        values["average_precision"] = reference.average_precision_score(y, p[:, 1])
    else:
        one_hot = label_binarize(y, classes=range(n_classes))
        values["auroc"] = reference.roc_auc_score(y, p, multi_class="ovr", average="macro")
        values["average_precision"] = reference.average_precision_score(one_hot, p, average="macro")
    return values


# --- classification ----------------------------------------------------------------------------------------------


@modest
@given(seeds, st.integers(2, 7), st.integers(10, 300), st.floats(0.1, 3))
def test_metrics_of_a_classification_are_those_of_scikit_learn(
    seed: int, n_classes: int, rows: int, scale: float
) -> None:
    logits, targets = classified(n_classes, rows, scale, seed)
    found = measured(logits, targets)
    assert set(found) == NAMES
    assert found == pytest.approx(expected(logits, targets), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_confident_network_keeps_its_ranking(n_classes: int) -> None:
    """float32 rounds a probability to 1 from a logit of 17 on; trained networks often go beyond it."""
    logits, targets = classified(n_classes, rows=1000, scale=12.0)
    assert logits.abs().max() > 30
    found, values = measured(logits, targets), expected(logits, targets)
    for name in ("auroc", "average_precision"):
        assert found[name] == pytest.approx(values[name], abs=1e-4), name


@pytest.mark.parametrize("n_classes", [2, 3])
def test_ties_are_shared_as_scikit_learn_shares_them(n_classes: int) -> None:
    logits, targets = classified(n_classes)
    logits = logits[torch.arange(200) % 8]  # eight different rows only
    found, values = measured(logits, targets), expected(logits, targets)
    for name in ("auroc", "average_precision", "log_loss"):
        assert found[name] == pytest.approx(values[name], abs=1e-4), name


def test_the_second_class_is_the_one_that_two_classes_are_ranked_by() -> None:
    """By its average precision, which differs between the classes."""
    logits, targets = classified(2, rows=60)
    targets[:40] = 0
    targets[0] = 1
    p = softmax(logits)
    found = measured(logits, targets)["average_precision"]
    assert found == pytest.approx(reference.average_precision_score(targets, p[:, 1]), abs=1e-5)
    assert found != pytest.approx(reference.average_precision_score(1 - targets, p[:, 0]), abs=0.05)


def test_rows_of_full_confidence_share_the_last_of_the_15_bins() -> None:
    """Ten rows certain and wrong, ten nearly certain and right: one bin, whose errors cancel."""
    logits = torch.tensor([[0.0, 100.0]] * 10 + [[0.0, 3.0]] * 10)
    targets = torch.tensor([0] * 10 + [1] * 10)
    nearly = 1 / (1 + math.exp(-3))
    assert measured(logits, targets)["ece"] == pytest.approx((1 + nearly) / 2 - 0.5, abs=1e-5)


def test_a_network_that_is_as_sure_as_it_is_right_is_calibrated() -> None:
    logits = torch.tensor([[0.0, math.log(3)]] * 8)  # a probability of 3/4
    assert measured(logits, torch.tensor([0, 0, 1, 1, 1, 1, 1, 1]))["ece"] == pytest.approx(0, abs=1e-6)
    assert measured(logits, torch.ones(8).long())["ece"] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_where_a_class_is_missing_rankings_are_not_a_number_and_the_rest_is(n_classes: int) -> None:
    logits, targets = classified(n_classes, rows=30)
    targets = targets.clamp(max=n_classes - 2)
    found = measured(logits, targets)
    assert {name for name, value in found.items() if math.isnan(value)} == {"auroc", "average_precision"}
    y, p = targets.numpy(), softmax(logits)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, p.argmax(1)))
    assert found["f1_macro"] == pytest.approx(reference.f1_score(y, p.argmax(1), average="macro"), abs=1e-6)
    assert found["log_loss"] == pytest.approx(reference.log_loss(y, p, labels=range(n_classes)), abs=1e-5)


def test_one_row_is_enough_for_what_is_defined_on_it() -> None:
    found = measured(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    assert (found["accuracy"], found["f1_macro"]) == (1, 1)
    assert math.isnan(found["auroc"])


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_large_logits_have_a_finite_log_loss(size: float) -> None:
    logits, targets = torch.tensor([[size, 0.0, -size]] * 3), torch.tensor([0, 1, 2])
    found = measured(logits, targets)
    assert found["log_loss"] == pytest.approx(size, rel=1e-6)  # the mean of 0, size and twice size
    assert all(map(math.isfinite, found.values()))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_outputs_that_are_no_numbers_have_metrics_that_are_no_numbers(value: float) -> None:
    """Else a network that diverged would count as one that guesses the first class, and its run as finished."""
    logits, targets = classified(3, rows=20)
    logits[4] = value
    assert [name for name, found in measured(logits, targets).items() if math.isfinite(found)] == []


# --- regression --------------------------------------------------------------------------------------------------


def regressed(rows: int, center: float, scale: float, seed: int) -> tuple[Tensor, Tensor, np.ndarray, np.ndarray]:
    """Standardised outputs and targets, and both in the target's unit."""
    draw = np.random.default_rng(seed)
    y = draw.normal(size=rows).astype(np.float32)
    found = (0.8 * y + 0.3 * draw.normal(size=rows)).astype(np.float32)
    in_unit = [standardised.astype(np.float64) * scale + center for standardised in (found, y)]
    return torch.from_numpy(found), torch.from_numpy(y), in_unit[0], in_unit[1]


@modest
@given(seeds, st.integers(2, 200), st.floats(-1e3, 1e3), st.floats(0.1, 1e3))
def test_metrics_of_a_regression_are_those_of_scikit_learn_in_the_target_s_unit(
    seed: int, rows: int, center: float, scale: float
) -> None:
    assert_as_reference(rows, center, scale, seed)


@pytest.mark.parametrize(
    ("center", "scale"),
    [(0.03, 1e-4), (1e-7, 1e-9), (3e7, 1e7), (1.7e9, 3600.0), (1e8, 1.0)],
    ids=["interest rates", "tiny", "prices", "times", "far from zero"],
)
def test_the_unit_of_the_target_does_not_blur_its_metrics(center: float, scale: float) -> None:
    assert_as_reference(200, center, scale, seed=0)


def assert_as_reference(rows: int, center: float, scale: float, seed: int) -> None:
    outputs, targets, predicted, true = regressed(rows, center, scale, seed)
    found = measured(outputs, targets, "regression", center=center, scale=scale)
    assert set(found) == set(config.METRICS["regression"])
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(true, predicted), rel=1e-4)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(true, predicted), rel=1e-4)
    assert found["r2"] == pytest.approx(reference.r2_score(true, predicted), rel=1e-3, abs=1e-4)


def test_a_single_row_has_no_r2() -> None:
    found = measured(torch.tensor([1.0]), torch.tensor([3.0]), "regression", center=0.0, scale=2.0)
    assert (found["rmse"], found["mae"]) == (4, 4)
    assert math.isnan(found["r2"])


def test_a_diverged_regression_has_metrics_that_are_no_numbers() -> None:
    found = measured(torch.tensor([1.0, math.nan]), torch.tensor([1.0, 2.0]), "regression")
    assert all(map(math.isnan, found.values()))


# --- collecting --------------------------------------------------------------------------------------------------


@modest
@given(seeds, st.lists(st.integers(1, 199), max_size=4, unique=True), st.booleans())
def test_batches_have_the_metrics_of_the_whole(seed: int, cuts: list[int], regression: bool) -> None:
    task: Any = "regression" if regression else "classification"
    outputs, targets = regressed(200, 5.0, 2.0, seed)[:2] if regression else classified(3, seed=seed)
    metric = Outputs(task, center=5.0, scale=2.0)
    for part in zip(outputs.tensor_split(sorted(cuts)), targets.tensor_split(sorted(cuts)), strict=True):
        metric.update(*part)
    whole = measured(outputs, targets, task, center=5.0, scale=2.0)
    assert {name: value.item() for name, value in metric.compute().items()} == whole


def test_nothing_of_an_epoch_is_left_after_a_reset() -> None:
    metric = Outputs("classification")
    metric.update(*classified(3, seed=1))
    metric.compute()
    metric.reset()
    metric.update(*classified(3, seed=2))
    assert {name: value.item() for name, value in metric.compute().items()} == measured(*classified(3, seed=2))


def test_predictions_are_probabilities_or_values_in_the_target_s_unit() -> None:
    metric = Outputs("classification")
    logits, targets = classified(3, rows=9)
    metric.update(logits, targets)
    probabilities, same = metric.predictions()
    np.testing.assert_allclose(probabilities.numpy(), softmax(logits), rtol=1e-5)
    assert torch.equal(same, targets)
    metric = Outputs("regression", center=10.0, scale=2.0)
    metric.update(torch.tensor([-1.0, 0.5]), torch.tensor([0.0, 1.0]))
    assert [tensor.tolist() for tensor in metric.predictions()] == [[8.0, 11.0], [10.0, 12.0]]


def test_half_precision_outputs_are_measured_in_full() -> None:
    logits, targets = classified(3)
    assert measured(logits.bfloat16(), targets) == measured(logits.bfloat16().float(), targets)


def test_only_the_logarithm_of_a_probability_of_zero_is_clipped() -> None:
    p = np.array([[1.0, 0.0], [0.2, 0.8], [0.0, 1.0], [0.7, 0.3], [0.0, 1.0]])
    y = np.array([0, 1, 1, 0, 0])  # the last row: its class was given no chance at all
    assert metric_of_arrays("accuracy")(y, p) == pytest.approx(0.8)
    assert metric_of_arrays("auroc")(y, p) == pytest.approx(reference.roc_auc_score(y, p[:, 1]))
    assert metric_of_arrays("average_precision")(y, p) == pytest.approx(reference.average_precision_score(y, p[:, 1]))
    smallest = float(np.finfo(np.float32).tiny)
    logs = np.log(np.maximum(p[np.arange(5), y], smallest))
    assert metric_of_arrays("log_loss")(y, p) == pytest.approx(logs.mean())
    assert np.isfinite([metric_of_arrays(name)(y, p) for name in config.METRICS["classification"]]).all()
    p[1] = np.nan
    assert np.isnan(metric_of_arrays("accuracy")(y, p))


def test_average_precision_is_that_of_the_class_to_be_found() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.3).astype(int)
    p1 = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=300))))
    p = np.stack([1 - p1, p1], axis=1)
    for number in (0, 1):
        expected = reference.average_precision_score(y == number, p[:, number])
        assert metric_of_arrays("average_precision", number)(y, p) == pytest.approx(expected, abs=1e-6)
    for name in ("accuracy", "auroc", "log_loss", "f1_macro", "ece"):
        assert metric_of_arrays(name, 0)(y, p) == metric_of_arrays(name, 1)(y, p)
