"""The metric under disturbed inputs, without retraining: noise, missing features, covered parts, masked tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from adaptact.data import Prepared
from adaptact.data.text.padding import outputs_of
from adaptact.layouts import PLAIN, Columns, Plain
from adaptact.training.metrics import classification_metrics, regression_metrics

ROWS = 20_000  # of the test part at most
VALUES = 1 << 26  # and so many of their inputs: of 64 x 64 pixels in three colours 5,461 rows
BATCH = 256
STRENGTHS = {
    "noise": (0.1, 0.3, 1.0),  # standard deviation of the added noise, in those of the training inputs
    "missing": (0.05, 0.15, 0.3),  # share of the cells that are as if they were blank
    "covered": (0.1, 0.25, 0.4),  # share of an image's area under a grey square
    "masked": (0.05, 0.15, 0.3),  # share of a text's tokens that are as if unknown
}


def disturbed_metrics(network: nn.Module, prepared: Prepared, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Test metrics by kind and strength of disturbance; all networks of one seed see the same disturbed rows.

    Args:
        network: trained, on the device of the data.
        seed: of the disturbances.

    Returns:
        {"noise": {"0.1": {"accuracy": ...}}}; for rows of numbers noise and missing cells, for images noise and
        covered areas, for texts masked tokens.
    """
    most = rows_of(prepared)
    x, y = prepared.parts["test"].x[:most], prepared.parts["test"].y[:most]
    layout = prepared.layout or PLAIN
    x = layout.changeable(x)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in layout.disturbances(x.dim()):
        found[kind] = {}
        for strength in STRENGTHS[kind]:
            generator = torch.Generator().manual_seed(seed)
            changed = DISTURB[kind](x, prepared, strength, generator)
            found[kind][f"{strength:g}"] = evaluate(network, prepared, changed, y)
    return found


@torch.inference_mode()
def evaluate(network: nn.Module, prepared: Prepared, x: Tensor, y: Tensor) -> dict[str, float]:
    network.eval()
    outputs = outputs_of(network, x, prepared.layout, BATCH).double()
    if prepared.task == "regression":
        own = (outputs.squeeze(-1) * prepared.scale + prepared.center, y.double() * prepared.scale + prepared.center)
        metrics = regression_metrics(*own)
    else:
        metrics = classification_metrics(outputs.log_softmax(dim=1), y, prepared.positive_number)
    return {name: value.item() for name, value in metrics.items()}


def add_noise(x: Tensor, prepared: Prepared, strength: float, generator: torch.Generator) -> Tensor:
    """Normal noise on all pixels, or on the numbers of a row; flags and categories stay."""
    train = prepared.parts["train"].x[: rows_of(prepared)].float()
    noise = torch.randn(x.shape, generator=generator)
    if x.dim() == 4:
        return x + strength * train.std() * noise
    noise[:, columns_of(prepared).n_numeric :] = 0
    return x + strength * train.std(dim=0) * noise


def blank(x: Tensor, prepared: Prepared, share: float, generator: torch.Generator) -> Tensor:
    """Cells as if they were unknown: numbers at the training median, categories as one that training has not."""
    columns = columns_of(prepared)
    first_code = columns.n_numeric + columns.n_flags
    hit = torch.rand(x.shape, generator=generator) < share
    hit[:, columns.n_numeric : first_code] = False
    unknown = prepared.parts["train"].x[:ROWS].median(dim=0).values.expand_as(x).clone()
    unknown[:, first_code:] = torch.tensor([n - 1.0 for n in columns.cardinalities])
    return torch.where(hit, unknown, x)


def cover(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A square of the mean grey over each image, somewhere."""
    rows, _, height, width = x.shape
    tall, wide = (max(1, round(side * share**0.5)) for side in (height, width))
    top = torch.randint(height - tall + 1, (rows, 1, 1, 1), generator=generator)
    left = torch.randint(width - wide + 1, (rows, 1, 1, 1), generator=generator)
    row, column = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return torch.where(inside, x.mean(), x)


def rows_of(prepared: Prepared) -> int:
    """How many rows are looked at."""
    return min(ROWS, max(1, VALUES // math.prod(prepared.input_shape)))


def mask(x: Tensor, layout: Plain, share: float, generator: torch.Generator) -> Tensor:
    """Tokens as if they were unknown; padding and special ones stay."""
    return layout.masked(x, torch.rand(x.shape, generator=generator) < share)


def columns_of(prepared: Prepared) -> Columns:
    return (prepared.layout or PLAIN).columns(prepared.input_shape[0])


DISTURB: dict[str, Callable[[Tensor, Prepared, float, torch.Generator], Tensor]] = {
    "noise": add_noise,
    "missing": blank,
    "covered": lambda x, _, share, generator: cover(x, share, generator),
    "masked": lambda x, prepared, share, generator: mask(x, prepared.layout or PLAIN, share, generator),
}
