"""What other kinds of model reach on the same rows, in seconds: gradient boosting and a linear model; for images
a linear model of small pixels, for texts one of the words and letters that occur.

If boosting wins by a mile, a company should know before it argues about activations.
"""

from __future__ import annotations

import copy
import time
import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from adaptact.data import Prepared
from adaptact.data.prepared import fingerprint
from adaptact.layouts import PLAIN
from adaptact.memory import give_back
from adaptact.training.metrics import classification_metrics, regression_metrics

SMALL = 16  # pixels a side that the linear model of images sees
MOST_IMAGES = 10_000  # for training it
MOST_BOOSTED_CODES = 255  # of a category column, scikit-learn's limit
_FITTED: dict[str, list[dict[str, Any]]] = {}  # of the last split


def references(prepared: Prepared) -> list[dict[str, Any]]:
    """Name, metrics on val and test, and seconds of each; scikit-learn's defaults. Empty for inputs of another kind.

    Fitted once per split: the runs of a sweep that share one share what was found.
    """
    images = len(prepared.input_shape) == 3 and prepared.task == "classification"
    if not images and len(prepared.input_shape) != 1:
        return []
    if not all(part.x.isfinite().all() for part in prepared.parts.values() if part.x.is_floating_point()):
        return []
    pieces = [p for name, part in prepared.parts.items() for p in (content(prepared, name), part.y.numpy())]
    key = fingerprint([*pieces, str(prepared.positive_number).encode()])
    if key not in _FITTED:
        _FITTED.clear()
        give_back()
        _FITTED[key] = _fit(prepared)
        give_back()
    return copy.deepcopy(_FITTED[key])


def small_pixels(x: torch.Tensor) -> np.ndarray:
    """Images as rows of numbers: the means of at most :data:`SMALL` x :data:`SMALL` areas per channel."""
    size = min(x.shape[2], SMALL), min(x.shape[3], SMALL)
    pieces = [F.adaptive_avg_pool2d(piece.float(), size).flatten(1) for piece in x.split(1024)]
    return torch.cat(pieces).numpy()


def _fit(prepared: Prepared) -> list[dict[str, Any]]:
    found = []
    x, y = inputs(prepared, "train"), prepared.parts["train"].y.numpy()
    for name, model in models(prepared).items():
        begun = time.perf_counter()
        rows: Any = slice(None)  # a view: of a large table there is one copy more in scikit-learn already
        if len(prepared.input_shape) == 3:
            rows = np.sort(np.random.default_rng(0).permutation(len(y))[:MOST_IMAGES])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x[rows], y[rows])
        metrics = {part: evaluate(model, prepared, part) for part in ("val", "test")}
        found.append({"name": name, "metrics": metrics, "seconds": time.perf_counter() - begun})
    return found


def inputs(prepared: Prepared, part: str) -> Any:
    """What a reference is given: rows of numbers, of images those of a small copy, or the texts themselves."""
    if prepared.texts:
        return np.array(prepared.texts[part], dtype=object)
    x = prepared.parts[part].x
    return small_pixels(x) if x.dim() == 4 else x.numpy()


def content(prepared: Prepared, part: str) -> np.ndarray | bytes:
    """:func:`inputs` as what can be told apart by its bytes."""
    return "\0".join(prepared.texts[part]).encode() if prepared.texts else inputs(prepared, part)


def models(prepared: Prepared) -> dict[str, Any]:
    if len(prepared.input_shape) == 3:
        # strong shrinkage: there are about as many pixels as pictures
        return {"linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))}
    if prepared.texts:
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=100_000)
        union = FeatureUnion([("words", words), ("letters", letters)])
        linear = RidgeCV(np.logspace(-3, 3, 7)) if prepared.task == "regression" else LogisticRegression(C=10)
        return {"linear (TF-IDF)": make_pipeline(union, linear)}
    width = prepared.input_shape[0]
    cardinalities = (prepared.layout or PLAIN).columns(width).cardinalities
    codes = list(range(width - len(cardinalities), width))
    boosted = [place for place, n in zip(codes, cardinalities, strict=True) if n < MOST_BOOSTED_CODES]
    encoder = ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), codes)], remainder="passthrough", sparse_threshold=0.3
    )
    options = {"categorical_features": boosted or None, "random_state": 0}
    if prepared.task == "regression":
        linear = make_pipeline(encoder, RidgeCV(np.logspace(-3, 3, 7)))
        return {"boosting": HistGradientBoostingRegressor(**options), "linear": linear}
    linear = make_pipeline(encoder, LogisticRegression(max_iter=300))
    return {"boosting": HistGradientBoostingClassifier(**options), "linear": linear}


def evaluate(model: Any, prepared: Prepared, part: str) -> dict[str, float]:
    rows = prepared.parts[part]
    if prepared.task == "regression":
        predicted = torch.from_numpy(np.asarray(model.predict(inputs(prepared, part)), dtype=np.float64))
        found = regression_metrics(
            predicted * prepared.scale + prepared.center, rows.y.double() * prepared.scale + prepared.center
        )
    else:
        probabilities = np.zeros((len(rows), prepared.n_outputs))
        probabilities[:, model.classes_] = model.predict_proba(inputs(prepared, part))
        found = classification_metrics(torch.from_numpy(probabilities).log(), rows.y, prepared.positive_number)
    return {name: value.item() for name, value in found.items()}
