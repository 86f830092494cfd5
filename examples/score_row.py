"""Score raw rows with an exported model of a table: python score_row.py <export folder> row.json

row.json holds one row, as {"column": cell, ...}, or a list of rows. Needs onnxruntime and numpy, nothing else.
"""

import json
import math
import re
import sys
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import numpy as np
import onnxruntime

folder, source = map(Path, sys.argv[1:3])
how = json.loads((folder / "preparation.json").read_text(encoding="utf-8"))
signs = str.maketrans(how["number"]["signs"])


def text(cell):
    """A cell as one would have typed it, "" where it is missing."""
    whole = isinstance(cell, float) and cell.is_integer()
    typed = "" if cell is None else str(int(cell) if whole else cell).strip()
    return "" if typed in how["missing"] else typed


def number(cell, feature):
    """A cell as a number, NaN where it is missing or none."""
    typed = text(cell)
    try:
        if "part" in feature:
            day = datetime.strptime(typed, feature["format"])
            parts = {"month": day.month, "day": day.day, "weekday": day.weekday(), "hour": day.hour, "year": day.year}
            parts["days"] = (day - datetime(2000, 1, 1)) / timedelta(days=1)
            return parts[feature["part"]] if 1900 <= day.year <= 2100 else math.nan
        if isinstance(cell, str):
            typed = typed if re.fullmatch(how["number"]["pattern"], typed) else ""
            typed = "".join(unicodedata.normalize("NFKC", typed).split()).translate(signs)
            if re.fullmatch(how["number"]["grouped"][feature["decimal"]], typed):
                typed = typed.replace("," if feature["decimal"] == "." else ".", "")
            typed = typed.replace(feature["decimal"], ".")
        return float(typed) if math.isfinite(float(typed)) else math.nan
    except ValueError:
        return math.nan


def scaled(value, feature):
    """A number as the network takes it."""
    value = feature["median"] if math.isnan(value) else value
    if "mean" in feature:
        return (value - feature["mean"]) / feature["std"]
    known, levels = np.array(feature["quantiles"]), np.array(how["levels"])
    level = (np.interp(value, known, levels) - np.interp(-value, -known[::-1], -levels[::-1])) / 2
    level = 0 if value - 1e-7 < known[0] else 1 if value + 1e-7 > known[-1] else level
    return NormalDist().inv_cdf(min(max(level, 1e-7), 1 - 1e-7))


def inputs(row):
    """A raw row as the network's inputs."""
    for feature in how["features"]:
        cell = row[feature["column"]]
        if feature["kind"] == "category":
            yield feature["codes"].get(text(cell), feature["unknown"])
        else:
            value = number(cell, feature)
            yield math.isnan(value) if feature["kind"] == "flag" else scaled(value, feature)


rows = json.loads(source.read_text(encoding="utf-8"))
x = np.array([list(inputs(row)) for row in (rows if isinstance(rows, list) else [rows])], dtype=np.float32)
model = onnxruntime.InferenceSession(folder / "model.onnx")
labels = json.loads(model.get_modelmeta().custom_metadata_map["labels"])
for answer in model.run(None, {"features": x})[0].tolist():
    print(json.dumps(dict(zip(labels, answer)) if labels else answer, ensure_ascii=False))
