"""From texts to tokens: a BPE tokenizer learned on the training part, or a pretrained one. Needs the extra 'text'."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd

from adaptact import config, files
from adaptact.data.table.cell_values import texts as as_texts
from adaptact.data.table.profile import Watched
from adaptact.data.table.reading import CHUNK_ROWS, Format, PreparationFile
from adaptact.data.table.roles import Column, Roles
from adaptact.data.table.scoring import frames_of
from adaptact.data.tally import Tally
from adaptact.data.text.files import FILE, unlabelled
from adaptact.errors import DataError, UserError
from adaptact.layouts import MOST, Token, Tokens
from adaptact.shapes import Between

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

SCHEMA = 1
RECIPE_SCHEMA = 1
LONGEST = 256  # tokens of a text, unless data.max_length says otherwise
PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"  # numbers 0, 1 and 2 of a tokenizer of ours
SPACE = "▁"
COVERED = 0.95  # of the letters of the training texts, at least, must be in the vocabulary
MOST_AT_ONCE = 10_000
# what a pretrained tokenizer calls them where it does not say, in the order in which they are looked for
PADS = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")
UNKNOWNS = ("[UNK]", "<unk>", "[MASK]", "<mask>", "<|endoftext|>")


class _Texts(PreparationFile):
    """``texts.json``."""

    columns: Annotated[list[str], Between(1, 1000)]
    max_length: Annotated[int, Between(1, 100_000)]
    vocabulary: Annotated[int, Between(2, MOST)]
    pad: Token
    unknown: Token
    special: list[Token]


@dataclass
class TextPreparation:
    """Texts to rows of tokens of one length: (rows, max_length) in int32, padded on the right.

    Args:
        columns: of the texts, joined in this order.
        max_length: tokens after which a text is cut.
    """

    tokenizer: Tokenizer
    columns: list[str]
    target: str
    labels: list[str]
    task: str
    center: float
    scale: float
    form: Format
    max_length: int
    vocabulary: int
    pad: int
    unknown: int
    special: list[int]

    @classmethod
    def fit(
        cls, texts: Sequence[str], options: config.Text, form: Format, columns: list[str], **target: Any
    ) -> TextPreparation:
        """Learn from the training texts; ``target``: labels, task, center, scale.

        Raises:
            DataError: a vocabulary that is too small for these texts, a pretrained tokenizer that cannot be read.
        """
        if options.tokenizer is None:
            tokenizer, pad, unknown = train_tokenizer(texts, options.vocabulary), 0, 1
        else:
            tokenizer, pad, unknown = read_tokenizer(options.tokenizer)
        numbers = tokenizer.get_vocab(with_added_tokens=True)
        longest = max((len(found) for found in _encoded(tokenizer, texts)), default=1)
        special = {numbers[word] for word in special_words(tokenizer) if word in numbers} - {pad, unknown}
        made = cls(
            tokenizer,
            list(columns),
            options.target,
            form=form,
            max_length=min(longest, LONGEST) if options.max_length is None else options.max_length,
            vocabulary=max(numbers.values()) + 1,
            pad=pad,
            unknown=unknown,
            special=sorted(special),
            **target,
        )
        return made._ready()

    def _ready(self) -> TextPreparation:
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.encode_special_tokens = True  # "[PAD]" typed in a text is a text
        return self

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of shape (rows, max_length) in int32, and which texts were cut (rows,).

        A text without any token, as an empty one, is one unknown token.
        """
        tokens = np.full((len(texts), self.max_length), self.pad, dtype=np.int32)
        cut = np.zeros(len(texts), dtype=bool)
        for row, found in enumerate(_encoded(self.tokenizer, texts)):
            kept = [number for number in found.ids if number != self.pad][: self.max_length] or [self.unknown]
            tokens[row, : len(kept)] = kept
            cut[row] = bool(found.overflowing)
        return tokens, cut

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of a row of tokens, as far as they keep it."""
        return str(self.tokenizer.decode([int(token) for token in tokens if token != self.pad]))

    def transform(self, frame: pd.DataFrame) -> torch.Tensor:
        """(rows, max_length) in int32 from the cells of a table."""
        import torch

        return torch.from_numpy(self.encode(joined(frame, self.columns))[0])

    @property
    def layout(self) -> Tokens:
        return Tokens(self.vocabulary, self.pad, self.unknown, tuple(self.special))

    @property
    def width(self) -> int:
        """Tokens of a row."""
        return self.max_length

    @property
    def roles(self) -> Roles:
        """What a file to be scored may have: the texts, and the name of the file that each came from."""
        names = [] if FILE in self.columns else [Column(FILE, "identifier")]
        return Roles([Column(name, "text") for name in self.columns] + names)

    def recipe(self) -> dict[str, Any]:
        """How a text becomes tokens, as plain values: ``preparation.json`` of an export.

        Returns:
            "columns": of a row, joined in this order by a line break; "max_length": tokens after which a text is cut;
            "pad" and "unknown": their numbers; "tokenizer": the content of a tokenizer.json of the library tokenizers.
        """
        return {
            "schema": RECIPE_SCHEMA,
            "kind": "text",
            "columns": self.columns,
            "max_length": self.max_length,
            "pad": self.pad,
            "unknown": self.unknown,
            "tokenizer": json.loads(self.tokenizer.to_str()),
        }

    def chunks(self, source: str, options: config.Rows, key: str) -> Iterator[pd.DataFrame]:
        """Read a table, or a folder of .txt files, in pieces."""
        if Path(source).is_dir():
            return unlabelled(source, self.columns[0], CHUNK_ROWS)
        return frames_of(source, options, self.roles, key)

    def look_at(self, frame: pd.DataFrame, source: str, tally: Tally) -> None:
        """Note texts that lose something as tokens."""
        texts = joined(frame, self.columns)
        tokens, cut = self.encode(texts)
        tally.texts[f"are longer than {self.max_length} tokens and were cut"] += int(cut.sum())
        tally.texts["are empty"] += sum(not text.strip() for text in texts)
        unknown = int((tokens == self.unknown).any(axis=1).sum())
        tally.texts["have letters or words that the tokenizer does not know"] += unknown

    @property
    def watched(self) -> list[Watched]:
        """None: texts are held against earlier ones by what can be measured on tokens."""
        return []

    @property
    def time_column(self) -> None:
        return None

    @property
    def needed(self) -> list[str]:
        """The columns without which a file cannot be scored."""
        return self.columns

    def save(self, folder: Path) -> None:
        """``tokenizer.json`` and ``texts.json``: nothing in them is executed when loaded."""
        folder.mkdir(exist_ok=True)
        files.write_text(folder / "tokenizer.json", self.tokenizer.to_str(pretty=True))
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "tokenizer"}
        plain["form"] = dataclasses.asdict(self.form)
        files.write_json(folder / "texts.json", {"schema": SCHEMA, **plain})

    @classmethod
    def load(cls, folder: Path) -> TextPreparation:
        """The inverse of :meth:`save`.

        Raises:
            DataError: a file that is missing, damaged or of another schema.
            UserError: the package tokenizers is not installed.
        """
        try:
            plain = files.read_json(folder / "texts.json", _Texts)
            if plain.pop("schema") != SCHEMA:
                raise ValueError("it is of another version of adaptact; train again")
            content = files.read_text(folder / "tokenizer.json")
            made = cls(_parsed(content), **plain)
            if max(made.tokenizer.get_vocab(with_added_tokens=True).values()) >= made.vocabulary:
                raise ValueError("its tokenizer has another vocabulary")
            return made._ready()
        except UserError:
            raise
        except Exception as error:
            raise DataError(f"{folder} holds no preparation that can be read: {error}") from None


def joined(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The texts of some columns, one below the other; blank cells leave nothing."""
    cells = [as_texts(frame[name]).astype(object).where(frame[name].notna(), "").tolist() for name in columns]
    return ["\n".join(filter(None, row)) for row in zip(*cells, strict=True)]


