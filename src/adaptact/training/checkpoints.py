"""Checkpoints from which a run goes on bit by bit as if it had never stopped."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn

from adaptact import config, files
from adaptact.errors import UserError, machine_error
from adaptact.files import check_archive
from adaptact.layouts import Layout
from adaptact.records import BEST_FILE, LAST_FILE
from adaptact.shapes import Count, conform, repr_short
from adaptact.sites import module_path
from adaptact.training.build import build_network, without_checkpoint

SCHEMA = 1
KEY = "adaptact"  # of our part of a checkpoint


class AtomicCheckpointIO(TorchCheckpointIO):
    """Temporary name, flush, rename: a checkpoint is the old one or the new one, never half of it."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        files.write_bytes(Path(path), buffer.getvalue())


class BestAndLast(ModelCheckpoint):
    """``best.ckpt`` by a metric and ``last.ckpt`` at the start and after every validation, wherever the folder has
    been moved to.

    The best is written first: a run that is killed between the two repeats the epoch. The other way round a resumed
    run would go on after an epoch whose weights are in no checkpoint.
    """

    def __init__(self, folder: Path, monitor: str, mode: str) -> None:
        after_validation: dict[str, Any] = {"save_last": True, "save_on_train_epoch_end": False}
        super().__init__(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False, **after_validation)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.ckpt_path is None:  # what ends the first epoch leaves a checkpoint too
            trainer.save_checkpoint(Path(str(self.dirpath)) / LAST_FILE)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        best = self.best_model_score
        super().on_validation_end(trainer, pl_module)
        if self.best_model_score is best and trainer.state.fn == TrainerFn.FITTING:  # else Lightning has saved both
            trainer.save_checkpoint(Path(str(self.dirpath)) / LAST_FILE)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The last validation has saved: a later checkpoint could not be continued bit by bit."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        best = str(Path(str(self.dirpath)) / BEST_FILE)
        paths = {"dirpath": self.dirpath, "best_model_path": best, "kth_best_model_path": best}
        known = {best: state_dict["best_model_score"]} if state_dict["best_k_models"] else {}
        super().load_state_dict({**state_dict, **paths, "best_k_models": known})


class RandomState(L.Callback):
    """Keeps all random states in the checkpoint and sets them again before the first resumed epoch.

    Also marks the checkpoint as adaptact's, with its schema and the fingerprint of the data.
    """

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._pending: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        for logger in trainer.loggers:  # what was logged up to a checkpoint must not come after it
            if (flush := getattr(getattr(logger, "experiment", None), "flush", None)) is not None:
                flush()
        kind, keys, *rest = np.random.get_state()
        version, internal, gauss = random.getstate()
        checkpoint[KEY] = {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
            "python": [version, list(internal), gauss],
        }

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._pending = checkpoint[KEY]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._pending is None:
            return
        state, self._pending = self._pending, None
        _set_random(state, torch, np.random, random)
        if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])


