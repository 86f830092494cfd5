"""Small sets of Japanese and other texts for the tests: the class of a text is one that a few words tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

OPENINGS = ("昨日", "今朝", "先週の金曜日に", "新しい", "注文した", "ＡＢＣ社の", "届いた", "友人が買った")
THINGS = ("荷物", "パソコン", "冷蔵庫", "コーヒーメーカー", "本", "椅子", "🎁ギフト")
GOOD = ("はとても良かったです。", "に満足しています！", "をまた買いたいと思います。", "は最高でした😀")
BAD = ("は壊れていました。", "が届きません。", "を返品したいのですが。", "は最悪でした…")


def messages(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """Columns 番号, 本文 and 評価 (良い or 悪い); some texts have several sentences, so that lengths differ."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(rows):
        endings, label = (GOOD, "良い") if draw.random() < 0.5 else (BAD, "悪い")
        sentences = int(draw.integers(1, 5))
        parts = ["".join([draw.choice(OPENINGS), draw.choice(THINGS), draw.choice(endings)]) for _ in range(sentences)]
        texts.append("".join(parts) + f"({number})")
        labels.append(label)
    return pd.DataFrame({"番号": [f"M-{i}" for i in range(rows)], "本文": texts, "評価": labels})


def text_config(path: Path, **changes: Any) -> dict[str, Any]:
    """A plain configuration of a small run on :func:`messages`."""
    data = {"name": "text", "path": str(path), "text": "本文", "target": "評価", "batch_size": 16, "vocabulary": 400}
    return {
        "activation": {"name": "sgblend", "kind": "sgblend"},
        "model": {"name": "text_transformer", "width": 16, "n_blocks": 1, "n_heads": 2, "dropout": 0.1},
        "data": data | changes,
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        "logger": {"tensorboard": False},
        "optimizer": {"lr": 3e-3},
        "output_dir": str(path.parent / "runs"),
    }


def write_folder(root: Path, frame: pd.DataFrame, encoding: str = "utf-8") -> Path:
    """A subfolder of .txt files per class; what the encoding cannot write is left out."""
    for number, row in enumerate(frame.itertuples()):
        folder = root / row.評価
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03d}.txt").write_bytes(row.本文.encode(encoding, "ignore"))
    return root
