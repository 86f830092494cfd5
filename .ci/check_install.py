"""Install a wheel into an empty environment outside the clone and use it: python .ci/check_install.py <wheel>.

First beside torch alone, as a library; then with everything it needs, as a command. About 70 s of processor time.
TORCH_INDEX names another package index for torch, as in the Makefile.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEEL = str(Path(sys.argv[1]).resolve())
LIBRARY = """
import sys
from adaptact import SGBlend, param_groups, replace_activations
import torch
from torch import nn
import adaptact.activations

assert adaptact.__file__.startswith(sys.prefix), adaptact.__file__
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
(swap,) = replace_activations(model, SGBlend, preserve=True)
start = swap.new.first.raw_beta.item()
optimizer = torch.optim.AdamW(param_groups(model, lr=0.1, weight_decay=0.01))
x, y = torch.randn(64, 4), torch.randint(2, (64,))
for _ in range(5):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
assert all(torch.isfinite(p).all() for p in model.parameters())
heavy = {"hydra", "omegaconf", "lightning", "pandas", "sklearn", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
try:
    import numpy
except ImportError:
    print("the three names work beside torch alone, without numpy")
else:
    raise SystemExit("numpy is there: this checks nothing")
"""


def run(*command: str, folder: Path) -> str:
    """Standard output of a command that sees nothing of the clone."""
    hidden = {"PYTHONPATH", "MAKEFLAGS", "VIRTUAL_ENV"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


began = time.monotonic()
with tempfile.TemporaryDirectory() as temporary:
    empty, environment = Path(temporary) / "empty", Path(temporary) / "venv"
    empty.mkdir()
    venv.create(environment, with_pip=True)
    python, command = str(environment / "bin" / "python"), str(environment / "bin" / "adaptact")
    pip = (python, "-m", "pip", "install", "--quiet", "--no-compile", "--constraint", str(ROOT / "constraints.txt"))
    index = ("--index-url", os.environ["TORCH_INDEX"]) if os.environ.get("TORCH_INDEX") else ()
    run(*pip, *index, "torch", folder=empty)
    run(*pip, "--no-deps", WHEEL, folder=empty)
    print(run(python, "-c", LIBRARY, folder=empty).strip())

    run(*pip, WHEEL, folder=empty)
    assert "check-data" in run(command, "--help", folder=empty)
    assert "activation_lr_scale" in run(command, "train", "--help", folder=empty)
    for words in (["activation=sgblend"], ["data=sample", "references=false"]):
        printed = run(command, "train", *words, "trainer.max_epochs=1", folder=empty)
        folder = Path(printed.splitlines()[-1])
        assert folder.parent == empty.resolve() / "runs" / "train", folder
        assert (folder / "result.json").is_file(), folder
        print(f"adaptact train {' '.join(words)}: {folder.name}")
print(f"installed and used in {time.monotonic() - began:.0f} s")
