"""From words to a checked configuration.

``make <job> name=value ...``, ``adaptact <job> name=value ...`` and ``python -m adaptact <job> name=value ...`` are the
same. make's words come from the environment, with no shell in between. Values that are text (paths, column names) are
quoted for Hydra, whose grammar would refuse or split them; everything else is Hydra's own.
"""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from adaptact import config
from adaptact.errors import ConfigError, UserError, did_you_mean
from adaptact.records import conf_dir, read_config
from adaptact.schema import types_of

ALONE = {"report", "export", "benchmark", "shadow", "abtest", "monitor"}  # jobs that train nothing
MAKE_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")  # PYTHON=, TORCH_INDEX=: for the Makefile, not for the job


class Outcome(NamedTuple):
    """What came of one combination of a sweep."""

    settings: dict[str, Any]  # as composed, before any check
    folder: Path | None  # of the run; None where an error ended it
    error: str | None


# Hydra's own flags whose next word is a value
FLAGS_WITH_VALUE = {"--config-dir", "-cd", "--config-name", "-cn", "--cfg", "-c", "--package", "-p", "--info", "-i"}


def words_from_make(environment: Mapping[str, str]) -> list[str]:
    """The ``name=value`` words that were typed after ``make <job>``, in their order, exactly as typed.

    GNU make hands them on in MAKEFLAGS, last one first, after ``--``, with blanks and backslashes escaped by a
    backslash and dollars doubled.

    >>> words_from_make({"MAKEFLAGS": r"s -j2 -- data.target=解約 data.path=a\\ b,$$c.csv"})
    ['data.path=a b,$c.csv', 'data.target=解約']
    """
    words = re.findall(r"(?:\\.|[^ \t\n\\])+", environment.get("MAKEFLAGS", ""), flags=re.DOTALL)
    typed = words[words.index("--") + 1 :] if "--" in words else []
    plain = [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).replace("$$", "$") for word in reversed(typed)]
    return [word for word in plain if not MAKE_VARIABLE.match(word)]


def hydra_words(words: list[str], groups: dict[str, list[str]]) -> tuple[list[str], bool, list[str]]:
    """Words as Hydra takes them, whether they ask for several runs, and what is wrong with the words left out.

    Args:
        words: as typed.
        groups: the choices of each configuration group.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import OverrideParseException

    parser = OverridesParser.create()
    problems: list[str] = []
    flags: list[str] = []  # come first: Hydra takes no flag between two words
    result: list[str] = []
    several = False
    expects_value = False
    for word in words:
        if word.startswith("-") or expects_value:
            expects_value = word in FLAGS_WITH_VALUE
            flags.append(word)
            continue
        key, separator, value = word.partition("=")
        name = key.lstrip("+~")
        if not separator and not key.startswith("~"):
            problems.append(f"{word!r} is not of the form name=value")
            continue
        if name.startswith("hydra") or key.startswith("~"):
            result.append(word)
            continue
        if name in groups:
            choices = [c.strip() for c in value.split(",")]
            unknown = [c for c in choices if c not in groups[name] and not c.startswith(("choice(", "glob("))]
            if unknown and "(" not in value:
                problems += [f"{name}={c} is unknown. {did_you_mean(c, groups[name])}" for c in unknown]
                continue
            several |= len(choices) > 1 or "(" in value
            result.append(word)
            continue
        quoted = f"++{name}={_for_hydra(name, value)}"
        try:
            several |= parser.parse_override(quoted).is_sweep_override()
        except OverrideParseException:
            quoted = f"++{name}={_quote(value)}"
        result.append(quoted)
    return flags + result, several, problems


def _for_hydra(name: str, value: str) -> str:
    types = [str(t) for t in config.field_types(name)]
    if any(t.startswith("list[str]") for t in types):
        return value if value in {"null", "[]"} else f"[{','.join(map(_quote, _split(value)))}]"
    is_text = any(t in {"<class 'str'>", "str | None"} for t in types)
    if is_text and not (value == "null" and "str | None" in types) and name not in {"monitor"}:
        return _quote(value)
    return value


def _split(value: str) -> list[str]:
    """The items of ``[a, b c]`` or ``a,b c``; an item in quotes keeps its commas."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    items = re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]*)\s*(?:,|$)""", inner)
    return [item.strip() for item in items if item.strip()]


