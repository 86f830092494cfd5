"""A small transformer encoder for texts, trained from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from adaptact.layouts import Tokens


class Attention(nn.Module):
    """Self-attention of several heads (Vaswani et al. 2017).

    Shape:
        x (batch, length, width), mask (batch, 1, 1, length), True where a token may be looked at; x's shape out.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        heads = self.qkv(x).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        return self.out(found.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): pre-norm, which trains without a long warm-up."""

    def __init__(self, width: int, n_heads: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, n_heads)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, d_hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(d_hidden, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x), mask))
        return x + self.dropout(self.feed_forward(self.norm2(x)))


class TextTransformer(nn.Module):
    """Embeddings of tokens and places, blocks, and the mean over the tokens of a text.

    Shape:
        whole numbers (batch, length), with padding on the right or without, in; (batch, n_outputs) out.
    """

    def __init__(
        self,
        length: int,
        n_outputs: int,
        layout: Tokens,
        width: int,
        n_blocks: int,
        n_heads: int,
        expansion: int,
        dropout: float,
        token_dropout: float,
    ) -> None:
        super().__init__()
        self.pad, self.unknown, self.token_dropout = layout.pad, layout.unknown, token_dropout
        self.tokens = nn.Embedding(layout.vocabulary, width)
        self.places = nn.Embedding(length, width)
        for table in (self.tokens, self.places):
            nn.init.normal_(table.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, n_heads, expansion * width, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = x.long()
        there = x != self.pad
        if self.training and self.token_dropout:
            x = torch.where(there & (torch.rand(x.shape, device=x.device) < self.token_dropout), self.unknown, x)
        places = torch.arange(x.shape[1], device=x.device)
        h = self.dropout(self.tokens(x) + self.places(places))
        mask = there[:, None, None, :]
        for block in self.blocks:
            h = block(h, mask)
        h = self.norm(h) * there.unsqueeze(2)
        return self.head(self.dropout(h.sum(dim=1) / there.sum(dim=1, keepdim=True)))


def text_transformer(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    width: int = 128,
    n_blocks: int = 2,
    n_heads: int = 4,
    expansion: int = 4,
    dropout: float = 0.3,
    token_dropout: float = 0.1,
    layout: Tokens | None = None,
) -> TextTransformer:
    """See :class:`TextTransformer`.

    Args:
        input_shape: (length,) of the longest text.
        width, n_blocks, n_heads: of the tokens' vectors, of the blocks, of their attention.
        expansion: units of a feed-forward layer, as a multiple of the width.
        dropout: share of units dropped, of embeddings and after each layer.
        token_dropout: share of tokens that are replaced by the unknown one, in training.
        layout: of the tokens.

    Raises:
        ValueError: inputs that are no texts; heads that do not divide the width.
    """
    if layout is None or len(input_shape) != 1:
        raise ValueError("it reads texts: use data=text")
    if width % n_heads:
        raise ValueError(f"n_heads={n_heads} does not divide width={width}")
    return TextTransformer(
        input_shape[0], n_outputs, layout, width, n_blocks, n_heads, expansion, dropout, token_dropout
    )
