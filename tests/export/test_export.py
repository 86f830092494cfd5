"""An exported run answers as the run did: in ONNX Runtime, in torch.export, and from a raw row without adaptact."""

import contextlib
import csv
import errno
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from adaptact import __main__ as command_line
from adaptact import data, files, onnx_export, records
from adaptact.activations import create
from adaptact.data import Prepared
from adaptact.export import latency, write
from adaptact.export.check_rows import Rows, real_rows
from adaptact.export.latency import gelu_instead
from adaptact.export.predict import scored
from adaptact.export.trained_run import TableRun, TrainedRun, load_run
from adaptact.layouts import Pixels, Tokens
from adaptact.surgery import named_activations, replace_activations
from adaptact.training.input_spec import Interface
from texts import messages

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "examples" / "score_row.py"
# runs a script where nothing but onnxruntime, numpy and Python's own library can be imported
ALONE = """
import runpy, sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"adaptact", "torch", "pandas", "sklearn", "scipy"}:
            raise ImportError(name)
sys.meta_path.insert(0, Refused())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line.main(list(words))
    return code, out.getvalue(), err.getvalue()


def train(folder: Path, *words: str) -> Path:
    code, out, err = command(
        "train", "trainer=cpu", "logger=none", "trainer.max_epochs=2", f"output_dir={folder}", *words
    )
    assert code == 0, err
    return Path(out.splitlines()[-1])


def export(run: Path, *words: str) -> Path:
    code, out, err = command("export", f"run={run}", *words)
    assert code == 0, err
    return Path(out.splitlines()[-1])


def messy(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Cells of text as a company's table has them: blanks, decimal commas, dates, odd signs, rare categories."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=rows), draw.lognormal(8, 1, size=rows)
    frame = pd.DataFrame({"番号": [f"K-{i:05d}" for i in range(rows)]})
    frame["長さ [mm]"] = [f"{value:.3f}" for value in a]
    frame["preis, €"] = [f"{value:,.2f}".translate(str.maketrans(",.", ".,")) for value in b]
    frame["売上"] = [f"¥{value:,.0f}" for value in 10 * b]
    frame["全角"] = ["".join(chr(ord(d) + 0xFEE0) for d in str(n)) for n in draw.integers(1, 999, rows)]
    frame["kind"] = draw.choice(["赤", "青", "緑, 濃い", 'say "x"'], rows)
    frame["契約日"] = [f"{day:%Y年%m月%d日}" for day in pd.date_range("2021-03-01", periods=rows)]
    frame["seen"] = [f"{day:%Y-%m-%d %H:%M}" for day in pd.date_range("2024-01-01", periods=rows, freq="7h")]
    for name, step in {"長さ [mm]": 9, "preis, €": 7, "kind": 11, "契約日": 13, "売上": 17}.items():
        frame.loc[frame.index % step == 3, name] = ["", "NA", "?"][step % 3]
    frame["解約"] = np.where(a + (frame["kind"] == "赤") + 0.5 * draw.normal(size=rows) > 0.5, "はい", "いいえ")
    frame["amount"] = (1000 * a + 50_000 + 100 * draw.normal(size=rows)).round(1)
    return frame


@pytest.fixture(autouse=True, scope="module")
def _few_rounds() -> Iterator[None]:
    """Two rounds instead of 15 are enough where no time is looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "ROUNDS", 2)
        yield


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("表 [1] a,b")
    messy().to_csv(folder / "顧客 (1).csv", index=False)
    words = [f"data.path={folder / '顧客 (1).csv'}", "data.target=解約", "data.drop=[amount]", "model.widths=[16]"]
    return train(folder / "runs", "data=table", "activation=sgblend", "references=false", *words)


@pytest.fixture(scope="module")
def exported(table_run: Path) -> Path:
    return export(table_run).parent


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("small"), "data=wine", "model=mlp", "model.widths=[8]", "activation=gelu")


def asked(file: Path, x: torch.Tensor, size: int) -> np.ndarray:
    """What ONNX Runtime says, in batches of a size."""
    session = onnxruntime.InferenceSession(file)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch.numpy()})[0] for batch in x.split(size)])


