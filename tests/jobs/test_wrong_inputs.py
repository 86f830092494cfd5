"""The table of docs/wrong_inputs.md, run."""

from pathlib import Path

import pytest

from commands import command
from wrong_inputs import CASES, Wrong, answer, prepare


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_a_wrong_input_is_one_message_and_nothing_is_written(tmp_path: Path, case: Wrong) -> None:
    prepare(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, message, _, stdout = answer(case, tmp_path, command)
    assert code == 2
    assert case.expected in message
    assert message.startswith("error: ")
    assert "Traceback" not in message
    assert stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_there_are_at_least_forty() -> None:
    assert len({case.words for case in CASES}) >= 40
