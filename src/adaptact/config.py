"""What may be set, of which type, in which range: the one source of checks, help and "did you mean".

Free of torch, so that a wrong word is answered before anything heavy is imported. A test binds these classes to the
signatures they describe and checks every file under conf/.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from adaptact.errors import ConfigError, did_you_mean
from adaptact.schema import Checker, option, types_of

# --- activation ------------------------------------------------------------------------------------------------


@dataclass
class Activation:
    name: str = option("", "label of the choice, as it stands in records and tables")
    kind: str = option("", "what is built: a name of the registry, native or custom")
    sites: list[str] | None = option(None, "swap only at these sites: glob patterns over their dotted paths")
    only: list[str] | None = option(None, "swap only activations of these kinds, as in [GELU, ReLU]")
    preserve: bool = option(False, "start as the function that stood there, so that a trained network keeps its output")
    start: dict[str, Any] | None = option(
        None, "start values of single sites, {site: {parameter: value}}; written by comparisons"
    )


@dataclass
class PerChannel(Activation):
    per_channel: bool = option(False, "one set of parameters per channel instead of one per layer")
    channel_dim: int = option(1, "dimension that counts channels; -1 for transformers")


@dataclass
class LeakyReLU(Activation):
    negative_slope: float = option(0.01, "slope below 0")


@dataclass
class PReLU(PerChannel):
    init: float = option(0.25, "start of the learned slope below 0")


@dataclass
class ELU(Activation):
    alpha: float = option(1.0, "scale below 0")


@dataclass
class GELU(Activation):
    approximate: Literal["none", "tanh"] = option("none", "none (erf) or tanh")


@dataclass
class Swish(PerChannel):
    beta: float = option(1.0, "start of the slope")
    learn: list[str] = option(["beta"], "parameters that are learned")


@dataclass
class SSwish(PerChannel):
    beta: float = option(1.0, "start of the slope")
    gamma: float = option(0.0, "start of the offset")
    learn: list[str] = option(["beta", "gamma"], "parameters that are learned")


@dataclass
class SGBlend(PerChannel):
    alpha: float = option(0.5, "start weight of SSwish; 1 - alpha is the weight of GELU", ge=0, le=1)
    beta: float = option(1.0, "start slope of SSwish")
    gamma: float = option(0.0, "start offset of SSwish")
    approximate: Literal["none", "tanh", "sigmoid"] = option("none", "form of GELU: none (erf), tanh, sigmoid")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


@dataclass
class SGBlendAuthors(PerChannel):
    alpha: float = option(0.5, "start weight of SSwish", ge=0.269, le=0.731)
    beta: float | None = option(None, "start slope; null draws it as the authors do", ge=0.1, le=10)
    gamma: float = option(0.0, "start offset of SSwish")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


@dataclass
class PELU(PerChannel):
    a: float = option(1.0, "start of a", gt=0)
    b: float = option(1.0, "start of b", gt=0)
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@dataclass
class ABU(PerChannel):
    bases: list[str] = option(["relu", "elu", "tanh", "swish", "identity"], "functions that are added up")
    mode: Literal["unrestricted", "normalized", "absnormed", "clipped", "softmax"] = option(
        "softmax", "how raw weights become effective ones"
    )
    learn: list[str] = option(["weights"], "[weights] or []")


@dataclass
class NonlinearityEnhanced(PerChannel):
    base: str = option("relu", "activation that is enhanced")
    strength: float = option(0.1, "global constant of the cubic term, not learned")
    a: float = option(1.0, "start scale of the base")
    b: float = option(0.0, "start weight of the cubic term")
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@dataclass
class Scaled(PerChannel):
    base: str = option("gelu", "activation that is scaled")
    scale: float = option(1.0, "start of the scale")
    learn: list[str] = option(["scale"], "parameters that are learned")


@dataclass
class Blend(PerChannel):
    first: str = option("relu", "activation with weight alpha")
    second: str = option("gelu", "activation with weight 1 - alpha")
    alpha: float = option(0.5, "start weight of first", ge=0, le=1)
    learn: list[str] = option(["alpha"], "parameters that are learned")


@dataclass
class CustomActivation(Activation):
    target: str = option("", "dotted path of a class or function; its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


ACTIVATIONS: dict[str, type[Activation]] = {
    "native": Activation,
    "relu": Activation,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": Activation,
    "mish": Activation,
    "pelu": PELU,
    "swish": Swish,
    "sswish": SSwish,
    "sgblend": SGBlend,
    "sgblend_authors": SGBlendAuthors,
    "abu": ABU,
    "nonlinearity_enhanced": NonlinearityEnhanced,
    "scaled": Scaled,
    "blend": Blend,
    "custom": CustomActivation,
}

# --- model -----------------------------------------------------------------------------------------------------


@dataclass
class Model:
    name: str = option("", "builder of the network")


@dataclass
class MLP(Model):
    widths: list[int] = option([128, 128], "units of each hidden layer", ge=1)
    depth: int | None = option(None, "hidden layers: the last width repeats up to it; null: one per width", ge=1)
    dropout: float = option(0.1, "share of units dropped after each hidden layer", ge=0, lt=1)
    norm: Literal["none", "batch", "layer"] = option("none", "normalisation before each activation")
    numeric: Literal["plain", "periodic", "piecewise"] = option(
        "plain", "tables: how numbers enter, as they are or by periodic or piecewise-linear embeddings"
    )
    d_embedding: int = option(16, "width of these embeddings", ge=1)


@dataclass
class TabM(Model):
    k: int = option(16, "members of the ensemble that the network imitates", ge=1)
    width: int = option(256, "units of each hidden layer", ge=1)
    n_blocks: int = option(2, "hidden layers", ge=1)
    dropout: float = option(0.1, "share of units dropped after each hidden layer", ge=0, lt=1)
    numeric: Literal["plain", "periodic", "piecewise"] = option(
        "piecewise", "tables: how numbers enter, as they are or by periodic or piecewise-linear embeddings"
    )
    d_embedding: int = option(16, "width of these embeddings", ge=1)


@dataclass
class CNN(Model):
    widths: list[int] = option([32, 64], "channels per stage; the last one repeats while the image is large", ge=1)
    hidden: int = option(128, "units of the layer before the output", ge=1)
    dropout: float = option(0.1, "share of units dropped before the output", ge=0, lt=1)


@dataclass
class ResNet(Model):
    depth: int = option(20, "layers, 6 n + 2: 8, 14, 20, 32, 50, 56, 110", ge=8)
    width: int = option(16, "channels of the first stage", ge=1)
    norm: Literal["batch", "none"] = option("batch", "normalisation after each convolution")
    dropout: float = option(0.0, "share of units dropped before the output", ge=0, lt=1)
    stem: int | None = option(
        None, "stride of the first convolution; null: the smallest that leaves at most 32 pixels a side", ge=1, le=8
    )


@dataclass
class HuggingFace(Model):
    """A network of transformers, by configuration or from a checkpoint."""

    model_type: str | None = option(None, "kind of model as transformers calls it; a checkpoint says it by itself")
    config: dict[str, Any] | str | None = option(
        None, "keys of the model's own configuration, as in {hidden_size: 64}, or the path of a config.json"
    )
    small: dict[str, Any] | None = option(None, "keys that hold without a checkpoint unless model.config has them")
    pretrained: str | None = option(
        None, "start from a checkpoint: its folder, as save_pretrained leaves it, or its name on the hub"
    )


@dataclass
class HFImage(HuggingFace):
    image_size: list[int] | None = option(
        None, "size to which images are resized, one number or [height,width]; null: as the checkpoint wants them", ge=1
    )


@dataclass
class HFText(HuggingFace):
    pass


@dataclass
class Timm(Model):
    architecture: str = option("", "a name of timm.list_models()")
    pretrained: bool = option(False, "start from the package's own weights, which it downloads")
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "all other keys: arguments of timm.create_model"}
    )


@dataclass
class CustomModel(Model):
    target: str = option("", "dotted path of build(input_shape, n_outputs, ...); its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


@dataclass
class TextTransformer(Model):
    width: int = option(128, "units of each token", ge=1)
    n_blocks: int = option(2, "blocks of attention and feed-forward layers", ge=1)
    n_heads: int = option(4, "heads of attention; they divide the width", ge=1)
    expansion: int = option(4, "units of a feed-forward layer, as a multiple of the width", ge=1)
    dropout: float = option(0.3, "share of units dropped, of embeddings and after each layer", ge=0, lt=1)
    token_dropout: float = option(0.1, "share of tokens that are as if unknown, in training only", ge=0, lt=1)


MODELS: dict[str, type[Model]] = {
    "mlp": MLP,
    "cnn": CNN,
    "resnet": ResNet,
    "tabm": TabM,
    "hf_image": HFImage,
    "efficientnet": HFImage,
    "vit": HFImage,
    "convnext": HFImage,
    "hf_resnet": HFImage,
    "hf_text": HFText,
    "bert": HFText,
    "text_transformer": TextTransformer,
    "timm": Timm,
    "custom": CustomModel,
}
# what a network reads; of the others nothing is known
MODEL_READS: dict[type[Model], set[str]] = {
    MLP: {"rows", "images"},
    TabM: {"rows"},
    CNN: {"images"},
    ResNet: {"images"},
    HFImage: {"images"},
    HFText: {"texts"},
    TextTransformer: {"texts"},
    Timm: {"images"},
}

# --- data ------------------------------------------------------------------------------------------------------


@dataclass
class Data:
    name: str = option("", "the data set")
    batch_size: int = option(64, "rows per step", ge=1)
    split_seed: int = option(0, "seed of the split into training, validation and test part", ge=0)
    order_seed: int | None = option(None, "seed of the order of training rows; null: seed", ge=0)
    val_size: float = option(0.2, "share of rows for validation", gt=0, lt=1)
    resident: Literal["auto", "true", "false"] = option(
        "auto", "keep all tensors on the device; auto: if they take less than a quarter of its free memory"
    )
    num_workers: int = option(2, "worker processes, only where the data is not resident", ge=0)


@dataclass
class NoData(Data):
    """For looking at networks, which then get inputs of a usual size."""


@dataclass
class Bundled(Data):
    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1)


@dataclass
class Idx(Data):
    val_size: float = option(0.1, "share of the official training part for validation", gt=0, lt=1)
    root: str | None = option(None, "folder with the four idx.gz files; null downloads them once into data/")


@dataclass
class Rows(Data):
    """A file of one's own, a row per case, one column to predict: what tables and texts share."""

    path: str = option("", "the table: CSV, TSV (also .gz), Excel or Parquet")
    target: str = option("", "name of the column to predict")
    val_path: str | None = option(None, "a table of its own for validation; null takes rows of data.path")
    test_path: str | None = option(None, "a table of its own for the test; null takes rows of data.path")
    separator: str = option("auto", "between cells: auto or one character, as in ; or \\t")
    decimal: Literal["auto", ".", ","] = option("auto", "decimal mark; auto: by the cells of each column")
    encoding: str = option("auto", "auto, utf-8, cp932 (Japanese Windows), cp1252 (western Windows) ...")
    header: Literal["auto", "true", "false"] = option(
        "auto", "whether the first line has names; false: columns are numbered from 0"
    )
    sheet: str | None = option(None, "sheet of an Excel file; null: the first")
    missing: list[str] = option([], "further marks of a missing value, as in [unknown]")
    task: Literal["auto", "classification", "regression"] = option("auto", "auto: by the target's values")
    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1)
    group: str | None = option(None, "column whose values never stand in two parts, as customer or machine")
    time: str | None = option(None, "column of dates or numbers: the latest rows are for the test")
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2)
    fold: int = option(0, "which fold, from 0", ge=0)
    cost_fp: float | None = option(None, "two classes: cost of a false alarm; with cost_fn it sets the threshold", ge=0)
    cost_fn: float | None = option(None, "two classes: cost of a missed case", ge=0)
    threshold_metric: Literal["accuracy", "f1", "balanced_accuracy", "mcc"] = option(
        "f1", "two classes without costs: what the decision threshold is best at, on the validation part"
    )
    positive: str | None = option(None, "two classes: the label that is to be found; null: the second in order")


