"""Pictures at the end of a run: learned curves, confusion matrix, reliability diagram."""

from __future__ import annotations

import numpy as np
from matplotlib import rc_context
from matplotlib.image import imsave

from adaptact import folders
from adaptact.callbacks.curves import draw_curve, to_image
from adaptact.callbacks.diagnostics import draw_confusion, draw_reliability
from adaptact.callbacks.site_inputs import Inputs
from adaptact.fonts import east_asian_fonts
from adaptact.surgery import named_activations
from adaptact.training.assemble import RunParts


def draw_pictures(parts: RunParts, inputs: dict[str, Inputs]) -> None:
    """Draw all pictures of a run, to TensorBoard and as files in ``figures/``."""
    assert parts.board is not None
    with rc_context({"font.family": ["DejaVu Sans", *east_asian_fonts()]}):
        sites, states = named_activations(parts.network), parts.watchers.snapshots.states
        figures = {
            f"curve/{name}": draw_curve(name, sites[name], seen, [(epoch, state[name]) for epoch, state in states])
            for name, seen in inputs.items()
        }
        if parts.prepared.task == "classification":
            assert parts.learner.outputs.collected is not None
            probabilities, targets = (tensor.cpu().numpy() for tensor in parts.learner.outputs.collected)
            if np.isfinite(probabilities).all():
                figures["confusion_matrix"] = draw_confusion(probabilities, targets, parts.prepared.labels)
                figures["reliability"] = draw_reliability(probabilities, targets)
        (parts.folder / "figures").mkdir(exist_ok=True)
        for tag, figure in figures.items():
            image = to_image(figure)
            parts.board.experiment.add_image(tag, image, parts.trainer.global_step, dataformats="HWC")
            imsave(parts.folder / "figures" / f"{folders.safe_name(tag)}.png", image)
