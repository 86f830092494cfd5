"""Whatever comes: any table gives finite numbers, or an answer that names the file or a column."""

from __future__ import annotations

import csv
import gzip
import io
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptact import config
from adaptact.api import train as api
from adaptact.data import load
from adaptact.errors import ConfigError, DataError
from adaptact.training.run import train

Cells = dict[str, list[str]]
MORE = os.environ.get("ADAPTACT_FUZZ")  # so many random examples; without it the same ones each time
EXAMPLES = int(MORE or "60")

KINDS = [
    st.integers(-3, 3).map(str),
    st.sampled_from(["a", "b", "", "?"]),
    st.sampled_from(
        ["1", "2.5", "", "-0", "1e5", "1_0", "0x1F", "١", "inf", "True", "²", "1,5", "1.500", "¥1,000", "▲３"]
    ),
    st.sampled_from(["1e308", "-1e308", "1e-308", "9007199254740993", "123456789012345678901234567890", "0"]),
    st.text(max_size=3),
    st.text(alphabet='"\\;,|\t\n\r \u3000x', max_size=4),
    st.text(alphabet="東京都大阪市㈱①ｱｲｳé", max_size=4),
    st.floats().map(repr),
    st.floats(-1000, 1000).map(lambda v: f"{v:.2f}".replace(".", ",")),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%d.%m.%Y %H:%M")),
    st.booleans().map(str),
    st.integers(0, 10**9).map(lambda number: f"id-{number}"),
    st.just("same"),
    st.just(""),
]
GOALS = [st.sampled_from(["yes", "no"]), st.sampled_from(["0", "1", "1.0"]), st.integers(0, 10**6).map(str)]
NAMES = st.text(min_size=1, max_size=3) | st.sampled_from(
    ["売上 (千円)", "a.b[0]", "0", "1", "2024", "Unnamed: 0", "id", "d (month)", "d", "=1+1", '"', " "]
)
ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "cp932", "cp1252", "utf-16", "latin-1"]


def seldom(draw: Callable[..., Any], usual: Any, odd: list[Any]) -> Any:
    """So that most tables are good enough to get far: one in sixteen is odd."""
    return draw(st.sampled_from(odd)) if draw(st.integers(0, 15)) == 9 else usual


