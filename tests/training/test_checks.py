"""What does not go together once the data is known."""

from collections.abc import Callable

import pytest

from adaptact import config, data
from adaptact.errors import ConfigError, DataError
from adaptact.training.checks import check, monitored_metric

Make = Callable[..., config.Config]


def test_a_batch_larger_than_the_training_part_is_refused_with_both_numbers(make_config: Make) -> None:
    settings = make_config({"data.batch_size": 400})
    prepared = data.load(settings.data)
    rows = len(prepared.parts["train"])
    with pytest.raises(DataError, match=rf"data\.batch_size=400 .* {rows} training rows"):
        check(settings, prepared)
    settings.data.batch_size = rows
    check(settings, prepared)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("wine", "val/accuracy"), ("breast_cancer", "val/auroc"), ("diabetes", "val/rmse")],
)
def test_the_monitored_metric_follows_the_task(make_config: Make, name: str, expected: str) -> None:
    settings = make_config({"data.name": name})
    assert monitored_metric(settings, data.load(settings.data))[0] == expected


def test_a_metric_of_the_other_task_is_refused(make_config: Make) -> None:
    settings = make_config({"monitor": "val/rmse"})
    with pytest.raises(ConfigError, match="val/accuracy"):
        check(settings, data.load(settings.data))
