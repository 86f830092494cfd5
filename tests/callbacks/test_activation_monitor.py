"""What is logged, with networks whose weights are set by hand, so that the expected record is known."""

import math
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from adaptact import PELU, Blend, SGBlend, replace_activations
from adaptact.activations import functional as AF
from adaptact.callbacks import ActivationMonitor
from adaptact.callbacks.curves import curve
from adaptact.callbacks.site_inputs import describe_layers, observe
from adaptact.callbacks.stability import StabilityMonitor, epochs_to_share, loss_spikes


class Somebody(L.LightningModule):
    """Somebody else's module: no attribute of adaptact's, plain SGD."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(1, 1, bias=False)
        self.act = activation
        nn.init.constant_(self.first.weight, 2.0)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.act(self.first(batch[0])).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


X = torch.tensor([[-1.0], [0.5], [2.0]])


def fit(activation: nn.Module, logger: Any, monitor: ActivationMonitor, steps: int = 1) -> Somebody:
    module = Somebody(activation)
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        logger=logger,
        callbacks=[monitor],
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(module, DataLoader(TensorDataset(X), batch_size=3))
    return module


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def logged(folder: Path) -> dict[str, list[float]]:
    accumulator = events(folder)
    return {tag: [e.value for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def test_values_gap_and_gradients_of_the_first_step(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="tb")
    fit(SGBlend(alpha=0.3, beta=1.5, gamma=0.1), logger, ActivationMonitor())
    seen = {tag: values[0] for tag, values in logged(tmp_path / "tb").items()}
    x = (2 * X).double()
    alpha, beta, gamma = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 1.5, 0.1))
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    s = torch.sigmoid(beta * weight * X)
    cdf = 0.5 * (1 + torch.erf(weight * X / math.sqrt(2)))
    loss = (alpha * (weight * X * s - gamma) + (1 - alpha) * weight * X * cdf).sum()
    loss.backward()
    with torch.no_grad():
        gap = (AF.sswish(x, 1.5, 0.1) - AF.gelu(x)).square().mean().sqrt()
    expected = {
        "alpha/act": 0.3,
        "beta/act": 1.5,
        "gamma/act": 0.1,
        "gap/act": gap.item(),
        "grad_alpha/act": alpha.grad.item(),
        "grad_beta/act": beta.grad.item(),
        "grad_gamma/act": gamma.grad.item(),
        "grad_norm/first": abs(weight.grad.item()),
        "grad_norm/activations": math.hypot(alpha.grad.item(), beta.grad.item(), gamma.grad.item()),
    }
    expected["grad_norm/act"] = expected["grad_norm/activations"]
    expected["grad_norm/total"] = math.hypot(expected["grad_norm/first"], expected["grad_norm/activations"])
    for tag, value in expected.items():
        assert seen[tag] == pytest.approx(value, rel=1e-5), tag


def test_all_alphas_share_one_chart(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="tb")
    fit(SGBlend(), logger, ActivationMonitor())
    assert "custom_scalars__config__" in events(tmp_path / "tb").Tags()["tensors"]


def test_per_channel_values_are_a_mean_and_a_histogram(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, name="", version="tb")
    fit(SGBlend(channels=1), logger, ActivationMonitor())
    assert "alpha/act" not in events(tmp_path / "tb").Tags()["histograms"]  # one channel is one scalar
    activation = SGBlend(alpha=0.2, channels=3, channel_dim=0)
    logger = TensorBoardLogger(tmp_path, name="", version="tb3")
    fit(activation, logger, ActivationMonitor())
    accumulator = events(tmp_path / "tb3")
    assert "alpha/act" in accumulator.Tags()["histograms"]
    assert accumulator.Scalars("alpha/act")[0].value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("activation", "tag", "value"),
    [
        (PELU(a=0.5), "a/act", 0.5),
        (nn.PReLU(init=0.3), "weight/act", 0.3),
        (Blend(SGBlend(alpha=0.9), "relu", alpha=0.25), "first.alpha/act", 0.9),
    ],
)
def test_other_activations_log_their_own_parameters(
    tmp_path: Path, activation: nn.Module, tag: str, value: float
) -> None:
    fit(activation, TensorBoardLogger(tmp_path, name="", version="tb"), ActivationMonitor())
    seen = logged(tmp_path / "tb")
    assert seen[tag][0] == pytest.approx(value, rel=1e-5)
    assert f"grad_{tag}" in seen


def test_any_logger_that_takes_scalars_will_do(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="csv")
    fit(SGBlend(), logger, ActivationMonitor())
    logger.save()
    assert "alpha/act" in (tmp_path / "csv" / "metrics.csv").read_text(encoding="utf-8")


def test_only_every_nth_step_is_watched_and_no_hook_stays(tmp_path: Path) -> None:
    module = fit(SGBlend(), TensorBoardLogger(tmp_path, name="", version="tb"), ActivationMonitor(3), steps=8)
    steps = [event.step for event in events(tmp_path / "tb").Scalars("alpha/act")]
    assert steps == [0, 3, 6]
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in module.modules())


def test_hooks_are_gone_after_an_error(tmp_path: Path) -> None:
    class Failing(SGBlend):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("boom")

    activation = Failing()
    with pytest.raises(RuntimeError, match="boom"):
        fit(activation, TensorBoardLogger(tmp_path, name="", version="tb"), ActivationMonitor())
    assert not activation._forward_pre_hooks


def test_without_a_logger_nothing_is_hooked() -> None:
    activation = SGBlend()
    hooked: list[int] = []
    activation.register_forward_hook(lambda m, args, out: hooked.append(len(m._forward_pre_hooks)))
    fit(activation, False, ActivationMonitor(), steps=3)
    assert hooked == [0, 0, 0]


def test_observe_gives_the_inputs_a_site_really_sees() -> None:
    network = nn.Sequential(nn.Identity(), SGBlend(alpha=0.3), nn.Tanh())
    x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
    seen = observe(network, x)["1"]
    assert sum(seen.counts) == ((x >= seen.low) & (x <= seen.high)).sum()
    assert seen.low == pytest.approx(np.quantile(x.numpy(), 0.001), rel=1e-3)
    layer = describe_layers(network, {"1": seen})[0]
    assert layer["alpha"] == pytest.approx(0.3)
    assert layer["gap"] == pytest.approx(
        (AF.sswish(x, 1.0, 0.0) - torch.nn.functional.gelu(x)).square().mean().sqrt().item(), rel=1e-5
    )


def test_a_curve_is_the_function_and_per_channel_its_mean() -> None:
    x = np.linspace(-3, 3, 7)
    grid = torch.from_numpy(x)
    assert curve(SGBlend(alpha=0.3), x) == pytest.approx(AF.sg_blend(grid, 0.3).numpy(), abs=1e-6)
    per_channel = SGBlend(channels=2, channel_dim=-1)
    with torch.no_grad():
        per_channel.raw_alpha.copy_(torch.tensor([0.0, 1.0]))
    expected = (torch.nn.functional.gelu(grid) + torch.nn.functional.silu(grid)) / 2
    assert curve(per_channel, x) == pytest.approx(expected.numpy(), abs=1e-6)


def test_spikes_are_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    losses = 1.0 + 0.05 * rng.standard_normal(300)
    assert not loss_spikes(losses).any()
    losses[[50, 200]] = 3.0
    losses[100] = np.nan
    assert list(np.flatnonzero(loss_spikes(losses))) == [50, 200]


def spikes_by_their_definition(losses: list[float]) -> list[int]:
    found = []
    for step, loss in enumerate(losses):
        before = [value for value in losses[max(0, step - 50) : step] if math.isfinite(value)]
        if len(before) >= 20 and math.isfinite(loss):
            middle = statistics.median(before)
            spread = 1.4826 * statistics.median(abs(value - middle) for value in before)
            if loss > 1.5 * middle and loss > middle + 6 * spread:
                found.append(step)
    return found


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 130),
    st.lists(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1.6, 4.0]), max_size=40),
)
def test_spikes_are_those_of_their_definition(seed: int, steps: int, odd: list[float]) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.choice([0.0, 0.1, 1.0]) + 0.05 * rng.standard_normal(steps)
    where = rng.permutation(steps)[: len(odd)]
    losses[where] = odd[: len(where)]
    assert list(np.flatnonzero(loss_spikes(losses))) == spikes_by_their_definition(losses.tolist())


@pytest.mark.parametrize(
    ("values", "mode", "expected"),
    [
        ([0.5, 0.89, 0.9, 1.0], "max", 3),
        ([2.0, 1.2, 1.1, 1.0], "min", 3),
        ([-3.0, -1.05, -1.0], "max", 2),
        ([float("nan"), 1.0], "max", 2),
        ([float("nan")], "max", None),
    ],
)
def test_epochs_to_90_percent(values: list[float], mode: str, expected: int | None) -> None:
    assert epochs_to_share(values, mode, 0.9) == expected


@pytest.mark.parametrize("interval", [1, 7, 20])
def test_spikes_counted_by_interval_are_those_of_the_whole_run(interval: int) -> None:
    rng = np.random.default_rng(1)
    losses = 1.0 + 0.05 * rng.standard_normal(333)
    losses[[25, 26, 150, 332]] = 4.0
    monitor = StabilityMonitor(every_n_steps=interval, batch_size=1, max_nonfinite_steps=5)
    trainer = SimpleNamespace(
        loggers=[], precision_plugin=None, optimizers=[SimpleNamespace(param_groups=[{"lr": 1.0}])], global_step=0
    )
    learner = SimpleNamespace(activation_penalty=0.0, network=nn.Identity())
    for start in range(0, len(losses), interval):
        part = losses[start : start + interval]
        monitor._pending = [(torch.tensor(loss), torch.tensor(1.0)) for loss in part]
        monitor._batches = [None] * len(part)
        monitor._fetch(trainer, learner)  # type: ignore[arg-type]
    assert monitor.spikes == loss_spikes(losses).sum() == 4


# Somebody else's trainer


class Floats(Logger):
    """A logger that takes plain floats, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "floats"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert all(type(value) is float for key, value in metrics.items() if key != "epoch")
        assert type(step) is int
        if any(key != "epoch" for key in metrics):
            self.rows.append((step, dict(metrics)))

    def monitored(self) -> list[tuple[int, dict[str, float]]]:
        return [(step, metrics) for step, metrics in self.rows if "grad_norm/total" in metrics]


