"""Disturbed inputs: the right cells, the right amount, the same for every arm of a seed."""

from typing import Any

import pytest
import torch
from torch import nn

from adaptact import data
from adaptact.data import Part, Prepared
from adaptact.layouts import Columns
from adaptact.training.robustness import add_noise, blank, cover, disturbed_metrics

COLUMNS = Columns(2, 1, (3, 4))


def table(rows: int = 4000) -> Prepared:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(rows, 2, generator=generator) * torch.tensor([1.0, 5.0])
    codes = torch.stack(
        [torch.randint(2, (rows,), generator=generator), torch.randint(3, (rows,), generator=generator)], 1
    )
    x = torch.cat([numbers, torch.zeros(rows, 1), codes.float()], dim=1)
    part = Part(x, (numbers[:, 0] > 0).long())
    return Prepared(
        "t", "classification", dict.fromkeys(("train", "val", "test"), part), "0", ["a", "b"], layout=COLUMNS
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_noise_is_in_standard_deviations_of_each_number_and_leaves_codes_alone() -> None:
    prepared = table()
    x = prepared.parts["test"].x
    noise = add_noise(x, prepared, 0.5, generator()) - x
    assert (noise[:, :2].std(dim=0) / x[:, :2].std(dim=0)).tolist() == pytest.approx([0.5, 0.5], rel=0.05)
    assert noise[:, 2:].abs().max() == 0


def test_blanks_are_the_median_or_a_category_that_training_has_not() -> None:
    prepared = table()
    x = prepared.parts["test"].x
    changed = blank(x, prepared, 0.3, generator())
    hit = changed != x
    assert hit[:, [0, 1, 3, 4]].float().mean(dim=0).tolist() == pytest.approx([0.3] * 4, abs=0.03)
    assert not hit[:, 2].any()
    assert set(changed[hit[:, 3], 3].tolist()) == {2.0}
    assert set(changed[hit[:, 4], 4].tolist()) == {3.0}
    assert changed[hit[:, 0], 0].unique().tolist() == [x[:, 0].median().item()]


def test_a_square_of_the_given_area_is_covered() -> None:
    x = torch.rand(50, 3, 20, 20)
    share = (cover(x, 0.25, generator()) != x).float().mean()
    assert share == pytest.approx(0.25, abs=0.02)


def test_stronger_disturbances_hurt_and_are_the_same_for_all_networks_of_a_seed() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([-x[:, 0], x[:, 0]], dim=1) * self.scale

    prepared = table()
    found = disturbed_metrics(First(), prepared, 0)
    accuracy = [found["noise"][s]["accuracy"] for s in ("0.1", "0.3", "1")]
    assert accuracy == sorted(accuracy, reverse=True)
    assert accuracy[0] > 0.9
    assert found == disturbed_metrics(First(), prepared, 0)
    assert found != disturbed_metrics(First(), prepared, 1)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_images_and_regressions_too(make_config: Any, name: str) -> None:
    prepared = data.load(make_config({"data.name": name, "model": {"name": "cnn" if name == "digits" else "mlp"}}).data)
    network = nn.Sequential(nn.Flatten(), nn.Linear(prepared.parts["test"].x[0].numel(), prepared.n_outputs))
    found = disturbed_metrics(network, prepared, 0)
    assert set(found) == ({"noise", "covered"} if name == "digits" else {"noise", "missing"})
