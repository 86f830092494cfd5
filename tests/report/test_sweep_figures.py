"""Pictures and tables over all runs of a sweep: known values in their place, no run dropped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from matplotlib.figure import Figure
from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter

from adaptact.errors import UserError
from adaptact.records import Record
from adaptact.report import sweep_figures
from adaptact.report.sweep_runs import Run, flat, varied
from adaptact.training import checkpoints
from commands import Done, command

NORMS = {"network.10": 4.0, "network.2": 0.5, "network.1": 99.0}  # by layer, as state_dict has them: 2, 1 (a norm), 10


def run(
    folder: Path,
    *,
    accuracy: float | None = 0.9,
    status: str = "finished",
    seed: int = 0,
    model: dict[str, Any] | None = None,
    activation: dict[str, Any] | None = None,
    penalty: float = 0.0,
    alpha: float | None = None,
) -> Path:
    """A run folder made by hand."""
    folder.mkdir(parents=True)
    settings = {
        "activation": {"name": "sgblend", "kind": "sgblend"} | (activation or {}),
        "model": {"name": "mlp", "norm": "none", "depth": 8} | (model or {}),
        "data": {"name": "digits"},
        "trainer": {"max_epochs": 3},
        "activation_penalty": penalty,
        "seed": seed,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    values = {} if accuracy is None else {"accuracy": accuracy}
    layers = (
        [{"name": "1", "kind": "SGBlend", "alpha": a, "beta": 1.0, "gap": 0.05} for a in (alpha - 0.1, alpha + 0.1)]
        if alpha
        else []
    )
    Record(
        status=status,
        reason=None if status == "finished" else "too many steps",
        data={
            "name": "digits",
            "task": "classification",
            "rows": dict.fromkeys(("train", "val", "test"), 9),
            "fingerprint": "0",
        },
        model={"name": "mlp", "parameters": 9, "activation_parameters": 3, "sites": 2},
        activation="sgblend",
        seed=seed,
        monitor={"name": "val/accuracy", "mode": "max", "best": None, "best_epoch": None},
        metrics={"train": values, "val": values, "test": {k: v - 0.2 for k, v in values.items()}},
        stability={
            "nonfinite_steps": 7,
            "loss_spikes": 0,
            **dict.fromkeys(("grad_norm_max", "grad_norm_median", "grad_norm_cv", "epochs_to_90pct")),
        },
        speed={
            "fit_s": 1.0,
            **dict.fromkeys(("import_s", "first_step_s", "train_samples_per_second", "inference")),
        },
        layers=layers,
        versions={},
        device="cpu",
    ).save(folder)
    return folder


def watched(folder: Path) -> Path:
    """Adds a checkpoint of three layers (the middle one a normalisation) and three logged steps of their gradients."""
    state = {"network.2.weight": torch.ones(2, 2), "network.2.bias": torch.ones(2), "network.1.weight": torch.ones(2)}
    state |= {"network.10.weight": torch.ones(2, 2, 3, 3)}
    (folder / "checkpoints").mkdir()
    own = {checkpoints.KEY: {"schema": checkpoints.SCHEMA}}
    torch.save({"state_dict": state, **own}, folder / "checkpoints" / "last.ckpt")
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for step, factor in enumerate((1.0, 100.0, 0.01, float("nan"))):
            for layer, norm in NORMS.items():
                writer.add_scalar(f"grad_norm/{layer.removeprefix('network.')}", factor * norm, step)
    return folder


def words(figure: Figure) -> list[str]:
    """Every text inside the panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def hatched(figure: Figure) -> int:
    return sum(bool(patch.get_hatch()) for axes in figure.axes for patch in axes.patches)


def test_gradient_norms_are_medians_of_weight_layers_from_the_input_to_the_output(tmp_path: Path) -> None:
    assert Run.read(watched(run(tmp_path / "a"))).grad_norms == [0.5, 4.0]
    assert Run.read(run(tmp_path / "b")).grad_norms == []


def test_a_folder_without_a_record_is_a_failed_run_and_one_without_a_configuration_no_run(tmp_path: Path) -> None:
    (run(tmp_path / "a") / "result.json").unlink()
    assert Run.read(tmp_path / "a").status == "failed"
    (tmp_path / "a" / "config.yaml").unlink()
    with pytest.raises(UserError, match="config"):
        Run.read(tmp_path / "a")


def test_only_settings_that_differ_where_they_exist_set_runs_apart() -> None:
    settings = [
        {"activation": {"name": "gelu", "kind": "gelu"}, "model": {"widths": [8]}, "seed": 0},
        {"activation": {"name": "sgblend", "kind": "sgblend", "alpha": 0.5}, "model": {"widths": [8]}, "seed": 1},
    ]
    assert varied(Run(flat(s), "finished", None) for s in settings) == ["activation.name", "seed"]


