"""Networks of transformers: by configuration, from a checkpoint, with new activations that change nothing at first."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptact import config, models
from adaptact.comparison.one_run import run_planned
from adaptact.errors import ConfigError
from adaptact.layouts import Layout, Pixels, Tokens
from adaptact.surgery import named_activations
from adaptact.training.build import build_network, resolved, without_checkpoint

transformers = pytest.importorskip("transformers")

TINY: dict[str, dict[str, Any]] = {
    "vit": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    | {"image_size": 28, "patch_size": 7, "num_channels": 1},
    "efficientnet": {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128, "image_size": 48}
    | {"dropout_rate": 0.0, "initializer_range": 0.3, "batch_norm_eps": 1e-5},
    "bert": {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    | {"intermediate_size": 24, "max_position_embeddings": 16}
    | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
}
SHAPES: dict[str, tuple[int, ...]] = {"vit": (1, 28, 28), "efficientnet": (3, 48, 48), "bert": (12,)}
LAYOUTS: dict[str, Layout] = {
    "vit": Pixels((0.3,), (0.2,)),
    "efficientnet": Pixels((0.3, 0.4, 0.5), (0.2, 0.2, 0.3)),
    "bert": Tokens(40),
}
per_kind = pytest.mark.parametrize("kind", TINY)


def save(kind: str, folder: Path, labels: int = 3, **changes: Any) -> Path:
    """A tiny model as if it had been downloaded."""
    torch.manual_seed(7)
    auto = transformers.AutoModelForSequenceClassification if kind == "bert" else None
    auto = auto or transformers.AutoModelForImageClassification
    made = auto.from_config(transformers.AutoConfig.for_model(kind, num_labels=labels, **{**TINY[kind], **changes}))
    for module in made.modules():  # statistics of a network that has seen something
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    made.save_pretrained(folder)
    return folder


def rows(kind: str, n: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if kind == "bert":
        texts = torch.randint(2, 40, (n, *SHAPES[kind]), generator=generator, dtype=torch.int32)
        texts[::2, 7:] = 0
        return texts
    return torch.randint(256, (n, *SHAPES[kind]), generator=generator, dtype=torch.uint8)


def settings_of(kind: str, checkpoint: Path | None, changes: dict[str, Any] | None = None) -> config.Config:
    model = {"name": kind, "model_type": kind, "pretrained": None if checkpoint is None else str(checkpoint)}
    model |= {"small": TINY[kind]} if checkpoint is None else {}
    raw: dict[str, Any] = {
        "activation": {"name": "sgblend", "kind": "sgblend", "preserve": True},
        "model": model,
        "data": {"name": "none"},
    }
    return config.from_dict(raw | (changes or {}))


def build(settings: config.Config, kind: str, labels: int = 3) -> nn.Module:
    return build_network(settings, SHAPES[kind], labels, LAYOUTS[kind])


# --- from a checkpoint ---------------------------------------------------------------------------------------------


@per_kind
def test_a_checkpoint_computes_what_transformers_itself_computes(kind: str, tmp_path: Path) -> None:
    folder, x = save(kind, tmp_path), rows(kind)
    native = {"activation": {"name": "native", "kind": "native"}}
    network = build(settings_of(kind, folder, native), kind).eval()
    if kind == "bert":
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
        expected = theirs(input_ids=x.long(), attention_mask=(x != 0).long()).logits
    else:
        theirs = transformers.AutoModelForImageClassification.from_pretrained(folder)
        layout = LAYOUTS[kind]
        assert isinstance(layout, Pixels)
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (layout.mean, layout.std))
        expected = theirs(pixel_values=(x / 255 - mean) / std).logits
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


@per_kind
def test_new_activations_change_nothing_at_first_and_then_every_one_can_move(kind: str, tmp_path: Path) -> None:
    folder, x = save(kind, tmp_path), rows(kind, 16)
    native = {"activation": {"name": "native", "kind": "native"}}
    before, network = build(settings_of(kind, folder, native), kind), build(settings_of(kind, folder), kind)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), before.eval()(x), rtol=1e-5, atol=1e-6)
    assert len(named_activations(network)) == len(named_activations(before)) > 0
    # at its bound a mixing weight can leave in one direction only: what one loss holds there, the opposite one moves
    one, other = (moved(copy.deepcopy(network).train(), x, sign) for sign in (1, -1))
    assert one | other == {name for name, _ in network.named_parameters()}


def moved(network: nn.Module, x: Tensor, sign: int) -> set[str]:
    """Names of the parameters that differ after some steps down (or up) a loss."""
    start = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0)
    for _ in range(10):
        optimizer.zero_grad()
        (sign * nn.functional.cross_entropy(network(x), torch.arange(len(x)) % 3)).backward()
        optimizer.step()
    return {name for name, p in network.named_parameters() if not torch.equal(p, start[name])}


@per_kind
def test_a_run_is_built_again_without_its_checkpoint(kind: str, tmp_path: Path) -> None:
    settings = settings_of(kind, save(kind, tmp_path / "gone"))
    network = build(settings, kind).eval()
    whole = resolved(settings, network)
    written = config.from_dict(json.loads(json.dumps(config.to_dict(whole))))
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    again = build(without_checkpoint(written), kind).eval()
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(rows(kind)), network(rows(kind)), rtol=1e-5, atol=1e-6)


def test_a_head_of_another_number_of_classes_is_new_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = save("vit", tmp_path)
    native = {"activation": {"name": "native", "kind": "native"}}
    three, five = (build(settings_of("vit", folder, native), "vit", labels) for labels in (3, 5))
    assert five(rows("vit")).shape == (5, 5)
    same = [
        name
        for name, p in three.state_dict().items()
        if torch.equal(p, five.state_dict()[name])
        if p.shape == five.state_dict()[name].shape
    ]
    assert set(three.state_dict()) - set(same) == {"model.classifier.weight", "model.classifier.bias"}


def test_a_checkpoint_learns_in_training_mode(tmp_path: Path) -> None:
    network = build(settings_of("efficientnet", save("efficientnet", tmp_path)), "efficientnet")
    assert all(module.training for module in network.modules())


def test_images_are_resized_and_standardised_as_the_checkpoint_was_trained(tmp_path: Path) -> None:
    folder = save("vit", tmp_path, num_channels=3, image_size=14)
    form = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "size": {"height": 14, "width": 14}}
    (folder / "preprocessor_config.json").write_text(json.dumps(form), encoding="utf-8")
    network = models.build("vit", (1, 28, 28), 3, layout=Pixels((0.9,), (0.1,)), pretrained=str(folder)).eval()
    x = rows("vit")
    theirs = transformers.AutoModelForImageClassification.from_pretrained(folder)
    mean, std = (torch.tensor(form[key]).view(-1, 1, 1) for key in ("image_mean", "image_std"))
    halved = nn.functional.interpolate((x.float().expand(-1, 3, -1, -1) / 255 - mean) / std, (14, 14), mode="bilinear")
    torch.testing.assert_close(network(x), theirs(pixel_values=halved).logits, rtol=1e-4, atol=1e-5)


def test_keys_of_the_configuration_replace_those_of_the_checkpoint(tmp_path: Path) -> None:
    folder = save("bert", tmp_path)
    network = models.build("bert", (12,), 3, pretrained=str(folder), config={"hidden_dropout_prob": 0.37})
    assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} >= {0.37}


def test_padding_says_nothing(tmp_path: Path) -> None:
    network = build(settings_of("bert", save("bert", tmp_path)), "bert").eval()
    x = rows("bert")[:1]
    torch.testing.assert_close(network(x[:, :7]), network(x), rtol=1e-4, atol=1e-5)


# --- by configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vit", "efficientnet", "convnext", "hf_resnet"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 8), (3, 40, 24)], ids=str)
def test_shipped_sizes_read_images_of_many_shapes(name: str, shape: tuple[int, ...]) -> None:
    from omegaconf import OmegaConf

    from adaptact.records import conf_dir

    options: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "model" / f"{name}.yaml"))
    network = models.build(options.pop("name"), shape, 4, layout=Pixels((0.5,), (0.2,)), **options)
    outputs = network(torch.randint(256, (2, *shape), dtype=torch.uint8))
    assert outputs.shape == (2, 4)
    assert sum(p.numel() for p in network.parameters()) < 1_000_000
    outputs.sum().backward()


def test_a_configuration_may_be_a_file(tmp_path: Path) -> None:
    folder = save("vit", tmp_path)
    network = models.build("hf_image", (1, 28, 28), 3, config=str(folder))
    assert network.model.config.hidden_size == 16  # type: ignore[union-attr]


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("hf_image", {}, "model.model_type"),
    ("hf_image", {"model_type": "swim"}, "Nearest of"),
    ("hf_image", {"model_type": "bert"}, "no image classifier"),
    ("hf_text", {"model_type": "convnext"}, "reads texts|no sequence classifier"),
    ("hf_image", {"config": "nowhere.json"}, "nowhere.json"),
    ("vit", {"model_type": "vit", "config": {"hidden_size": "many"}}, r"model\.config"),
    ("vit", {"pretrained": "./nowhere"}, "save_pretrained"),
]


@pytest.mark.parametrize(("name", "options", "message"), BROKEN, ids=[b[2] for b in BROKEN])
def test_what_cannot_be_built_is_answered_with_the_reason(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        models.build(name, (1, 28, 28), 3, **options)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a vit, not a convnext"):
        models.build("convnext", (1, 28, 28), 3, model_type="convnext", pretrained=str(save("vit", tmp_path)))
    with pytest.raises(ConfigError, match="no such classifier"):
        models.build("hf_image", (1, 28, 28), 3, pretrained=str(save("bert", tmp_path / "b")))


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    folder = save("vit", tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        models.build("vit", (1, 28, 28), 3, pretrained=str(folder))


def test_a_checkpoint_that_lacks_weights_of_its_body_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save("vit", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if "layer" in name)
    save_file({k: v for k, v in tensors.items() if k != name}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match="lacks weights"):
        models.build("vit", (1, 28, 28), 3, pretrained=str(folder))


def test_code_that_a_checkpoint_brings_is_not_run(tmp_path: Path) -> None:
    folder = save("vit", tmp_path)
    mark = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n", encoding="utf-8")
    plain = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    plain |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForImageClassification": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(plain), encoding="utf-8")
    with pytest.raises(ConfigError):
        models.build("hf_image", (1, 28, 28), 3, pretrained=str(folder))
    assert not mark.exists()


def test_more_tokens_or_longer_texts_than_the_checkpoint_knows_are_refused(tmp_path: Path) -> None:
    folder = str(save("bert", tmp_path))
    with pytest.raises(ConfigError, match="41 tokens"):
        models.build("bert", (12,), 3, pretrained=folder, layout=Tokens(41))
    with pytest.raises(ConfigError, match="20 tokens long"):
        models.build("bert", (20,), 3, pretrained=folder, layout=Tokens(40))


# --- timm and one's own ------------------------------------------------------------------------------------------


def test_timm_is_asked_for_a_network_of_this_input_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Stand:  # timm itself needs torchvision, which is not everywhere
        @staticmethod
        def create_model(name: str, **options: Any) -> nn.Module:
            asked.update(options, name=name)
            return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, options["num_classes"]))

    monkeypatch.setitem(__import__("sys").modules, "timm", Stand)
    options = {"architecture": "resnet18", "pretrained": True, "options": {"drop_rate": 0.1}}
    network = models.build("timm", (3, 8, 8), 4, layout=Pixels((0.5,), (0.2,)), **options)
    assert network(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape == (2, 4)
    assert asked == {"name": "resnet18", "pretrained": True, "num_classes": 4, "in_chans": 3, "drop_rate": 0.1}


def test_settings_without_a_checkpoint_keep_everything_else() -> None:
    settings = settings_of("vit", Path("somewhere"))
    other = without_checkpoint(settings)
    assert isinstance(settings.model, config.HFImage)
    assert other == replace(settings, model=replace(settings.model, pretrained=None))


def test_a_run_of_a_comparison_starts_from_a_checkpoint(
    tmp_path: Path, make_config: Callable[..., config.Config]
) -> None:
    folder = save("vit", tmp_path / "checkpoint", labels=10)
    changes = {"model": settings_of("vit", folder).model.__dict__, "data.name": "digits", "trainer.max_epochs": 1}
    result = run_planned(str(tmp_path / "run"), config.to_dict(make_config(changes)), "hash", None)
    assert (result["status"], result["reason"]) == ("finished", None)
    assert set(result["robustness"]) == {"noise", "covered"}
