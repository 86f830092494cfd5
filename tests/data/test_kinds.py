"""Kinds of data: what is asked of one, whatever it is."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from adaptact import config, data
from adaptact.data.kinds import DataKind, FileKind
from adaptact.errors import ConfigError


@pytest.mark.parametrize("name", config.DATA)
def test_every_choice_names_its_kind(name: str) -> None:
    kind = data.kind_of(config.DATA[name](name=name))
    assert isinstance(kind, DataKind)
    assert kind.has_rows == (name != "none")


@pytest.mark.parametrize(
    "name", [name for name in config.DATA if name not in {"table", "sample", "text", "image_folder"}]
)
def test_data_that_is_not_of_ones_own_files_is_not_checked(name: str) -> None:
    kind = data.kind_of(config.DATA[name](name=name))
    assert not isinstance(kind, FileKind)
    assert kind.warnings() == []
    with pytest.raises(ConfigError, match=f"data={name} is none of these"):
        kind.check()


def test_a_check_is_a_report_with_a_name(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("a,y\n" + "".join(f"{row % 7},{row % 2}\n" for row in range(300)), encoding="utf-8")
    options = config.Table(name="table", path=str(path), target="y")
    found = data.kind_of(options).check()
    assert (found.name, found.path) == ("cases", str(path))
    assert found.report["rows"]["all"] == 300
    path.write_text("a,y\n" + "1,0\n" * 300, encoding="utf-8")
    found = data.kind_of(options).check()
    assert found.report["verdict"] == "unusable"
    assert "nothing to learn" in found.report["findings"][0]["detail"]


def test_rows_are_decided_by_what_picks_and_splits_them() -> None:
    rows = config.row_options({"data": dataclasses.asdict(config.Table(name="table"))})
    assert {"path", "target", "split_seed", "val_size", "test_size", "group", "time", "folds", "fold"} <= set(rows)
    assert not {"batch_size", "order_seed", "scaling", "cost_fp", "resident"} & set(rows)


def test_no_option_of_data_leaves_the_hashes_of_earlier_comparisons() -> None:
    for cls in config.DATA.values():
        plain = {"data": dataclasses.asdict(cls())}
        assert config.decisive(plain) == plain


def test_choosing_data_imports_neither_torch_nor_pandas() -> None:
    code = "import sys; from adaptact import config; config.DATA['text'](name='text').gives; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "pandas", "adaptact.data"} & set(loaded)
