"""A run on texts from end to end: trained, evaluated by length, kept in order, disturbed, scored from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("tokenizers")

from adaptact import config, data, launcher
from adaptact.data import Prepared
from adaptact.data.tally import Tally
from adaptact.data.text import text
from adaptact.data.text.tokens import joined
from adaptact.errors import DataError
from adaptact.export.predict import predict_file
from adaptact.export.trained_run import TableRun
from adaptact.layouts import Tokens
from adaptact.training.checkpoints import load_checkpoint
from adaptact.training.references import references
from adaptact.training.robustness import disturbed_metrics, mask
from adaptact.training.run import train
from adaptact.training.timing import measure_costs
from texts import messages, text_config, write_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TableRun:
    path = tmp_path_factory.mktemp("お客様 の声") / "声 [1].csv"
    messages().to_csv(path, index=False)
    _, folder = train(config.from_dict(text_config(path)), quiet=True)
    return TableRun.load(folder)


def prepared_of(run: TableRun) -> Prepared:
    return data.load(run.settings.data)


def test_it_learns_what_a_few_words_tell(run: TableRun) -> None:
    assert run.record.status == "finished"
    assert run.record.metrics["test"]["accuracy"] > 0.9
    (linear,) = run.record.references
    assert linear["name"] == "linear (TF-IDF)"
    assert linear["metrics"]["test"]["accuracy"] > 0.9
    assert [layer["name"] for layer in run.record.layers] == ["blocks.0.feed_forward.1"]
    assert run.record.speed["inference"]["p50_ms"] > 0
    notes = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))["notes"]
    assert any("are padding" in note for note in notes)


def test_outputs_stand_in_the_order_of_the_rows(run: TableRun) -> None:
    raw = text.read_and_split(run.settings.data)
    with np.load(run.folder / "outputs.npz") as kept:
        for part, prefix in (("test", ""), ("val", "val_")):
            assert (kept[f"{prefix}targets"] == raw.y[part]).all()
            expected = run.predict(raw.frames[part])
            assert kept[f"{prefix}predictions"] == pytest.approx(expected, abs=1e-5)


def test_a_resumed_run_is_the_run_that_never_stopped(tmp_path: Path) -> None:
    messages(120).to_csv(tmp_path / "a.csv", index=False)
    plain = text_config(tmp_path / "a.csv") | {"references": False}
    plain["optimizer"] = {"lr": 3e-3, "schedule": "constant"}
    plain["trainer"] = {"max_epochs": 2, "accelerator": "cpu"}
    _, folder = train(config.from_dict(plain), quiet=True)
    train(launcher.resumed([f"resume={folder}", "trainer.max_epochs=4"]), quiet=True)
    plain["trainer"]["max_epochs"] = 4
    _, whole = train(config.from_dict(plain), quiet=True)
    ours, theirs = (load_checkpoint(f / "checkpoints" / "last.ckpt")["state_dict"] for f in (folder, whole))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_references_read_the_texts_of_the_training_part_alone(run: TableRun) -> None:
    prepared = prepared_of(run)
    first = references(prepared)[0]["metrics"]
    changed = {**prepared.texts, "test": ["?"] * len(prepared.parts["test"])}
    x = prepared.parts["test"].x.clone()
    x[:, 0] = 3
    other = {**prepared.parts, "test": data.Part(x, prepared.parts["test"].y)}
    again = references(
        Prepared("t", "classification", other, "0", prepared.labels, layout=prepared.layout, texts=changed)
    )
    assert again[0]["metrics"]["val"] == first["val"]
    assert again[0]["metrics"]["test"]["auroc"] == pytest.approx(0.5)


# --- disturbed ---------------------------------------------------------------------------------------------------


def test_the_right_share_of_tokens_is_masked_and_nothing_else() -> None:
    layout = Tokens(50, pad=4, unknown=1, special=(2,))
    x = torch.full((400, 30), 9, dtype=torch.int32)
    x[:, 0], x[:, 20:] = 2, 4
    changed = mask(x, layout, 0.3, torch.Generator().manual_seed(0))
    hit = changed != x
    assert hit[:, 1:20].float().mean() == pytest.approx(0.3, abs=0.02)
    assert (changed[hit] == layout.unknown).all()
    assert not hit[:, 0].any()
    assert not hit[:, 20:].any()
    assert changed.dtype == x.dtype


def test_masked_tokens_hurt_and_are_the_same_for_all_networks_of_a_seed(run: TableRun) -> None:
    prepared = prepared_of(run)
    found = disturbed_metrics(run.network, prepared, 0)
    assert set(found) == {"masked"}
    losses = [found["masked"][s]["log_loss"] for s in ("0.05", "0.15", "0.3")]
    assert run.record.metrics["test"]["log_loss"] < losses[0] < losses[2]
    assert found == disturbed_metrics(run.network, prepared, 0)


@pytest.mark.parametrize("ways", [["eager"], pytest.param(["eager", "onnx"], marks=pytest.mark.slow)], ids=str)
def test_costs_are_measured_on_texts(run: TableRun, ways: list[str]) -> None:
    if "onnx" in ways:
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    cost = measure_costs({"a": run.settings}, prepared_of(run), "a", ways=ways, rounds=1)
    assert cost["arms"]["a"]["latency"]["p50_ms"] > 0
    assert ("onnx_latency" in cost["arms"]["a"]) is ("onnx" in ways)


# --- scored ------------------------------------------------------------------------------------------------------


def score(run: TableRun, source: Path, name: str = "scored.csv") -> tuple[pd.DataFrame, Tally]:
    target = source.parent / name
    tally = predict_file(run, str(source), target)
    return (pd.read_csv(target) if name.endswith(".csv") else pd.read_parquet(target)), tally


def test_new_texts_are_scored_in_their_order_whatever_their_file(run: TableRun, tmp_path: Path) -> None:
    new = messages(80, seed=3).drop(columns="評価")
    new["本文"] = new["本文"].str.replace("[🎁😀]", "", regex=True)
    alone = np.concatenate([run.predict(new.iloc[[row]]) for row in range(80)])
    assert len(set(new["本文"].str.len())) > 10  # by length they come in another order
    for name, write in {
        "a.csv": lambda p: new.to_csv(p, index=False),
        "b.csv": lambda p: new.to_csv(p, index=False, sep=";", encoding="cp932"),
        "c.xlsx": lambda p: new.to_excel(p, index=False),
        "d.parquet": new.to_parquet,
    }.items():
        write(tmp_path / name)
        found, tally = score(run, tmp_path / name)
        assert found["row"].tolist() == list(range(1, 81))
        assert found.filter(like="probability").to_numpy() == pytest.approx(alone, abs=1e-5)
        assert tally.extra == ["番号"]
    assert (found["prediction"] == messages(80, seed=3)["評価"]).mean() > 0.9


def test_a_folder_of_texts_is_scored_file_by_file(run: TableRun, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "新しい声", messages(30, seed=4))
    found, _ = score(run, root, "scored.parquet")
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.txt"))
    assert found["file"].tolist() == files
    right = [file.split("/")[0] for file in files]
    assert (found["prediction"] == right).mean() > 0.8
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"without \.txt files"):
        score(run, tmp_path / "empty")


def test_odd_texts_are_scored_and_counted(run: TableRun, tmp_path: Path) -> None:
    new = messages(20, seed=5)
    new["本文"] = ["", "鸞", "昨日荷物は最高でした" * 200, *new["本文"].tail(17)]
    new.to_csv(tmp_path / "new.csv", index=False)
    found, tally = score(run, tmp_path / "new.csv")
    assert len(found) == 20
    assert found.filter(like="probability").notna().to_numpy().all()
    lines = "\n".join(tally.warnings())
    assert f"1 texts are longer than {run.preparation.width} tokens and were cut" in lines
    assert "1 texts are empty" in lines
    assert "does not know" in lines


def test_a_missing_column_is_refused_by_its_name(run: TableRun, tmp_path: Path) -> None:
    messages(5).rename(columns={"本文": "本丈"}).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match="has no column '本文', which the run was trained on"):
        score(run, tmp_path / "new.csv")


def test_a_run_on_a_folder_of_classes(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "声", messages(90), "cp932")
    plain: dict[str, Any] = text_config(root) | {"references": False}
    plain["data"] = {"name": "text", "path": str(root), "batch_size": 16, "vocabulary": 400}
    plain["trainer"] = {"max_epochs": 1, "accelerator": "cpu"}
    _, folder = train(config.from_dict(plain), quiet=True)
    made = TableRun.load(folder)
    found, _ = score(made, root)
    assert len(found) == 90
    frame, _ = text.read_folder(str(root))
    assert joined(frame, ["text"])[0] in {one.encode("cp932", "ignore").decode("cp932") for one in messages(90)["本文"]}
