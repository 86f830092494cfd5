"""What a person can get wrong, each with its exit code, message and time.

    .venv/bin/python tests/wrong_inputs.py > docs/wrong_inputs.md

The test beside it runs the same list, without a process for each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commands import Done, start

CONFIGURATION_S, DATA_S = 1.5, 4.0  # how long an answer may take on two idle cores


@dataclass(frozen=True)
class Wrong:
    words: str
    expected: str  # in the message
    kind: str = "configuration"  # or "data", which is read before it can be wrong


TABLE = "data=table data.path=good.csv data.target=y"
PICTURES = "data=image_folder data.root=pictures"
CASES = [
    Wrong("activation=sgblnd", "'sgblend'"),
    Wrong("model=resnt", "'resnet'"),
    Wrong("data=digit", "'digits'"),
    Wrong("optimizer=adam", "'adamw'"),
    Wrong("trainer=gpus", "'gpu'"),
    Wrong("experiment=dept", "'depth'"),
    Wrong("logger=tensorbord", "'tensorboard'"),
    Wrong("modle=cnn", "'model'"),
    Wrong("optimizer.lrate=1", "optimizer.lrate"),
    Wrong("activation.alhpa=0.3", "'alpha'"),
    Wrong("lr=0.1", "optimizer.lr"),
    Wrong("trainer.epochs=3", "trainer.epochs"),
    Wrong("data.batchsize=3", "'batch_size'"),
    Wrong("seeds=3", "'seed'"),
    Wrong("activation", "name=value"),
    Wrong("optimizer.lr=-1", "above 0, not -1"),
    Wrong("optimizer.lr=fast", "a number, not 'fast'"),
    Wrong("optimizer.lr=nan", "a number"),
    Wrong("activation.alpha=1.7", "at most 1, not 1.7"),
    Wrong("activation.learn=[delta]", "delta"),
    Wrong("activation.approximate=erf", "tanh"),
    Wrong("trainer.max_epochs=-3", "at least 1 and at most 1000000000, not -3"),
    Wrong("trainer.max_epochs=1.5", "a whole number, not 1.5"),
    Wrong("trainer.max_epochs=ten", "a whole number, not 'ten'"),
    Wrong("trainer.precision=8-bit", "bf16-mixed"),
    Wrong("seed=-1", "at least 0"),
    Wrong("seed=true", "a whole number"),
    Wrong("compile=perhaps", "true or false"),
    Wrong("label_smoothing=1", "below 1"),
    Wrong("model.dropout=1", "below 1"),
    Wrong("model=resnet model.depth=19", "20"),
    Wrong("model=mlp model.widths=[]", "model.widths"),
    Wrong("data.val_size=0.6 data.test_size=0.5", "nothing to train on"),
    Wrong("monitor=val/acc", "val/accuracy"),
    Wrong("data=wine model=cnn", "model=mlp"),
    Wrong("activation_warmup_epochs=50", "trainer.max_epochs"),
    Wrong("activation=blend activation.first=relo", "'relu'"),
    Wrong("activation=abu activation.bases=[sin]", "tanh"),
    Wrong("data=custom", "data.target_class"),
    Wrong("data=custom data.target_class=os.getcwd trust=os", "belongs to Python itself"),
    Wrong("data=custom data.target_class=mine.Data", "trust=mine"),
    Wrong("data=custom data.target_class=none.Data trust=none", "cannot be imported", "data"),
    Wrong("data=table data.target=y", "data.path is missing"),
    Wrong(f"{TABLE} data.drop=[y]", "data.drop names the target"),
    Wrong("optimizer.lr=-1 activation.alpha=2 seed=x", "seed must be"),
    Wrong("resume=nowhere", "no run folder"),
    Wrong("seed=0) optimizer.lr=1,", "')' at position 7 closes nothing"),
    Wrong("seed=a(b)", "no function"),
    Wrong("--experimental-rerun=x.pickle", "is no flag that is taken"),
    Wrong("hydra.callbacks.x._target_=mine.Call", "may run code"),
    Wrong("trainer=cpu trainer.devices=2", "trainer=ddp"),
    Wrong("trainer=ddp trainer.accelerator=gpu trainer.devices=99 data.batch_size=400", "trainer=cpu", "data"),
    Wrong("trainer=cpu trainer.precision=16-mixed", "bf16-mixed", "data"),
    Wrong("monitor=val/rmse", "val/accuracy", "data"),
    Wrong("data.batch_size=5000", "5000", "data"),
    Wrong("activation.sites=[nowhere]", "nowhere", "data"),
    Wrong("data=table data.path=none.csv data.target=y", "none.csv", "data"),
    Wrong("data=table data.path=. data.target=y", "cannot be read", "data"),
    Wrong("data=table data.path=good.csv data.target=z", "no column 'z'", "data"),
    Wrong(f"{TABLE} data.drop=[aa]", "no column 'aa'", "data"),
    Wrong(f"{TABLE} data.numeric=[c]", "no numbers", "data"),
    Wrong("data=table data.path=rare.csv data.target=y", "'rare'", "data"),
    Wrong("data=table data.path=one.csv data.target=y", "nothing to learn", "data"),
    Wrong("data=table data.path=empty.csv data.target=y", "empty.csv", "data"),
    Wrong("data=table data.path=binary.csv data.target=y", "no text", "data"),
    Wrong("data=table data.path=twice.csv data.target=y", "'a'", "data"),
    Wrong(f"{TABLE} data.positive=maybe", "it has no, yes", "data"),
    Wrong("data=table data.path=good.csv data.target=a data.cost_fp=1 data.cost_fn=2", "two classes", "data"),
    Wrong(f"{TABLE} data.cost_fp=1", "belong together"),
    Wrong(f"{TABLE} data.fold=2", "data.folds"),
    Wrong(f"{TABLE} data.folds=3 data.fold=3", "not below"),
    Wrong(f"{TABLE} data.group=c data.time=a", "choose one"),
    Wrong(f"{TABLE} data.time=c", "neither dates nor numbers", "data"),
    Wrong(f"{TABLE} data.roles=good.csv", "data.roles", "data"),
    Wrong(f"{TABLE} data.test_path=none.csv", "data.test_path=none.csv", "data"),
    Wrong(f"{TABLE} data.encoding=utf8000", "data.encoding", "data"),
    Wrong("data=table data.path=good.xlsx data.target=y", "Excel", "data"),
    Wrong("data=table data.path=good.parquet data.target=y", "Parquet", "data"),
    Wrong("data=digits model=tabm", "model=cnn"),
    Wrong("data=diabetes imbalance=weights", "regression", "data"),
    Wrong("data=mnist data.root=.", "train-images-idx3-ubyte.gz", "data"),
    Wrong("data=image_folder", "data.root is missing"),
    Wrong(f"{PICTURES} data.group_pattern=(part", "no regular expression"),
    Wrong(f"{PICTURES} data.image_size=100000", "at most 1024"),
    Wrong(f"{PICTURES} data.augment=flp", "'flip'"),
    Wrong("data=image_folder data.root=nowhere", "does not exist", "data"),
    Wrong("data=image_folder data.root=pictures/a", "no pictures in folders", "data"),
    Wrong("data=image_folder data.root=parent", "data.root=parent/pictures", "data"),
    Wrong(f"{PICTURES} data.cache=pictures", "none of the 2 pictures", "data"),
    Wrong(f"{PICTURES} data.labels=good.csv data.target=y", "data.image=", "data"),
]


def prepare(folder: Path) -> None:
    """The tables and pictures that the cases name."""
    rows = [f"{i},{'uvw'[i % 3]},{'yes' if i % 2 else 'no'}" for i in range(60)]
    (folder / "good.csv").write_text("\n".join(["a,c,y", *rows]), encoding="utf-8")
    (folder / "rare.csv").write_text("\n".join(["a,c,y", *rows, "1,u,rare"]), encoding="utf-8")
    (folder / "one.csv").write_text("\n".join(["a,c,y", *(f"{i},u,yes" for i in range(60))]), encoding="utf-8")
    (folder / "twice.csv").write_text("a,a,y\n1,2,no\n", encoding="utf-8")
    (folder / "empty.csv").write_text("", encoding="utf-8")
    (folder / "good.xlsx").write_bytes(b"PK no workbook")
    (folder / "good.parquet").write_bytes(b"PAR1 no table")
    (folder / "binary.csv").write_bytes(bytes(range(256)))
    for name in ("pictures/a", "pictures/b", "parent/pictures/a", "parent/pictures/b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "broken.png").write_bytes(b"no picture")


def answer(case: Wrong, folder: Path, run: Callable[..., Done]) -> tuple[int, str, float, str]:
    """Exit code, message on stderr, seconds, stdout, of a run by ``commands.command`` or ``commands.start``."""
    own = [] if case.words.startswith("resume=") else [f"output_dir={folder / 'runs'}"]
    begun = time.perf_counter()
    result = run("train", *case.words.split(), *own, folder=folder)
    return result.returncode, result.stderr.strip(), time.perf_counter() - begun, result.stdout


def main() -> None:
    print("# Wrong inputs and their answers\n")
    print("Made by `.venv/bin/python tests/wrong_inputs.py`. Every answer is one message on stderr with exit code 2;")
    print("nothing is written. An answer about the configuration may take 1.5 s, one about the data 4 s.\n")
    print("| typed after `make train` | exit code | seconds | message |\n|---|---|---|---|")
    late = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for case in CASES:
            code, message, seconds, _ = answer(case, folder, start)
            shown = message.replace(str(folder), "").replace("|", "\\|").replace("\n", "<br>")
            late += seconds > (CONFIGURATION_S if case.kind == "configuration" else DATA_S)
            print(f"| `{case.words}` | {code} | {seconds:.1f} | {shown} |", flush=True)
    print(f"\n{len(CASES)} cases, {late} answered later than they should.")


if __name__ == "__main__":
    main()
