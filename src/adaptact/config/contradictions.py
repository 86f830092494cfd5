"""Keys that are fine alone but not together."""

from __future__ import annotations

import re

from adaptact.config.activation import ABU, ACTIVATIONS, CustomActivation
from adaptact.config.data import AUGMENTATIONS, TABLE_ROLES, CustomData, ImageFolder, Rows, Table, Text, gives
from adaptact.config.model import CNN, MLP, MODEL_READS, CustomModel, HFImage, ResNet, TextTransformer, Timm
from adaptact.config.settings import METRICS, Config, options_of
from adaptact.errors import did_you_mean
from adaptact.trust import distrust


def contradictions(config: Config) -> list[str]:
    """Keys that are fine alone but not together."""
    problems: list[str] = []
    activation, model, data = config.activation, config.model, config.data
    if data.val_size + getattr(data, "test_size", 0.0) >= 1:
        problems.append(
            f"data.val_size {data.val_size} + data.test_size {getattr(data, 'test_size', 0)} leaves nothing to train on"
        )
    if isinstance(data, Table):
        problems += [
            f"data.{key} is missing: data=table needs data.path=my.csv data.target=column"
            for key in ("path", "target")
            if not getattr(data, key)
        ]
    if isinstance(data, Rows):
        problems += _row_contradictions(data)
    if isinstance(data, ImageFolder):
        problems += _image_contradictions(data)
    if isinstance(data, Text) and not data.path:
        problems.append("data.path is missing: data=text needs data.path=my.csv, or a folder")
    if isinstance(model, TextTransformer) and model.width % model.n_heads:
        problems.append(f"model.n_heads={model.n_heads} does not divide model.width={model.width}: choose another")
    trainer = config.trainer
    if trainer.devices > 1 and trainer.strategy == "auto":
        problems.append(f"trainer.devices={trainer.devices} needs a strategy: use trainer=ddp")
    if trainer.strategy != "auto" and data.batch_size < 2 * trainer.devices:
        problems.append(f"data.batch_size={data.batch_size} gives {trainer.devices} processes less than two rows each")
    if trainer.strategy == "fsdp" and trainer.precision == "16-mixed":
        problems.append("trainer=fsdp has no gradient scaler: use trainer.precision=bf16-mixed or 32-true")
    if trainer.strategy == "fsdp" and config.compile:
        problems.append("compile=true does not go with trainer=fsdp: use trainer=ddp or compile=false")
    if isinstance(model, ResNet) and (model.depth - 2) % 6:
        near = max(8, round((model.depth - 2) / 6) * 6 + 2)
        problems.append(f"model.depth must be 6 n + 2, not {model.depth}; the nearest is {near}")
    given, read = gives(data), MODEL_READS.get(type(model))
    if given is not None and read is not None and given not in read:
        better = {"rows": "mlp", "images": "cnn", "texts": "text_transformer"}[given]
        better += " or data=text" if read == {"texts"} else ""
        reads = " or ".join(sorted(read))
        problems.append(f"model={model.name} reads {reads} and data={data.name} has {given}: use model={better}")
    if isinstance(model, Timm) and not model.architecture:
        problems.append(
            "model.architecture is missing: a name of timm.list_models(), as in model.architecture=resnet18"
        )
    if isinstance(model, CustomModel):
        problems += _distrust("model.target", model.target, "build", config.trust)
    if isinstance(model, HFImage) and len(model.image_size or [1]) > 2:
        problems.append(f"model.image_size must be one number or [height,width], not {model.image_size}")
    learnable = {"abu": {"weights"}}.get(
        activation.kind, set(options_of(activation)) & {"alpha", "beta", "gamma", "a", "b", "scale"}
    )
    unknown = [name for name in getattr(activation, "learn", []) if name not in learnable]
    if unknown:
        problems.append(
            f"activation.learn names {', '.join(unknown)}; {activation.name} can learn {', '.join(sorted(learnable))}"
        )
    bases = ["identity", *(kind for kind in ACTIVATIONS if kind not in {"native", "custom", "blend"})]
    for key in ("base", "first", "second"):
        named = getattr(activation, key, "relu")
        if named not in bases:
            problems.append(f"activation.{key} {named!r} is unknown. {did_you_mean(named, bases)}")
    if isinstance(activation, ABU):
        known = ABU().bases
        wrong = [base for base in activation.bases if base not in known]
        problems += [f"activation.bases {base!r} is unknown. {did_you_mean(base, known)}" for base in wrong]
        if len(set(activation.bases)) < max(1, len(activation.bases)):
            problems.append(f"activation.bases must be different names and at least one, not {activation.bases}")
    if isinstance(activation, CustomActivation):
        problems += _distrust("activation.target", activation.target, "MyActivation", config.trust)
    if isinstance(data, CustomData):
        problems += _distrust("data.target_class", data.target_class, "MyDataModule", config.trust)
    if isinstance(model, (CNN, MLP)) and not model.widths:
        problems.append("model.widths is empty: give at least one width")
    if isinstance(model, MLP) and model.depth is not None and model.depth < len(model.widths):
        problems.append(f"model.depth {model.depth} is less than the {len(model.widths)} layers of model.widths")
    metric = config.monitor.removeprefix("val/")
    known_metrics = [f"val/{name}" for names in METRICS.values() for name in names]
    if config.monitor != "auto" and (f"val/{metric}" not in known_metrics or metric == config.monitor):
        problems.append(
            f"monitor {config.monitor!r} is unknown. {did_you_mean(config.monitor, ['auto', *known_metrics])}"
        )
    if config.finetune.head_epochs >= config.trainer.max_epochs:
        problems.append(
            f"finetune.head_epochs {config.finetune.head_epochs} leaves none of the {config.trainer.max_epochs} epochs "
            "of trainer.max_epochs to all layers"
        )
    if config.activation_warmup_epochs > config.trainer.max_epochs:
        problems.append(
            f"activation_warmup_epochs {config.activation_warmup_epochs} is more than trainer.max_epochs "
            f"{config.trainer.max_epochs}: the activations would never learn"
        )
    return problems