@dataclass
class Table(Rows):
    drop: list[str] = option([], "columns to leave out")
    numeric: list[str] = option([], "columns to treat as numbers")
    categorical: list[str] = option([], "columns to treat as categories")
    date: list[str] = option([], "columns to treat as dates: they become calendar parts")
    text: list[str] = option([], "columns of free text; a table's network does not read them")
    roles: str | None = option(None, "YAML file with lists numeric, categorical, date, text, drop")
    scaling: Literal["standard", "quantile"] = option("quantile", "how numbers are scaled, fitted on the training part")
    max_categories: int = option(50, "rarer categories of a column share one slot beyond this many", ge=2)


@dataclass
class Text(Rows):
    """A column of texts, or several that are joined; or a folder with a subfolder of .txt files per class."""

    path: str = option(
        "", "CSV, TSV (also .gz), Excel or Parquet; or a folder with a subfolder of .txt files per class"
    )
    text: list[str] = option([], "column of the texts, or several that are joined, as in [title, body]")
    vocabulary: int = option(4000, "tokens of the BPE tokenizer that is trained on the training part", ge=8)
    max_length: int | None = option(
        None, "tokens after which a text is cut; null: those of the longest training text, at most 256", ge=4
    )
    tokenizer: str | None = option(
        None, "a pretrained one in place of it: tokenizer.json, or a folder that has one, as transformers saves it"
    )