def library() -> Any:
    """The package tokenizers.

    Raises:
        UserError: it is not installed.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # else it warns where a process is forked later
    try:
        import tokenizers
    except ImportError:
        raise UserError(
            "data=text needs the package tokenizers, which is not installed: make setup EXTRAS=dev,text"
        ) from None
    return tokenizers


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterable[Any]:
    for first in range(0, len(texts), MOST_AT_ONCE):
        yield from tokenizer.encode_batch([legible(text) for text in texts[first : first + MOST_AT_ONCE]])


def legible(text: str) -> str:
    """Without halves of surrogate pairs, which are no text: a broken file has some."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


# --- a tokenizer of one's own ------------------------------------------------------------------------------------


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016) of letters, with [CLS] before each text.

    Texts are normalised by NFKC: full-width letters are the plain ones. A token is part of one run of blanks and
    letters, or of one script where Japanese is written without blanks, and never crosses a mark. Letters that occur
    once are unknown, so that it is learned what an unknown letter means.

    Raises:
        DataError: a vocabulary that is too small for the letters of these texts.
    """
    tk = library()
    tokenizer = tk.Tokenizer(tk.models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = tk.normalizers.Sequence(
        [
            tk.normalizers.NFKC(),
            tk.normalizers.Replace(tk.Regex(rf"[\s{SPACE}]+"), " "),
            tk.normalizers.Strip(),
        ]
    )
    scripts = r"\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+"
    tokenizer.pre_tokenizer = tk.pre_tokenizers.Sequence(
        [
            tk.pre_tokenizers.Metaspace(SPACE, prepend_scheme="always"),
            tk.pre_tokenizers.Punctuation("isolated"),
            tk.pre_tokenizers.Digits(individual_digits=True),
            tk.pre_tokenizers.Split(tk.Regex(scripts), "isolated"),
        ]
    )
    tokenizer.decoder = tk.decoders.Metaspace(SPACE, prepend_scheme="always")
    texts = [legible(text) for text in texts]
    letters = Counter(letter for text in texts for letter in normalized(tokenizer, text))
    letters[SPACE] += len(texts)
    often = sorted((letter for letter, count in letters.items() if count > 1), key=lambda a: (-letters[a], a))
    kept = often[: vocabulary - 3]
    if sum(letters[letter] for letter in kept) < COVERED * sum(letters[letter] for letter in often):
        raise DataError(
            f"data.vocabulary={vocabulary} is too small: the training texts have {len(often)} different letters, and a "
            f"token of two letters or more needs room too; set data.vocabulary={max(1000, 2 * len(often))}"
        )
    trainer = tk.trainers.BpeTrainer(
        vocab_size=max(vocabulary, len(kept) + 3),
        min_frequency=2,
        special_tokens=[PAD, UNKNOWN, START],
        initial_alphabet=kept,  # of letters that are equally rare the library would keep some by chance
        limit_alphabet=len(kept),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = tk.processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    return tokenizer


def normalized(tokenizer: Tokenizer, text: str) -> str:
    """A text as its tokens keep it where all its letters are known."""
    return str(tokenizer.normalizer.normalize_str(legible(text))) if tokenizer.normalizer else text


# --- a pretrained one --------------------------------------------------------------------------------------------


def read_tokenizer(path: str) -> tuple[Tokenizer, int, int]:
    """A tokenizer.json, or a folder that has one, and the numbers of its padding and its unknown token.

    Raises:
        DataError: no such file, one that is no tokenizer, or one without these tokens.
    """
    file = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise DataError(
            f"data.tokenizer={path}: there is no file {file}; save a fast tokenizer there (save_pretrained of "
            "transformers writes tokenizer.json)"
        )
    try:
        content = files.read_text(file)
        tokenizer = _parsed(content)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        names = _said(file) | _said_inside(files.parse_json(content))
        numbers = tokenizer.get_vocab(with_added_tokens=True)
    except UserError:
        raise
    except Exception as error:
        raise DataError(
            f"data.tokenizer={path} is no tokenizer that can be read: {' '.join(str(error).split())[:200]}"
        ) from None
    pad = next((numbers[n] for n in (names.get("pad_token"), *PADS) if n in numbers), None)
    unknown = next(
        (numbers[n] for n in (names.get("unk_token"), *UNKNOWNS) if n in numbers and numbers[n] != pad), None
    )
    if pad is None or unknown is None:
        lacking = "padding" if pad is None else "unknown pieces of a text"
        raise DataError(f"data.tokenizer={path} has no token for {lacking}: add one, or leave data.tokenizer out")
    return tokenizer, pad, unknown


def _parsed(content: str) -> Tokenizer:
    tk = library()
    try:
        return tk.Tokenizer.from_str(content)
    except BaseException as error:  # the library panics over some broken files, which is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise ValueError(str(error)) from None


def _said(file: Path) -> dict[str, str]:
    """Names of special tokens by the files that transformers writes beside a tokenizer."""
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        beside = file.parent / name
        if beside.is_file():
            for key, value in files.read_json(beside).items():
                word = value.get("content") if isinstance(value, dict) else value
                if key in {"pad_token", "unk_token"} and isinstance(word, str):
                    found[key] = word
    return found


def _said_inside(plain: dict[str, Any]) -> dict[str, str]:
    padding, model = plain.get("padding") or {}, plain.get("model") or {}
    found = {"pad_token": padding.get("pad_token"), "unk_token": model.get("unk_token")}
    if isinstance(model.get("unk_id"), int):  # of a unigram model, whose vocabulary is a list
        found["unk_token"] = model["vocab"][model["unk_id"]][0]
    return {key: word for key, word in found.items() if isinstance(word, str)}


def special_words(tokenizer: Tokenizer) -> list[str]:
    return [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
