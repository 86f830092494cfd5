"""Are these pictures fit to be learned from? Findings as for tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from adaptact import config
from adaptact.data.findings import INFO, SEVERE, WARNING, Finding, by_level, report_of
from adaptact.data.findings import unusable as unusable_report
from adaptact.data.images.decoding import is_deep
from adaptact.data.images.folder import RawImages, listed

FEW, VERY_FEW = 200, 50  # pictures
TINY_CLASS = 20
RARE_SHARE = 0.05
SMALL_SIDE = 16
HASH_SIDE = 16  # a hash of 16 x 16 bits
NEAR_BITS = 26  # a tenth of them: two that differ in no more look alike
NEAR_SHARE = 0.05
MOST_PAIRS = 20_000
NAMED = 3


def findings(raw: RawImages, options: config.ImageFolder) -> list[Finding]:
    """All findings, the severe ones first."""
    found = [*_counts(raw), *_files(raw), *_copies(raw), *_near(raw, options), *_sizes(raw)]
    return by_level(found)


def report(raw: RawImages, options: config.ImageFolder) -> dict[str, Any]:
    """``data_report.json``: as that of a table where it applies; classes, sizes and modes instead of columns."""
    found = findings(raw, options)
    counts = np.bincount(raw.y, minlength=len(raw.labels))
    heads = [raw.entries[file].facts for file in raw.files]
    sizes = Counter(f"{head.height} x {head.width}" for head in heads if head)
    per_class = [
        {"label": label, "pictures": int(counts[number])}
        | {part: int((raw.y[rows] == number).sum()) for part, rows in raw.rows.items()}
        for number, label in enumerate(raw.labels)
    ]
    return report_of(
        found,
        path=path_of(options),
        target=target_of(options),
        format=f"{raw.how.height} x {raw.how.width} pixels, {'grey' if raw.how.channels == 1 else 'rgb'}",
        rows={part: len(rows) for part, rows in raw.rows.items()} | {"all": len(raw.files)},
        task=raw.task,
        positive=raw.positive,
        target_shape={"top": dict(zip(raw.labels, map(int, counts), strict=True))},
        notes=raw.notes,
    ) | {
        "classes": per_class,
        "sizes": dict(sizes.most_common(12)),
        "modes": dict(Counter(head.mode for head in heads if head).most_common()),
        "bad": [{"file": file, "reason": why} for file, why in list(raw.bad.items())[:100]],
    }


def unusable(options: config.ImageFolder, message: str) -> dict[str, Any]:
    """The report of pictures that could not be read or split at all."""
    nothing: dict[str, Any] = {"classes": [], "sizes": {}, "modes": {}, "bad": []}
    return unusable_report(path_of(options), target_of(options), message) | nothing


def path_of(options: config.ImageFolder) -> str:
    return options.root or str(options.labels)


def target_of(options: config.ImageFolder) -> str:
    return options.target or "class"


def samples(raw: RawImages, per_class: int = 8) -> dict[str, list[np.ndarray]]:
    """Some pictures of each class, spread over it, as the network will see them: (channels, height, width)."""
    shown = {}
    places = raw.places
    for number, label in enumerate(raw.labels):
        mine = np.flatnonzero(raw.y == number)
        chosen = mine[np.linspace(0, len(mine) - 1, min(per_class, len(mine))).round().astype(int)]
        shown[label] = [np.asarray(raw.pictures.pixels[place]) for place in places[chosen]]
    return shown


# --- the parts ---------------------------------------------------------------------------------------------------


def _counts(raw: RawImages) -> list[Finding]:
    found = []
    n = len(raw.files)
    if n < FEW:
        advice = "expect wide intervals: use data.folds, a smaller network, or collect more"
        found.append(Finding("rows", None, f"there are only {n} pictures", advice, SEVERE if n < VERY_FEW else WARNING))
    counts = np.bincount(raw.y, minlength=len(raw.labels))
    tiny = [f"{label!r} ({count})" for label, count in zip(raw.labels, counts, strict=True) if count < TINY_CLASS]
    if tiny:
        detail = f"{len(tiny)} classes have fewer than {TINY_CLASS} pictures: {_some(tiny)}"
        advice = "a handful in the test part says little about them: collect more or merge them with another class"
        found.append(Finding("tiny_class", None, detail, advice))
    rarest = int(counts.argmin())
    if counts[rarest] < RARE_SHARE * n or counts[rarest] < counts.max() / 10:
        detail = f"class {raw.labels[rarest]!r} has {counts[rarest]} of {n} pictures ({counts[rarest] / n:.1%})"
        advice = "watch f1_macro, not accuracy; try imbalance=weights"
        found.append(Finding("imbalance", None, detail, advice))
    return found


def _files(raw: RawImages) -> list[Finding]:
    if not raw.bad:
        return []
    detail = f"{len(raw.bad)} of {len(raw.bad) + len(raw.files)} pictures cannot be read: {listed(raw.bad)}"
    return [Finding("unreadable", None, detail, "mend or remove them; training leaves them out")]


def _copies(raw: RawImages) -> list[Finding]:
    """Pictures whose files are equal, byte by byte."""
    same: defaultdict[str, list[int]] = defaultdict(list)
    for place, digest in enumerate(raw.digests):
        same[digest].append(place)
    several = [places for places in same.values() if len(places) > 1]
    found = []
    disputed = [places for places in several if len({raw.y[place] for place in places}) > 1]
    if disputed:
        detail = f"{len(disputed)} pictures stand under two labels, as {_pair(raw, disputed[0])}"
        found.append(Finding("label_noise", None, detail, "decide for one and remove the other"))
    straddling = [places for places in several if len({raw.own[place] for place in places}) > 1]
    if straddling:
        detail = f"{len(straddling)} pictures stand in more than one of the folders train, val, test, as "
        advice = "remove from the training folder what is in the test folder; training leaves them out of it"
        found.append(Finding("duplicate", None, detail + _pair(raw, straddling[0]), advice, SEVERE))
    if several:
        spare = sum(len(places) - 1 for places in several)
        detail = f"{spare} pictures are copies of another one, as {_pair(raw, several[0])}"
        advice = "they stand in the same part of the split; remove them if they are copies by mistake"
        level = WARNING if spare > 0.05 * len(raw.files) else INFO
        found.append(Finding("duplicate", None, detail, advice, level))
    return found


def _pair(raw: RawImages, places: list[int]) -> str:
    return " and ".join(raw.files[place] for place in places[:2])


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _near(raw: RawImages, options: config.ImageFolder) -> list[Finding]:
    """Neighbours in a folder that look alike, far oftener than two pictures of that folder do."""
    if options.group_pattern is not None:
        return []
    pairs = neighbours(raw.files)
    pairs = [pair for pair in pairs if raw.digests[pair[0]] != raw.digests[pair[1]]] if len(pairs) < 1000 else pairs
    if not pairs:
        return []
    first, second = np.array(pairs[:MOST_PAIRS]).T
    draw = np.random.default_rng(0)
    # somebody else of the same folder: the pairs of a folder, one side in another order
    folders = np.unique([str(PurePosixPath(raw.files[place]).parent) for place in first], return_inverse=True)[1]
    other = second.copy()
    for folder in np.unique(folders):
        mine = np.flatnonzero(folders == folder)
        other[mine] = second[draw.permutation(mine)]
    near = alike(raw, first, second)
    by_chance = alike(raw, first, other)[(first != other) & (np.abs(first - other) > 2)]
    share, chance = near.mean(), by_chance.mean() if len(by_chance) else 0.0
    if share < NEAR_SHARE or share < 3 * chance:
        return []
    one = int(np.flatnonzero(near)[0])
    detail = (
        f"{int(near.sum())} of {len(near)} neighbours in a folder are nearly identical, as "
        f"{raw.files[first[one]]} and {raw.files[second[one]]}; of other pairs {chance:.1%} are"
    )
    advice = (
        "are they several pictures of one thing? Then a random split tests on what was trained on: name the thing by "
        "data.group_pattern, a regular expression on the file names"
    )
    return [Finding("near_duplicate", None, detail, advice)]


def neighbours(files: list[str]) -> list[tuple[int, int]]:
    """Places of files that follow each other in their folder, where 10 comes after 9."""

    def key(place: int) -> tuple[str, list[tuple[int, str]]]:
        path = PurePosixPath(files[place])
        pieces = "".join(c if c.isdecimal() else f" {c} " for c in path.stem).split()
        return str(path.parent), [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]

    order = sorted(range(len(files)), key=key)
    folder = [PurePosixPath(file).parent for file in files]
    return [(a, b) for a, b in pairwise(order) if folder[a] == folder[b]]


def alike(raw: RawImages, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the pictures at these places look alike: their hashes differ in at most :data:`NEAR_BITS` bits."""
    used, inverse = np.unique(np.concatenate([first, second]), return_inverse=True)
    codes = hashes(raw.pictures.pixels, raw.places[used])[inverse]
    return (codes[: len(first)] != codes[len(first) :]).sum(axis=1) <= NEAR_BITS


