"""Surgery on the real architectures of transformers, made by configuration at tiny sizes: nothing is downloaded."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptact import Blend, SGBlend, named_activations, param_groups, replace_activations, survey

T = pytest.importorskip("transformers")

TEXT = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
VISION = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
PATCHES = {"image_size": 32, "patch_size": 8}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}

Made = tuple[nn.Module, dict[str, Tensor]]


def words(length: int = 12) -> Tensor:
    return torch.randint(3, 64, (4, length))


def pixels(size: int = 32, rows: int = 4) -> Tensor:
    return torch.randn(rows, 3, size, size)


def efficientnet() -> Made:
    options = {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320, "num_labels": 3}
    model = T.EfficientNetForImageClassification(T.EfficientNetConfig(image_size=64, **options))
    for module in model.modules():  # as in a trained network; transformers starts with scales near 0.02
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    return model, {"pixel_values": pixels(64, 8)}


def clip() -> Made:
    text = TEXT | {"max_position_embeddings": 32, "eos_token_id": 2, "bos_token_id": 1}
    config = T.CLIPConfig(text_config=text, vision_config=VISION | PATCHES, projection_dim=16)
    return T.CLIPModel(config), {"input_ids": words(), "pixel_values": pixels()}


def whisper() -> Made:
    layers = {f"{part}_{key}": 2 for part in ("encoder", "decoder") for key in ("layers", "attention_heads")}
    sizes = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 8}
    config = T.WhisperConfig(
        vocab_size=64, max_source_positions=20, max_target_positions=16, **layers, **sizes, **SPECIAL
    )
    inputs = {"input_features": torch.randn(4, 8, 40), "decoder_input_ids": words(5)}
    return T.WhisperForConditionalGeneration(config), inputs


def t5(**options: Any) -> Made:
    sizes = {"vocab_size": 64, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    config = T.T5Config(**sizes, decoder_start_token_id=0, **options)
    return T.T5ForConditionalGeneration(config), {"input_ids": words(), "decoder_input_ids": words(6)}


def text(kind: str, config: str, **options: Any) -> Callable[[], Made]:
    return lambda: (getattr(T, kind)(getattr(T, config)(**(TEXT | options))), {"input_ids": words()})


def image(kind: str, size: int = 32, **options: Any) -> Callable[[], Made]:
    def make() -> Made:
        config = getattr(T, f"{kind}Config")(num_labels=3, **options)
        return getattr(T, f"{kind}ForImageClassification")(config), {"pixel_values": pixels(size)}

    return make


GPT2 = {"n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 32}
ARCHITECTURES: dict[str, Callable[[], Made]] = {
    "bert": text("BertForSequenceClassification", "BertConfig"),
    "gpt2": text("GPT2LMHeadModel", "GPT2Config", **GPT2),
    "llama": text("LlamaForCausalLM", "LlamaConfig"),
    "albert": text("AlbertForSequenceClassification", "AlbertConfig", embedding_size=16, num_hidden_layers=3),
    "t5": t5,
    "t5 gated": lambda: t5(feed_forward_proj="gated-gelu"),
    "whisper": whisper,
    "clip": clip,
    "vit": image("ViT", **VISION, **PATCHES),
    "convnext": image("ConvNext", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1]),
    "swin": image("Swin", image_size=32, patch_size=2, embed_dim=16, depths=[1, 2], num_heads=[2, 2], window_size=4),
    "resnet": image("ResNet", embedding_size=8, hidden_sizes=[16, 32], depths=[2, 2]),
    "mobilenetv2": image("MobileNetV2", 64, image_size=64, depth_multiplier=0.35),
    "efficientnet": efficientnet,
}
# sites, class of what stands there after preserve=True, functional calls that an example shows
EXPECTED: dict[str, tuple[int, type[nn.Module], int]] = {
    "bert": (2, SGBlend, 0),
    "gpt2": (2, Blend, 0),
    "llama": (2, SGBlend, 0),
    "albert": (3, Blend, 0),
    "t5": (4, Blend, 0),
    "t5 gated": (4, Blend, 0),
    "whisper": (4, SGBlend, 1),
    "clip": (4, Blend, 0),
    "vit": (2, SGBlend, 0),
    "convnext": (5, SGBlend, 0),
    "swin": (3, SGBlend, 0),
    "resnet": (13, Blend, 0),
    "mobilenetv2": (35, Blend, 0),
    "efficientnet": (25, SGBlend, 0),
}
FUNCTIONAL = "ignore:these functional calls cannot be swapped"
SHARED = "ignore:one activation now serves several calls"
per_architecture = pytest.mark.parametrize("name", ARCHITECTURES)


def settled(name: str) -> Made:
    """A model in eval mode whose running statistics have seen data."""
    torch.manual_seed(0)
    model, inputs = ARCHITECTURES[name]()
    with torch.no_grad():
        for _ in range(3):
            model.train()(**inputs)
    return model.eval(), inputs


def output(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    found = model(**inputs)
    return found.logits_per_image if "logits_per_image" in found else found.logits


def difference(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.filterwarnings(FUNCTIONAL, SHARED)
@pytest.mark.parametrize("with_example", [False, True], ids=["", "example"])
@per_architecture
def test_a_swap_that_preserves_gives_equal_outputs_at_step_0(name: str, with_example: bool) -> None:
    model, inputs = settled(name)
    swapped = copy.deepcopy(model)
    replacements = replace_activations(swapped, SGBlend, preserve=True, example=inputs if with_example else None)
    count, new, _ = EXPECTED[name]
    assert len(replacements) == (1 if name == "albert" and not with_example else count)  # one layer, run three times
    assert {type(swap.new) for swap in replacements} == {new}
    assert {id(swap.new) for swap in replacements} == {id(m) for m in named_activations(swapped).values()}
    with torch.no_grad():
        before, after = output(model, inputs), output(swapped, inputs)
        wide = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
        exact = output(copy.deepcopy(model).double(), wide)
        for swap in replacements:  # and the new activation is really in use: alpha changes the output
            swap.new.alpha = 1.0 - swap.new.alpha.item()
        assert difference(output(swapped, inputs), before) > 1e-6 or name == "convnext"  # layer scale of 1e-6
    # 1e-5, unless the old network's own rounding in float32 is larger
    assert difference(after, before) < max(1e-5, 4 * difference(before.double(), exact))


@pytest.mark.filterwarnings(FUNCTIONAL, SHARED)
@per_architecture
def test_after_20_steps_every_new_parameter_that_was_asked_inwards_has_moved(name: str) -> None:
    """alpha stays at its bound, and what it multiplies stays with it, only where no step asked it inwards."""
    model, inputs = settled(name)
    replacements = replace_activations(model, SGBlend, preserve=True, example=inputs)
    start = {swap.name: {k: v.clone() for k, v in swap.new.named_parameters()} for swap in replacements}
    asked = dict.fromkeys(start, False)
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-3, weight_decay=0.01))
    model.train()
    for _ in range(20):
        out = output(model, inputs).flatten(0, -2)
        optimizer.zero_grad()
        F.cross_entropy(out, torch.randint(out.shape[-1], (len(out),))).backward()
        for swap in replacements:
            asked[swap.name] |= bool(swap.new.raw_alpha.grad)
        optimizer.step()
    assert any(asked.values())
    for swap in replacements:
        still = {k for k, v in swap.new.named_parameters() if v.requires_grad and torch.equal(v, start[swap.name][k])}
        assert not (asked[swap.name] and still), (swap.name, still)


@pytest.mark.filterwarnings(FUNCTIONAL)
@per_architecture
def test_an_example_shows_the_functional_calls(name: str) -> None:
    model, inputs = settled(name)
    found = survey(model, example=inputs)
    assert len(found.functional) == EXPECTED[name][2]
    assert sum(site.calls for site in found.sites) == EXPECTED[name][0]


def test_sites_that_do_not_run_are_named() -> None:
    config = T.MambaConfig(vocab_size=64, hidden_size=32, state_size=4, num_hidden_layers=2)
    model, inputs = T.MambaForCausalLM(config), {"input_ids": words()}
    with (
        pytest.warns(UserWarning, match=r"did not call these with the example: backbone\.layers\.0\.mixer\.act"),
        pytest.warns(UserWarning, match=r"functional calls.*backbone\.layers\.0\.mixer: silu"),
    ):
        replacements = replace_activations(model, SGBlend, example=inputs)
    assert [swap.name for swap in replacements] == [f"backbone.layers.{i}.mixer.act" for i in range(2)]
    model(**inputs).logits.sum().backward()
    assert all(p.grad is None for swap in replacements for p in swap.new.parameters())


@pytest.mark.parametrize(
    ("hidden_act", "approximate", "alpha"),
    [
        ("gelu", "none", 0.0), ("gelu_python", "none", 0.0), ("gelu_new", "tanh", 0.0), ("gelu_fast", "tanh", 0.0),
        ("gelu_pytorch_tanh", "tanh", 0.0), ("quick_gelu", "sigmoid", 0.0), ("silu", "none", 1.0),
    ],
)  # fmt: skip
def test_sg_blend_starts_on_hugging_faces_gelu_and_silu_by_itself(
    hidden_act: str, approximate: Any, alpha: float
) -> None:
    old = T.activations.ACT2FN[hidden_act]
    make = lambda: SGBlend(0.3, 1.4, 0.2, approximate=approximate)  # noqa: E731
    (swap,) = replace_activations(nn.Sequential(copy.deepcopy(old)), make, preserve=True)
    assert type(swap.new) is SGBlend
    assert swap.new.alpha.item() == alpha
    x = torch.linspace(-9, 9, 181)
    torch.testing.assert_close(swap.new(x), old(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("hidden_act", ["gelu_10", "gelu_new", "quick_gelu"])
def test_another_form_of_gelu_keeps_its_wrapper_and_the_new_start_values(hidden_act: str) -> None:
    old = T.activations.ACT2FN[hidden_act]
    (swap,) = replace_activations(nn.Sequential(copy.deepcopy(old)), lambda: SGBlend(0.3, 1.4, 0.2), preserve=True)
    assert type(swap.new) is Blend
    assert [swap.new.first.scalars()[k].item() for k in ("alpha", "beta", "gamma")] == pytest.approx([0.3, 1.4, 0.2])
    x = torch.linspace(-20, 20, 181)
    torch.testing.assert_close(swap.new(x), old(x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("cast_first", [False, True], ids=["swapped first", "cast first"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_half_precision_keeps_learned_scalars_in_float32(name: str, cast_first: bool, dtype: torch.dtype) -> None:
    model, inputs = settled(name)
    model = model.to(dtype) if cast_first else model
    replacements = replace_activations(model, SGBlend, example=inputs)
    model.to(dtype)
    out = output(model, inputs)
    out.float().square().sum().backward()
    assert out.dtype == dtype
    scalars = [p for swap in replacements for key, p in swap.new.named_parameters() if "raw" in key]
    assert {p.dtype for p in scalars} == {torch.float32}
    assert all(p.grad.dtype == torch.float32 and p.grad.abs() > 0 for p in scalars)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_gradient_checkpointing_gives_the_same_gradients(name: str) -> None:
    model, inputs = settled(name)
    replacements = replace_activations(model, lambda: SGBlend(0.5), example=inputs)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.gradient_checkpointing_enable()
        model.zero_grad()
        output(model, inputs).square().sum().backward()
        found.append([p.grad.clone() for swap in replacements for p in swap.new.parameters()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_tied_weights_stay_tied_and_the_state_loads_into_a_model_swapped_the_same_way() -> None:
    (model, inputs), (twin, _) = settled("t5"), settled("t5")
    for swap in replace_activations(model, SGBlend, preserve=True, example=inputs):
        swap.new.alpha = 0.3
    replace_activations(twin, SGBlend, preserve=True)
    assert model.shared.weight is model.encoder.embed_tokens.weight is model.decoder.embed_tokens.weight
    twin.load_state_dict(model.state_dict())
    assert torch.equal(output(twin, inputs), output(model, inputs))


def test_what_a_tokenizer_gives_is_an_example() -> None:
    model, inputs = settled("bert")
    assert len(replace_activations(model, SGBlend, example=T.BatchEncoding(inputs))) == 2


def test_a_swapped_language_model_generates_as_before() -> None:
    model, inputs = settled("gpt2")
    generate = lambda: model.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0)  # noqa: E731
    before = generate()
    replace_activations(model, SGBlend, preserve=True, example=inputs)
    assert torch.equal(generate(), before)
