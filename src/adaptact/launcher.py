"""From words to a checked configuration.

``make <job> name=value ...``, ``adaptact <job> name=value ...`` and ``python -m adaptact <job> name=value ...`` are the
same. make's words come from the environment, with no shell in between. Values that are text (paths, column names) are
quoted for Hydra, whose grammar would refuse or split them; everything else is Hydra's own.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from adaptact import config
from adaptact.errors import ConfigError, UserError, did_you_mean
from adaptact.files import parse_yaml, read_yaml
from adaptact.records import CONFIG_FILE, conf_dir, read_config
from adaptact.schema import types_of
from adaptact.shapes import repr_short
from adaptact.words import Flags, prepare, split_flags

ALONE = {"report", "predict", "export", "benchmark", "shadow", "abtest", "monitor"}  # jobs that train nothing
# Count only where they are typed: a file that somebody sent must not say what may be trusted or written through.
TYPED_ONLY: dict[str, Any] = {"trust": None, "follow_links": False, "resume": None}
OF_ARMS = {"logger": "logger=none"}  # a run of many needs no dashboard of its own; typed words win


class Outcome(NamedTuple):
    """What came of one combination of a sweep."""

    settings: dict[str, Any]  # as composed, before any check
    folder: Path | None  # of the run; None where an error ended it
    error: str | None


def group_choices(config_dir: Path | None = None) -> dict[str, list[str]]:
    """Choices of every configuration group: the files of ``conf/`` and of a ``--config-dir`` of the user's."""
    groups: dict[str, list[str]] = {}
    for folder in [conf_dir(), *([config_dir] if config_dir else [])]:
        for file in sorted(folder.glob("*/*.yaml")):
            if file.parent.name != "hydra":
                groups.setdefault(file.parent.name, []).append(file.stem)
    return groups


def experiment_words(words: list[str], config_dir: Path | None = None) -> list[str]:
    """The words under ``sweep:`` in the file of ``experiment=``, but for keys that were typed.

    They are words, not Hydra's own ``hydra.sweeper.params``, which would be multiplied with what is typed and not
    replaced by it.

    Raises:
        UserError: a key that counts only where it is typed, or a file that cannot be read.

    >>> experiment_words(["experiment=sensitivity", "activation.alpha=0.2", "activation_penalty=0"])
    ['optimizer.activation_lr_scale=1,10', 'activation.beta=0.5,1,1.702']
    """
    typed = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in words)}
    name = f"{typed.get('experiment')}.yaml"
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    listed = (file for folder in folders for file in (folder / "experiment").glob("*.yaml"))
    file = next((file for file in listed if file.name == name), None)
    sweep = (read_yaml(file, dict | None) or {}).get("sweep") or {} if file else {}
    if not isinstance(sweep, dict):
        raise UserError(f"{file}: sweep must hold keys with their values, as in seed: 0,1,2")
    for key in map(str, sweep):
        if key in TYPED_ONLY or not re.fullmatch(r"(?!hydra\b)[A-Za-z_][\w.]*", key, flags=re.ASCII):
            raise UserError(f"{file}: {key!r} does not count below sweep: type it")
    return [f"{key}={values}" for key, values in sweep.items() if key not in typed]


def resumed(words: list[str]) -> config.Config:
    """The configuration of the run folder named by ``resume=``, with the few changes that a resumed run may have.

    Nothing in the folder is executed; code of the user's own runs only if ``trust=`` is typed again.

    Raises:
        ConfigError, UserError: a word that may not change, a folder that is no run, a broken or foreign config.yaml.
    """
    typed = dict(word.lstrip("+").split("=", 1) for word in words if "=" in word)
    folder = Path(typed.pop("resume")).absolute()
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"resume={folder} is no run folder: it has no config.yaml")
    raw = read_config(folder)
    problems = [f"{word!r} is not of the form name=value" for word in words if "=" not in word]
    raw |= {"resume": str(folder), "trust": typed.pop("trust", None), "debug": typed.pop("debug", "false") == "true"}
    raw["follow_links"] = typed.pop("follow_links", "false") == "true"
    for key, value in typed.items():
        section, _, name = key.rpartition(".")
        if key == "logger":
            choices, names = group_choices()["logger"], value.removeprefix("[").removesuffix("]").split(",")
            unknown = [name for name in names if name not in choices]
            problems += [f"logger={name} is unknown. {did_you_mean(name, choices)}" for name in unknown]
            raw["logger"] = {}
            for name in names if not unknown else ():
                raw["logger"] |= read_yaml(conf_dir() / "logger" / f"{name}.yaml", dict)
        elif key == "trainer.max_epochs" or section == "logger":
            try:
                raw[section] = {**(raw.get(section) or {}), name: parse_yaml(value)}
            except (ValueError, TypeError) as error:
                problems.append(f"{key}={value} cannot be read: {error}")
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
    flags, typed = _flags(words)
    if flags.version:
        from importlib.metadata import version

        print(f"adaptact {version('adaptact')}, hydra-core {version('hydra-core')}")
        return
    prepared = prepare([*typed, *experiment_words(typed, flags.folder)], group_choices(flags.folder))
    from adaptact import hydra_guard

    if flags.cfg is not None or flags.info is not None:
        if prepared.problems:
            raise ConfigError(prepared.problems)
        hydra_guard.show(job, flags, prepared)
        return
    several = prepared.several or flags.multirun or any(word.endswith("hydra.mode=MULTIRUN") for word in typed)
    failures: list[Exception] = []
    outcomes: list[Outcome] = []

    def checked(composed: Any) -> None:
        # Hydra drops the errors of a sweep: keep them here.
        plain: dict[str, Any] = {}
        try:
            plain = _plain(composed, typed)
            outcomes.append(Outcome(plain, task(_checked(plain, prepared.problems)), None))
        except Exception as error:
            if several and str(error) not in map(str, failures):
                print(f"error: {error}", file=sys.stderr)
            failures.append(error)
            outcomes.append(Outcome(plain, None, str(error)))

    try:
        hydra_guard.run(job, flags.folder, prepared, checked, several=several)
    except ConfigError as error:
        raise ConfigError(prepared.problems + error.problems) from error
    if several:
        after_sweep(outcomes)
    bugs = [error for error in failures if not isinstance(error, UserError)]
    if bugs or (failures and not several):
        raise (bugs or failures)[0]
    if failures:
        raise UserError(f"{len(failures)} of {len(outcomes)} runs failed, with the messages above")


