"""SG-Blend against GELU in a plain PyTorch loop: python examples/plain_pytorch.py"""

import statistics

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from adaptact import SGBlend, named_activations, param_groups, replace_activations

torch.set_num_threads(1)
x, y = (torch.from_numpy(array) for array in load_digits(return_X_y=True))  # 1,797 images of 8 x 8
x = x.float() / 16


def train(activation, seed: int) -> tuple[float, nn.Module]:
    """Accuracy on test rows, and the network. Both arms of a seed have the same rows, start weights and order."""
    torch.manual_seed(seed)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    replace_activations(model, activation)  # before the optimizer is made
    optimizer = torch.optim.AdamW(param_groups(model, lr=3e-3, weight_decay=0.01))
    for _ in range(12):
        for rows in torch.randperm(len(x_train)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x_train[rows]), y_train[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return (model.eval()(x_test).argmax(1) == y_test).float().mean().item(), model


differences = []
for seed in range(5):
    (gelu, _), (sgblend, model) = train(nn.GELU, seed), train(SGBlend, seed)
    differences.append(sgblend - gelu)
    print(f"seed {seed}: GELU {gelu:.4f}, SG-Blend {sgblend:.4f}")
mean, spread = statistics.mean(differences), statistics.stdev(differences)
print(f"SG-Blend minus GELU: {mean:+.4f}, standard deviation over {len(differences)} seeds {spread:.4f}")
for site, module in named_activations(model).items():
    print(f"site {site}, last seed: alpha {module.alpha.item():.3f}, beta {module.beta.item():.3f} (from 0.5 and 1)")
