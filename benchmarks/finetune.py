"""Recipes of fine-tuning compared: python benchmarks/finetune.py <folder of MNIST's idx files> [work folder]

A small ResNet of transformers learns MNIST with its own activations and is saved as a checkpoint. Then it is fine-tuned
on scikit-learn's digits (8 x 8 pixels, another source), five splits each, by the recipes in conf/experiment/. Prints a
table in Markdown; settings are the shipped ones, nothing is tuned on the test rows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from adaptact.data import load
from adaptact.export.trained_run import load_settings
from adaptact.training.checkpoints import fitted_network

SMALL = ["model.small.embedding_size=16", "model.small.hidden_sizes=[16,32,64]"]
SEEDS = "0,1,2,3,4"
RECIPES = {
    "from scratch": ["model.image_size=28", *SMALL],
    "full, its own activations": ["experiment=finetune_full", "activation=native"],
    "full": ["experiment=finetune_full"],
    "gradual": ["experiment=finetune_gradual"],
    "activations only": ["experiment=finetune_activations"],
}


def train(folder: Path, *words: str) -> list[Path]:
    command = [sys.executable, "-m", "adaptact", "train", "model=hf_resnet", "logger=none", f"output_dir={folder}"]
    subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.iterdir())


def main(mnist: str, work: Path) -> None:
    (run,) = train(
        work / "mnist", "data=mnist", f"data.root={mnist}", "activation=native", "trainer.max_epochs=3", *SMALL
    )
    settings = load_settings(run, None)
    prepared = load(settings.data)
    network = fitted_network(run, settings, prepared.input_shape, prepared.n_outputs, prepared.layout)
    checkpoint = work / "checkpoint"
    network.model.save_pretrained(checkpoint)  # type: ignore[operator, union-attr]
    (checkpoint / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 28, "width": 28}}))
    accuracy = json.loads((run / "result.json").read_text())["metrics"]["test"]["accuracy"]
    print(f"The checkpoint has an accuracy of {accuracy:.4f} on MNIST's test images.\n")
    print(
        "| recipe | parameters that learn | test accuracy on digits, mean of 5 splits | standard deviation | seconds |"
    )
    print("|---|---|---|---|---|")
    for name, words in RECIPES.items():
        origin = [] if name == "from scratch" else [f"model.pretrained={checkpoint}"]
        for seed in SEEDS.split(","):
            train(work / name, *origin, *words, f"seed={seed}", f"data.split_seed={seed}")
        records = [json.loads((folder / "result.json").read_text()) for folder in (work / name).iterdir()]
        scores = [record["metrics"]["test"]["accuracy"] for record in records]
        seconds = statistics.median(record["speed"]["fit_s"] for record in records)
        learning = records[0]["model"]["trainable_parameters"]
        mean, spread = statistics.mean(scores), statistics.stdev(scores)
        print(f"| {name} | {learning:,} | {mean:.4f} | {spread:.4f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()))
