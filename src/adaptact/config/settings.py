"""What is no choice of a file: optimizer, fine-tuning, trainer, logger; and the whole configuration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from adaptact.activations.options import ACTIVATIONS, Activation
from adaptact.config.data import DATA, Data
from adaptact.config.model import MODELS, Model
from adaptact.errors import did_you_mean
from adaptact.schema import option, section


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
    max_epochs: int = option(40, "passes over the training part", ge=1, le=10**9)
    accelerator: Literal["auto", "cpu", "gpu"] = option("auto", "where to train")
    devices: int = option(1, "number of devices", ge=1, le=1000)
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

    def problems(self) -> list[str]:
        """Describe each combination of options that contradicts itself."""
        found = []
        if self.devices > 1 and self.strategy == "auto":
            found.append(f"trainer.devices={self.devices} needs a strategy: use trainer=ddp")
        if self.strategy == "fsdp" and self.precision == "16-mixed":
            found.append("trainer=fsdp has no gradient scaler: use trainer.precision=bf16-mixed or 32-true")
        return found


@dataclass
class Logger:
    """Where metrics go beside the run's own metrics.csv; several at once by ``logger=[tensorboard,mlflow]``."""

    tensorboard: bool = option(False, "write event files for `make tensorboard`")
    csv: bool = option(False, "write all that is logged to csv/metrics.csv in the run folder")
    mlflow: bool = option(False, "log to MLflow (EXTRAS=mlflow)")
    mlflow_uri: str | None = option(None, "tracking server of MLflow; null: a database in runs/mlflow, on this machine")
    wandb: bool = option(False, "log to Weights & Biases (EXTRAS=wandb)")
    wandb_mode: Literal["offline", "online"] = option(
        "offline", "offline keeps everything in the run folder; online sends column names and metrics to its server"
    )
    curves: bool = option(True, "draw the learned curve of every site at the end (needs tensorboard)")

    @property
    def chosen(self) -> list[str]:
        """Names of the loggers that are on."""
        return [name for name in ("tensorboard", "csv", "mlflow", "wandb") if getattr(self, name)]


@dataclass
class Callbacks:
    """Callbacks that can be switched off, and a user's own by ``callbacks.<name>.target=my_package.MyCallback``."""

    activation_monitor: bool = option(True, "log alphas, gaps and gradient norms while training", decides="nothing")
    activations_csv: bool = option(True, "write the activations' parameters per epoch", decides="nothing")
    curve_snapshots: bool = option(True, "keep parameters of some epochs for the pictures of curves", decides="nothing")
    progress: bool = option(True, "show how far the training is", decides="nothing")
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "all other keys: callbacks of your own, each with target and arguments"}
    )

    def problems(self) -> list[str]:
        """Describe each callback that is neither one of ours nor says where its class is."""
        found = []
        known = [each.name for each in dataclasses.fields(self) if each.name != "options"]
        for name, given in self.options.items():
            if name in ALWAYS_ON:
                found.append(f"callbacks.{name} cannot be switched off: {ALWAYS_ON[name]}")
            elif given is not None and not (isinstance(given, dict) and isinstance(given.get("target"), str)):
                found.append(
                    f"callbacks.{name} is unknown. {did_you_mean(name, known)} One of your own has a target: "
                    f"callbacks.{name}.target=my_package.MyCallback"
                )
        return found

    @property
    def own(self) -> dict[str, dict[str, Any]]:
        """Callbacks of the user's, by name: "target" and its arguments."""
        return {name: given for name, given in self.options.items() if given is not None}


ALWAYS_ON = {
    "checkpoints": "a run is continued and evaluated from them",
    "metrics_csv": "reports and early ends are read from it",
    "stability": "it skips steps that are no numbers, and ends runs that diverge",
    "random_state": "without it a resumed run would be another one",
    "signals": "they end a run without losing what it wrote",
}


@dataclass
class Config:
    """Everything that `train` takes."""

    activation: Activation
    model: Model
    data: Data
    optimizer: Optimizer = section(Optimizer)
    finetune: Finetune = section(Finetune)
    trainer: Trainer = section(Trainer)
    logger: Logger = section(Logger, decides="nothing")
    callbacks: Callbacks = section(Callbacks)
    seed: int = option(0, "seed of start weights, data order and dropout", ge=0, le=2**63 - 1)
    label_smoothing: float = option(0.0, "classification: share of the label spread over all classes", ge=0, lt=1)
    imbalance: Literal["none", "weights", "focal"] = option(
        "none", "classification: weights (each class counts alike) or focal loss (hard rows count more)"
    )
    focal_gamma: float = option(2.0, "how much more, with imbalance=focal", gt=0)
    references: bool = option(
        True,
        "also fit gradient boosting or a linear model on the same rows, pixels or texts, in seconds",
        decides="nothing",
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
        "none", "picture and table over all runs of a sweep, in a folder of their own", decides="nothing"
    )
    output_dir: str = option(
        "runs/train", "folder of the runs; relative to the project, not to where one stands", decides="nothing"
    )
    resume: str | None = option(
        None, "run folder to continue; only trainer.max_epochs and loggers may change", decides="nothing"
    )
    trust: str | None = option(None, "package whose classes may be imported by a configuration", decides="nothing")
    follow_links: bool = option(
        False, "write through links that lead out of a folder that is continued", decides="nothing"
    )
    debug: bool = option(False, "show the traceback of an error", decides="nothing")


GROUPS: dict[str, tuple[str, dict[str, type]]] = {
    "activation": ("kind", dict(ACTIVATIONS)),
    "model": ("name", dict(MODELS)),
    "data": ("name", dict(DATA)),
}
Mode = Literal["min", "max"]
METRICS: dict[str, dict[str, Mode]] = {
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


def options_of(section: Any) -> dict[str, Any]:
    """The options of a group's choice without those that all its choices share (``name`` ...)."""
    base = {"Activation": Activation, "Model": Model, "Data": Data}
    shared = {f.name for b in base.values() if isinstance(section, b) for f in dataclasses.fields(b)}
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if f.name not in shared}