def _row_contradictions(data: Rows) -> list[str]:
    problems = []
    lists = [role for role in TABLE_ROLES if hasattr(data, role)]
    for role in lists:
        if data.target in getattr(data, role):
            problems.append(f"data.{role} names the target {data.target!r}; the target must stay out of it")
    named = [name for role in lists for name in getattr(data, role)]
    for name in sorted({name for name in named if named.count(name) > 1}):
        roles = [f"data.{role}" for role in lists if name in getattr(data, role)]
        problems.append(f"column {name!r} is named twice, in {' and in '.join(roles)}: choose one role")
    ways = [key for key in ("group", "time") if getattr(data, key) is not None]
    ways += ["folds"] if data.folds is not None and data.time is not None else []
    if len(ways) > 1:
        problems.append(f"data.{' and data.'.join(ways)} split the rows in different ways: choose one")
    if data.test_path is not None and (data.folds is not None or (data.time is not None and data.val_path is not None)):
        problems.append("data.test_path brings its own test rows: leave out data.folds and data.time")
    problems += _fold_contradictions(data)
    if (data.cost_fp is None) != (data.cost_fn is None):
        problems.append("data.cost_fp and data.cost_fn belong together: give both, in the same unit")
    return problems


def _fold_contradictions(data: Rows | ImageFolder) -> list[str]:
    if data.folds is None and data.fold:
        return [f"data.fold={data.fold} needs data.folds, the number of folds"]
    if data.folds is not None and data.fold >= data.folds:
        return [f"data.fold={data.fold} is not below data.folds={data.folds}: folds are numbered from 0"]
    return []


def _image_contradictions(data: ImageFolder) -> list[str]:
    problems = _fold_contradictions(data)
    if not data.root and data.labels is None:
        problems.append("data.root is missing: data=image_folder needs data.root=<a folder with one folder per class>")
    if data.image_size is not None and len(data.image_size) not in (1, 2):
        problems.append(f"data.image_size must be [height,width] or one number, not {data.image_size}")
    if data.group_pattern is not None:
        try:
            re.compile(data.group_pattern)
        except re.error as error:
            problems.append(f"data.group_pattern={data.group_pattern} is no regular expression: {error}")
    known = ("auto", "none", *AUGMENTATIONS)
    problems += [
        f"data.augment {name!r} is unknown. {did_you_mean(name, known)}" for name in data.augment if name not in known
    ]
    if "none" in data.augment and len(data.augment) > 1:
        problems.append(f"data.augment={data.augment} asks for none and for more: choose")
    if data.labels is None:
        problems += [
            f"data.{key} names a column, and there is no table: give data.labels=labels.csv"
            for key in ("image", "target")
            if getattr(data, key) is not None
        ]
    elif data.image is not None and data.image == data.target:
        problems.append(f"data.image and data.target both name {data.image!r}: one has the paths, one the labels")
    return problems


def _distrust(key: str, target: str, example: str, trust: str | None) -> list[str]:
    """Third-party code that is not named, or whose package is not trusted by name."""
    if not target:
        return [f"{key} is missing: the dotted path of a class, as in my_package.{example}"]
    reason = distrust(target, trust)
    return [f"{key} {reason}"] if reason else []
