"""Texts of one's own: whatever file or folder they stand in, in whatever encoding; the test part teaches nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("tokenizers")

from adaptact import config, data
from adaptact.data import PARTS, load
from adaptact.data.text import checks, text
from adaptact.data.text.padding import lengths_of
from adaptact.data.text.tokens import joined
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.layouts import Tokens
from texts import messages, write_folder


def options(path: Path, **changes: Any) -> config.Text:
    made = config.Text(name="text", path=str(path), text=["本文"], target="評価", batch_size=16, vocabulary=400)
    return replace(made, **changes)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "お客様の声 [2025].csv"
    messages().to_csv(path, index=False)
    return path


def test_parts_are_tokens_with_a_layout_and_their_texts(csv: Path) -> None:
    prepared = data.load(options(csv))
    assert isinstance(prepared.layout, Tokens)
    assert prepared.labels == ["悪い", "良い"]
    assert sum(len(part) for part in prepared.parts.values()) == 300
    for name, part in prepared.parts.items():
        assert part.x.dtype.is_signed
        assert part.x.element_size() == 4
        lengths = lengths_of(part.x, prepared.layout)
        assert lengths is not None
        assert lengths.min() > 1
        assert len(prepared.texts[name]) == len(part)
    longest = lengths_of(prepared.parts["train"].x, prepared.layout)
    assert longest is not None
    assert longest.max() == prepared.input_shape[0]
    known = dict(zip(messages()["本文"], messages()["評価"], strict=True))
    for name, part in prepared.parts.items():
        assert [known[one] for one in prepared.texts[name]] == [prepared.labels[y] for y in part.y]
    assert any("are padding" in note for note in prepared.notes)


@pytest.mark.parametrize("form", ["cp932", "utf-8-sig", "utf-16", "xlsx", "parquet", "tsv"])
def test_other_forms_of_a_file_give_the_same_texts(csv: Path, form: str) -> None:
    frame = messages()
    frame["本文"] = frame["本文"].str.replace("[🎁😀]", "", regex=True)  # cp932 has none of them
    frame.to_csv(csv, index=False)
    expected = text.read_and_split(options(csv))
    other = csv.with_suffix({"xlsx": ".xlsx", "parquet": ".parquet", "tsv": ".tsv"}.get(form, ".txt"))
    if form == "xlsx":
        frame.to_excel(other, index=False)
    elif form == "parquet":
        frame.to_parquet(other)
    else:
        separator, encoding = ("\t", "utf-8") if form == "tsv" else (",", form)
        frame.to_csv(other, index=False, sep=separator, encoding=encoding)
    found = text.read_and_split(options(other))
    for part in PARTS:
        assert joined(found.frames[part], ["本文"]) == joined(expected.frames[part], ["本文"])
        assert (found.y[part] == expected.y[part]).all()


def test_what_marks_a_missing_value_in_a_table_is_a_text_here(csv: Path) -> None:
    frame = messages()
    frame.loc[:3, "本文"] = ["?", "None", "NA", "  "]
    frame.to_csv(csv, index=False)
    raw = text.read_and_split(options(csv))
    found = [one for part in PARTS for one in joined(raw.frames[part], ["本文"])]
    assert {"?", "None", "NA", ""} <= set(found)


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "latin-1"])
def test_a_folder_of_text_files_is_a_class_per_subfolder(tmp_path: Path, encoding: str) -> None:
    frame = messages(60)
    if encoding == "latin-1":
        frame["本文"] = [f"Très bien, déjà vu n° {i}; c'est ça, à bientôt" for i in range(60)]
    root = write_folder(tmp_path / "お客様の声", frame, encoding)
    (root / "悪い" / "notes.md").write_text("no text of ours")
    (root / ".git").mkdir()
    raw = text.read_and_split(config.Text(name="text", path=str(root)))
    assert raw.labels == ["悪い", "良い"]
    found = sorted(one for part in PARTS for one in joined(raw.frames[part], ["text"]))
    assert found == sorted(one.encode(encoding, "ignore").decode(encoding) for one in frame["本文"])
    assert encoding.replace("latin-1", "cp1252") in str(raw.form)


def test_files_of_one_folder_may_be_in_different_encodings(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "a", messages(40).head(20))
    write_folder(root, messages(40).tail(20).reset_index(drop=True).rename(index=lambda i: i + 20), "cp932")
    frame, form = text.read_folder(str(root))
    assert not frame["text"].str.contains("\ufffd").any()
    assert "cp932" in str(form)


def test_several_columns_are_joined(csv: Path) -> None:
    raw = text.read_and_split(options(csv, text=["番号", "本文"]))
    first = joined(raw.frames["test"], ["番号", "本文"])[0]
    assert first.startswith("M-")
    assert "\n" in first


def test_equal_texts_never_stand_in_two_parts(csv: Path) -> None:
    frame = messages()
    copies = frame.sample(120, random_state=0).assign(本文=lambda f: f["本文"].str.replace("ＡＢＣ", "abc") + "  ")
    copies.loc[copies.index[:20], "評価"] = "悪い"  # whatever their label
    pd.concat([frame, copies]).to_csv(csv, index=False)
    for seed in range(3):
        raw = text.read_and_split(options(csv, split_seed=seed))
        parts = {part: {text.bare(one) for one in joined(raw.frames[part], ["本文"])} for part in PARTS}
        assert not parts["train"] & parts["test"]
        assert not parts["train"] & parts["val"]
        assert not parts["val"] & parts["test"]


def test_groups_times_and_folds_split_texts_too(csv: Path) -> None:
    frame = messages()
    frame["客"] = np.arange(300) % 30
    frame["日"] = pd.date_range("2024-01-01", periods=300).strftime("%Y-%m-%d")
    frame.to_csv(csv, index=False)
    customer = dict(zip(frame["本文"], frame["客"], strict=True))
    raw = text.read_and_split(options(csv, group="客"))
    seen = [{customer[one] for one in joined(raw.frames[part], ["本文"])} for part in PARTS]
    assert sum(map(len, seen)) == 30
    raw = text.read_and_split(options(csv, time="日"))
    assert joined(raw.frames["test"], ["本文"]) == frame["本文"].tail(60).tolist()
    folds = [text.read_and_split(options(csv, folds=3, fold=fold)) for fold in range(3)]
    assert sorted(one for raw in folds for one in joined(raw.frames["test"], ["本文"])) == sorted(frame["本文"])


def test_a_tokenizer_never_sees_validation_or_test_texts(csv: Path, tmp_path: Path) -> None:
    other = messages(100, seed=9)
    first = data.load(options(csv, test_path=str(csv), max_length=200))
    other.assign(本文=other["本文"] + "鸞麒麟鳳凰").to_csv(tmp_path / "test.csv", index=False)
    second = data.load(options(csv, test_path=str(tmp_path / "test.csv"), max_length=200))
    assert first.preparation.tokenizer.to_str() == second.preparation.tokenizer.to_str()  # type: ignore[union-attr]
    assert second.layout == first.layout
    assert (second.parts["test"].x == second.layout.unknown).any(dim=1).all()  # type: ignore[union-attr]
    assert first.fingerprint != second.fingerprint
    vocabulary = second.preparation.tokenizer.get_vocab()  # type: ignore[union-attr]
    assert not any("鸞" in token for token in vocabulary)


def test_files_of_their_own_are_the_parts(csv: Path, tmp_path: Path) -> None:
    for name, seed in (("val", 1), ("test", 2)):
        messages(40, seed=seed).to_csv(tmp_path / f"{name}.csv", index=False)
    raw = text.read_and_split(options(csv, val_path=str(tmp_path / "val.csv"), test_path=str(tmp_path / "test.csv")))
    assert joined(raw.frames["test"], ["本文"]) == messages(40, seed=2)["本文"].tolist()
    assert len(raw.y["train"]) == 300
    folders = [write_folder(tmp_path / f"f{n}", messages(30, seed=n)) for n in range(2)]
    made = text.read_and_split(config.Text(name="text", path=str(folders[0]), test_path=str(folders[1])))
    assert len(made.y["test"]) == 30


def test_a_quantity_can_be_predicted_from_texts(csv: Path) -> None:
    messages().assign(評価=lambda f: f["本文"].str.len() * 1.5).to_csv(csv, index=False)
    prepared = data.load(options(csv, task="regression"))
    assert prepared.task == "regression"
    assert prepared.parts["train"].y.std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": ["本丈"]}, "data.text: .* has no column '本丈'. Known: 番号, 本文"),
        ({"target": "価格"}, "data.target: .* has no column '価格'"),
        ({"text": ["空"]}, "no text in '空', only blank cells"),
        ({"vocabulary": 20}, "vocabulary=20 is too small"),
        ({"tokenizer": "nowhere"}, "data.tokenizer=nowhere: there is no file"),
        ({"test_path": "nowhere.csv"}, "data.test_path=nowhere.csv cannot be read"),
        ({"path": "nowhere.csv"}, "data.path=nowhere.csv cannot be read"),
    ],
)
def test_what_is_wrong_is_named(csv: Path, changes: dict[str, Any], message: str) -> None:
    messages().assign(空="").to_csv(csv, index=False)
    with pytest.raises(DataError, match=message):
        data.load(replace(options(csv), **changes))


def test_a_target_or_a_column_that_is_not_said_is_asked_for(csv: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(config.Text(name="text", path=str(csv)))
    assert [problem.partition(" is missing")[0] for problem in caught.value.problems] == ["data.text", "data.target"]


def test_folders_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "a", messages(20).query("評価 == '良い'"))
    with pytest.raises(DataError, match=r"at least two; it has only one, '良い'"):
        load(config.Text(name="text", path=str(root)))
    with pytest.raises(DataError, match="it has none"):
        load(config.Text(name="text", path=str(root / "良い")))
    with pytest.raises(ConfigError, match=r"data\.target names a column.*leave it out"):
        load(config.Text(name="text", path=str(root), target="評価"))
    write_folder(root, messages(20, seed=1))
    (root / "良い" / "000.txt").write_bytes(b"\x00\x01\x02\xff" * 50)
    with pytest.raises(DataError, match=r"000\.txt"):
        load(config.Text(name="text", path=str(root)))


def test_a_column_that_is_no_text_column_of_a_group_is_refused(csv: Path) -> None:
    with pytest.raises(DataError, match=r"data\.group names the target"):
        load(options(csv, group="評価"))


# --- check-data --------------------------------------------------------------------------------------------------


def found(frame: pd.DataFrame, csv: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    frame.to_csv(csv, index=False)
    report = checks.report(text.read_and_split(options(csv, **changes)), options(csv, **changes))
    kinds: dict[str, dict[str, Any]] = {}
    for finding in report["findings"]:
        kinds.setdefault(finding["kind"], finding)
    return {"report": report, **kinds}


def test_texts_that_are_fine_are_ready(csv: Path) -> None:
    draw = np.random.default_rng(0)
    labels = np.where(draw.random(300) < 0.5, "a", "b")  # of nothing that the texts say
    seen = found(messages().assign(評価=labels), csv)
    assert seen["report"]["verdict"] == "ready"
    column = seen["report"]["columns"][0]
    assert (column["name"], column["role"], column["distinct"]) == ("本文", "text", 300)
    assert sum(column["histogram"]["counts"]) == 300
    assert column["median"] == pytest.approx(messages()["本文"].str.len().median())
    assert sum(seen["report"]["target_shape"]["top"].values()) == 300


def test_odd_texts_are_counted(csv: Path) -> None:
    frame = messages(400)
    frame.loc[:24, "本文"] = np.nan
    frame.loc[30:59, "本文"] = frame.loc[60:89, "本文"].to_numpy()
    frame.loc[30:59, "評価"] = frame.loc[60:89, "評価"].to_numpy()
    frame.loc[90, "本文"], frame.loc[91, "本文"] = frame.loc[92, "本文"], frame.loc[92, "本文"]
    frame.loc[90:91, "評価"] = ["良い", "悪い"]
    frame.loc[100, "本文"] = "あいうえお".encode().decode("cp932", "replace")
    frame.loc[101, "本文"] = "caf\u00c3\u00a9 au lait"
    seen = found(frame, csv)
    assert seen["empty"]["detail"].startswith("25 of 400 texts")
    assert seen["empty"]["level"] == "warning"
    assert seen["duplicate"]["detail"].startswith(f"{24 + 30 + 2} of 400 texts")
    assert "another label" in seen["label_noise"]["detail"]
    assert seen["encoding"]["detail"].startswith("2 of 400")
    assert seen["report"]["columns"][0]["missing_share"] == 25 / 400


def test_whole_texts_in_japanese_french_and_emoji_are_not_called_broken(csv: Path) -> None:
    frame = messages(200)
    frame.loc[::2, "本文"] = [f"Où êtes-vous ? Ça va – “très bien”… naïve Ærø ÜÖÄß {i} 👨‍👩‍👧" for i in range(100)]
    assert "encoding" not in found(frame, csv)


def test_a_mark_that_tells_the_class_is_a_leak(csv: Path) -> None:
    assert "leak" not in found(messages(), csv)
    marked = messages().assign(本文=lambda f: f["本文"] + np.where(f["評価"] == "良い", " [済]", ""))
    seen = found(marked, csv)
    assert "済" in seen["leak"]["detail"]
    assert seen["leak"]["level"] == "warning"


def test_letters_and_lengths_of_other_files_are_held_against_training(csv: Path, tmp_path: Path) -> None:
    later = messages(200, seed=5)
    later["本文"] = later["本文"] + "鸞" * 80
    later.to_csv(tmp_path / "later.csv", index=False)
    seen = found(messages(), csv, test_path=str(tmp_path / "later.csv"))
    assert "'鸞'" in seen["letters"]["detail"]
    assert seen["drift"]["level"] == "warning"
    assert seen["report"]["columns"][0]["psi"] > 0.25
    copies = pd.concat([messages(30), later])
    copies.to_csv(tmp_path / "later.csv", index=False)
    seen = found(messages(), csv, test_path=str(tmp_path / "later.csv"))
    assert any("more than one of the given files" in f["detail"] for f in seen["report"]["findings"])


def test_cut_texts_are_counted(csv: Path) -> None:
    seen = found(messages(), csv, max_length=10)
    assert "longer than 10 tokens" in seen["truncated"]["detail"]
    assert seen["truncated"]["level"] == "warning"
    assert any("were cut" in note for note in seen["report"]["notes"])
    assert "truncated" not in found(messages(), csv)


def test_without_the_package_the_way_out_is_named(csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(UserError, match="EXTRAS=dev,text"):
        text.read_and_split(options(csv))