@dataclass
class Sample(Table):
    """The synthetic table that comes with the project."""

    path: str = option("data/sample/machines.csv", "the table, relative to the project")
    target: str = option("failure_within_30_days", "name of the column to predict")
    group: str | None = option("machine.id", "column whose values never stand in two parts")
    drop: list[str] = option(["repair cost"], "columns to leave out")


AUGMENTATIONS = ("flip", "vertical_flip", "crop", "color")


@dataclass
class ImageFolder(Data):
    batch_size: int = option(32, "pictures per step", ge=1)
    root: str = option("", "folder with one folder of pictures per class, or train, val, test above them")
    image_size: list[int] | None = option(
        None, "height and width, or one number for both; null: by the pictures' own, at most 64", ge=8, le=1024
    )
    fit: Literal["pad", "crop"] = option("pad", "pictures of another shape: grey margins, or cut at the edges")
    channels: Literal["auto", "grey", "rgb"] = option("auto", "auto: grey where all pictures are")
    labels: str | None = option(None, "table of paths and labels, instead of a folder per class")
    image: str | None = option(None, "its column of paths; null: the one whose cells are files below data.root")
    target: str | None = option(None, "its column of labels; null: the other one")
    group_pattern: str | None = option(
        None, "regular expression on file names: pictures that agree in its first group never stand in two parts"
    )
    max_bad_share: float = option(0.05, "share of unreadable pictures beyond which the data is refused", ge=0, le=1)
    augment: list[str] = option(
        ["auto"], "training pictures are varied: flip, vertical_flip, crop, color; auto: flip, crop, color; none"
    )
    cache: str | None = option(None, "folder that keeps decoded pictures; null: data/cache of the project")
    test_size: float = option(0.2, "share of pictures for the test", gt=0, lt=1)
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2)
    fold: int = option(0, "which fold, from 0", ge=0)

    @property
    def augmentations(self) -> tuple[str, ...]:
        """What ``augment`` asks for, written out."""
        if "none" in self.augment:
            return ()
        asked = {*self.augment, *(("flip", "crop", "color") if "auto" in self.augment else ())}
        return tuple(name for name in AUGMENTATIONS if name in asked)


