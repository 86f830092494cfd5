"""Options of different sections that contradict each other. What one section knows alone is in its ``problems()``."""

from __future__ import annotations

from typing import Any

from adaptact.activations.options import CustomActivation
from adaptact.config.model import MODEL_READS, CustomModel
from adaptact.config.settings import METRICS, Callbacks, Config
from adaptact.errors import did_you_mean
from adaptact.trust import distrust


def contradictions(config: Config) -> list[str]:
    """Describe each pair of sections that do not go together."""
    return [*_devices(config), *_reading(config), *_third_party(config), *_monitor(config), *_epochs(config)]


def _devices(config: Config) -> list[str]:
    problems = []
    trainer, batch_size = config.trainer, config.data.batch_size
    if trainer.strategy != "auto" and batch_size < 2 * trainer.devices:
        problems.append(f"data.batch_size={batch_size} gives {trainer.devices} processes less than two rows each")
    if trainer.strategy == "fsdp" and config.compile:
        problems.append("compile=true does not go with trainer=fsdp: use trainer=ddp or compile=false")
    return problems


def _reading(config: Config) -> list[str]:
    """A network that cannot read what the data set has."""
    given, read = config.data.gives, MODEL_READS.get(type(config.model))
    if given is None or read is None or given in read:
        return []
    better = {"rows": "mlp", "images": "cnn", "texts": "text_transformer"}[given]
    better += " or data=text" if read == {"texts"} else ""
    reads = " or ".join(sorted(read))
    return [f"model={config.model.name} reads {reads} and data={config.data.name} has {given}: use model={better}"]


def _third_party(config: Config) -> list[str]:
    """Third-party code that is not named, or whose package is not trusted by name."""
    named = []
    if isinstance(config.model, CustomModel):
        named.append(("model.target", config.model.target, "build"))
    if isinstance(config.activation, CustomActivation):
        named.append(("activation.target", config.activation.target, "MyActivation"))
    if config.data.third_party is not None:
        named.append((*config.data.third_party, "MyDataModule"))
    named += [(f"callbacks.{name}.target", given["target"], "MyCallback") for name, given in _targets(config.callbacks)]
    problems = []
    for key, target, example in named:
        if not target:
            problems.append(f"{key} is missing: the dotted path of a class, as in my_package.{example}")
        elif reason := distrust(target, config.trust):
            problems.append(f"{key} {reason}")
    return problems


def _targets(callbacks: Callbacks) -> list[tuple[str, dict[str, Any]]]:
    own = callbacks.own.items()
    return [(name, given) for name, given in own if isinstance(given, dict) and isinstance(given.get("target"), str)]


def _monitor(config: Config) -> list[str]:
    known = ["auto", *(f"val/{name}" for names in METRICS.values() for name in names)]
    if config.monitor in known:
        return []
    return [f"monitor {config.monitor!r} is unknown. {did_you_mean(config.monitor, known)}"]


def _epochs(config: Config) -> list[str]:
    problems = []
    epochs = config.trainer.max_epochs
    if config.finetune.head_epochs >= epochs:
        problems.append(
            f"finetune.head_epochs {config.finetune.head_epochs} leaves none of the {epochs} epochs "
            "of trainer.max_epochs to all layers"
        )
    if config.activation_warmup_epochs > epochs:
        problems.append(
            f"activation_warmup_epochs {config.activation_warmup_epochs} is more than trainer.max_epochs "
            f"{epochs}: the activations would never learn"
        )
    return problems
