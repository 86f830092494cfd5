"""One way in and one way out: what is read has limits, what is written is whole."""

import errno
import io
import os
import stat
import zipfile
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adaptact import files
from adaptact.errors import MachineError, UserError
from adaptact.outputs import Outputs, read_outputs
from adaptact.shapes import Between, conform
from adaptact.training.input_spec import Interface


class Shape(TypedDict):
    name: str
    size: Annotated[int, Between(0, 10)]
    more: NotRequired[list[float] | None]


GOOD = '{"name": "a", "size": 3}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        (GOOD[:9], "Unterminated|Expecting"),
        ("[]", "a set of keys"),
        ('{"size": 3}', "name is missing"),
        ('{"name": 1, "size": 3}', "name must be text"),
        ('{"name": "a", "size": "3"}', "size must be a whole number"),
        ('{"name": "a", "size": true}', "size must be a whole number"),
        ('{"name": "a", "size": 11}', "from 0 to 10"),
        ('{"name": "a", "size": NaN}', "NaN"),
        ('{"name": "a", "size": 3, "more": [1, null]}', r"more\[1\] must be a number"),
        ('{"name": "a", "size": 3, "more": [1e999]}', r"more\[0\] must be a number"),
        ('{"name": "a", "size": ' + "9" * 5000 + "}", "digits"),
        ("[" * 20_000, "nesting"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_one_message_with_its_name(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=reason) as error:
        files.read_json(path, Shape)
    assert str(path) in str(error.value)
    path.write_text(GOOD, encoding="utf-8")
    assert files.read_json(path, Shape) == {"name": "a", "size": 3}


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file" / "below"):
        with pytest.raises(FileNotFoundError):
            files.read_json(path)
    with pytest.raises(UserError, match="it is no file"):
        files.read_json(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="broken"):
        files.read_json(tmp_path / "bytes")


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(files.MOST_YAML_BYTES + 1)
    with pytest.raises(UserError, match="at most"):
        files.read_yaml(path)


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "aliases counted in full"),
        ("a: &a [*a]", "aliases counted in full|recursive"),
        ("a: " + "[" * 20_000, "nesting"),
        ("a: " + "{b: " * 200 + "1" + "}" * 200, "nesting"),
        ("a: !!python/object/apply:os.getcwd []", "constructor|tag"),
        ("a: " + "9" * 5000, "digits|number"),
        ("{a: 1, [b]: 2}", "unhashable|acceptable"),
        ("a: [", "expected|end"),
        ("- a", "a set of keys"),
    ],
)
def test_yaml_that_explodes_or_runs_code_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=reason):
        files.read_yaml(path)


def test_a_few_aliases_are_no_bomb() -> None:
    shared = [1, 2]
    assert files.parse_yaml(yaml.safe_dump({"a": shared, "b": shared})) == {"a": [1, 2], "b": [1, 2]}


