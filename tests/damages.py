"""Damage one file of a run folder, in one of many kinds: what a broken disk, a hurried hand or an attacker leaves."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

CONTROLS = "\x1b[2J\x1b]0;evil\x07\u202eevil"
RAW = {"nan": "NaN", "infinity": "Infinity", "digits": "9" * 5000, "deep": "[" * 20_000 + "]" * 20_000}
MARK = "RAWVALUE"  # stands for a value that no writer of JSON or YAML would write
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
NUMBERS = (0, -1, 10**9, 10**12, -(10**12), 1e308, 0.5, 2**63)


@dataclass(frozen=True)
class Damage:
    kind: str
    file: str
    detail: str


class NotHereError(Exception):
    """This kind of damage cannot be done to this file."""


def damage(folder: Path, draw: random.Random, outside: Path) -> Damage:
    """Damage one file below ``folder`` at random; links lead to copies below ``outside``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    weights = [4 if path.suffix in READ else 1 for path in files]
    while True:
        path = draw.choices(files, weights)[0]
        own = [*KINDS.get(path.suffix, ()), *KINDS.get(path.name, ())]
        make = draw.choice(own if own and draw.random() < 0.7 else ANY_FILE)
        name = path.relative_to(folder).as_posix()
        try:
            detail = make(path, draw) if make not in LINKS else make(path, draw, folder, outside)
        except NotHereError:
            continue
        return Damage(make.__name__, name, str(detail))


# --- any file -----------------------------------------------------------------------------------------------------


