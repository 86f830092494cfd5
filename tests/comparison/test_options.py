"""Words of a comparison: its own, and those of its runs."""

import pytest

from adaptact.comparison.options import read_words
from adaptact.errors import ConfigError


def test_the_defaults_are_those_that_the_documentation_names() -> None:
    options, rest = read_words([])
    assert options.activations == ["gelu", "relu", "silu", "swish", "sgblend"]
    assert options.seeds == list(range(8))
    assert options.compare.vary == ["split", "init", "order"]
    assert not options.compare.controls
    assert options.compare.max_latency_ratio is None
    assert rest == []


def test_seeds_are_a_number_or_a_list() -> None:
    assert read_words(["seeds=3"])[0].seeds == [0, 1, 2]
    assert read_words(["seeds=[3,5]"])[0].seeds == [3, 5]


def test_other_words_go_to_the_runs_as_they_were_typed() -> None:
    words = ["data=table", "data.path=a,b (1).csv", "data.target=解約", "compare.controls=true", "--config-dir", "mine"]
    options, rest = read_words(words)
    assert options.compare.controls
    assert rest == ["data=table", "data.path=a,b (1).csv", "data.target=解約", "--config-dir", "mine"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("activations=gelu", "fewer than two"),
        ("activation=gelu", "activations=a,b"),
        ("seed=1", "seeds=8"),
        ("data.fold=1", "all folds are run"),
        ("resume=x", "set by the comparison"),
        ("seeds=0", "seed"),
        ("seeds=1", "nothing about the spread"),
        ("seeds=[1,1]", "one seed twice"),
        ("seeds=[-1,2]", "at least 0"),
        ("seeds=many", "a whole number"),
        ("baseline=relu6", "none of the activations"),
        ("compare.metrik=auroc", "'metric'"),
        ("compare.metric=auc", "'auroc'"),
        ("compare.metric=val/auroc", "taken on test rows"),
        ("compare.margin=-1", "above 0"),
        ("compare.error=0.7", "below 0.5"),
        ("compare.vary=[split,dropout]", "dropout"),
        ("compare.vary=[]", "all runs of an arm would be the same"),
        ("compare.backend=dask", "loky"),
        ("compare.workers=0", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_words([word])
    assert message in "\n".join(caught.value.problems)


def test_all_problems_are_said_together() -> None:
    with pytest.raises(ConfigError) as caught:
        read_words(["seeds=many", "compare.margin=-1", "activation=gelu"])
    assert len(caught.value.problems) == 3
