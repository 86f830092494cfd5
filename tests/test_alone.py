"""The part for other people's networks needs nothing but torch: ``pip install --no-deps adaptact``."""

import subprocess
import sys

BLOCKED = '''
import re, sys
from importlib.metadata import requires, packages_distributions

def needed(package, found):
    """Distributions that torch itself needs here, by name."""
    for line in requires(package) or []:
        name = re.match(r"[\\w.-]+", line)[0].lower().replace("_", "-")
        if "extra ==" not in line and name not in found:
            found.add(name)
            try: needed(name, found)
            except Exception: pass
    return found

allowed = needed("torch", {"torch", "adaptact"})
owners = {m: {o.lower().replace("_", "-") for o in found} for m, found in packages_distributions().items()}
blocked = {m for m, found in owners.items() if not found & allowed} - {"numpy"}  # torch takes NumPy where it is there

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

import torch, torch._dynamo  # what torch itself looks for comes before
sys.meta_path.insert(0, Blocker())
'''
USE = """
import adaptact
from torch import nn

network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
adaptact.survey(network)
swaps = adaptact.replace_activations(network, adaptact.SGBlend, example=torch.zeros(1, 3))
groups = adaptact.param_groups(network, lr=1e-3, weight_decay=0.01)
torch.optim.AdamW(groups)
network(torch.randn(2, 3)).sum().backward()
print(len(swaps), sorted(adaptact.named_activations(network)))
try:
    import pandas
except ModuleNotFoundError:
    print("blocked")
"""


def test_activations_and_surgery_need_nothing_but_torch() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED + USE], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["1 ['1']", "blocked"], done.stderr