def epochs_done(checkpoint: dict[str, Any]) -> int:
    """Complete epochs; Lightning writes epoch 0 both before and after the first one."""
    return checkpoint["epoch"] + 1 if checkpoint["global_step"] else 0


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of adaptact's, tensors and plain values only; nothing in it is executed.

    Raises:
        UserError: truncated, foreign, packed, or of another schema; also entries of "state_dict" that are no tensors.
    """
    try:
        check_archive(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a broken or hostile file
        if (fault := machine_error(error)) is not None:
            raise fault from None
        reason = str(error).strip().splitlines()[0][:200] if str(error) else type(error).__name__
        raise UserError(f"{path} cannot be read: it is truncated or no checkpoint of adaptact ({reason})") from None
    own = checkpoint.get(KEY) if isinstance(checkpoint, dict) else None
    if not isinstance(own, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise UserError(f"{path} is a checkpoint, but not one of adaptact")
    if own.get("schema") != SCHEMA:
        found = repr_short(own.get("schema"))
        raise UserError(f"{path} has schema {found}; this version of adaptact resumes schema {SCHEMA}")
    for name, tensor in checkpoint["state_dict"].items():
        if not isinstance(name, str) or not is_whole(tensor):
            raise UserError(f"{path} is broken: the entry {str(name)[:100]!r} is no whole tensor")
    return checkpoint


def is_whole(tensor: Any) -> bool:
    """Check for a dense tensor that holds all the numbers that its shape promises."""
    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


class _Checkpoint(TypedDict):
    """Entries that a checkpoint needs for a run to go on from it."""

    epoch: Count
    global_step: Count
    loops: dict[str, Any]
    optimizer_states: list[dict[str, Any]]
    lr_schedulers: list[dict[str, Any]]
    callbacks: dict[str, Any]


def check_resumable(checkpoint: dict[str, Any], path: Path) -> None:
    """Raise UserError for counters, learning rates or random states that no run of adaptact has written."""
    try:
        conform({key: checkpoint.get(key) for key in _Checkpoint.__annotations__}, _Checkpoint)
        for counter in _leaves(checkpoint["loops"]):
            conform(counter, bool if isinstance(counter, bool) else Count | None, "a counter of its loops")
        for group in (group for state in checkpoint["optimizer_states"] for group in state["param_groups"]):
            for key in ("lr", "initial_lr", "weight_decay", "eps"):
                conform(group[key], float, key)
        _set_random(checkpoint[KEY], torch.Generator(), np.random.RandomState(), random.Random())
    except Exception as error:  # generators raise many kinds for a state that is none
        raise UserError(f"{path} is broken: {error}; nothing can be continued from it") from None


def _leaves(plain: Any) -> Iterator[Any]:
    if isinstance(plain, dict):
        for value in plain.values():
            yield from _leaves(value)
    else:
        yield plain


def _set_random(state: dict[str, Any], of_torch: Any, of_numpy: Any, of_python: Any) -> None:
    """Set random generators, or modules of that interface, to what a checkpoint keeps."""
    (of_torch.set_state if isinstance(of_torch, torch.Generator) else of_torch.set_rng_state)(state["torch"])
    kind, keys, *rest = state["numpy"]
    of_numpy.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    of_python.setstate((version, tuple(internal), gauss))


def activation_state(folder: Path, layers: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The state of each activation in a run's best checkpoint: {site: {name: number or nested lists}}.

    Args:
        layers: the "layers" of the run's record.
    """
    state = load_checkpoint(folder / "checkpoints" / BEST_FILE)["state_dict"]
    found = {}
    for layer in layers:
        prefix = f"network.{module_path(layer['name'])}."
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        found[layer["name"]] = {name: tensor.double().tolist() for name, tensor in own.items()}
    return found


def fitted_network(
    folder: Path, settings: config.Config, input_shape: tuple[int, ...], n_outputs: int, layout: Layout | None
) -> nn.Module:
    """The network of a run with the weights of its best checkpoint, in eval mode.

    Raises:
        UserError: no checkpoint, a broken one, or one of another network.
    """
    best = folder / "checkpoints" / BEST_FILE
    if not best.is_file():
        raise UserError(f"{folder} has no checkpoints/best.ckpt: its training ended before the first epoch did")
    try:
        network = build_network(without_checkpoint(settings), input_shape, n_outputs, layout)
    except UserError:
        raise
    except Exception as error:  # of a builder, on values of the folder that do not go together
        raise UserError(
            f"{folder} does not say how its network is built ({type(error).__name__}: {error}); debug=true shows where"
        ) from error
    weights = {
        name.removeprefix("network."): tensor
        for name, tensor in load_checkpoint(best)["state_dict"].items()
        if name.startswith("network.")
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{best} does not fit the network of {folder / 'config.yaml'}: {reason}") from None
    return network.eval()
