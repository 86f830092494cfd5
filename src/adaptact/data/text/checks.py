"""Can texts be learned from? What ``checking`` says of a table, for texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.findings import INFO, WARNING, Finding, by_level
from adaptact.data.table.checks import LEAK_SCORE, class_balance, few_rows, histogram, report_of_rows
from adaptact.data.table.profile import PSI_LARGE, profile_column, psi
from adaptact.data.table.roles import Column
from adaptact.data.table.table import KEYS, Raw
from adaptact.data.text import text
from adaptact.data.text.tokens import joined

NGRAMS = (2, 4)  # letters of a snippet that may give the answer away
LEAK_ROWS = 4_000
SEEN_IN = 0.01  # of the training texts, at least, to be looked at
MANY, SOME = 0.05, 0.01  # share of texts from which on a finding is a warning; of the worse ones
REPLACEMENT = "\ufffd"
LENGTH = Column("length", "numeric")


def findings(raw: Raw, options: config.Text) -> list[Finding]:
    """All findings that need no tokens, the severe ones first."""
    options = text.located(options)
    texts = {part: joined(raw.frames[part], options.text) for part in KEYS}
    found = [*few_rows(raw), *class_balance(raw), *_empty(texts), *_broken(texts), *_copies(texts, raw)]
    found += [*_letters(texts), *_leaks(texts, raw), *_drift(texts)]
    return by_level(found)


def report(raw: Raw, options: config.Text) -> dict[str, Any]:
    """``data_report.json``: as that of a table; a text column has the histogram of its lengths in letters.

    Raises:
        DataError: texts that cannot be made tokens.
    """
    options = text.located(options)
    prepared = text.prepare(raw, options)
    found = by_level([*findings(raw, options), *_cut(raw, options, prepared)])
    whole = pd.concat(raw.frames.values(), ignore_index=True)
    return report_of_rows(
        raw, options, found, [_column(name, whole[name], raw) for name in options.text], prepared.notes
    )


def _column(name: str, cells: pd.Series, raw: Raw) -> dict[str, Any]:
    lengths = _lengths(cells.dropna())
    parts = {part: _lengths(raw.frames[part][name].dropna()) for part in KEYS}
    return {
        "name": name,
        "role": "text",
        "missing_share": float(cells.isna().mean()),
        "distinct": int(cells.nunique()),
        "score_alone": None,
        "psi": psi(profile_column(parts["train"], LENGTH), parts["test"], LENGTH),
        **histogram(lengths.to_numpy()),
    }


def _lengths(cells: pd.Series | list[str]) -> pd.Series:
    return pd.Series([len(str(cell)) for cell in cells], dtype=np.float64)


# --- the parts ---------------------------------------------------------------------------------------------------


def _share(kind: str, count: int, rows: int, what: str, advice: str) -> list[Finding]:
    """A finding about so many of all texts; a remark where they are few."""
    if not count:
        return []
    level = WARNING if count > MANY * rows else INFO
    return [Finding(kind, None, f"{count} of {rows:,} texts ({count / rows:.1%}) {what}", advice, level)]


def _empty(texts: dict[str, list[str]]) -> list[Finding]:
    every = [one for part in texts.values() for one in part]
    count = sum(not one.strip() for one in every)
    return _share("empty", count, len(every), "are empty", "leave them out, unless an empty text means something")


def _broken(texts: dict[str, list[str]]) -> list[Finding]:
    """Letters that were lost, or read in a wrong encoding."""
    every = [one for part in texts.values() for one in part]
    broken = [one for one in every if REPLACEMENT in one or any(map(_misread, re.findall(r"[^\x00-\x7f]{2,}", one)))]
    if not broken:
        return []
    detail = f"{len(broken)} of {len(every):,} texts have broken letters, as in {_shown(broken[0])}"
    advice = "the file was saved or read in a wrong encoding: export it again as UTF-8, or set data.encoding"
    return [Finding("encoding", None, detail, advice, WARNING if len(broken) > SOME * len(every) else INFO)]


def _misread(run: str) -> bool:
    """Whether letters beyond ASCII are UTF-8 that was read as cp1252 or as cp932."""
    for encoding in ("cp1252", "cp932"):
        try:
            again = run.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if again != run:
            return True
    return False


def _shown(one: str) -> str:
    return repr(one if len(one) <= 60 else one[:57] + "...")


def _copies(texts: dict[str, list[str]], raw: Raw) -> list[Finding]:
    """Equal texts: within the data, over files of their own, with different labels."""
    every = pd.Series([text.bare(one) for part in KEYS for one in texts[part]])
    y = pd.Series(np.concatenate([raw.y[part] for part in KEYS]))
    parts = pd.Series(np.repeat(np.arange(len(KEYS)), [len(texts[part]) for part in KEYS]))
    found = []
    spare = int(every.duplicated().sum())
    advice = "equal ones stand in the same part of the split; remove them if they are copies by mistake"
    found += _share("duplicate", spare, len(every), "repeat another one", advice)
    several = parts.groupby(every).nunique()
    straddling = int(every.isin(several.index[several > 1]).sum())
    if straddling:
        detail = f"{straddling} texts stand in more than one of the given files"
        found.append(Finding("duplicate", None, detail, "remove from the training file what is in the test file"))
    if raw.task == "classification":
        labels = y.groupby(every).agg(["nunique", "size"])
        count = int(labels.loc[labels["nunique"] > 1, "size"].sum())
        if count:
            detail = f"{count} texts ({count / len(y):.1%}) also stand there with another label"
            level = WARNING if count > SOME * len(y) else INFO
            found.append(Finding("label_noise", None, detail, "no model can tell these apart: check the labels", level))
    return found


def _letters(texts: dict[str, list[str]]) -> list[Finding]:
    """Letters of validation and test texts that no training text has."""
    known = set(unicodedata.normalize("NFKC", "".join(texts["train"])))
    unseen: Counter[str] = Counter()
    count = 0
    later = [one for part in ("val", "test") for one in texts[part]]
    for one in later:
        new = sorted(set(unicodedata.normalize("NFKC", one)) - known)
        unseen.update(new)
        count += bool(new)
    if not count:
        return []
    shown = ", ".join(repr(letter) for letter, _ in unseen.most_common(5))
    what = f"of the validation and test part have letters that no training text has, as {shown}"
    return _share("letters", count, len(later), what, "they count as unknown; more training texts would help")


def _leaks(texts: dict[str, list[str]], raw: Raw) -> list[Finding]:
    """A snippet of a few letters that tells a class nearly alone, on validation texts too."""
    from sklearn.feature_extraction.text import CountVectorizer

    if raw.task == "regression":
        return []
    take = {part: np.random.default_rng(0).permutation(len(raw.y[part]))[:LEAK_ROWS] for part in ("train", "val")}
    some = {part: [text.bare(texts[part][row]) for row in rows] for part, rows in take.items()}
    y = {part: raw.y[part][rows] for part, rows in take.items()}
    counter = CountVectorizer(
        analyzer="char", ngram_range=NGRAMS, binary=True, lowercase=False, min_df=max(2, int(SEEN_IN * len(y["train"])))
    )
    try:
        seen = {"train": counter.fit_transform(some["train"]), "val": counter.transform(some["val"])}
    except ValueError:  # no snippet is in two texts
        return []
    found = []
    snippets = counter.get_feature_names_out()
    for number, label in enumerate(raw.labels):
        scores = {part: _separation(seen[part], y[part] == number) for part in seen}
        both = np.minimum(scores["train"], scores["val"])
        best = max(np.flatnonzero(both == both.max()), key=lambda place: len(snippets[place].strip()))
        score = both[best]
        if score >= LEAK_SCORE:
            snippet = str(snippets[best])
            detail = f"{snippet!r} alone tells the class {label!r} with AUROC {score:.3f} on texts that were not seen"
            advice = "do the texts contain the answer, as a mark that was added afterwards? If so, take it out"
            found.append(Finding("leak", None, detail, advice))
            if len(raw.labels) == 2:  # the same snippet tells the other one
                break
    return found


def _separation(seen: Any, own: np.ndarray) -> np.ndarray:
    """Per snippet the AUROC of its presence or absence, whichever is higher; 0 where a class is absent."""
    if own.all() or not own.any():
        return np.zeros(seen.shape[1])
    inside, outside = (np.asarray(seen[which].mean(axis=0)).ravel() for which in (own, ~own))
    return (1 + np.abs(inside - outside)) / 2


def _drift(texts: dict[str, list[str]]) -> list[Finding]:
    train, test = _lengths(texts["train"]), _lengths(texts["test"])
    value = psi(profile_column(train, LENGTH), test, LENGTH)
    slack = 10 * (1 / max(1, len(train)) + 1 / max(1, len(test)))
    if value is None or value < PSI_LARGE + 2 * slack:
        return []
    detail = (
        f"test texts have another length than training texts: PSI {value:.2f}, median {test.median():.0f} and "
        f"{train.median():.0f} letters"
    )
    advice = "ask what changed; a model learns the past, so test on the latest rows (data.time) before you trust it"
    return [Finding("drift", None, detail, advice)]


def _cut(raw: Raw, options: config.Text, prepared: Any) -> list[Finding]:
    cut = {part: prepared.preparation.encode(prepared.texts[part])[1] for part in KEYS}
    line = text.cut_note(cut, prepared.preparation.max_length)
    if not line:
        return []
    detail, _, advice = line.partition("; ")
    share = np.concatenate(list(cut.values())).mean()
    return [Finding("truncated", None, detail, advice, WARNING if share > MANY else INFO)]
