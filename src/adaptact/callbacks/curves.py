"""Pictures of learned curves: against GELU, SiLU and the start, over the inputs a site really sees."""

from __future__ import annotations

import copy

import lightning as L
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from adaptact.activations import AdaptiveActivation, stored_parameters
from adaptact.activations import functional as AF
from adaptact.callbacks.sites import Inputs
from adaptact.surgery import named_activations

SNAPSHOTS = 8
POINTS = 201

State = dict[str, Tensor]


class CurveSnapshots(L.Callback):
    """Keeps the stored parameters of every site at the start and after about eight epochs spread over the run."""

    def __init__(self) -> None:
        self.states: list[tuple[int, dict[str, State]]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._keep(0, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 1
        if done * SNAPSHOTS // total > (done - 1) * SNAPSHOTS // total:
            self._keep(done, pl_module)

    def _keep(self, epoch: int, pl_module: L.LightningModule) -> None:
        sites = named_activations(getattr(pl_module, "network", pl_module))
        self.states.append((epoch, {n: {k: v.cpu().clone() for k, v in m.state_dict().items()} for n, m in sites.items()}))


@torch.no_grad()
def curve(module: nn.Module, x: np.ndarray, state: State | None = None) -> np.ndarray:
    """y over x of an activation, per channel the mean over its channels; ``state`` replaces its parameters."""
    module = copy.deepcopy(module).cpu().float().eval()
    if state is not None:
        module.load_state_dict(state)
    grid = torch.from_numpy(x.astype(np.float32))
    channels = max([p.numel() for p in stored_parameters(module).values()], default=1)
    if isinstance(module, AdaptiveActivation):
        module.channel_dim = 1
    return module(grid.unsqueeze(1).expand(-1, channels)).mean(dim=1).numpy()


def draw_curve(name: str, module: nn.Module, inputs: Inputs, states: list[tuple[int, State]]) -> Figure:
    """One site: the histogram of its inputs, GELU and SiLU for comparison, the start, the way, the learned curve."""
    low, high = min(inputs.low, -3.0), max(inputs.high, 3.0)
    x = np.linspace(low, high, POINTS)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    behind = axes.twinx()
    edges = np.linspace(inputs.low, inputs.high, len(inputs.counts) + 1)
    behind.stairs(inputs.counts, edges, fill=True, color="0.85", zorder=0)
    behind.set_yticks([])
    axes.set_zorder(behind.get_zorder() + 1)
    axes.patch.set_visible(False)
    grid = torch.from_numpy(x)
    axes.plot(x, AF.gelu(grid).numpy(), color="tab:gray", ls="--", lw=1.2, label="GELU")
    axes.plot(x, torch.nn.functional.silu(grid).numpy(), color="tab:gray", ls=":", lw=1.4, label="SiLU")
    if states:
        axes.plot(x, curve(module, x, states[0][1]), color="tab:orange", lw=1.4, label="start")
        for index, (epoch, state) in enumerate(states[1:], start=1):
            shade = 0.15 + 0.45 * index / len(states)
            label = f"after {epoch} epochs" if index == len(states) - 1 else None
            axes.plot(x, curve(module, x, state), color="tab:blue", alpha=shade, lw=1, label=label)
    axes.plot(x, curve(module, x), color="tab:blue", lw=2, label="best checkpoint")
    axes.axhline(0, color="0.7", lw=0.6)
    axes.set(title=name, xlabel="input (grey: how often it occurs)", ylabel="output", xlim=(low, high))
    axes.legend(fontsize=8, loc="upper left")
    return figure


def to_image(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8, without pyplot and its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
