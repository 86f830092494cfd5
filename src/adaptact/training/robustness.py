"""The metric under disturbed inputs, without retraining: noise, missing features, covered parts, masked tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from adaptact.data import Prepared
from adaptact.data.text.padding import outputs_of
from adaptact.layouts import Columns, Layout, Tokens
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
    layout = prepared.layout
    texts, images = isinstance(layout, Tokens), x.dim() == 4
    x = x if texts else x.float()
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in ("masked",) if texts else ("noise", "covered") if images else ("noise", "missing"):
        found[kind] = {}
        for strength in STRENGTHS[kind]:
            generator = torch.Generator().manual_seed(seed)
            if isinstance(layout, Tokens):
                changed = mask(x, layout, strength, generator)
            elif kind == "noise":
                changed = add_noise(x, prepared, strength, generator)
            elif kind == "covered":
                changed = cover(x, strength, generator)
            else:
                changed = blank(x, prepared, strength, generator)
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
    noise[:, numbers_of(prepared.layout, x.shape[1]) :] = 0
    return x + strength * train.std(dim=0) * noise


def blank(x: Tensor, prepared: Prepared, share: float, generator: torch.Generator) -> Tensor:
    """Cells as if they were unknown: numbers at the training median, categories as one that training has not."""
    columns = prepared.layout
    n_numbers = numbers_of(columns, x.shape[1])
    hit = torch.rand(x.shape, generator=generator) < share
    unknown = prepared.parts["train"].x[:ROWS].median(dim=0).values.expand_as(x).clone()
    if isinstance(columns, Columns):
        first_code = n_numbers + columns.n_flags
        hit[:, n_numbers:first_code] = False
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


def mask(x: Tensor, layout: Tokens, share: float, generator: torch.Generator) -> Tensor:
    """Tokens as if they were unknown; padding and special ones stay."""
    hit = torch.rand(x.shape, generator=generator) < share
    kept = torch.tensor([layout.pad, *layout.special], dtype=x.dtype)
    return torch.where(hit & ~torch.isin(x, kept), layout.unknown, x)


def numbers_of(layout: Layout | None, width: int) -> int:
    return layout.n_numeric if isinstance(layout, Columns) else width