def test_the_picture_of_depth_has_every_run_in_its_place(tmp_path: Path) -> None:
    runs = [
        Run.read(watched(run(tmp_path / "a", accuracy=0.8))),
        Run.read(run(tmp_path / "b", accuracy=0.9, seed=1)),
        Run.read(run(tmp_path / "c", accuracy=None, status="diverged", model={"depth": 20})),
        Run.failed({**Run.read(tmp_path / "c").settings, "model.depth": 50}, "out of memory"),
    ]
    figure = sweep_figures.draw_depth(runs)
    assert len(figure.axes) == 4  # three depths and the table
    (line,) = figure.axes[0].lines
    assert list(zip(*line.get_data())) == [(0.0, 0.5), (1.0, 4.0)]
    shown = words(figure)
    assert "✕ sgblend: diverged" in shown
    assert "✕ sgblend: failed" in shown
    assert {"0.850", "✕ diverged", "✕ failed"} <= set(shown)  # the mean of two seeds
    assert hatched(figure) == 2


def test_the_picture_of_sensitivity_shows_the_metric_and_where_alpha_ended(tmp_path: Path) -> None:
    runs = []
    for penalty in (0.0, 0.01):
        for alpha in (0.1, 0.9):
            start = {"alpha": alpha, "beta": 1.0}
            folder = tmp_path / f"{penalty}-{alpha}"
            runs.append(Run.read(run(folder, accuracy=alpha, activation=start, penalty=penalty, alpha=alpha / 2 + 0.2)))
    runs[-1].status = "diverged"
    figure = sweep_figures.draw_sensitivity(runs)
    assert len(figure.axes) == 4  # two penalties, metric and alpha of each
    first = [text.get_text() for text in figure.axes[0].texts]
    assert first == ["0.100", "0.900"]
    learned = [text.get_text() for text in figure.axes[2].texts]
    assert learned == ["0.250\nbeta 1.00\ngap 0.05", "0.650\nbeta 1.00\ngap 0.05"]
    assert "activation penalty 0.01" in figure.axes[1].get_title()
    assert hatched(figure) == 2  # the diverged run, in both maps


def test_the_table_has_a_row_per_run_with_what_came_out(tmp_path: Path) -> None:
    good, bad = Run.read(watched(run(tmp_path / "a", alpha=0.4))), Run.read(run(tmp_path / "b", status="diverged"))
    runs = [good, bad, Run.failed({"model": {"name": "mlp"}, "data": {"name": "digits"}}, "no")]
    folder = sweep_figures.write("depth", runs, tmp_path)
    assert folder.name.endswith("-depth")
    assert imread(folder / "depth.png").shape[0] > 100
    rows = list(csv.DictReader((folder / "depth.csv").open(encoding="utf-8")))
    assert [row["status"] for row in rows] == ["finished", "diverged", "failed"]
    assert float(rows[0]["val"]) == 0.9
    assert float(rows[0]["test"]) == pytest.approx(0.7)
    assert [rows[0][key] for key in ("grad_norm_first", "grad_norm_last", "nonfinite_steps")] == ["0.5", "4.0", "7"]
    assert float(rows[0]["learned_alpha"]) == pytest.approx(0.4)
    assert [row["folder"] for row in rows] == ["a", "b", ""]
    assert rows[2]["reason"] == "no"


def result_of(process: Done) -> list[dict[str, str]]:
    folder = Path(process.stdout.splitlines()[-1])
    (table,) = folder.glob("*.csv")
    assert table.with_suffix(".png").is_file()
    return list(csv.DictReader(table.open(encoding="utf-8")))


@pytest.mark.slow
def test_a_small_depth_experiment_with_a_run_that_diverges_and_one_that_cannot_be(tmp_path: Path) -> None:
    grid = ["experiment=depth", "model=mlp", "model.norm=none", "model.depth=1,2,3", "activation=gelu,sgblend"]
    short = ["trainer.max_epochs=1", "max_nonfinite_steps=2", "optimizer.lr=1e-3,1e30", "optimizer.warmup_epochs=0"]
    process = command("train", *grid, *short, f"output_dir={tmp_path / 'runs'}", folder=tmp_path)
    assert process.returncode == 2  # depth 1 is below the number of widths
    assert process.stderr.count("model.depth 1 is less than") == 1
    rows = result_of(process)
    statuses = {(row["model.depth"], row["optimizer.lr"]): row["status"] for row in rows}
    assert len(rows) == 12
    assert statuses == {
        **{("1", lr): "failed" for lr in ("0.001", "1e+30")},
        **{(depth, "0.001"): "finished" for depth in ("2", "3")},
        **{(depth, "1e+30"): "diverged" for depth in ("2", "3")},
    }
    trained = [row for row in rows if row["status"] == "finished"]
    assert all(float(row["grad_norm_first"]) > 0 for row in trained)


@pytest.mark.slow
def test_a_small_sensitivity_experiment(tmp_path: Path) -> None:
    grid = ["experiment=sensitivity", "activation.alpha=0.2,0.8", "activation.beta=1", "trainer.max_epochs=1"]
    process = command("train", *grid, "data=wine", f"output_dir={tmp_path / 'runs'}", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    rows = result_of(process)
    keys = ("activation_penalty", "optimizer.activation_lr_scale", "activation.alpha")
    assert sorted(tuple(row[key] for key in keys) for row in rows) == [
        (penalty, scale, alpha) for penalty in ("0.0", "0.1") for scale in ("1.0", "10.0") for alpha in ("0.2", "0.8")
    ]
    slow = [row for row in rows if row["optimizer.activation_lr_scale"] == "1.0"]
    assert all(abs(float(row["learned_alpha"]) - float(row["activation.alpha"])) < 0.1 for row in slow)