def hashes(pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(rows, bits): is each of 16 x 17 grey areas darker than the one to its right?"""
    import torch
    import torch.nn.functional as F

    found = []
    for start in range(0, len(rows), 1024):
        grey = torch.from_numpy(pixels[rows[start : start + 1024]]).float().mean(dim=1, keepdim=True)
        small = F.adaptive_avg_pool2d(grey, (HASH_SIDE, HASH_SIDE + 1)).squeeze(1)
        found.append((small[:, :, :-1] < small[:, :, 1:]).flatten(1).numpy())
    return np.concatenate(found)


def _sizes(raw: RawImages) -> list[Finding]:
    found = []
    heads = {file: raw.entries[file].facts for file in raw.files}
    small = [file for file, head in heads.items() if head and min(head.height, head.width) < SMALL_SIDE]
    if small:
        detail = f"{len(small)} pictures have a side of fewer than {SMALL_SIDE} pixels, as {_some(small)}"
        advice = "are these icons or thumbnails by mistake? They are enlarged"
        found.append(Finding("small", None, detail, advice))
    shapes = [head.width / head.height for head in heads.values() if head]
    if max(shapes) > 1.2 * min(shapes):
        detail = f"the pictures have different shapes: width / height from {min(shapes):.2f} to {max(shapes):.2f}"
        advice = "they get grey margins; data.fit=crop cuts their edges instead"
        found.append(Finding("sizes", None, detail, advice, INFO))
    deep = [file for file, head in heads.items() if head and is_deep(head.mode)]
    if 0 < len(deep) < len(heads):
        detail = f"{len(deep)} of {len(heads)} pictures have more than 8 bits of grey, as {deep[0]}"
        advice = "they are stretched from their darkest to their brightest value, the others are not: make them alike"
        found.append(Finding("modes", None, detail, advice))
    kinds = {head.grey for head in heads.values() if head}
    if len(kinds) > 1:
        number = sum(head.grey for head in heads.values() if head)
        detail = f"{number} of {len(heads)} pictures are grey, the others in colour"
        advice = "if grey goes with a label, the network learns that: data.channels=grey makes all alike"
        found.append(Finding("modes", None, detail, advice, INFO if number > len(heads) - number else WARNING))
    return found