def check_against_outputs(file: Path, run: Path, x: torch.Tensor, unit: float = 1.0) -> None:
    """All formats say what the run itself stored of its test rows, for batches of any size."""
    stored = np.load(run / "outputs.npz")["predictions"]
    for size in (1, 3, len(x)):
        few = x[: 30 * size]
        assert np.abs(asked(file, few, size) - stored[: len(few)]).max() / unit < 1e-5
    program = torch.export.load(file.with_name("model.pt2")).module()
    for rows in (1, 3, len(x)):
        assert np.abs(program(x[:rows]).detach().numpy() - stored[:rows]).max() / unit < 1e-5
    report = json.loads((file.parent / "export.json").read_text(encoding="utf-8"))
    for name in ("model.onnx", "model.pt2"):
        assert 0 <= report["files"][name]["difference"] < 1e-5
        assert 0 <= report["files"][name]["difference_from_outputs"] < 1e-5


@pytest.mark.parametrize(
    "words",
    [
        ["data=digits", "model=cnn", "model.widths=[4]", "model.hidden=8"],
        pytest.param(["data=digits", "model=resnet", "model.depth=8"], marks=pytest.mark.slow),
        pytest.param(["data=wine", "model=tabm", "model.k=4", "model.width=16"], marks=pytest.mark.slow),
        ["data=diabetes", "model=mlp", "model.widths=[8]"],
        pytest.param(["data=digits", "model=vit", "model.config={hidden_size:16}"], marks=pytest.mark.slow),
        pytest.param(["data=digits", "model=convnext", "model.config={hidden_sizes:[8,8,8]}"], marks=pytest.mark.slow),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_exported_run_says_what_the_run_said(tmp_path: Path, words: list[str]) -> None:
    run = train(tmp_path, *words, "activation=sgblend")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    file = export(run)
    assert file == run / "export" / "model.onnx"
    prepared = data.load(load_run(run).settings.data)
    check_against_outputs(file, run, prepared.parts["test"].x, prepared.scale)
    assert {path: path.read_bytes() for path in before} == before
    report = json.loads((run / "export" / "export.json").read_text(encoding="utf-8"))
    for size in ("1", "1024"):
        low, high = report["latency"]["batch"][size]["interval"]
        assert 0 < low <= report["latency"]["batch"][size]["ratio"] <= high
    about = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == prepared.labels
    layers = {layer["name"]: layer for layer in load_run(run).record.layers}
    for site, values in json.loads(about["activations"]).items():
        assert values["alpha"] == pytest.approx(layers[site]["alpha"])


def test_a_run_on_a_table_says_what_the_run_said(table_run: Path, exported: Path) -> None:
    run = load_run(table_run)
    check_against_outputs(exported / "model.onnx", table_run, real_rows(run).x)
    about = onnxruntime.InferenceSession(exported / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(about["decision"])["threshold"] == run.record.decision["threshold"]
    assert json.loads(about["preparation"]) == json.loads((exported / "preparation.json").read_text(encoding="utf-8"))
    assert about["task"] == "classification"


def test_nothing_of_this_machine_or_of_a_row_is_in_the_files(table_run: Path, exported: Path) -> None:
    program = torch.export.load(exported / "model.pt2")
    assert not program.example_inputs[0][0].any()
    for name in ("model.onnx", "export.json"):
        assert str(REPOSITORY).encode() not in (exported / name).read_bytes()
    assert not any("stack_trace" in node.meta for node in program.graph.nodes)


# --- raw rows ----------------------------------------------------------------------------------------------------


def say(folder: Path, rows: Any, tmp_path: Path) -> list[Any]:
    """What the script of the documentation prints, run where adaptact and torch cannot be imported."""
    (tmp_path / "row.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    words = [sys.executable, "-c", ALONE, str(SCRIPT), str(folder), str(tmp_path / "row.json")]
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def strange(rows: int) -> pd.DataFrame:
    """Rows that training has not seen, some with cells that nobody would expect."""
    new = messy(rows, seed=1)
    new.loc[:3, "kind"] = ["紫", "red", "1", "1.0"]
    new.loc[:8, "長さ [mm]"] = ["abc", "1e3", "1_0", "inf", "-1,5", "▲2", " 3 ", "1e400", "−0.25"]
    new.loc[:4, "preis, €"] = ["1.250", "1,5", "12", "1.250.000,75 €", "-3,0"]
    new.loc[:3, "契約日"] = ["soon", "1850年01月01日", "2050年12月31日", "2024年02月30日"]
    return new


@pytest.mark.parametrize(
    ("target", "scaling"), [("解約", "quantile"), pytest.param("amount", "standard", marks=pytest.mark.slow)]
)
def test_the_script_gives_a_raw_row_the_answer_of_predict(tmp_path: Path, target: str, scaling: str) -> None:
    messy().to_csv(tmp_path / "cases.csv", index=False)
    other = {"解約": "amount", "amount": "解約"}[target]
    words = [f"data.path={tmp_path / 'cases.csv'}", f"data.target={target}", f"data.drop=[{other}]"]
    words += [f"data.scaling={scaling}", "data.max_categories=3", "model.widths=[8]", "activation=sgblend"]
    run = train(tmp_path / "runs", "data=table", "references=false", *words)
    folder = export(run, "formats=onnx").parent
    strange(60).to_csv(tmp_path / "new.csv", index=False)
    code, out, err = command(
        "predict", f"run={run}", f"input={tmp_path / 'new.csv'}", f"output={tmp_path / 's.parquet'}"
    )
    assert code == 0, err
    expected = pd.read_parquet(out.splitlines()[-1])
    with (tmp_path / "new.csv").open(encoding="utf-8", newline="") as file:
        said = say(folder, list(csv.DictReader(file)), tmp_path)
    if target == "amount":
        unit = load_run(run).interface.scale
        assert np.abs(np.array(said) - expected["prediction"]).max() / unit < 1e-5
    else:
        found = pd.DataFrame(said)
        assert list(found.columns) == ["いいえ", "はい"]
        assert np.abs(found.to_numpy() - expected.filter(like="probability").to_numpy()).max() < 1e-5
    assert len(said) == 60


def test_the_script_takes_one_row_and_cells_that_are_numbers_or_null(
    exported: Path, table_run: Path, tmp_path: Path
) -> None:
    row = dict(messy(1, seed=2).iloc[0].drop(["解約", "amount"]))
    typed = {**row, "長さ [mm]": 1.125, "preis, €": 1.125, "売上": 5000.0, "全角": 12, "契約日": None}
    written = {**row, "長さ [mm]": "1.125", "preis, €": "1,125", "売上": "5000", "全角": "12", "契約日": ""}
    (answer,) = say(exported, typed, tmp_path)
    assert say(exported, written, tmp_path) == [answer]
    run = TableRun.load(table_run)
    frame = pd.DataFrame([written]).replace({"": np.nan, "NA": np.nan, "?": np.nan})
    expected = scored(run, frame).filter(like="probability").to_numpy()[0]
    assert list(answer.values()) == pytest.approx(expected, abs=1e-5)


def test_the_script_in_the_documentation_is_the_one_that_is_run() -> None:
    assert f"```python\n{SCRIPT.read_text(encoding='utf-8')}```" in (REPOSITORY / "docs" / "export.md").read_text(
        encoding="utf-8"
    )


# --- the graph ---------------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sgblend": lambda: create("sgblend", alpha=0.3, beta=1.5, gamma=0.1),
    "sgblend per channel": lambda: create("sgblend", alpha=0.3, channels=5000),
    "pelu": lambda: create("pelu", a=1.5, b=0.7),
    "abu per channel": lambda: create("abu", channels=5000),
    "blend": lambda: create("blend", first="relu", second="pelu", alpha=0.2),
}
# per activation the operations that are its formula; all others would work on learned scalars alone
FORMULA = {
    "sgblend": ["Gelu", "Mul", "Mul", "Mul", "Mul", "Add", "Sub", "Sigmoid"],
    "pelu": ["Add", "Div", "Exp", "Min", "Mul", "Mul", "Relu", "Sub"],
    "abu": ["Relu", "Elu", "Tanh", "Sigmoid", *["Mul"] * 6, *["Add"] * 4],
    "blend": ["Add", "Div", "Exp", "Min", "Mul", "Mul", "Relu", "Sub", "Mul", "Mul", "Add"],  # ReLU is in both
}


def in_onnx(network: nn.Module) -> Any:
    return onnx_export.to_onnx(onnx_export.traced(network, torch.zeros(3, 4))).graph


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_learned_scalars_are_constants_in_the_graph(name: str) -> None:
    activation = ACTIVATIONS[name]()
    network = nn.Sequential(nn.Linear(4, getattr(activation, "channels", None) or 6), activation).eval()
    with torch.no_grad():
        for parameter in activation.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    graph = in_onnx(network)
    operations = sorted(node.op_type for node in graph.node if node.op_type != "Gemm")
    assert operations == sorted(FORMULA[name.split(maxsplit=1)[0]])
    assert type(network[1]) is type(activation)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_constant_is_the_effective_value() -> None:
    import onnx

    network = nn.Sequential(nn.Linear(4, 6), create("sgblend", alpha=0.3, beta=1.5, gamma=0.1)).eval()
    with torch.no_grad():
        network[1].raw_alpha.fill_(1.3)  # clamped to 1 where it is used
    constants = [onnx.numpy_helper.to_array(constant) for constant in in_onnx(network).initializer]
    scalars = sorted(round(constant.item(), 6) for constant in constants if constant.size == 1)
    assert scalars == [0.0, 0.1, 1.0, 1.5]  # 1 - alpha, gamma, alpha, beta


def test_a_swap_that_preserves_a_function_is_folded_too() -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    replace_activations(network, lambda: create("sgblend"), preserve=True)
    with torch.no_grad():
        network[1].raw_alpha.fill_(0.4)
    graph = in_onnx(network)
    assert not {"Clip", "Softplus", "Softmax"} & {node.op_type for node in graph.node}
    assert sum(node.op_type == "Sigmoid" for node in graph.node) == 1  # of SG-Blend itself
    used = {name for node in graph.node for name in node.input}
    assert not [name for name in used if name.endswith("raw_alpha")]


def test_gelu_stands_in_for_every_activation_that_learns() -> None:
    network = nn.Sequential(nn.Linear(4, 6), create("sgblend"), nn.ReLU(), nn.Sequential(nn.PReLU()))
    other = gelu_instead(network)
    assert [type(m).__name__ for m in named_activations(other).values()] == ["GELU", "ReLU", "GELU"]
    assert [type(m).__name__ for m in named_activations(network).values()] == ["SGBlend", "ReLU", "PReLU"]


# --- texts and pixels --------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """Tokens to classes: the mean of the embeddings of all but the padding, with positions up to 12."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.positions = nn.Parameter(torch.randn(12, 8))
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu")
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding = x == 0
        h = self.embedding(x) + self.positions[: x.shape[1]]
        h = self.encoder(h, src_key_padding_mask=padding).masked_fill(padding.unsqueeze(-1), 0)
        return self.out(h.sum(1) / (~padding).sum(1, keepdim=True))


def made_run(run: TrainedRun, network: nn.Module, interface: Interface) -> TrainedRun:
    record = records.Record.load(run.folder)
    record.data["labels"] = ["a", "b", "c"]
    return TrainedRun(run.folder, run.settings, record, network.eval(), interface)


def test_texts_of_any_length_can_be_asked(small_run: Path, tmp_path: Path) -> None:
    network = Reader()
    replace_activations(network, lambda: create("sgblend"), example=torch.ones(2, 5, dtype=torch.long))
    run = made_run(load_run(small_run), network, Interface((12,), 3, Tokens(30)))
    x = torch.randint(1, 30, (40, 12))
    for row, length in enumerate(torch.randint(1, 13, (40,)).tolist()):
        x[row, length:] = 0
    expected = run.answers(x)
    made = write.export_run(run, Rows(x, None, "made"), tmp_path / "out", ["onnx", "torch"])
    assert made.files["model.onnx"]["difference"] < 1e-6
    assert made.files["model.pt2"]["difference"] < 1e-6
    assert np.abs(asked(tmp_path / "out" / "model.onnx", x, 7) - expected).max() < 1e-6
    for rows, length in ((1, 1), (1, 12), (5, 4)):
        short = torch.randint(1, 30, (rows, length))
        assert asked(tmp_path / "out" / "model.onnx", short, rows) == pytest.approx(run.answers(short), abs=1e-6)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    assert (session.get_inputs()[0].name, session.get_inputs()[0].shape) == ("tokens", ["batch", "length"])


def test_images_go_in_as_bytes(small_run: Path, tmp_path: Path) -> None:
    from adaptact import models

    layout = Pixels((0.3,), (0.2,))
    run = made_run(
        load_run(small_run),
        models.build("cnn", (1, 8, 8), 3, layout=layout, widths=[4], hidden=8),
        Interface((1, 8, 8), 3, layout),
    )
    x = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    write.export_run(run, Rows(x, None, "made"), tmp_path / "out", ["onnx"])
    assert asked(tmp_path / "out" / "model.onnx", x, 3) == pytest.approx(run.answers(x), abs=1e-6)
    entry = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx").get_inputs()[0]
    assert (entry.name, entry.type, entry.shape) == ("pixels", "tensor(uint8)", ["batch", 1, 8, 8])


@pytest.mark.parametrize("layout", [None, Pixels((0.1, 0.2), (0.3, 0.4)), Tokens(100, pad=3, unknown=4)], ids=repr)
def test_what_a_network_takes_survives_its_file(tmp_path: Path, layout: Any) -> None:
    interface = Interface((2, 4, 4), 3, layout, 1.5, 2.5)
    interface.save(tmp_path)
    assert Interface.load(tmp_path) == interface


def test_a_value_that_is_large_beside_its_spread_keeps_its_digits(small_run: Path, tmp_path: Path) -> None:
    run = load_run(small_run)
    run.record.data |= {"task": "regression", "labels": []}
    network = nn.Sequential(nn.Linear(13, 1)).eval()
    far = TrainedRun(run.folder, run.settings, run.record, network, Interface((13,), 1, None, 1e9, 0.5))
    made = write.export_run(far, Rows(torch.randn(20, 13), None, "made"), tmp_path / "out", ["onnx", "torch"])
    assert max(made.files[name]["difference"] for name in ("model.onnx", "model.pt2")) < 1e-5


# --- what goes wrong ---------------------------------------------------------------------------------------------


def refused(*words: str) -> str:
    code, out, err = command("export", *words)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "run is missing"),
        (["run=x", "ouput=a"], "Did you mean 'output'"),
        (["run=x", "formats=[onx]"], "Did you mean 'onnx'"),
        (["run=x", "formats=[]"], "formats is empty"),
        (["run=nowhere"], "nowhere is no finished run"),
    ],
)
def test_wrong_words_are_named(words: list[str], message: str) -> None:
    assert message in refused(*words)