@dataclass
class CustomData(Data):
    target_class: str = option("", "dotted path of a class or function; its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


DATA: dict[str, type[Data]] = {
    "digits": Bundled,
    "breast_cancer": Bundled,
    "wine": Bundled,
    "diabetes": Bundled,
    "mnist": Idx,
    "fashion_mnist": Idx,
    "table": Table,
    "sample": Sample,
    "image_folder": ImageFolder,
    "text": Text,
    "custom": CustomData,
    "none": NoData,
}


def gives(data: Data) -> str | None:
    """What a data set has: rows, images or texts; None where nothing is known."""
    if isinstance(data, (CustomData, NoData)):
        return None
    if isinstance(data, Text):
        return "texts"
    return "images" if isinstance(data, (Idx, ImageFolder)) or data.name == "digits" else "rows"


# --- the rest --------------------------------------------------------------------------------------------------


@dataclass
class Optimizer:
    lr: float = option(1e-3, "learning rate of AdamW at its peak", gt=0)
    weight_decay: float = option(0.01, "decay of weight matrices; biases, norms and activations never decay", ge=0)
    activation_lr_scale: float = option(10.0, "learning rate of activation parameters, as a multiple of lr", ge=0)
    beta1: float = option(0.9, "decay of AdamW's first moment", ge=0, lt=1)
    beta2: float = option(0.999, "decay of AdamW's second moment", ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = option("cosine", "learning rate after the warm-up")
    warmup_epochs: float = option(1.0, "epochs of linear warm-up", ge=0)
    gradient_clip: float | None = option(
        1.0, "largest gradient norm, apart for the weights and for the activation parameters; null: none", gt=0
    )


@dataclass
class Finetune:
    """How a network that has been trained before goes on to learn."""

    learn: Literal["all", "activations"] = option(
        "all", "activations: only activation parameters, normalisation layers and the head learn"
    )
    head: list[str] | None = option(
        None, "parameters of the head, as glob patterns over their names; null: of the last layer that has some"
    )
    head_epochs: int = option(0, "epochs in which only the head learns, before all do", ge=0)
    first_layer_lr: float = option(
        1.0,
        "learning rate of the first layer as a multiple of the head's; of layers between them in equal ratios",
        gt=0,
        le=1,
    )


@dataclass
class Trainer:
    max_epochs: int = option(40, "passes over the training part", ge=1)
    accelerator: Literal["auto", "cpu", "gpu"] = option("auto", "where to train")
    devices: int = option(1, "number of devices", ge=1)
    strategy: Literal["auto", "ddp", "fsdp"] = option(
        "auto",
        "ddp: one process per device, which share every batch and average their gradients; fsdp: as ddp, and each "
        "holds only a part of every weight; auto: one process",
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"] = option(
        "auto", "auto: bf16-mixed where the GPU supports it, 16-mixed on older GPUs, 32-true on a CPU"
    )
    early_stopping_patience: int | None = option(
        20, "epochs without a better monitored value before the run stops; null: never", ge=1
    )


@dataclass
class Logger:
    tensorboard: bool = option(True, "write event files for `make tensorboard`")
    curves: bool = option(True, "draw the learned curve of every site at the end (needs tensorboard)")


@dataclass
class Config:
    """Everything that `train` takes."""

    activation: Activation
    model: Model
    data: Data
    optimizer: Optimizer = field(default_factory=Optimizer)
    finetune: Finetune = field(default_factory=Finetune)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)
    seed: int = option(0, "seed of start weights, data order and dropout", ge=0)
    label_smoothing: float = option(0.0, "classification: share of the label spread over all classes", ge=0, lt=1)
    imbalance: Literal["none", "weights", "focal"] = option(
        "none", "classification: weights (each class counts alike) or focal loss (hard rows count more)"
    )
    focal_gamma: float = option(2.0, "how much more, with imbalance=focal", gt=0)
    references: bool = option(
        True, "also fit gradient boosting or a linear model on the same rows, pixels or texts, in seconds"
    )
    activation_warmup_epochs: int = option(0, "epochs during which activation parameters stay at their start", ge=0)
    activation_penalty: float = option(
        0.0, "weight of the squared distance of activation parameters from their start, added to the loss", ge=0
    )
    monitor: str = option(
        "auto",
        "metric that picks the best checkpoint, as in val/log_loss; auto: val/accuracy, val/auroc for two classes, "
        "val/rmse for regression",
    )
    max_nonfinite_steps: int = option(
        20,
        "steps in a row with a loss or gradient that is no number, each skipped, before the run ends as diverged",
        ge=0,
    )
    log_every_n_steps: int = option(20, "steps between two records of what is watched", ge=1)
    compile: bool = option(False, "compile the network with torch.compile")
    deterministic: bool = option(False, "only deterministic algorithms; slower on a GPU")
    figure: Literal["none", "depth", "sensitivity"] = option(
        "none", "picture and table over all runs of a sweep, in a folder of their own"
    )
    output_dir: str = option("runs/train", "folder of the runs; relative to the project, not to where one stands")
    resume: str | None = option(None, "run folder to continue; only trainer.max_epochs and loggers may change")
    trust: str | None = option(None, "package whose classes may be imported by a configuration")
    debug: bool = option(False, "show the traceback of an error")


GROUPS: dict[str, tuple[str, dict[str, type]]] = {
    "activation": ("kind", dict(ACTIVATIONS)),
    "model": ("name", dict(MODELS)),
    "data": ("name", dict(DATA)),
}
METRICS = {
    "classification": {
        "accuracy": "max",
        "f1_macro": "max",
        "auroc": "max",
        "average_precision": "max",
        "log_loss": "min",
        "ece": "min",
    },
    "regression": {"rmse": "min", "mae": "min", "r2": "max"},
}


def from_dict(raw: Mapping[str, Any]) -> Config:
    """Check a plain nested mapping and make it a :class:`Config`.

    Raises:
        ConfigError: with all problems at once: unknown keys (and the nearest known), wrong types, values out of
            range, combinations that contradict each other.

    >>> try:
    ...     from_dict({"optimizer": {"lr": -1}, "trainer": {"max_epoch": 3}})
    ... except ConfigError as error:
    ...     print(error.problems[0])
    optimizer.lr must be above 0, not -1.0
    """
    checker = Checker(GROUPS, (key for key, _, _ in describe()))
    config = checker.build(Config, raw)
    problems = checker.problems + (_contradictions(config) if config else [])
    if problems:
        raise ConfigError(problems)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The inverse of :func:`from_dict`: plain containers, as they are written to config.yaml."""
    plain = dataclasses.asdict(config)
    for group in GROUPS:
        plain[group].update(plain[group].pop("options", {}))
    return plain


def options_of(section: Any) -> dict[str, Any]:
    """The options of a group's choice without those that all its choices share (``name`` ...)."""
    base = {"Activation": Activation, "Model": Model, "Data": Data}
    shared = {f.name for b in base.values() if isinstance(section, b) for f in dataclasses.fields(b)}
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if f.name not in shared}