def trainer(logger: Any, **options: Any) -> L.Trainer:
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return L.Trainer(accelerator="cpu", logger=logger, log_every_n_steps=1, **quiet, **options)


def rows(batches: int) -> DataLoader:
    return DataLoader(TensorDataset(torch.linspace(-1, 2, 3 * batches)[:, None]), batch_size=3)


def test_a_logger_may_take_floats_only_and_there_may_be_several(tmp_path: Path) -> None:
    loggers = [Floats(), CSVLogger(tmp_path, name="", version="csv"), Floats()]
    fit(SGBlend(alpha=0.3), loggers, ActivationMonitor(), steps=2)
    assert [step for step, _ in loggers[0].rows] == [0, 1]
    assert loggers[0].rows == loggers[2].rows
    assert loggers[0].rows[0][1]["alpha/act"] == pytest.approx(0.3)
    loggers[1].save()
    assert len((tmp_path / "csv" / "metrics.csv").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("attribute", ["a word", nn.Linear(1, 1)], ids=["no module", "one part of several"])
def test_an_attribute_called_network_may_be_anything(attribute: Any) -> None:
    module, logger = Somebody(SGBlend()), Floats()
    module.network = attribute
    trainer(logger, max_steps=1, max_epochs=-1, callbacks=[ActivationMonitor()]).fit(module, rows(1))
    assert {"alpha/act", "gap/act", "grad_norm/first"} <= set(logger.rows[0][1])


def test_accumulated_gradients_are_logged_once_per_step_and_are_those_of_the_whole_step() -> None:
    logger, together = Floats(), Floats()
    options = {"max_epochs": 1, "accumulate_grad_batches": 2}
    trainer(logger, callbacks=[ActivationMonitor()], **options).fit(Somebody(SGBlend()), rows(4))
    assert [step for step, _ in logger.monitored()] == [0, 1]
    loader = DataLoader(TensorDataset(torch.linspace(-1, 2, 12)[:, None]), batch_size=6)
    trainer(together, max_epochs=1, callbacks=[ActivationMonitor()]).fit(Somebody(SGBlend()), loader)
    expected = together.rows[0][1]["grad_alpha/act"] / 2  # Lightning divides the loss of each batch by their number
    assert logger.rows[0][1]["grad_alpha/act"] == pytest.approx(expected, rel=1e-5)


class TwoOptimizers(L.LightningModule):
    """Two networks that learn in turn, as in a GAN; ``other`` steps on every second batch only."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.one, self.other = nn.Sequential(nn.Linear(1, 1), SGBlend()), nn.Sequential(nn.Linear(1, 1), SGBlend())
        self.expected: list[float] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        first, second = self.optimizers()
        loss = self.other(self.one(batch[0])).sum()
        self.manual_backward(loss)
        norm = lambda part: sum(float(p.grad.square().sum()) for p in part.parameters())  # noqa: E731
        squares = norm(self.one)
        first.step()
        if batch_idx % 2:
            self.manual_backward(100 * self.other(self.one(batch[0])).sum())  # spoils the gradients of `one`
            squares += norm(self.other)
            second.step()
        self.expected.append(math.sqrt(squares))
        first.zero_grad(), second.zero_grad()
        self.log("loss", loss)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(part.parameters(), lr=1e-3) for part in (self.one, self.other)]


def test_under_manual_optimization_each_optimizer_contributes_its_own_gradients() -> None:
    module, logger = TwoOptimizers(), Floats()
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor()]).fit(module, rows(5))
    seen = logger.monitored()
    assert [step for step, _ in seen] == [step for step, metrics in logger.rows if "loss" in metrics] == [0, 1, 2, 3, 4]
    assert [metrics["grad_norm/total"] for _, metrics in seen] == pytest.approx(module.expected, rel=1e-5)
    assert {"alpha/one.1", "alpha/other.1", "gap/other.1"} <= set(seen[0][1])
    assert ["grad_alpha/other.1" in metrics for _, metrics in seen] == [False, True, False, True, False]


def test_a_batch_that_is_skipped_is_made_up_for_by_the_next_one() -> None:
    class Skipping(Somebody):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor | None:
            return None if batch_idx == 0 else super().training_step(batch, batch_idx)

    logger = Floats()
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor(100)]).fit(Skipping(SGBlend()), rows(3))
    assert len(logger.monitored()) == 1


@pytest.mark.parametrize("way", ["in place", "a part", "the whole module"])
def test_compiled_networks_are_watched_under_the_same_names(way: str) -> None:
    torch.compiler.reset()
    module, logger = Somebody(nn.Sequential(SGBlend())), Floats()
    if way == "in place":
        module.act.compile(backend="eager")
    elif way == "a part":
        module.act = torch.compile(module.act, backend="eager")
    fitted = torch.compile(module, backend="eager") if way == "the whole module" else module
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor(2)]).fit(fitted, rows(4))
    assert [step for step, _ in logger.monitored()] == [0, 2]
    assert all({"alpha/act.0", "gap/act.0", "grad_norm/act.0"} <= set(metrics) for _, metrics in logger.monitored())


def test_a_sanity_check_and_validation_log_nothing() -> None:
    class Validating(Somebody):
        def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.act(self.first(batch[0]))

    logger = Floats()
    options = {"max_epochs": 2, "num_sanity_val_steps": 2, "callbacks": [ActivationMonitor(2)]}
    trainer(logger, **options).fit(Validating(SGBlend()), rows(2), rows(2))
    assert [step for step, _ in logger.rows] == [0, 2]


def test_activations_swapped_in_configure_model_are_watched() -> None:
    class Late(Somebody):
        def configure_model(self) -> None:
            if isinstance(self.act, nn.ReLU):
                replace_activations(self, lambda: SGBlend(alpha=0.4))

    logger = Floats()
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor()]).fit(Late(nn.ReLU()), rows(1))
    assert logger.rows[0][1]["alpha/act"] == pytest.approx(0.4)


def test_an_activation_that_is_called_with_a_keyword_is_watched() -> None:
    class Keyword(Somebody):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return self.act(x=self.first(batch[0])).sum()

    logger = Floats()
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor()]).fit(Keyword(SGBlend()), rows(1))
    assert logger.rows[0][1]["gap/act"] > 0


def test_a_frozen_network_with_one_trained_scalar_is_logged() -> None:
    module, logger = Somebody(SGBlend(learn=["alpha"])), Floats()
    module.first.requires_grad_(False)
    trainer(logger, max_epochs=1, callbacks=[ActivationMonitor()]).fit(module, rows(1))
    assert {key for key in logger.rows[0][1] if key.startswith("grad")} == {
        "grad_alpha/act", "grad_norm/act", "grad_norm/activations", "grad_norm/total",
    }  # fmt: skip


def test_an_interval_below_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ActivationMonitor(0)
