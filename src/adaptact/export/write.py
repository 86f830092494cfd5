"""Export: the network of a run as files that answer without adaptact, held against the network itself.

What is written ends as a consumer wants it: ``probabilities`` (batch, classes), or ``value`` (batch,) in the target's
own unit.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adaptact import files
from adaptact.activations import learned_values
from adaptact.data import kind_of
from adaptact.data.text.padding import trimmed
from adaptact.errors import UserError
from adaptact.export.check_rows import Rows
from adaptact.export.latency import latency
from adaptact.export.trained_run import TrainedRun
from adaptact.layouts import PLAIN
from adaptact.onnx_export import BATCH, require_onnx, session, to_onnx, traced
from adaptact.records import PREPARATION_FOLDER
from adaptact.surgery import named_activations

SCHEMA = 1
FORMATS = {"onnx": "model.onnx", "torch": "model.pt2"}
REPORT, PREPARATION = "export.json", "preparation.json"
LARGEST_DIFFERENCE = 1e-4  # of a probability, or of a value in units of the target's spread
BATCH_ROWS = 256
FEW = {1: 32, 3: 96}  # rows that are asked for in small batches, by their size

Answer = Callable[[Tensor], np.ndarray]


class Answering(nn.Module):
    """A network and what its outputs mean.

    Shape:
        The network's input in; out (batch, classes) probabilities, or (batch,) float64 values: a target may be large
        beside its spread, which float32 would lose.
    """

    def __init__(self, network: nn.Module, task: str, center: float, scale: float) -> None:
        super().__init__()
        self.network, self.task, self.center, self.scale = network, task, center, scale

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.network(x)
        if self.task == "classification":
            return outputs.float().softmax(dim=1)
        return outputs.squeeze(-1).double() * self.scale + self.center


@dataclass
class Export:
    """What was written: bytes, largest differences, versions, latency; ``export.json``."""

    folder: Path
    source: str
    unit: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    latency: dict[str, Any] | None = None


def export_run(run: TrainedRun, rows: Rows, folder: Path, formats: list[str]) -> Export:
    """Write the files of ``formats``, ``preparation.json`` for raw rows, and ``export.json``: all of them or none.

    Args:
        rows: to hold the exported models against the network.
        folder: its parent exists.
        formats: "onnx", "torch".

    Raises:
        UserError: a model that answers differently, a network that cannot be converted, a folder that cannot be
            written to, packages that are not there.
    """
    if "onnx" in formats:
        require_onnx("export")
    with files.together(folder) as draft:
        made = _write(run, rows, draft, formats)
        for name in (*FORMATS.values(), PREPARATION):  # files of an earlier export do not stay beside it
            if not (draft / name).exists():
                (folder / name).unlink(missing_ok=True)
    made.folder = folder
    return made


def _write(run: TrainedRun, rows: Rows, folder: Path, formats: list[str]) -> Export:
    interface = run.interface
    whole = Answering(run.network, run.task, interface.center, interface.scale).eval()
    about = description(run)
    example = made_up(run, rows.x.dtype)
    try:
        program = traced(whole, example, about["input"]["dimensions"])
        model = (
            to_onnx(program, about["input"]["name"], about["output"], about["input"]["dimensions"])
            if "onnx" in formats
            else None
        )
    except Exception as error:  # whatever a network holds that the exporters do not know
        raise UserError(
            f"the network of {run.folder} cannot be converted: {_first_line(error)}; debug=true shows where"
        ) from error
    made = Export(
        folder, rows.source, "probability" if run.task == "classification" else "standard deviation of the target"
    )
    if model is not None:
        for key, value in about.items():
            model.metadata_props.add(key=key, value=value if isinstance(value, str) else _json(value))
        content = model.SerializeToString()
        files.write_bytes(folder / FORMATS["onnx"], content)
        opened = session(content)

        def in_onnx_runtime(x: Tensor) -> np.ndarray:
            return np.asarray(opened.run(None, {about["input"]["name"]: x.numpy()})[0])

        made.files[FORMATS["onnx"]] = {
            "bytes": len(content),
            "opset": max(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}),
            **_checked(run, rows, in_onnx_runtime, "onnx"),
        }
        made.latency = latency(whole, content, rows.x, about["input"]["dimensions"])
    if "torch" in formats:
        buffer = io.BytesIO()
        torch.export.save(program, buffer, extra_files={"about.json": _json(about)})
        files.write_bytes(folder / FORMATS["torch"], buffer.getvalue())
        buffer.seek(0)
        loaded = torch.export.load(buffer).module()
        made.files[FORMATS["torch"]] = {
            "bytes": buffer.getbuffer().nbytes,
            **_checked(run, rows, lambda x: loaded(x).detach().numpy(), "torch"),
        }
    if "preparation" in about:
        files.write_json(folder / PREPARATION, about["preparation"])
        made.files[PREPARATION] = {"bytes": (folder / PREPARATION).stat().st_size}
    plain = {
        "schema": SCHEMA,
        "run": run.folder.resolve().name,
        "checked_on": made.source,
        "unit": made.unit,
        "files": made.files,
        "latency": made.latency,
        **{key: value for key, value in about.items() if key != "preparation"},
    }
    files.write_json(folder / REPORT, plain)
    return made


def made_up(run: TrainedRun, dtype: torch.dtype) -> Tensor:
    """Three rows that are nobody's: an exported program carries its example along."""
    return (run.interface.layout or PLAIN).example((3, *run.interface.input_shape)).to(dtype)