def field_types(key: str) -> list[Any]:
    """The types that a dotted key has in the schema, over all choices of its group; empty if it is unknown."""
    section, _, name = key.rpartition(".")
    if not section:
        classes: list[type] = [Config]
    elif section in GROUPS:
        classes = list(GROUPS[section][1].values())
    else:
        hint = types_of(Config).get(section)
        classes = [hint] if isinstance(hint, type) and dataclasses.is_dataclass(hint) else []
    return list({str(t): t for c in classes if (t := types_of(c).get(name)) is not None}.values())


def describe() -> Iterator[tuple[str, dataclasses.Field[Any], str]]:
    """Every key that can be set: (dotted key, field, for which choices)."""
    for f in dataclasses.fields(Config):
        hint = types_of(Config)[f.name]
        if f.name in GROUPS:
            seen: dict[str, tuple[dataclasses.Field[Any], list[str]]] = {}
            for choice, cls in GROUPS[f.name][1].items():
                for sub in dataclasses.fields(cls):
                    seen.setdefault(sub.name, (sub, []))[1].append(choice)
            total = len(GROUPS[f.name][1])
            for name, (sub, choices) in seen.items():
                yield f"{f.name}.{name}", sub, "" if len(choices) == total else ", ".join(choices)
        elif dataclasses.is_dataclass(hint):
            for sub in dataclasses.fields(hint):
                yield f"{f.name}.{sub.name}", sub, ""
        else:
            yield f.name, f, ""


TABLE_ROLES = ("drop", "numeric", "categorical", "date", "text")


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


def _contradictions(config: Config) -> list[str]:
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


def _distrust(key: str, target: str, example: str, trust: str | None) -> list[str]:
    """Somebody's code that the user has not named, or not trusted by name."""
    package = target.split(".", maxsplit=1)[0]
    if not package:
        return [f"{key} is missing: the dotted path of a class, as in my_package.{example}"]
    return [] if trust == package else [f"{key} {target!r} is somebody's code: add trust={package} to run it"]
