"""Pictures of learned curves: against GELU, SiLU and the start, over the inputs a site really sees."""

from __future__ import annotations

import copy
from typing import Any

import lightning as L
import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from adaptact.activations import AdaptiveActivation, stored_parameters
from adaptact.activations import functional as AF
from adaptact.callbacks.site_inputs import Inputs, watched
from adaptact.surgery import named_activations

SNAPSHOTS = 8
POINTS = 201

State = dict[str, Tensor]


class CurveSnapshots(L.Callback):
    """Keeps the stored parameters of every site at the start and after about eight epochs spread over the run."""

    def __init__(self) -> None:
        self.states: list[tuple[int, dict[str, State]]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.states:
            self._keep(0, pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {"states": self.states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.states = state_dict["states"]

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 1
        if done * SNAPSHOTS // total > (done - 1) * SNAPSHOTS // total:
            self._keep(done, pl_module)

    def _keep(self, epoch: int, pl_module: L.LightningModule) -> None:
        sites = named_activations(watched(pl_module))
        self.states.append(
            (epoch, {n: {k: v.cpu().clone() for k, v in m.state_dict().items()} for n, m in sites.items()})
        )


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
    """One site, in two panels over the same inputs.

    Above: the learned curve, its start, GELU and SiLU, over the histogram of the inputs that occur. Below: how far the
    curve moved from its start, after more and more epochs.
    """
    x = np.linspace(min(inputs.low, -3.0), max(inputs.high, 3.0), POINTS)
    grid = torch.from_numpy(x)
    learned = curve(module, x)
    figure = Figure(figsize=(6.4, 6.0))
    figure.subplots_adjust(left=0.13, right=0.96, top=0.94, bottom=0.09, hspace=0.08)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for axes in (above, below):
        # heights as a share of the panel: a second pair of axes would double the time to draw
        edges = np.linspace(inputs.low, inputs.high, len(inputs.counts) + 1)
        heights = np.array(inputs.counts) / max(1.0, *inputs.counts)
        across = axes.get_xaxis_transform()
        axes.fill_between(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), color="0.88", lw=0, transform=across)
        axes.axhline(0, color="0.7", lw=0.6)
    above.plot(x, AF.gelu(grid).numpy(), color="0.35", ls="--", lw=1.2, label="GELU")
    above.plot(x, torch.nn.functional.silu(grid).numpy(), color="0.35", ls=":", lw=1.4, label="SiLU")
    if states:
        start = curve(module, x, states[0][1])
        above.plot(x, start, color="tab:orange", lw=2.5, label="start")
        colours = colormaps["viridis"](np.linspace(0.9, 0.1, len(states)))
        for colour, (epoch, state) in zip(colours[1:], states[1:], strict=True):
            label = f"epoch {epoch}" if epoch in {states[1][0], states[-1][0]} else None
            below.plot(x, curve(module, x, state) - start, color=colour, lw=1.2, label=label)
        below.plot(x, learned - start, color="tab:blue", lw=2, ls="--", label="best checkpoint")
        below.legend(fontsize=8, loc="best")
    above.plot(x, learned, color="tab:blue", lw=1.5, label="best checkpoint")
    above.legend(fontsize=8, loc="upper left")
    above.set(title=name, ylabel="output")
    below.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    below.set(xlabel="input (grey: how often it occurs)", ylabel="moved from the start", xlim=(x[0], x[-1]))
    return figure


def to_image(figure: Figure) -> np.ndarray:
    """(height, width, 3) uint8, without pyplot and its global state."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
