"""Every job once as a person starts it: a process of its own, whose last line on stdout is a path that is there."""

from pathlib import Path

import pytest

from adaptact.__main__ import JOBS
from commands import command, start

OPENS_A_SERVER = {"tensorboard"}
WITHOUT_A_PATH = {"inspect"}
SHORT = ["trainer.max_epochs=1", "references=false", "data.batch_size=16", "model.widths=[8]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A table with dates, two runs on it, and a comparison."""
    folder = tmp_path_factory.mktemp("made")
    rows = [
        f"id{n},2025-{n % 12 + 1:02}-{n % 28 + 1:02},{n * 13 % 11},{'yes' if n % 7 > 3 else 'no'}" for n in range(300)
    ]
    (folder / "sheet.csv").write_text("\n".join(["case,date,a,bought", *rows]), encoding="utf-8")
    found = {"sheet": folder / "sheet.csv", "folder": folder}
    table = ["data=table", f"data.path={found['sheet']}", "data.target=bought", *SHORT]
    for name in ("relu", "sgblend"):
        done = command("train", *table, f"activation={name}", f"output_dir={folder / 'train'}")
        assert done.returncode == 0, done.stderr
        found[name] = Path(done.stdout.splitlines()[-1])
    words = ["activations=relu,gelu", "seeds=2", "data=wine", *SHORT, "compare.cost=[]", f"output_dir={folder}"]
    done = command("compare", *words, "name=compared")
    assert done.returncode == 0, done.stderr
    return found


def words_of(job: str, made: dict[str, Path], out: Path) -> list[str]:
    sheet, old, new = made["sheet"], made["relu"], made["sgblend"]
    table = ["data=table", f"data.path={sheet}", "data.target=bought", *SHORT]
    plan = ["data.time=date", "windows=3", "activations=relu", "seeds=1"]
    return {
        "train": [*table, f"output_dir={out}"],
        "compare": ["activations=relu,gelu", "seeds=2", "data=wine", *SHORT, "compare.cost=[]", f"output_dir={out}"],
        "report": ["name=compared", f"output_dir={made['folder']}"],
        "tune": ["activations=relu", "trials=2", "space=[optimizer.lr]", "data=wine", *SHORT, f"output_dir={out}"],
        "backtest": [*table, *plan, f"output_dir={out}"],
        "check-data": [*table[:3], f"output_dir={out}"],
        "inspect": ["model=mlp", "data=wine"],
        "predict": [f"run={old}", f"input={sheet}", f"output={out / 'scored.csv'}"],
        "export": [f"run={old}", f"output={out / 'export'}"],
        "shadow": [f"runs={old},{new}", f"input={sheet}", f"output_dir={out}"],
        "abtest": ["step=assign", f"input={sheet}", "identifier=case", f"output={out / 'a.csv'}", f"output_dir={out}"],
        "monitor": [f"run={old}", f"input={sheet}", f"output_dir={out}"],
        "benchmark": ["groups=[kernels]", "tiny=true", f"output_dir={out}"],
    }[job]


@pytest.mark.slow
@pytest.mark.parametrize("job", [job for job in JOBS if job not in OPENS_A_SERVER])
def test_a_job_as_a_person_starts_it(job: str, made: dict[str, Path], tmp_path: Path) -> None:
    done = start(job, *words_of(job, made, tmp_path))
    assert done.returncode in ({0, 3, 4} if job == "monitor" else {0}), done.stderr
    assert "Traceback" not in done.stderr
    if job not in WITHOUT_A_PATH:
        assert Path(done.stdout.splitlines()[-1]).exists(), done.stdout
