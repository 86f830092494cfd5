"""The encoder for texts: the same numbers as torch's own, padding that counts for nothing, any activation, export."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptact import SGBlend, models, replace_activations
from adaptact.errors import ConfigError
from adaptact.layouts import Columns, Tokens
from adaptact.models.text_transformer import Block, TextTransformer

LAYOUT = Tokens(60, pad=2, unknown=5)
LENGTH = 24


def build(**options: Any) -> TextTransformer:
    torch.manual_seed(0)
    made = models.build("text_transformer", (LENGTH,), 3, layout=LAYOUT, **{"width": 16, **options})
    assert isinstance(made, TextTransformer)
    return made


def texts(lengths: list[int], longest: int = LENGTH) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    x = torch.randint(6, LAYOUT.vocabulary, (len(lengths), longest), generator=draw)
    return torch.where(torch.arange(longest) < torch.tensor(lengths).unsqueeze(1), x, LAYOUT.pad).int()


def reference(block: Block, n_heads: int) -> nn.TransformerEncoderLayer:
    """torch's own layer with the weights of ours."""
    width, hidden = block.feed_forward[0].in_features, block.feed_forward[0].out_features
    layer = nn.TransformerEncoderLayer(width, n_heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
    copies = {
        "self_attn.in_proj_": block.attention.qkv,
        "self_attn.out_proj.": block.attention.out,
        "linear1.": block.feed_forward[0],
        "linear2.": block.feed_forward[3],
        "norm1.": block.norm1,
        "norm2.": block.norm2,
    }
    layer.load_state_dict({f"{to}{k}": v for to, module in copies.items() for k, v in module.state_dict().items()})
    return layer.train()  # not its fast path


def test_a_block_is_torchs_pre_norm_layer_under_the_same_mask() -> None:
    for n_heads in (1, 4):
        block = Block(16, n_heads, 32, 0.0)
        x = torch.randn(3, 7, 16)
        padding = torch.arange(7) >= torch.tensor([7, 4, 1]).unsqueeze(1)
        expected = reference(block, n_heads)(x, src_key_padding_mask=padding)
        found = block(x, ~padding[:, None, None, :])
        torch.testing.assert_close(found[~padding], expected[~padding])


def test_the_network_is_the_mean_over_the_tokens_of_what_the_blocks_give() -> None:
    network = build().eval()
    x = texts([5, 9])
    padding = x == LAYOUT.pad
    h = network.tokens(x.long()) + network.places.weight[:LENGTH]
    for block in network.blocks:
        h = reference(block, 4)(h, src_key_padding_mask=padding)
    pooled = torch.stack([network.norm(h)[row, :length].mean(dim=0) for row, length in ((0, 5), (1, 9))])
    torch.testing.assert_close(network(x), network.head(pooled))


def test_padding_and_neighbours_count_for_nothing() -> None:
    network = build().eval()
    lengths = [3, 10, 1, 7]
    x = texts(lengths)
    whole = network(x)
    torch.testing.assert_close(network(x[:, :10]), whole)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(network(x[row : row + 1, :length]), whole[row : row + 1])
    other = x.clone()
    other[:, 0] = 7
    assert not torch.allclose(network(other), whole)  # and a token does


def test_no_gradient_comes_from_padding() -> None:
    network = build(token_dropout=0.0)
    network(texts([3, 4])).square().sum().backward()
    assert network.tokens.weight.grad is not None
    assert network.places.weight.grad is not None
    assert network.tokens.weight.grad[LAYOUT.pad].abs().sum() == 0
    assert network.places.weight.grad[4:].abs().sum() == 0
    assert all(p.grad.abs().sum() > 0 for p in network.parameters() if p.grad is not None)


def test_token_dropout_makes_tokens_unknown_in_training_alone() -> None:
    network = build(token_dropout=0.5, dropout=0.0)
    seen: list[Tensor] = []
    network.tokens.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = texts([20] * 200)
    network(x)
    network.eval()(x)
    changed = seen[0] != x
    assert changed[x != LAYOUT.pad].float().mean() == pytest.approx(0.5, abs=0.03)
    assert (seen[0][changed] == LAYOUT.unknown).all()
    assert not changed[x == LAYOUT.pad].any()
    assert torch.equal(seen[1], x.long())


def test_any_activation_stands_where_the_paper_put_it() -> None:
    network = build(n_blocks=2)
    swaps = replace_activations(network, SGBlend, example=torch.ones(2, LENGTH, dtype=torch.int32))
    assert [swap.name for swap in swaps] == ["blocks.0.feed_forward.1", "blocks.1.feed_forward.1"]
    network(texts([3, 9])).sum().backward()
    assert all(p.grad is not None for swap in swaps for p in swap.new.parameters())


def test_what_it_cannot_read_is_refused() -> None:
    with pytest.raises(ConfigError, match="data=text"):
        models.build("text_transformer", (7,), 3, layout=Columns(7, 0, ()))
    with pytest.raises(ConfigError, match="does not divide"):
        build(width=10, n_heads=3)


@pytest.mark.slow
def test_exported_it_says_the_same_of_batches_and_lengths_of_any_size() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = build().eval()
    replace_activations(network, SGBlend, example=torch.ones(2, LENGTH, dtype=torch.int32))
    example = texts([7, 9, 4], 9)
    shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=LENGTH)},)
    exported = torch.export.export(network, (example,), dynamic_shapes=shapes).module()
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=shapes)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    for x in (example, texts([24, 3]), texts([1], 1), texts([5] * 11, 6)):
        expected = network(x)
        torch.testing.assert_close(exported(x), expected)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)
