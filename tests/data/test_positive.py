"""The positive class: typed, the sought side of a known pair, the rarer class, the second label."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptact import config, data
from adaptact.data.positive import KNOWN, choose
from adaptact.errors import ConfigError

ISSUE = """
yes/no true/false y/n 1/0 有/無 あり/なし はい/いいえ ○/×
ng/ok fail/pass failed/passed bad/good defect/ok defective/ok abnormal/normal anomaly/normal fraud/legit fraud/normal
churn/stay churned/retained default/paid positive/negative
不良/良 不良品/良品 不合格/合格 異常/正常 解約/継続 陽性/陰性 否/可
"""
MOSTLY = {0: np.array([0] * 9 + [1]), 1: np.array([1] * 9 + [0])}


@pytest.mark.parametrize("pair", ISSUE.split())
@pytest.mark.parametrize("common", [0, 1])
def test_the_sought_side_of_a_known_pair_is_found_whatever_is_rarer(pair: str, common: int) -> None:
    sought, other = pair.split("/")
    for labels in ([sought, other], [other, sought], [sought.upper(), other.title()]):
        found = choose(labels, MOSTLY[common])
        assert found is not None
        assert (found.label, found.by) == (labels[labels.index(found.label)], "pair")
        assert found.label.casefold() == sought
        assert found.number == labels.index(found.label)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["ＯＫ", "ＮＧ"], "ＮＧ"),
        (["0.0", "1.0"], "1.0"),
        (["〇", "✕"], "〇"),
        (["FALSE", "TRUE"], "TRUE"),
        (["benign", "malignant"], "malignant"),
    ],
)
def test_letters_of_another_width_or_sign_are_the_same_pair(labels: list[str], expected: str) -> None:
    found = choose(labels, MOSTLY[0])
    assert found is not None
    assert (found.label, found.by) == (expected, "pair")


@given(st.integers(1, 50), st.integers(1, 50))
def test_otherwise_the_rarer_class_is_and_the_second_of_equals(first: int, second: int) -> None:
    found = choose(["a", "b"], np.repeat([0, 1], [first, second]))
    assert found is not None
    assert found.label == ("a" if first < second else "b")
    assert found.by == ("order" if first == second else "rarer")
    assert found.is_guess
    assert found.share == pytest.approx((first if first < second else second) / (first + second))


@pytest.mark.parametrize("typed", ["OK", "ok", "ＯＫ"])
def test_what_is_typed_decides(typed: str) -> None:
    found = choose(["NG", "OK"], MOSTLY[0], typed)
    assert found is not None
    assert (found.label, found.other, found.number, found.by) == ("OK", "NG", 1, "typed")
    assert not found.is_guess


def test_what_is_no_label_or_has_not_two_classes_is_said() -> None:
    with pytest.raises(ConfigError, match=r"data\.positive=Ja is no label of 'y'; it has NG, OK"):
        choose(["NG", "OK"], MOSTLY[0], "Ja", "y")
    with pytest.raises(ConfigError, match="3 classes"):
        choose(["a", "b", "c"], np.array([0, 1, 2]), "a")
    with pytest.raises(ConfigError, match="a quantity"):
        choose([], np.array([0.5]), "a")
    assert choose(["a", "b", "c"], np.array([0, 1, 2])) is choose([], np.array([0.5])) is None


def test_no_pair_says_both_ways() -> None:
    pairs = {tuple(pair.split("/")) for pair in KNOWN.split()}
    assert not {(other, sought) for sought, other in pairs} & pairs
    assert set(ISSUE.split()) <= set(KNOWN.split())


def test_a_bundled_set_names_its_case_in_words() -> None:
    prepared = data.load(config.Bundled("breast_cancer"))
    assert prepared.positive is not None
    assert (prepared.positive.label, prepared.positive_number) == ("malignant", 0)
    assert prepared.positive.line() == ("to be found: malignant (37 % of the rows); data.positive=benign for the other")
    other = data.load(config.Bundled("breast_cancer", positive="benign"))
    assert other.positive_number == 1


def test_options_of_an_earlier_run_that_name_no_class_mean_the_second_label() -> None:
    prepared = data.load(config.Bundled("breast_cancer"), resumed=True)
    assert prepared.positive is not None
    assert (prepared.positive.label, prepared.positive.by) == ("benign", "earlier")
    assert "as when this run was trained" in prepared.positive.line()