@given(st.text(alphabet="[]{}&*a:-,!|>'\"#%@` \n\t0123?", max_size=60))
def test_any_text_is_yaml_or_a_value_error(text: str) -> None:
    try:
        found = repr(files.parse_yaml(text))
    except ValueError:
        found = "refused"
    try:
        assert found in {repr(yaml.safe_load(text)), "refused"}
    except (yaml.YAMLError, ValueError, TypeError):  # it is no YAML
        assert found == "refused"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_value_conforms_or_is_a_value_error_with_a_short_message(value: Any) -> None:
    for hint in (Shape, Outputs, list[int], dict[str, float], tuple[int, str], int | None, list[Shape] | str):
        message = ""
        try:
            conform(value, hint)
        except ValueError as error:
            message = str(error)
        assert len(message) < 400


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n", encoding="utf-8")
    with pytest.raises(UserError, match="row 3 has 1 cells"):
        files.read_csv(path)
    path.write_text("a,a\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match="other columns"):
        files.read_csv(path)
    path.write_text('﻿a,b\n"x, y",解約\n', encoding="utf-8")
    assert files.read_csv(path) == [{"a": "x, y", "b": "解約"}]


# --- arrays -------------------------------------------------------------------------------------------------------


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def lying(path: Path, shape: tuple[int, ...]) -> Path:
    """An archive whose array says that it is larger than it is."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("predictions.npy", content.getvalue())
    return path


def test_arrays_that_lie_explode_or_run_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cut off"):
        files.read_arrays(lying(tmp_path / "lie.npz", (10**6, 10**6)))
    np.savez(tmp_path / "object.npz", a=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="none of the arrays"):
        files.read_arrays(tmp_path / "object.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(50 << 20))
    with pytest.raises(UserError, match="would unpack"):
        files.read_arrays(tmp_path / "bomb.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(UserError, match="no archive"):
        files.read_arrays(tmp_path / "text.npz")


@pytest.mark.parametrize(
    "arrays",
    [
        {"predictions": np.zeros((3, 2))},
        {"predictions": np.zeros((3, 2)), "targets": np.zeros(2, int)},
        {"predictions": np.zeros((3, 2)), "targets": np.array([0, 1, 2])},
        {"predictions": np.zeros((3, 2)), "targets": np.array([0, -1, 1])},
        {"predictions": np.zeros((3, 2)), "targets": np.array(["0", "1", "1"])},
        {"predictions": np.zeros((3, 2)), "targets": np.zeros(3)},
        {"predictions": np.zeros((1, 1, 1)), "targets": np.zeros(1, int)},
        {"predictions": np.zeros(3), "targets": np.zeros(3), "groups": np.zeros(2)},
        {"predictions": np.zeros(3), "targets": np.zeros(3), "source": np.zeros(3, int)},
        {
            "predictions": np.zeros(3),
            "targets": np.zeros(3),
            "sources": np.array(["a"]),
            "source": np.ones(3, int),
            "row": np.zeros(3, int),
        },
    ],
)
def test_outputs_that_do_not_go_together_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    npz(tmp_path / "outputs.npz", **arrays)
    with pytest.raises(UserError, match=r"outputs\.npz is broken"):
        read_outputs(tmp_path)


def test_outputs_survive_the_disk(tmp_path: Path) -> None:
    assert read_outputs(tmp_path) is None
    one = Outputs(np.eye(2, dtype=np.float32), np.array([0, 1]), groups=np.array(["a", "b"]))
    one.save(tmp_path)
    found = read_outputs(tmp_path)
    assert found is not None
    assert found.groups is not None
    assert found.predictions.dtype == np.float32
    assert found.groups.tolist() == ["a", "b"]
    assert found.val_targets is None


# --- writing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_rights_that_the_umask_gives(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_text(tmp_path / "a", "x")
        with files.together(tmp_path / "folder") as draft:
            files.write_text(draft / "b", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "folder" / "b").stat().st_mode) == mode


def test_a_file_name_that_is_no_utf8_can_be_reported(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.csv")
    files.write_json(tmp_path / "a.json", {"path": name})
    assert files.read_json(tmp_path / "a.json") == {"path": name}
    files.write_yaml(tmp_path / "a.yaml", {"path": name})
    files.write_text(tmp_path / "a.html", name)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == r"\udcff.csv"


def test_a_file_that_others_may_write_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    files.write_text(path, "old")
    path.chmod(0o664)
    files.write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_a_draft_of_a_killed_process_is_removed_by_the_next_one_beside_it(tmp_path: Path) -> None:
    """Folders named by the time, as of check-data, never come again under the same name."""
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    drafts = {
        number: tmp_path / f".20261128-0930{number}-a.{files._HOST}.{number}.1.tmp" for number in (dead, os.getpid())
    }
    for draft in drafts.values():
        draft.mkdir()
    with files.together(tmp_path / "20261128-101500-a"):
        pass
    assert not drafts[dead].exists()
    assert drafts[os.getpid()].exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE])
def test_a_fault_of_the_machine_is_one_message_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with files.together(tmp_path / "out") as draft:
        files.write_text(draft / "a", "old")
    real = os.fsync
    left = [2]

    def fails(handle: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(MachineError, match=os.strerror(number)):
        write_two(tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]
    assert (tmp_path / "out" / "a").read_text() == "old"


def write_two(folder: Path) -> None:
    with files.together(folder) as draft:
        files.write_text(draft / "a", "new")
        files.write_text(draft / "b", "new")


def test_outputs_of_a_job_that_fails_leave_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(handle: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "new").mkdir()
    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_two(tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "looks.jsonl"
    files.append_line(path, "one")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="No space left"):
        files.append_line(path, "two")
    assert path.read_text() == "one\n"


def ended_process() -> int:
    """Number of a process that has ended."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    host, dead = files._HOST, ended_process()
    left = tmp_path / f".a.{host}.{dead}.1.tmp"
    draft = tmp_path / f".a.{host}.{dead}.2.tmp"
    draft.mkdir()
    (draft / "a").mkdir()
    left.write_text("half")
    kept = [
        f".a.{host}.{os.getpid()}.1.tmp",  # of a process that is there
        f".a.{'0' * 8}.{dead}.1.tmp",  # of another host
        f".b.{host}.{dead}.1.tmp",  # of another file
        ".gitignore",
        ".a.settings.tmp",
    ]
    for name in kept:
        (tmp_path / name).write_text("")
    files.write_text(tmp_path / "a", "x")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "a"])
    files.remove_all_left_over(tmp_path)
    assert f".b.{host}.{dead}.1.tmp" not in os.listdir(tmp_path)
    assert ".a.settings.tmp" in os.listdir(tmp_path)


def test_names_of_any_length_and_letter_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 250, "表" * 80, "[a]*?", " a ", "a.tmp"):
        files.write_text(tmp_path / name, "x")
        files.write_text(tmp_path / name, "y")
    assert all(path.read_text() == "y" for path in tmp_path.iterdir())
    assert len(os.listdir(tmp_path)) == 5


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"kind": "Pixels", "mean": [0.5], "std": [0.2, 0.2]}, "as many as each other"),
        ({"kind": "Pixels", "mean": [], "std": []}, "as many as each other"),
        ({"kind": "Tokens", "vocabulary": 10, "pad": 10}, "beyond the vocabulary"),
        ({"kind": "Tokens", "vocabulary": 10**12}, "vocabulary"),
        ({"kind": "os.system"}, "layout.kind"),
        ({"kind": ["Pixels"]}, "layout.kind"),
    ],
)
def test_inputs_whose_values_do_not_go_together_are_refused(tmp_path: Path, plain: dict[str, Any], says: str) -> None:
    whole = {"schema": 1, "input_shape": [3, 8, 8], "n_outputs": 2, "center": 0.0, "scale": 1.0, "layout": plain}
    files.write_json(tmp_path / "inputs.json", whole)
    with pytest.raises(UserError, match=says):
        Interface.load(tmp_path)
