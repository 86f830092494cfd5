"""Makes the synthetic maintenance tables beside this file, byte for byte the same every time.

    .venv/bin/python data/sample/make_sample.py [folder]

A fleet of machines wears out, is serviced and breaks down, week by week. README.md beside this file says what the
columns are and which traps are built in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20231009
FIRST_WEEK = pd.Timestamp("2023-10-09")
WEEKS, NEXT_WEEKS = 65, 13  # of machines.csv, of machines_next_quarter.csv
AHEAD = 4  # weeks that count as "within 30 days"
OLD_MACHINES, NEW_MACHINES = 120, 14  # the new ones, of a model never seen before, come with the next quarter
INSPECTED = 0.385  # share of the machines inspected in a week
RECALIBRATED = 6.0  # degrees that the temperature sensors show more from the next quarter on
MODELS = ["KV-8", "KV-8S", "MX-200", "MX-300", "TR 50"]
MODEL_HEAT = np.array([0.0, 3.0, -3.0, 1.0, 4.0, 2.0])  # the last one is the new model's
NEW_MODEL = "MX-400"
SITES = ["Kitakyushu", "Nagoya", "Osaka", "浜松"]
QUIET = [
    *[
        "ok",
        "OK",
        "no findings",
        "異常なし",
        "点検済み",
        "cleaned",
        "清掃済み",
        "greased",
        "給油済み",
        "filter changed",
    ],
    *["フィルター交換", "see last week", "前回と同じ", "running smoothly", "運転良好", "dust on cover", "カバーに埃"],
    *["checked, ok; next week again", "定期点検"],
]
SHAKY = ["loud", "異音あり", "rattles a bit", "振動大きめ", "bearing noise?", "ベアリング要確認", "shakes, 要観察"]
HOT = ["hot to the touch", "高温注意", "warm, 冷却水 checked", "fan is slow", "ファン要清掃"]


@dataclass(frozen=True)
class Fleet:
    """What does not change: per machine its model, site, and the luck it was built with."""

    model: np.ndarray
    site: np.ndarray
    frailty: np.ndarray  # hidden: why a split by rows is kinder than one by machines
    heat: np.ndarray
    shake: np.ndarray
    hours: np.ndarray
    hours_per_week: np.ndarray
    interval: np.ndarray  # planned days between two services

    @classmethod
    def draw(cls, random: np.random.Generator) -> Fleet:
        n = OLD_MACHINES + NEW_MACHINES
        is_new = np.arange(n) >= OLD_MACHINES
        return cls(
            model=np.where(is_new, len(MODELS), random.integers(len(MODELS), size=n)),
            site=random.integers(len(SITES), size=n),
            frailty=random.normal(0, 1.0, n),
            heat=random.normal(0, 4, n),
            shake=random.normal(0, 0.25, n),
            hours=np.where(is_new, 0, random.integers(500, 40_000, n)),
            hours_per_week=random.integers(60, 150, n),
            interval=random.integers(18, 45, n) * 7,
        )


def simulate(fleet: Fleet, random: np.random.Generator) -> pd.DataFrame:
    """Every machine in every week: true readings, and whether it broke down in that week."""
    n, weeks = len(fleet.model), WEEKS + NEXT_WEEKS + AHEAD
    days = random.integers(0, 180, n)  # since the last service
    warmth, wobble = np.zeros(n), np.zeros(n)
    rows = []
    for week in range(weeks):
        warmth = 0.95 * warmth + random.normal(0, 1.2, n)  # readings wander slowly
        wobble = 0.95 * wobble + random.normal(0, 0.1, n)
        season = 3 * np.sin(2 * np.pi * (week - 28) / 52)  # the first week is in October
        temperature = 62 + MODEL_HEAT[fleet.model] + fleet.heat + warmth + season
        vibration = np.exp(0.75 + fleet.shake + wobble + days / 500)
        pressure = 4.6 - 0.003 * days + random.normal(0, 0.25, n)
        # Vibration harms only a machine that is hot and long without service; the fleet grows older all the while.
        hot, overdue = _soft((temperature - 62) / 1.0), _soft((days - 85) / 10)
        strain = 6.5 * hot * overdue * _soft((vibration - 2.3) / 0.2) + 1.5 * (pressure < 3.7) * (vibration > 2.5)
        breaks = random.random(n) < _soft(-5.9 + strain + 1.1 * fleet.frailty + 0.006 * week)
        rows.append(
            pd.DataFrame(
                {
                    "week": week,
                    "machine": np.arange(n),
                    "hours": fleet.hours + week * fleet.hours_per_week,
                    "temperature": temperature,
                    "vibration": vibration,
                    "pressure": pressure,
                    "days": days,
                    "breaks": breaks,
                    "cost": np.round(np.exp(random.normal(4.6, 0.7, n))) * 1000,  # yen, if it breaks
                }
            )
        )
        days = np.where(breaks | (days + 7 > fleet.interval), random.integers(0, 7, n), days + 7)
    return pd.concat(rows, ignore_index=True)


def inspect(history: pd.DataFrame, fleet: Fleet, random: np.random.Generator) -> pd.DataFrame:
    """What the inspectors write down: some weeks of each machine, and what became of it afterwards."""
    by_machine = history.groupby("machine")
    later = pd.concat([by_machine["breaks"].shift(-ahead, fill_value=False) for ahead in range(AHEAD)], axis=1)
    costs = (history["cost"] * history["breaks"]).groupby(history["machine"])
    cost = pd.concat([costs.shift(-ahead, fill_value=0.0) for ahead in range(AHEAD)], axis=1).sum(axis=1)
    fails = later.any(axis=1)
    is_new = history["machine"] >= OLD_MACHINES
    seen = (random.random(len(history)) < INSPECTED) & (history["week"] < WEEKS + NEXT_WEEKS)
    seen &= ~is_new | (history["week"] >= WEEKS)
    rows = history[seen].assign(fails=fails, cost=cost).reset_index(drop=True)

    n, machine, following = len(rows), rows["machine"].to_numpy(), rows["week"] >= WEEKS
    names = np.array([*MODELS, NEW_MODEL])[fleet.model[machine]]
    site = pd.Series(np.array(SITES)[fleet.site[machine]])
    stray = random.random(n)
    site = site.mask(stray < 0.03, " " + site).mask(stray > 0.96, site + " ")
    blank = random.random(n) < np.where(rows["fails"], 0.16, 0.045)  # the gauge drops out when trouble is near
    unknown = np.zeros(n, dtype=bool)
    unknown[random.choice(np.flatnonzero(~following), 9, replace=False)] = True
    noise = random.normal(0, 0.5, n)
    table = {
        "inspection_id": [f"INS-{number:05d}" for number in range(1, n + 1)],
        "inspection date": (FIRST_WEEK + pd.to_timedelta(rows["week"] * 7 + machine % 5, unit="D")),
        "machine.id": [f"M{number + 1:03d}" for number in machine],
        "model": names,
        "site": site,
        "plant": "JP-01",
        "operating hours [h]": rows["hours"],
        "temperature [°C]": _decimals(rows["temperature"] + noise + RECALIBRATED * following, 1).str.replace(".", ","),
        "振動[mm/s]": _decimals(rows["vibration"], 2).str.replace(".", ","),
        "oil pressure (bar)": _decimals(rows["pressure"], 2).mask(blank, ""),
        "days since last service": rows["days"],
        "remark": _remarks(rows, random),
        "repair cost": rows["cost"].astype(int).astype(str).mask(unknown, ""),
        "failure_within_30_days": pd.Series(np.where(rows["fails"], "yes", "no")).mask(unknown, ""),
    }
    return pd.DataFrame(table)


def _remarks(rows: pd.DataFrame, random: np.random.Generator) -> list[str]:
    """Remarks follow what can be heard and felt, not what comes later; a third is left blank."""
    pool = np.where(rows["vibration"] > 3.2, 1, np.where(rows["temperature"] > 69, 2, 0))
    pool = np.where(random.random(len(rows)) < 0.5, 0, pool)
    remarks = [random.choice((QUIET, SHAKY, HOT)[number]) for number in pool]
    return [remark if kept else "" for remark, kept in zip(remarks, random.random(len(rows)) > 0.33, strict=True)]


def _soft(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _decimals(values: pd.Series, digits: int) -> pd.Series:
    return values.map(lambda value: f"{value:.{digits}f}")


def main(folder: Path) -> None:
    random = np.random.default_rng(SEED)
    fleet = Fleet.draw(random)
    table = inspect(simulate(fleet, random), fleet, random).sort_values("inspection date", kind="stable")
    table["inspection_id"] = sorted(table["inspection_id"])
    following = table["inspection date"] >= FIRST_WEEK + pd.Timedelta(weeks=WEEKS)
    table["inspection date"] = table["inspection date"].dt.strftime("%Y/%m/%d")
    twice = table[~following].sample(15, random_state=random)  # entered twice by mistake
    first = pd.concat([table[~following], twice]).sort_values("inspection_id", kind="stable")
    for name, part in (("machines", first), ("machines_next_quarter", table[following])):
        part.to_csv(folder / f"{name}.csv", sep=";", index=False, encoding="utf-8-sig", lineterminator="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