@st.composite
def tables(draw: Callable[..., Any]) -> tuple[bytes, dict[str, Any]]:
    """A small table as a file, and options for it."""
    n = seldom(draw, 40, [30, 12, 3, 1, 0])
    target, *names = draw(st.lists(NAMES, min_size=2, max_size=5, unique_by=str.strip))
    goal = draw(st.sampled_from(GOALS))
    kinds = {target: seldom(draw, goal, KINDS)} | {name: draw(st.sampled_from(KINDS)) for name in names}
    cells = {name: draw(st.lists(kind, min_size=n, max_size=n)) for name, kind in kinds.items()}
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    rows += [rows[number] for number in draw(st.lists(st.integers(0, n - 1), max_size=9))] if n else []
    if rows and (change := seldom(draw, None, ["shorter", "longer", "blank"])):
        number = draw(st.integers(0, len(rows) - 1))
        rows[number] = {"shorter": rows[number][:-1], "longer": [*rows[number], "x"], "blank": []}[change]
    file = io.StringIO()
    file.write(seldom(draw, "", ["\n", "Title\n\n", ",,,\n"]))
    writer = csv.writer(
        file,
        delimiter=draw(st.sampled_from(",,;\t|")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerows([*seldom(draw, [list(cells)], [[], [list(cells)[:-1]]]), *rows])
    content = file.getvalue().encode(seldom(draw, "utf-8", ENCODINGS), errors="replace")
    options = {role: seldom(draw, [], [[name] for name in [target, *names]]) for role in config.TABLE_ROLES}
    options |= {
        "target": target,
        "task": seldom(draw, "auto", ["classification", "regression"]),
        "scaling": draw(st.sampled_from(["standard", "quantile"])),
        "header": seldom(draw, "auto", ["true", "false"]),
        "decimal": seldom(draw, "auto", [".", ","]),
        "missing": seldom(draw, [], [["a", "0"]]),
        "group": seldom(draw, None, [target, *names]),
        "time": seldom(draw, None, [target, *names]),
        "folds": seldom(draw, None, [2, 7]),
        "max_categories": draw(st.integers(2, 5)),
        "val_size": draw(st.floats(0.05, 0.45)),
        "test_size": draw(st.floats(0.05, 0.45)),
        "split_seed": draw(st.integers(0, 9)),
    }
    return content, options | {"_names": list(cells)}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "some table.csv"


def finite_or_refused(path: Path, **options: Any) -> None:
    names = options.pop("_names", [options["target"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = load(config.Table(**{"name": "table", "path": str(path), **options}))
        except (DataError, ConfigError) as error:
            named = [str(path), "the target", "class ", "part has no rows", "data.", *map(repr, names)]
            assert any(thing in str(error) for thing in named), str(error)  # noqa: PT017
            return
    assert all(tensor.isfinite().all() for part in data.parts.values() for tensor in (part.x, part.y))
    assert data.layout is not None
    for place, size in enumerate(data.layout.cardinalities, start=-len(data.layout.cardinalities)):
        assert all(part.x[:, place].max() < size for part in data.parts.values())


@settings(deadline=None, derandomize=not MORE, max_examples=EXAMPLES)
@given(tables())
def test_any_table_is_prepared_with_finite_numbers_or_refused(scratch: Path, drawn: tuple[bytes, Any]) -> None:
    content, options = drawn
    scratch.write_bytes(content)
    finite_or_refused(scratch, **options)


@settings(deadline=None, derandomize=not MORE, max_examples=EXAMPLES)
@given(
    st.binary(max_size=60) | st.text(alphabet='a1,;"\n\r\t |', max_size=40).map(str.encode),
    st.sampled_from(["t.csv", "t.csv.gz", "t.xlsx", "t.parquet"]),
    st.sampled_from([b"", b"", b"\x1f\x8b", b"PK\x03\x04", b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf"]),
)
def test_any_bytes_are_a_table_or_refused(scratch: Path, content: bytes, name: str, start: bytes) -> None:
    (scratch.parent / name).write_bytes(start + content)
    finite_or_refused(scratch.parent / name, target="a")


@settings(deadline=None, derandomize=not MORE, max_examples=EXAMPLES // 2)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_gzip_file_with_some_bytes_changed_is_a_table_or_refused(scratch: Path, place: int, change: bytes) -> None:
    whole = bytearray(gzip.compress("".join(["a,b\n", *(f"{i % 2},{i * 37 % 101}\n" for i in range(90))]).encode()))
    place = 2 + place % (len(whole) - 2)
    whole[place : place + len(change)] = change
    scratch.write_bytes(bytes(whole))
    finite_or_refused(scratch, target="a")


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
@pytest.mark.parametrize("column", ["age", "price"])
def test_numbers_that_overflow_are_refused_or_stay_finite(tmp_path: Path, column: str, scaling: str) -> None:
    """Some devices write the largest double where they have no value."""
    draw = np.random.default_rng(0)
    cells = {"age": draw.integers(18, 90, 60).astype(str).tolist(), "price": [str(i) for i in range(60)]}
    cells[column] = [repr(sys.float_info.max) if i % 9 == 0 else cell for i, cell in enumerate(cells[column])]
    lines = ["age,price", *map(",".join, zip(cells["age"], cells["price"], strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    finite_or_refused(tmp_path / "a.csv", target="price", scaling=scaling)


@pytest.mark.slow
@settings(deadline=None, derandomize=not MORE, max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from([{"name": "mlp"}, {"name": "mlp", "numeric": "piecewise"}, {"name": "tabm"}]))
def test_any_table_trains_an_epoch_or_is_refused(
    scratch: Path, drawn: tuple[bytes, Any], model: dict[str, Any]
) -> None:
    """Through the whole of a run: findings, preparation, network, threshold, references, record."""
    content, options = drawn
    scratch.write_bytes(content)
    options.pop("_names")
    raw = {
        "activation": {"name": "sgblend", "kind": "sgblend"},
        "model": model | ({"widths": [4]} if model["name"] == "mlp" else {"width": 4, "k": 2}),
        "data": {"name": "table", "path": str(scratch), "batch_size": 2, **options},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "logger": {"tensorboard": False},
        "output_dir": str(scratch.parent / "runs"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            settled = config.from_dict(raw)
            prepared, _ = api.load(settled)
            record, _ = train(settled, prepared=prepared)
        except (DataError, ConfigError) as error:
            assert str(error)  # noqa: PT017
            return
    assert record.status in {"finished", "diverged"}
