"""A network as others run it: traced by torch.export, as ONNX, in ONNX Runtime."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adaptact.errors import UserError

if TYPE_CHECKING:
    import onnx
    from torch.export import ExportedProgram

FOLDED_ELEMENTS = 1 << 22  # a constant of up to this many is computed beforehand: per channel, too
BATCH = ("batch",)


def require_onnx(what: str) -> None:
    """Raise UserError, with the way out, unless ONNX and its runtime are installed."""
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        raise UserError(f"{what} needs ONNX and its runtime: make setup EXTRAS=dev,export")


def traced(network: nn.Module, example: Tensor, dimensions: Sequence[str] = BATCH) -> ExportedProgram:
    """The network in eval mode as a program of torch.export; the network is left as it is.

    Args:
        example: at least two rows, as a dimension of one would be taken for fixed; saved programs carry it along.
        dimensions: names of the leading dimensions that may differ from call to call.
    """
    dynamic = dict.fromkeys(range(len(dimensions)), torch.export.Dim.DYNAMIC)
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # one operator that holds a whole layer, unknown elsewhere
        with _quiet():
            # a slice with gaps between its rows would become an assumption about all inputs
            program = torch.export.export(network.eval(), (example.contiguous(),), dynamic_shapes=(dynamic,))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    for node in program.graph.nodes:  # source lines and paths of this machine, which are nobody's business
        node.meta.pop("stack_trace", None)
    return program


def to_onnx(
    program: ExportedProgram, input_name: str = "input", output_name: str = "output", dimensions: Sequence[str] = BATCH
) -> onnx.ModelProto:
    """A program as ONNX. What is computed from constants alone, as an activation's alpha, is one constant."""
    from onnxscript import optimizer

    with _quiet():
        converted = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=(dict(enumerate(dimensions)),),
            verbose=False,
        )
        assert converted is not None
        # the exporter folds small constants only
        optimizer.optimize_ir(converted.model, input_size_limit=FOLDED_ELEMENTS, output_size_limit=FOLDED_ELEMENTS)
        return converted.model_proto


def session(content: bytes) -> Any:
    """A model in ONNX Runtime, on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's report of its progress and its remarks on packages that are not there."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
