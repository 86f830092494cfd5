"""Real data sets that come with scikit-learn: no download, no files."""

from __future__ import annotations

import numpy as np
import torch
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from adaptact import config
from adaptact.data.kinds import DataKind
from adaptact.data.positive import choose
from adaptact.data.prepared import Part, Prepared, SourceRows, Task, classes, fingerprint, standardize, values
from adaptact.data.splits import split_rows

LOADERS = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "diabetes": datasets.load_diabetes,
}


class Kind(DataKind[config.Bundled]):
    """See :class:`DataKind`."""

    def read(self) -> Prepared:
        return load(self.options)


def load(options: config.Bundled) -> Prepared:
    """digits (1,797 images of 8 x 8), breast_cancer (569 x 30), wine (178 x 13), diabetes (442 x 10, regression)."""
    source = LOADERS[options.name]()
    task: Task = "regression" if options.name == "diabetes" else "classification"
    labels = [] if task == "regression" else [str(name) for name in source.target_names]
    x, y = source.data.astype(np.float32), source.target
    rows = split_rows(
        y, task, val_size=options.val_size, test_size=options.test_size, seed=options.split_seed, labels=labels
    )
    if options.name == "digits":  # one mean and scale for all pixels keeps the picture a picture
        mean, spread = x[rows["train"]].mean(), x[rows["train"]].std()
        scaled = ((x - mean) / spread).reshape(-1, 1, 8, 8)
    else:
        scaled = StandardScaler().fit(x[rows["train"]]).transform(x)
    center, scale = standardize(y[rows["train"]]) if task == "regression" else (0.0, 1.0)
    target = values(y, center, scale) if task == "regression" else classes(y)
    tensor = torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32))
    parts = {part: Part(tensor[index], target[index]) for part, index in rows.items()}
    digest = fingerprint([source.data, source.target])
    return Prepared(
        options.name,
        task,
        parts,
        digest,
        labels,
        center,
        scale,
        positive=choose(labels, y, options.positive, options.name),
        test_rows=SourceRows.of_file(digest, rows["test"]),
    )