def test_broken_runs_are_refused(small_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    (copy / "inputs.json").write_text('{"schema": 1, "input_shape": 3}')
    assert "inputs.json is broken" in refused(f"run={copy}")
    (copy / "inputs.json").unlink()
    assert "has no inputs.json" in refused(f"run={copy}")
    shutil.copy(small_run / "inputs.json", copy)
    (copy / "outputs.npz").write_bytes(b"PK no array")
    assert "outputs.npz is broken" in refused(f"run={copy}")
    (copy / "checkpoints" / "best.ckpt").write_bytes(b"PK no checkpoint")
    assert "best.ckpt cannot be read" in refused(f"run={copy}")
    assert not (copy / "export").exists()


def test_data_that_is_gone_or_changed_is_named_with_the_way_out(table_run: Path, tmp_path: Path) -> None:
    source = Path(load_run(table_run).settings.data.path)
    kept = source.read_bytes()
    messy(50, seed=3).drop(columns=["解約", "amount"]).to_csv(tmp_path / "new.csv", index=False)
    output = f"output={tmp_path / 'out'}"
    try:
        source.write_bytes(kept.replace(b"K-00001", b"K-99999"))
        error = refused(f"run={table_run}", output)
        assert "data has changed" in error
        assert "rows=new.csv" in error
        source.unlink()
        error = refused(f"run={table_run}", output)
        assert str(source) in error
        assert "rows=new.csv" in error
        assert not (tmp_path / "out").exists()
        file = export(table_run, output, "formats=onnx", f"rows={tmp_path / 'new.csv'}")
    finally:
        source.write_bytes(kept)
    report = json.loads((file.parent / "export.json").read_text(encoding="utf-8"))
    assert report["files"]["model.onnx"]["difference"] < 1e-5
    assert report["files"]["model.onnx"]["difference_from_outputs"] is None
    assert sorted(path.name for path in file.parent.iterdir()) == ["export.json", "model.onnx", "preparation.json"]
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert f"rows={tmp_path / 'other.csv'} has no column" in refused(
        f"run={table_run}", f"rows={tmp_path / 'other.csv'}"
    )


def test_rows_of_a_file_are_for_tables(small_run: Path) -> None:
    assert "which is no table" in refused(f"run={small_run}", "rows=new.csv")


@pytest.mark.parametrize(("off", "format"), [(2e-4, "onnx"), (float("nan"), "torch")])
def test_a_model_that_answers_differently_is_refused_and_not_left_behind(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: float, format: str
) -> None:
    forward = write.Answering.forward
    monkeypatch.setattr(write.Answering, "forward", lambda self, x: forward(self, x) + off)
    error = refused(f"run={small_run}", f"output={tmp_path / 'out'}", f"formats={format}")
    assert "answers differently from the network" in error
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_converted_is_named(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write.Answering, "forward", lambda self, x: x if x.sum().item() > 0 else -x)
    assert "cannot be converted" in refused(f"run={small_run}", f"output={tmp_path / 'out'}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(f"run={small_run}", f"output={tmp_path / 'file'}")
    assert "there is no folder" in refused(f"run={small_run}", f"output={tmp_path / 'no' / 'out'}")

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    assert "No space left on device" in refused(f"run={small_run}", f"output={tmp_path / 'out'}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_the_packages_the_command_that_installs_them_is_named(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "onnxscript" else find(name, *a))
    assert "make setup EXTRAS=dev,export" in refused(f"run={small_run}")
    file = export(small_run, "formats=torch", f"output={tmp_path / 'out'}")
    assert file == tmp_path / "out" / "model.pt2"


def test_a_later_export_leaves_nothing_of_an_earlier_one(small_run: Path, tmp_path: Path) -> None:
    output = f"output={tmp_path / 'out'}"
    export(small_run, output)
    (tmp_path / "out" / "mine.txt").write_text("stays")
    export(small_run, output, "formats=[onnx]")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["export.json", "mine.txt", "model.onnx"]
    report = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    assert report["latency"] is None  # GELU learns nothing


# --- real data ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bert", "text_transformer"])
def test_texts_answer_alike_from_what_the_export_folder_holds(tmp_path: Path, model: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    messages(160).to_csv(tmp_path / "声.csv", index=False)
    words = [f"data.path={tmp_path / '声.csv'}", "data.text=本文", "data.target=評価", "data.vocabulary=300"]
    words += ["model.config={hidden_size:16}" if model == "bert" else "model.width=16", "data.batch_size=16"]
    run = train(tmp_path / "runs", "data=text", f"model={model}", "activation=sgblend", *words)
    file = export(run)
    report = json.loads((file.parent / "export.json").read_text(encoding="utf-8"))
    assert all(0 <= report["files"][name]["difference_from_outputs"] < 1e-5 for name in ("model.onnx", "model.pt2"))
    new = messages(20, seed=5)
    new.to_csv(tmp_path / "new.csv", index=False)
    expected = load_run(run).predict(new)  # type: ignore[attr-defined]
    how = json.loads((file.parent / "preparation.json").read_text(encoding="utf-8"))
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(how["tokenizer"]))
    tokenizer.enable_truncation(how["max_length"])
    for text, row in zip(new["本文"], expected, strict=True):
        tokens = torch.tensor([tokenizer.encode(text).ids])
        assert np.abs(asked(file, tokens, 1)[0] - row).max() < 1e-5


@pytest.mark.slow
def test_telco_answers_alike_from_raw_rows(datasets: Path, tmp_path: Path) -> None:
    source = next((datasets / "telco_churn").glob("*.csv"))
    words = [f"data.path={source}", "data.target=Churn", "activation=sgblend", "references=false"]
    run = train(tmp_path, "data=table", *words)
    file = export(run)
    check_against_outputs(file, run, real_rows(load_run(run)).x[:1400])
    with source.open(encoding="utf-8", newline="") as rows:
        raw = list(csv.DictReader(rows))[:500]
    code, out, err = command("predict", f"run={run}", f"input={source}", f"output={tmp_path / 's.csv'}")
    assert code == 0, err
    expected = pd.read_csv(out.splitlines()[-1]).filter(like="probability").to_numpy()[:500]
    assert np.abs(pd.DataFrame(say(file.parent, raw, tmp_path)).to_numpy() - expected).max() < 1e-5


@pytest.mark.slow
def test_mnist_answers_alike(datasets: Path, tmp_path: Path) -> None:
    small = ["model=cnn", "model.widths=[8,16]", "model.hidden=32", "trainer.max_epochs=1", "activation=sgblend"]
    run = train(tmp_path, "data=mnist", f"data.root={datasets / 'mnist'}", *small)
    file = export(run)
    prepared: Prepared = data.load(load_run(run).settings.data)
    check_against_outputs(file, run, prepared.parts["test"].x[:2000])