def _quote(text: str) -> str:
    """``text`` as a quoted value of Hydra's grammar that comes out as it went in, interpolations included."""
    from hydra.core.override_parser.types import Quote, QuotedString

    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]  # quoted by the user already
    return QuotedString(text.replace("${", "\\${"), Quote.single).with_quotes()


def group_choices(words: list[str]) -> dict[str, list[str]]:
    """Choices of every configuration group: the files of ``conf/`` and of a ``--config-dir`` of the user's."""
    groups: dict[str, list[str]] = {}
    for folder in conf_folders(words):
        for file in sorted(folder.glob("*/*.yaml")):
            groups.setdefault(file.parent.name, []).append(file.stem)
    return groups


def conf_folders(words: list[str]) -> list[Path]:
    folders = [conf_dir()]
    folders += [Path(words[i + 1]) for i, w in enumerate(words[:-1]) if w in {"--config-dir", "-cd"}]
    return folders + [Path(w.partition("=")[2]) for w in words if w.startswith("--config-dir=")]


def experiment_words(words: list[str]) -> list[str]:
    """The words under ``sweep:`` in the file of ``experiment=``, but for keys that were typed.

    They are words, not Hydra's own ``hydra.sweeper.params``, which would be multiplied with what is typed and not
    replaced by it.

    >>> experiment_words(["experiment=sensitivity", "activation.alpha=0.2", "activation_penalty=0"])
    ['optimizer.activation_lr_scale=1,10', 'activation.beta=0.5,1,1.702']
    """
    typed = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in words)}
    files = [folder / "experiment" / f"{typed.get('experiment')}.yaml" for folder in conf_folders(words)]
    file = next((file for file in files if file.is_file()), None)
    sweep = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("sweep", {}) if file else {}
    return [f"{key}={values}" for key, values in sweep.items() if key not in typed]


def resumed(words: list[str]) -> config.Config:
    """The configuration of the run folder named by ``resume=``, with the few changes that a resumed run may have.

    Nothing in the folder is executed; code of the user's own runs only if ``trust=`` is typed again.

    Raises:
        ConfigError, UserError: a word that may not change, a folder that is no run, a broken or foreign config.yaml.
    """
    typed = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    folder = Path(typed.pop("resume")).absolute()
    if not (folder / "config.yaml").is_file():
        raise UserError(f"resume={folder} is no run folder: it has no config.yaml")
    raw = read_config(folder)
    problems = [f"{word!r} is not of the form name=value" for word in words if "=" not in word]
    raw |= {"resume": str(folder), "trust": typed.pop("trust", None), "debug": typed.pop("debug", "false") == "true"}
    raw["follow_links"] = typed.pop("follow_links", "false") == "true"
    for key, value in typed.items():
        section, _, name = key.rpartition(".")
        if key == "logger":
            choices = group_choices([])["logger"]
            if value in choices:
                raw["logger"] = yaml.safe_load((conf_dir() / "logger" / f"{value}.yaml").read_text(encoding="utf-8"))
            else:
                problems.append(f"logger={value} is unknown. {did_you_mean(value, choices)}")
        elif key == "trainer.max_epochs" or section == "logger":
            raw.setdefault(section, {})[name] = yaml.safe_load(value)
        else:
            problems.append(f"{key} is fixed by the run: with resume= only trainer.max_epochs and loggers may change")
    try:
        return _checked(raw, problems)
    except ConfigError as error:
        raise ConfigError([f"resume={folder}: {problem}" for problem in error.problems]) from None


