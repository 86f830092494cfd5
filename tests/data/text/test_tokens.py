"""Tokens: nothing is lost that the alphabet has, nothing is learned outside the training part, files run no code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from adaptact import config
from adaptact.data.table.reading import Format
from adaptact.data.text.tokens import (
    PAD,
    START,
    UNKNOWN,
    TextPreparation,
    normalized,
    read_tokenizer,
    train_tokenizer,
)
from adaptact.errors import DataError, UserError
from texts import messages

LETTERS = "abcABC 019.,!?信号が赤ったカタナーｱ　Ａ😀👨‍👩‍👧é\t\n[PAD]▁_"
texts = st.text(alphabet=LETTERS, max_size=40)


def fitted(training: list[str], **options: object) -> TextPreparation:
    made = config.Text(name="text", text=["t"], target="y", **{"vocabulary": 300, **options})  # type: ignore[arg-type]
    target = {"labels": ["a", "b"], "task": "classification", "center": 0.0, "scale": 1.0}
    return TextPreparation.fit(training, made, Format(), ["t"], **target)


@pytest.fixture(scope="module")
def known() -> TextPreparation:
    """Of a tokenizer that knows all of ``LETTERS``."""
    return fitted([LETTERS, LETTERS, *messages(50)["本文"]], max_length=200, vocabulary=600)


@given(texts)
def test_a_text_of_known_letters_comes_back_as_it_was_normalised(known: TextPreparation, text: str) -> None:
    tokens, cut = known.encode([text])
    assert not cut.any()
    assert known.decode(tokens[0]) == normalized(known.tokenizer, text)
    assert known.unknown not in tokens


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_text_gives_tokens_then_padding(known: TextPreparation, some: list[str]) -> None:
    tokens, _ = known.encode(some)
    assert tokens.shape == (len(some), 200)
    assert tokens.dtype == np.int32
    for row in tokens:
        length = int((row != known.pad).sum())
        assert length > 0
        assert (row[length:] == known.pad).all()
        assert row.max() < known.vocabulary
    for text, row in zip(some, tokens, strict=True):
        assert (known.encode([text])[0][0] == row).all()  # whatever stands beside it


def test_width_and_blanks_of_letters_make_no_difference(known: TextPreparation) -> None:
    plain, wide = known.encode(["ABC 赤信号 ア", " ＡＢＣ　赤信号\n ｱ "])[0]
    assert (plain == wide).all()


def test_names_of_special_tokens_in_a_text_are_text(known: TextPreparation) -> None:
    tokens = known.encode(["[PAD][PAD]a"])[0][0]
    assert known.decode(tokens) == "[PAD][PAD]a"
    assert known.layout.special == (2,)
    assert tokens[0] == known.tokenizer.token_to_id(START)


def test_letters_that_training_has_once_or_never_are_unknown() -> None:
    made = fitted(["赤い花", "赤い鳥", "白い花", "白い雪", "青い雪"])
    tokens = made.encode(["鳥", "雪", "海"])[0]
    assert [made.unknown in row for row in tokens] == [True, False, True]


def test_joined_words_become_one_token_and_scripts_stay_apart() -> None:
    pieces = fitted(["昨日パソコンを買った"] * 20).tokenizer.encode("昨日パソコンを買った").tokens
    assert "パソコン" in pieces
    assert not any("昨日パ" in piece or "ンを" in piece for piece in pieces)


def test_the_same_texts_give_the_same_tokens_in_another_process() -> None:
    code = (
        "from texts import messages; from adaptact.data.text.tokens import train_tokenizer; import hashlib\n"
        "made = train_tokenizer(list(messages(200)['本文']), 150).to_str()\n"
        "print(hashlib.sha256(made.encode()).hexdigest())"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed, "TOKENIZERS_PARALLELISM": parallel},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, parallel in (("1", "true"), ("2", "false"))
    }
    assert len(found) == 1


def test_long_texts_are_cut_and_counted() -> None:
    made = fitted(["aa bb cc dd"] * 3, max_length=4, vocabulary=40)
    tokens, cut = made.encode(["aa bb cc dd " * 3, "aa", ""])
    assert cut.tolist() == [True, False, False]
    assert (tokens[0] != made.pad).all()
    assert fitted(["aa " * 400] * 2).max_length == 256
    assert fitted(["aa bb", "aa"] * 2).max_length == len(fitted(["aa bb", "aa"] * 2).tokenizer.encode("aa bb"))


def test_a_vocabulary_smaller_than_the_alphabet_is_refused_with_one_that_does() -> None:
    many = ["".join(chr(0x4E00 + i) for i in range(500))] * 2
    with pytest.raises(DataError, match=r"vocabulary=100 is too small.*501 different letters.*data\.vocabulary=1002"):
        fitted(many, vocabulary=100)
    assert fitted(many, vocabulary=1002).vocabulary <= 1002


# --- kept with the run -------------------------------------------------------------------------------------------


def test_it_is_kept_without_pickles_and_says_the_same(known: TextPreparation, tmp_path: Path) -> None:
    known.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["texts.json", "tokenizer.json"]
    again = TextPreparation.load(tmp_path)
    some = [*messages(30, seed=3)["本文"], "", "[PAD]", "long " * 300]
    for one, other in zip(known.encode(some), again.encode(some), strict=True):
        assert (one == other).all()
    assert again.layout == known.layout
    assert again.labels == known.labels


@pytest.mark.parametrize("damage", ["missing", "json", "no tokenizer", "huge", "schema"])
def test_a_damaged_preparation_is_said_to_be_one(known: TextPreparation, tmp_path: Path, damage: str) -> None:
    known.save(tmp_path)
    tokenizer, plain = tmp_path / "tokenizer.json", tmp_path / "texts.json"
    if damage == "missing":
        tokenizer.unlink()
    elif damage == "json":
        tokenizer.write_text(tokenizer.read_text(encoding="utf-8")[:-200], encoding="utf-8")
    elif damage == "no tokenizer":
        tokenizer.write_text('{"model": {"type": "os.system"}}', encoding="utf-8")
    elif damage == "huge":
        plain.write_text(json.dumps(json.loads(plain.read_text()) | {"vocabulary": 10}), encoding="utf-8")
    else:
        plain.write_text(json.dumps(json.loads(plain.read_text()) | {"schema": 99}), encoding="utf-8")
    with pytest.raises(DataError, match="holds no preparation that can be read"):
        TextPreparation.load(tmp_path)


# --- pretrained --------------------------------------------------------------------------------------------------


def pretrained(folder: Path) -> Tokenizer:
    """A WordPiece tokenizer as BERT has one, its padding not the first number."""
    made = Tokenizer(models.WordPiece(unk_token="<<unk>>"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[SEP]", "[CLS]", "<<unk>>", "<<pad>>"]
    made.train_from_iterator(["the cat sat on the mat"] * 3, trainers.WordPieceTrainer(special_tokens=special))
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 0)]
    )
    folder.mkdir(exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<<pad>>"}))
    return made


def test_a_pretrained_tokenizer_keeps_its_numbers_and_its_marks(tmp_path: Path) -> None:
    own = pretrained(tmp_path / "own")
    made = fitted(["dog", "the cat sat"], tokenizer=str(tmp_path / "own"))
    tokens, cut = made.encode(["the cat", "the 犬", "the cat sat on the mat"])
    assert [n for n in tokens[0] if n != made.pad] == own.encode("the cat").ids
    assert (made.pad, made.unknown, made.layout.special) == (3, 2, (0, 1))
    assert made.unknown in tokens[1]
    assert cut.tolist() == [False, False, True]
    assert (tokens[2, 0], tokens[2, -1]) == (1, 0)  # the marks stay where the text is cut
    assert made.vocabulary == own.get_vocab_size()


def test_a_tokenizer_of_transformers_is_read(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pretrained(tmp_path / "own")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(tmp_path / "own" / "tokenizer.json"), pad_token="<<pad>>", unk_token="<<unk>>"
    )
    fast.save_pretrained(tmp_path / "saved")
    made = fitted(["the cat sat on the mat"], tokenizer=str(tmp_path / "saved"))
    some = ["the cat", "on the mat"]
    padded = fast(some, padding="max_length", max_length=made.max_length)["input_ids"]
    assert made.encode(some)[0].tolist() == padded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ("no json", "is no tokenizer that can be read"),
        ('{"version": "1.0", "model": {"type": "BPE"}}', "is no tokenizer that can be read"),
    ],
)
def test_an_unreadable_tokenizer_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_tokenizer(str(tmp_path))


def test_a_tokenizer_without_padding_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.WordLevel({"a": 0, UNKNOWN: 1}, unk_token=UNKNOWN)).save(str(tmp_path / "t.json"))
    with pytest.raises(DataError, match="no token for padding"):
        read_tokenizer(str(tmp_path / "t.json"))
    Tokenizer(models.WordLevel({"a": 0, PAD: 1}, unk_token=PAD)).save(str(tmp_path / "u.json"))
    with pytest.raises(DataError, match="no token for unknown"):
        read_tokenizer(str(tmp_path / "u.json"))


def test_without_the_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match="EXTRAS=dev,text"):
        train_tokenizer(["a"], 100)