def description(run: TrainedRun) -> dict[str, Any]:
    """What a consumer must know, as it stands in the file's metadata: texts, or values that become JSON."""
    layout = run.interface.layout or PLAIN
    given = {
        "name": layout.input_name,
        "shape": list(run.interface.input_shape),
        "dimensions": [*BATCH, *layout.free_dimensions],
        "means": layout.meaning(run.record.data["name"]),
    }
    about: dict[str, Any] = {
        "adaptact_version": metadata.version("adaptact"),
        "task": run.task,
        "labels": run.labels,
        "input": given,
        "output": "probabilities" if run.task == "classification" else "value",
        "activation": run.record.activation,
        "activations": activation_values(run.network),
    }
    if run.record.decision is not None:
        about["decision"] = {key: run.record.decision[key] for key in ("positive", "threshold")}
    if run.task == "regression":
        about["target"] = {"center": run.interface.center, "scale": run.interface.scale}
    recipe = kind_of(run.settings.data).recipe(run.folder / PREPARATION_FOLDER)
    return about if recipe is None else {**about, "preparation": recipe}


def activation_values(network: nn.Module) -> dict[str, dict[str, Any]]:
    """Kind and effective values of every activation by its site; a list where there is one per channel."""
    found: dict[str, dict[str, Any]] = {}
    for site, module in named_activations(network).items():
        values = {name: value.flatten().tolist() for name, value in learned_values(module).items()}
        plain = {name: value[0] if len(value) == 1 else value for name, value in values.items()}
        found[site] = {"kind": type(module).__name__, **plain}
    return found


def _checked(run: TrainedRun, rows: Rows, answer: Answer, format: str) -> dict[str, float | None]:
    """Largest differences from the network and from what the run stored, in batches of 1, of 3 and large ones.

    Raises:
        UserError: the first one is too large.
    """
    unit = run.interface.scale if run.task == "regression" else 1.0
    largest = 0.0
    for size, n_rows in {**FEW, BATCH_ROWS: len(rows.x)}.items():
        for batch in rows.x[:n_rows].split(size):
            batch = trimmed(batch, run.interface.layout) if size < BATCH_ROWS else batch
            largest = np.maximum(largest, _difference(answer(batch), run.answers(batch)) / unit)  # keeps a NaN
    if not largest <= LARGEST_DIFFERENCE:
        raise UserError(
            f"{FORMATS[format]} answers differently from the network, by {largest:.2g} {_per(run)} where "
            f"{LARGEST_DIFFERENCE:g} is allowed: nothing was written. Leave {format} out of formats=, and report it "
            f"with {run.folder / 'config.yaml'}"
        )
    stored = None
    if rows.stored is not None:
        said = np.concatenate([answer(batch) for batch in rows.x.split(BATCH_ROWS)])
        stored = float(_difference(said, rows.stored) / unit)
    return {"difference": float(largest), "difference_from_outputs": stored}


def _per(run: TrainedRun) -> str:
    return "in a probability" if run.task == "classification" else "standard deviations of the target"


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0))


def _json(value: Any) -> str:
    return json.dumps(files.finite(value), ensure_ascii=False, allow_nan=False)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