def compose(words: list[str], changes: Mapping[str, Any] | None = None) -> config.Config:
    """One checked configuration from words, without running anything.

    Args:
        changes: options as nested plain values, which win over those of the words.

    Raises:
        ConfigError: with all problems; also words that ask for several runs.
    """
    flags, typed = _flags(words)
    prepared = prepare(typed, group_choices(flags.folder))
    if flags != Flags(config_dir=flags.config_dir):
        raise ConfigError(["of the flags, this job takes --config-dir alone; the others are for adaptact train"])
    if prepared.several:
        prepared.problems.append("a comparison takes one value of each key: only activations and seeds are varied")
        raise ConfigError(prepared.problems)
    from adaptact import hydra_guard

    try:
        plain = _merged(_plain(hydra_guard.compose(flags.folder, prepared), typed), changes or {})
    except ConfigError as error:
        raise ConfigError(prepared.problems + error.problems) from error
    return _checked(plain, prepared.problems)


def _merged(plain: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``plain`` with ``changes`` in sections that both have."""
    merged = dict(plain)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(plain.get(key), Mapping)
        merged[key] = {**plain[key], **value} if both else value
    return merged


def compose_arms(
    activations: Sequence[str], rest: Sequence[str], changes: Mapping[str, Any] | None = None
) -> dict[str, config.Config]:
    """A checked configuration per activation.

    Args:
        changes: as of :func:`compose`.

    Raises:
        ConfigError: with the problems of all arms, each once.
    """
    typed = {*(word.lstrip("+").partition("=")[0] for word in rest), *(changes or {})}
    words = [*rest, *(word for key, word in OF_ARMS.items() if key not in typed)]
    found: dict[str, config.Config] = {}
    problems: list[str] = []
    for activation in dict.fromkeys(activations):
        try:
            found[activation] = compose([*words, f"activation={activation}"], changes)
            found[activation].references = False  # once per split, not once per run
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    return found


def _flags(words: list[str]) -> tuple[Flags, list[str]]:
    """Flags and all other words.

    Raises:
        ConfigError: flags that are not taken, or that do not go together.
    """
    flags, rest, problems = split_flags(words)
    if flags.folder is not None and not flags.folder.is_dir():
        problems.append(f"--config-dir={flags.folder} is no folder")
    if sum([flags.multirun, flags.cfg is not None, flags.info is not None]) > 1:
        problems.append("of -m, --cfg and --info, give one")
    if flags.cfg is None and (flags.resolve or flags.package is not None):
        problems.append("--resolve and --package go with --cfg")
    if problems:
        raise ConfigError(problems)
    return flags, rest


def _plain(composed: Any, typed: list[str]) -> dict[str, Any]:
    """Plain values, with interpolations resolved; what counts only where it is typed is taken from the words.

    Raises:
        ConfigError: an interpolation that leads nowhere.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain: Any = OmegaConf.to_container(composed, resolve=True)
    except (OmegaConfBaseException, RecursionError, ValueError, TypeError) as error:
        where = getattr(error, "full_key", None)
        reason = str(error).strip().split("\n", maxsplit=1)[0] or "values refer to themselves"
        raise ConfigError([f"{where}: {reason}" if where else reason]) from error
    plain.pop("sweep", None)  # has become words
    said = {key.lstrip("+"): value for key, separator, value in (word.partition("=") for word in typed) if separator}
    for key, default in TYPED_ONLY.items():
        if key in said:
            plain[key] = None if said[key] == "null" else said[key] if key == "trust" else plain.get(key)
        elif plain.get(key, default) != default:
            value = repr_short(plain[key])
            print(f"note: {key}: {value} in a file counts for nothing; if you mean it, type {key}=", file=sys.stderr)
            plain[key] = default
    return plain  # type: ignore[no-any-return]


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
    for group, choices in group_choices().items():
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
