"""Check a run folder of the main job: python .ci/check_run.py <run folder>."""

import json
import sys
from pathlib import Path

import jsonschema

from adaptact.records import SCHEMA_FILE

folder = Path(sys.argv[1])
expected = [
    "config.yaml",
    "environment.json",
    "metrics.csv",
    "result.json",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
]
missing = [name for name in expected if not (folder / name).is_file()]
assert not missing, f"{folder} lacks {missing}"
assert list((folder / "tensorboard").glob("events*")), "no event files"
record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
assert record["status"] == "finished", record["reason"]
assert record["metrics"]["test"]["accuracy"] > 0.9, record["metrics"]["test"]
assert all("alpha" in layer for layer in record["layers"])
print(f"{folder.name}: test accuracy {record['metrics']['test']['accuracy']:.4f}")