def run_job(
    job: str,
    words: list[str],
    task: Callable[[config.Config], Path | None],
    after_sweep: Callable[[list[Outcome]], None] = lambda outcomes: None,
) -> None:
    """Compose the configuration, check it, and give it to ``task``: once, or once per combination of a sweep."""
    if any(word.lstrip("+").startswith("resume=") and word.partition("=")[2] != "null" for word in words):
        task(resumed(words))
        return
    prepared, several, problems = hydra_words([*words, *experiment_words(words)], group_choices(words))
    if several and not {"-m", "--multirun"} & set(prepared):
        prepared.insert(0, "--multirun")
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    failures: list[Exception] = []
    outcomes: list[Outcome] = []

    def checked(composed: Any) -> None:
        # Hydra writes about an error by itself before it hands it on, and in a sweep drops it: keep them here.
        plain: dict[str, Any] = {}
        try:
            plain = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
            plain.pop("sweep", None)  # has become words
            outcomes.append(Outcome(plain, task(_checked(plain, problems)), None))
        except Exception as error:
            if several and str(error) not in map(str, failures):
                print(f"error: {error}", file=sys.stderr)
            failures.append(error)
            outcomes.append(Outcome(plain, None, str(error)))

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands errors of composition on; the message is ours
    sys.argv = [f"adaptact {job}", *prepared]
    try:
        with tempfile.TemporaryDirectory() as litter:  # a sweep leaves a multirun.yaml
            sys.argv += [f"hydra.sweep.dir={_quote(litter)}"] if several else []
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(checked)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([str(error).strip()]) from error
    if several:
        after_sweep(outcomes)
    bugs = [error for error in failures if not isinstance(error, UserError)]
    if bugs or (failures and not several):
        raise (bugs or failures)[0]
    if failures:
        raise UserError(f"{len(failures)} of {len(outcomes)} runs failed, with the messages above")


def compose(words: list[str]) -> config.Config:
    """One checked configuration from words, without running anything.

    Raises:
        ConfigError: with all problems; also words that ask for several runs.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    groups = group_choices(words)
    prepared, several, problems = hydra_words(words, groups)
    if several:
        problems.append("a comparison takes one value of each key: only activations and seeds are varied")
    own = [f"file://{folder.absolute()}" for folder in conf_folders(words)[1:]]
    overrides = [word for word in prepared if "=" in word and not word.startswith("-")]
    overrides += [f"hydra.searchpath=[{','.join(map(_quote, own))}]"] if own else []
    try:
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
            composed: Any = OmegaConf.to_container(hydra.compose("train", overrides), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([*problems, str(error).strip()]) from error
    composed.pop("sweep", None)
    return _checked(composed, problems)


def _checked(composed: Any, problems: list[str]) -> config.Config:
    """The configuration, or an error that has the problems of the words and those of the values together."""
    try:
        settings = config.from_dict(composed)
    except ConfigError as error:
        raise ConfigError(problems + error.problems) from None
    if problems:
        raise ConfigError(problems)
    return settings


def help_text(job: str) -> str:
    """Every key with its default and its meaning, from the schema; and the choices of every group."""
    lines = [f"{job}: name=value ...", "", "choices"]
    for group, choices in group_choices([]).items():
        lines.append(f"  {group}={'|'.join(choices)}")
    lines += ["", "keys"]
    for key, field, only in config.describe():
        if not key.endswith((".name", ".kind")):
            lines += _explained(key, field, only)
    return "\n".join(lines)


def help_of(job: str, options: type) -> str:
    """Every key that a job has beside those of the runs that it trains, if it does."""
    others = "" if job in ALONE else "; all other words go to its runs, see adaptact train --help"
    lines = [f"{job}: name=value ...{others}", "", "keys"]
    for field in dataclasses.fields(options):
        section = types_of(options)[field.name]
        if dataclasses.is_dataclass(section):
            for inner in dataclasses.fields(section):
                lines += _explained(f"{field.name}.{inner.name}", inner)
        else:
            lines += _explained(field.name, field)
    return "\n".join(lines)


def _explained(key: str, field: dataclasses.Field[Any], only: str = "") -> list[str]:
    default = field.default if field.default is not dataclasses.MISSING else []
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    shown = "null" if default is None else str(default).lower() if isinstance(default, bool) else default
    return [f"  {key}={shown}", f"      {field.metadata.get('help', '')}{f' [{only}]' if only else ''}"]