def truncated(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    end = draw.randrange(len(content)) if content else 0
    path.write_bytes(content[:end])
    return f"after {end} bytes"


def emptied(path: Path, draw: random.Random) -> str:
    path.write_bytes(b"")
    return ""


def flipped(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    for place in (draw.randrange(len(content)) for _ in range(draw.choice([1, 8, 64]) if content else 0)):
        content[place] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return ""


def noise(path: Path, draw: random.Random) -> str:
    path.write_bytes(draw.randbytes(2000))
    return ""


def removed(path: Path, draw: random.Random) -> str:
    path.unlink()
    return ""


def a_folder(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return ""


def a_pipe(path: Path, draw: random.Random) -> str:
    path.unlink()
    os.mkfifo(path)
    return ""


def unreadable(path: Path, draw: random.Random) -> str:
    if os.geteuid() == 0:
        raise NotHereError  # root reads it all the same
    path.chmod(0)
    return ""


def a_link_to_nothing(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.symlink_to("nowhere")
    return ""


def a_link_to_itself(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.symlink_to(path.name)
    return ""


def a_link_out(path: Path, draw: random.Random, folder: Path, outside: Path) -> str:
    """The file moves outside, and a link stays in its place."""
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)
    return ""


def a_folder_link_out(path: Path, draw: random.Random, folder: Path, outside: Path) -> str:
    """A folder on the way to the file moves outside, or one that a job would make leads there."""
    between = [parent for parent in path.parents if folder in parent.parents]
    made = [one for one in (folder / "export", folder / "figures", folder / "report") if not one.exists()]
    link = draw.choice(between or made or [folder / "export"])
    if link.is_dir():
        shutil.move(link, outside / link.name)
    else:
        (outside / link.name).mkdir()
        (outside / link.name / "model.onnx").write_text("mine")
    link.symlink_to(outside / link.name)
    return link.relative_to(folder).as_posix()


LINKS: set[Any] = {a_link_out, a_folder_link_out}
ANY_FILE: list[Any] = [truncated, emptied, flipped, noise, removed, a_folder, a_pipe, unreadable]
ANY_FILE += [a_link_to_nothing, a_link_to_itself, *LINKS]
ANY_FILE.sort(key=lambda make: str(make.__name__))

# --- JSON and YAML ------------------------------------------------------------------------------------------------


def _tree(change: Callable[[Any, Any, random.Random], Any]) -> Callable[[Path, random.Random], str]:
    """A damage of one value of a JSON or YAML file: ``change(container, key, draw)`` returns what to say of it."""

    def make(path: Path, draw: random.Random) -> str:
        is_json = path.suffix == ".json"
        plain = json.loads(path.read_text()) if is_json else yaml.safe_load(path.read_text())
        if not isinstance(plain, (dict, list)) or not plain:
            raise NotHereError
        container, key = _pick(plain, draw)
        detail = change(container, key, draw)
        text = json.dumps(plain, ensure_ascii=draw.random() < 0.5) if is_json else yaml.safe_dump(plain)
        name = str(detail).partition(MARK)[2].partition(" ")[0]
        if name:
            raw = RAW[name] if is_json else RAW[name].replace("NaN", ".nan").replace("Infinity", ".inf")
            text = text.replace(f'"{MARK}{name}"', raw).replace(f"{MARK}{name}", raw)
        path.write_text(text)
        return f"{key}: {str(detail)[:80]}"

    make.__name__ = change.__name__
    return make


def _pick(plain: Any, draw: random.Random) -> tuple[Any, Any]:
    """A value at random, as its container and key; each level as likely as the next."""
    container = plain
    while True:
        key = draw.choice(list(container) if isinstance(container, dict) else range(min(len(container), 50)))
        below = container[key]
        if not isinstance(below, (dict, list)) or not below or draw.random() < 0.3:
            return container, key
        container = below


def other_type(container: Any, key: Any, draw: random.Random) -> Any:
    old = container[key]
    texts: list[Any] = [str(old), "text", "", "../../../evil", "2026-99-99"]
    others = [None, True, *texts, [], [old], [[]], [None], {}, {"a": old}, {"a": {}}, 0, 1.5]
    container[key] = draw.choice([one for one in others if type(one) is not type(old)])
    return repr(container[key])


def other_number(container: Any, key: Any, draw: random.Random) -> Any:
    container[key] = draw.choice(NUMBERS)
    return container[key]


def no_number(container: Any, key: Any, draw: random.Random) -> Any:
    container[key] = MARK + draw.choice(["nan", "infinity", "digits", "deep"])
    return container[key]


def control_letters(container: Any, key: Any, draw: random.Random) -> Any:
    if isinstance(container, dict) and draw.random() < 0.3:
        container[CONTROLS] = container.pop(key)
    else:
        container[key] = [CONTROLS] * len(container[key]) if isinstance(container[key], list) else CONTROLS
    return "control letters"


def path_letters(container: Any, key: Any, draw: random.Random) -> Any:
    container[key] = draw.choice(["../../../evil", "/etc/passwd", "a\x00b", "x" * 5000, "os.system", "."])
    return repr(container[key])


def value_removed(container: Any, key: Any, draw: random.Random) -> Any:
    container.pop(key)
    return "removed"


def value_added(container: Any, key: Any, draw: random.Random) -> Any:
    if isinstance(container, dict):
        container[draw.choice(["extra", "_target_", "trust", "schema", ""])] = draw.choice(["os.system", 1, None, {}])
    else:
        container.extend([container[key]] * draw.choice([1, 1000]))
    return "added"


def all_as_list(path: Path, draw: random.Random) -> str:
    path.write_text(draw.choice(["[]", "{}", "null", "7", '"text"', "[[[]]]"]))
    return ""


def brackets(path: Path, draw: random.Random) -> str:
    path.write_text(draw.choice([RAW["deep"], "[" * 20_000, '{"a":' * 20_000]))
    return ""


def bomb(path: Path, draw: random.Random) -> str:
    path.write_text(path.read_text() + "\n" + BOMB)
    return ""


def no_text(path: Path, draw: random.Random) -> str:
    path.write_bytes(draw.choice([path.read_text().encode("utf-16"), b"\xff\xfe" + path.read_bytes(), bytes(1000)]))
    return ""


VALUES = (other_type, other_number, no_number, control_letters, path_letters, value_removed, value_added)
TREE: list[Any] = [_tree(one) for one in VALUES]  # type: ignore[arg-type]
TREE += [TREE[0], TREE[1], all_as_list, brackets, no_text]


def plan_attacked(path: Path, draw: random.Random) -> str:
    """What an attacker would write into a plan."""
    plain = json.loads(path.read_text())
    key, value = draw.choice(
        [
            ("folds", 10**9),
            ("seeds", ["a", "b"]),
            ("seeds", [10**30, 1]),
            ("seeds", [1, 1]),
            ("margin", -1e308),
            ("error", 2),
            ("words", ["compare.workers=10000000"]),
            ("words", [CONTROLS]),
            ("words", ["value.volume=1e400"]),
            ("metric", "none"),
            ("arms", []),
        ]
    )
    plain[key] = value
    if draw.random() < 0.3:
        key, value = "arms[0].name", draw.choice(["../../../evil", CONTROLS, "", "/tmp/evil", "x" * 1000])
        plain["arms"][0]["name"] = value
        plain["baseline"] = value
    path.write_text(json.dumps(plain))
    return f"{key}: {str(value)[:60]!r}"


# --- tables -------------------------------------------------------------------------------------------------------


def table_changed(path: Path, draw: random.Random) -> str:
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    if not rows or not rows[0]:
        raise NotHereError
    row, column = draw.randrange(len(rows)), draw.randrange(len(rows[0]))
    what = draw.choice(["row removed", "row repeated", "cell removed", "column removed", "cell"])
    if what == "row removed":
        rows.pop(row)
    elif what == "row repeated":
        rows += [rows[row]] * draw.choice([1, 5000])
    elif what == "cell removed":
        rows[row].pop()
    elif what == "column removed":
        rows = [one[:column] + one[column + 1 :] for one in rows]
    else:
        cells = ["", "text", "nan", "inf", "-1", "1e400", "9" * 5000, CONTROLS, "\x00", "x" * 200_000, "=1+1"]
        rows[row][column] = draw.choice(cells)
        what = f"cell {rows[row][column][:20]!r}"
    content = io.StringIO()
    csv.writer(content).writerows(rows)
    path.write_text(content.getvalue())
    return f"{what} at {row}, {column}"


# --- arrays -------------------------------------------------------------------------------------------------------


def array_changed(path: Path, draw: random.Random) -> str:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = draw.choice(list(arrays))
    old = arrays[name]
    changes: dict[str, Callable[[], Any]] = {
        "gone": lambda: None,
        "shorter": lambda: old[:-1],
        "longer": lambda: np.concatenate([old, old]),
        "empty": lambda: old[:0],
        "flat": lambda: old.reshape(-1),
        "deeper": lambda: old[..., None],
        "a number": lambda: np.float64(1),
        "texts": lambda: old.astype(str),
        "objects": lambda: old.astype(object),
        "complex": lambda: old.astype(complex),
        "dates": lambda: old.astype(np.int64).astype("datetime64[s]"),
        "negative": lambda: -1 - np.abs(old) if old.dtype.kind in "if" else old[::-1],
        "nan": lambda: np.full(old.shape, np.nan),
        "infinite": lambda: np.full(old.shape, np.inf),
        "huge": lambda: np.full(old.shape, 2**62),
        "bytes": lambda: np.zeros(old.shape, np.uint8),
        "controls": lambda: np.full(old.shape, CONTROLS),
    }
    what = draw.choice(list(changes))
    try:
        arrays[name] = changes[what]()
    except (ValueError, TypeError):
        raise NotHereError from None
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return f"{name}: {what}"


def header_lies(path: Path, draw: random.Random) -> str:
    """An array says that it has far more numbers than there are, in an archive that looks right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(list(members))
    header = io.BytesIO()
    shape = draw.choice([(10**12,), (2**40, 2**40), (-5,), (10**9, 2)])
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    members[name] = header.getvalue() + bytes(64)
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return f"{name}: {shape}"


def repacked(path: Path, draw: random.Random) -> str:
    """The same archive, packed; sometimes with a member that unpacks to 3 GB."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bomb = draw.random() < 0.2
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        if bomb:
            with archive.open("bomb.npy", "w", force_zip64=True) as file:
                for _ in range(200):
                    file.write(bytes(1 << 24))
    return "a bomb" if bomb else ""


def steps_changed(path: Path, draw: random.Random) -> str:
    """A fitted step of a preparation: a value in the description of skops, or one of its arrays."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in members if name.endswith(".npy")]
    if arrays and draw.random() < 0.5:
        name = draw.choice(arrays)
        old = np.load(io.BytesIO(members[name]), allow_pickle=False)
        made = [old[:0], old[:-1], old[..., None], np.zeros(3, dtype="U5"), np.full(2, np.nan), np.float64(7)]
        changed = io.BytesIO()
        np.save(changed, draw.choice([*made, np.arange(100_000.0), old.astype("U9")]))
        members[name] = changed.getvalue()
    else:
        schema = json.loads(members["schema.json"])
        leaves = [node for node in _nodes(schema) if not isinstance(node.get("content"), (dict, list))]
        node = draw.choice([node for node in leaves if "content" in node])
        name = str(node["content"])
        node["content"] = draw.choice(["null", '"text"', "-1", "[]", "1000000000000", json.dumps(CONTROLS)])
        members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return name


def _nodes(plain: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plain, dict):
        yield plain
    for below in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _nodes(below)


# --- checkpoints --------------------------------------------------------------------------------------------------


def checkpoint_changed(path: Path, draw: random.Random) -> str:
    """One value anywhere in a checkpoint, tensors and states among them."""
    import torch

    plain = torch.load(path, weights_only=True)
    container, key = _pick(plain, draw)
    old = container[key]
    values: list[Any] = [None, "text", [], {}, -(10**12), 10**12, float("nan"), True, b"x", torch.zeros(())]
    values += [CONTROLS, torch.zeros(3, dtype=torch.int8), torch.zeros(1).expand(10**10), torch.zeros(0, 4)]
    if isinstance(old, torch.Tensor):
        values += [old[..., None], torch.full_like(old, 1), old.to(torch.complex64), old.to_sparse(), old.double()]
        values += [torch.full_like(old, torch.nan)] if old.is_floating_point() else []
    container[key] = draw.choice(values)
    torch.save(plain, path)
    return f"{key}: {str(container[key])[:60]!r}"


def checkpoint_attacked(path: Path, draw: random.Random) -> str:
    """Places of a checkpoint that a resumed run follows."""
    import torch

    plain = torch.load(path, weights_only=True)
    own, optimizer = plain["adaptact"], plain["optimizer_states"][0]
    places: list[tuple[Any, Any, list[Any]]] = [
        (plain, "epoch", [-(10**12), 10**12, "one", None]),
        (plain, "global_step", [-1, 10**30, "one"]),
        (plain, "optimizer_states", [[], [{}], None, [optimizer] * 3]),
        (optimizer, "param_groups", [[], [{}], "text"]),
        (optimizer, "state", [{}, {0: {}}, {0: None}, {0: {"step": "one"}}, {9: {"step": torch.ones(1)}}]),
        (plain, "lr_schedulers", [[], [{}], [{"last_epoch": -5}], [{"_last_lr": "x"}], None]),
        (plain, "callbacks", [{}, {"x": 1}, None, []]),
        (plain, "loops", [{}, None, {"fit_loop": {}}, {"fit_loop": 1}]),
        (plain, "state_dict", [{}, None, [], {"network.x": torch.zeros(1)}]),
        (plain, "pytorch-lightning_version", ["99", None, 3, "text", CONTROLS]),
        (own, "torch", [torch.zeros(4, dtype=torch.uint8), None, torch.zeros(5056)]),
        (own, "numpy", [[], ["MT19937"], ["x", torch.zeros(2)], None]),
        (own, "python", [[], [3, [], None], [3, ["a"] * 625, None], [3, [-1] * 625, None]]),
        (own, "cuda", [None, "text", [1]]),
        (own, "fingerprint", ["other", None, 5, CONTROLS]),
        (own, "schema", [2, None, 10**5000, CONTROLS]),
    ]
    container, key, values = draw.choice(places)
    container[key] = draw.choice(values)
    torch.save(plain, path)
    return f"{key}: {type(container[key]).__name__!s}"


CHECKPOINT = [checkpoint_changed, checkpoint_changed, checkpoint_attacked, checkpoint_attacked, repacked]
KINDS: dict[str, list[Any]] = {
    ".json": TREE,
    ".yaml": [*TREE, bomb],
    "plan.json": [plan_attacked] * 6,
    ".csv": [table_changed],
    ".npz": [array_changed, array_changed, array_changed, header_lies, repacked],
    ".ckpt": CHECKPOINT,
    ".skops": [steps_changed, steps_changed, header_lies, repacked],
}
READ = KINDS  # suffixes of files that a job reads
