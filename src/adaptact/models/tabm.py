"""TabM: one network that imitates an ensemble of ``k`` (Gorishniy, Kotelnikov, Babenko 2025, arXiv 2410.24210)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from adaptact.models.columns import Numeric, numeric_embeddings, split

if TYPE_CHECKING:
    from adaptact.layouts import Columns


class TabMNetwork(nn.Module):
    """Package ``tabm`` behind the interface of our networks.

    Shape:
        (rows, columns) in. Training: (rows, k, n_outputs), each member's own outputs, whose losses are averaged.
        Evaluation: (rows, n_outputs): the mean of the members' values, or the logarithm of their mean probabilities.
    """

    def __init__(
        self, columns: Columns, n_outputs: int, numeric: Numeric, width: int, k: int, **backbone: float
    ) -> None:
        super().__init__()
        import tabm

        self.columns = columns
        # flags are numbers too, but with an embedding only proper numbers get one
        embeddings = numeric_embeddings(columns, numeric, width)
        codes = list(columns.cardinalities)
        if embeddings is not None and columns.n_flags:
            codes += [2] * columns.n_flags
        self.flags_as_codes = embeddings is not None and columns.n_flags > 0
        n_numeric = columns.n_numeric + (0 if self.flags_as_codes else columns.n_flags)
        self.net = tabm.TabM.make(
            n_num_features=n_numeric,
            cat_cardinalities=codes,
            d_out=n_outputs,
            num_embeddings=embeddings,
            k=k,
            **backbone,
        )

    def forward(self, x: Tensor) -> Tensor:
        numbers, flags, codes = split(x, self.columns)
        if self.flags_as_codes:
            codes = torch.cat([codes, flags.long()], dim=1)
        else:
            numbers = torch.cat([numbers, flags], dim=1)
        outputs = self._members(numbers, codes)
        if self.training:
            return outputs
        if outputs.shape[2] == 1:
            return outputs.mean(dim=1)
        members = outputs.to(torch.promote_types(outputs.dtype, torch.float32)).log_softmax(dim=2)
        return torch.logsumexp(members, dim=1) - math.log(members.shape[1])

    def _members(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """As ``self.net.forward``, whose check of the batch size would fix it in an exported network."""
        net, columns = self.net, []
        if numbers.shape[1]:
            columns.append((numbers if net.num_module is None else net.num_module(numbers)).flatten(1))
        if codes.shape[1]:
            columns.append(net.cat_module(codes).to(numbers.dtype))
        return net.output(net.backbone(net.ensemble_view(torch.cat(columns, dim=1))))


def tabm(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    k: int = 16,
    width: int = 256,
    n_blocks: int = 2,
    dropout: float = 0.1,
    numeric: Numeric = "piecewise",
    d_embedding: int = 16,
    layout: Columns | None = None,
) -> TabMNetwork:
    """See :class:`TabMNetwork`.

    Args:
        k: members.
        width, n_blocks, dropout: of the shared multilayer perceptron.
        numeric, d_embedding: how numbers enter, and the width of their embeddings.
        layout: of the rows; None takes all inputs for plain numbers.

    Raises:
        ValueError: inputs that are no rows of a table.
    """
    if len(input_shape) != 1:
        raise ValueError(f"it reads rows of a table, not inputs of shape {input_shape}")
    if layout is None:
        from adaptact.layouts import Columns

        layout, numeric = Columns(input_shape[0], 0, ()), "plain"
    return TabMNetwork(layout, n_outputs, numeric, d_embedding, k, n_blocks=n_blocks, d_block=width, dropout=dropout)
