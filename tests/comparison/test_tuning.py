"""Equal tuning: as many trials for every arm, the shipped settings first, a journal that goes on."""

from pathlib import Path

import pytest

from adaptact.comparison.tuning import SPACE, Study, defaults_of, read_tuned, read_words, write_tuned
from adaptact.errors import ConfigError, UserError
from plans import settings_of

DEFAULTS = {"optimizer.lr": 1e-3, "model.dropout": 0.1}


def study(folder: Path, mode: str = "max") -> Study:
    pytest.importorskip("optuna")
    return Study(folder / "journal.log", "gelu", mode, list(SPACE), DEFAULTS)


def test_the_shipped_settings_are_tried_first_and_the_best_is_kept(tmp_path: Path) -> None:
    mine = study(tmp_path)
    number, first = mine.ask()
    assert first == DEFAULTS
    mine.tell(number, 0.9)
    for value in (0.8, 0.95, 0.7):
        number, found = mine.ask()
        assert all(SPACE[key][0] <= v <= SPACE[key][1] for key, v in found.items())
        mine.tell(number, value)
    assert mine.ended == 4
    assert mine.best[1] == 0.95
    again = study(tmp_path)  # another process
    assert (again.ended, again.best) == (4, mine.best)


def test_a_trial_that_was_cut_off_is_tried_again(tmp_path: Path) -> None:
    mine = study(tmp_path)
    _, cut_off = mine.ask()
    again = study(tmp_path)
    assert again.ended == 0
    assert again.ask()[1] == cut_off


def test_an_error_is_minimised(tmp_path: Path) -> None:
    mine = study(tmp_path, "min")
    for value in (3.0, 1.0, 2.0):
        number, _ = mine.ask()
        mine.tell(number, value)
    assert mine.best[1] == 1.0


def test_only_what_learns_has_a_learning_rate_of_its_own() -> None:
    assert "optimizer.activation_lr_scale" not in defaults_of(settings_of("gelu"), adaptive=False)
    assert defaults_of(settings_of("sgblend"), adaptive=True)["optimizer.activation_lr_scale"] == 10.0


def test_what_was_found_is_read_and_what_is_foreign_is_refused(tmp_path: Path) -> None:
    write_tuned(tmp_path, {"gelu": {"optimizer.lr": 0.01}, "silu": {}}, 4)
    assert read_tuned(tmp_path, ["gelu", "silu"])["gelu"] == {"optimizer.lr": 0.01}
    with pytest.raises(UserError, match="no settings of relu"):
        read_tuned(tmp_path, ["gelu", "relu"])
    with pytest.raises(UserError, match=r"tuned\.yaml"):
        read_tuned(tmp_path / "nowhere", ["gelu"])
    write_tuned(tmp_path, {"gelu": {"trust": 1.0}}, 4)
    with pytest.raises(UserError, match="none of the keys"):
        read_tuned(tmp_path, ["gelu"])
    (tmp_path / "tuned.yaml").write_text("- 1", encoding="utf-8")
    with pytest.raises(UserError, match="broken"):
        read_tuned(tmp_path, ["gelu"])


@pytest.mark.parametrize(
    ("word", "message"), [("trials=1", "at least 2"), ("space=[lr]", "optimizer.lr"), ("seed=1", "seeds=8")]
)
def test_words_that_cannot_be(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_words([word])
    assert message in str(caught.value)
