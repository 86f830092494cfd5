"""Hydra as the product uses it: files of ``--config-dir`` are checked when read, the result before it is used.

Hydra makes an instance of every ``_target_`` below its own key ``hydra``. So what stands there must be what the
product's own files and typed words say; files from elsewhere may add a few plain values and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from adaptact.config.defaults import defaults_of
from adaptact.errors import ConfigError, UserError
from adaptact.files import MOST_YAML_BYTES, named, parse_yaml, read_text
from adaptact.records import conf_dir
from adaptact.shapes import repr_short
from adaptact.words import Flags, Prepared, quote

PRIMARY = "train"  # the file of conf/ that everything starts from
FROM_FILES = re.compile(
    r"hydra\.(run\.dir|sweep\.(dir|subdir)|verbose|job\.config\.override_dirname\.[a-z_]+|sweeper\.params(\.[^_].*)?)"
)
BY_HYDRA = re.compile(r"hydra\.(runtime\..*|job\.(override_dirname|config_name|num|id))")  # filled in by Hydra itself
WAY_OUT = (
    "what stands below hydra can run code. Files may set hydra.run.dir, hydra.sweep.dir, hydra.sweep.subdir, "
    "hydra.verbose and hydra.sweeper.params; a launcher or sweeper is typed: hydra/launcher=<name>"
)


class FilledSource(FileConfigSource):
    """A folder of configuration files, each completed with the defaults of the schema when Hydra reads it.

    So files hold only what departs from the defaults, and interpolations, ``--cfg`` and overrides see every key.
    """

    @staticmethod
    def scheme() -> str:
        return "filled"

    def load_config(self, config_path: str) -> ConfigResult:
        result = super().load_config(config_path)
        return dataclasses.replace(result, config=_filled(config_path, result.header.get("package"), result.config))


class CheckedSource(FileConfigSource):
    """A folder of configuration files from elsewhere. Each is checked at the moment that Hydra reads it."""

    @staticmethod
    def scheme() -> str:
        return "adaptact"

    def load_config(self, config_path: str) -> ConfigResult:
        folder = Path(self.path)
        file = folder / self._normalize_file_name(config_path)
        if not file.is_file():
            raise ConfigLoadError(f"Config not found : {file}")
        if ".." in Path(config_path).parts:
            raise UserError(f"{file} lies outside of {folder}: copy it there")
        with named(file):
            text = read_text(file, MOST_YAML_BYTES)
            plain = parse_yaml(text)
            header = FileConfigSource._get_header_dict(text[:512])
            if problem := _problem(config_path, header.get("package") or "", plain):
                raise UserError(f"{file}: {problem}")
            loaded: Any = OmegaConf.load(io.StringIO(text))  # with Hydra's reading of numbers, 1e-3 being one
            loaded = _filled(config_path, header.get("package"), loaded)
        return ConfigResult(config=loaded, path=self.full_path(), provider=self.provider, header=header)


def _filled(config_path: str, package: str | None, loaded: Any) -> Any:
    """A file's options with the schema's defaults for what it leaves out, unless another file of its group fills it."""
    group, _, name = config_path.removesuffix(".yaml").rpartition("/")
    if package == "_global_" or not isinstance(loaded, DictConfig) or (not group and name != PRIMARY):
        return loaded
    parents = [str(entry) for entry in loaded.get("defaults") or []]
    if group and any(not parent.startswith(("_self_", "{'override")) for parent in parents):
        return loaded
    filled = OmegaConf.create(defaults_of(group, {str(key): loaded._get_node(key) for key in loaded}))
    return OmegaConf.merge(filled, loaded)


def _problem(config_path: str, package: str, plain: Any) -> str | None:
    """The reason why a file of ``--config-dir`` is refused; None where it is taken."""
    if Path(config_path).parts[:1] == ("hydra",):
        return f"a folder of the name hydra; {WAY_OUT}"
    if "hydra" in package.split("."):
        return f"its package is {package}; {WAY_OUT}"
    if plain is None:
        return None
    if not isinstance(plain, dict):
        return "it holds no keys"
    for entry in plain.get("defaults") or []:
        said = str(entry)
        if re.search(r"\bhydra\b", said) or ".." in said:
            return f"{repr_short(entry)} in its defaults list; {WAY_OUT}"
    for key, value in _leaves(plain["hydra"], "hydra") if "hydra" in plain else ():
        if not _is_harmless(key, value):
            return f"it sets {key}; {WAY_OUT}"
    return None


def _leaves(plain: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every value at the end of a path, with its path; empty mappings and lists are values."""
    if isinstance(plain, (dict, list)) and plain:
        items = plain.items() if isinstance(plain, dict) else enumerate(plain)
        for key, value in items:
            yield from _leaves(value, f"{prefix}.{key}")
    else:
        yield prefix, plain


def _is_harmless(key: str, value: Any) -> bool:
    if not FROM_FILES.fullmatch(key) or re.search(r"\._", key):
        return False
    plain = value in ({}, []) or isinstance(value, (str, int, float, type(None)))
    return plain and not (key.startswith("hydra.sweeper") and "${" in str(value))


class CheckedLoader(ConfigLoaderImpl):  # type: ignore[misc]
    """Compose configurations whose part about Hydra itself comes from the product and from typed words.

    Every configuration passes here, that of each run of a sweep too.

    Args:
        config_dir: folder of files from elsewhere.
        typed: the words about Hydra that were typed, checked before.
    """

    def __init__(self, config_dir: Path | None, typed: list[str]) -> None:
        version.setbase("1.3")
        plugins = Plugins.instance()
        for source in (FilledSource, CheckedSource):
            if source not in plugins.discover(source):
                plugins.register(source)
        own, with_files = (create_config_search_path(f"{FilledSource.scheme()}://{conf_dir()}") for _ in range(2))
        assert isinstance(with_files, ConfigSearchPathImpl)
        if config_dir is not None:
            path = f"{CheckedSource.scheme()}://{config_dir.absolute()}"
            with_files.prepend(provider="command-line", path=path, anchor=SearchPathQuery(provider="schema"))
        super().__init__(with_files)
        self.config_dir = config_dir
        self.typed = typed
        self.reference = None if config_dir is None else ConfigLoaderImpl(own)  # words alone have been checked
        self.expected: dict[str, Any] | None = None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Compose, and refuse what would make Hydra run code that nobody has typed.

        Raises:
            ConfigError, UserError: what cannot be composed, and what is refused.
        """
        try:
            if self.reference is not None and self.expected is None:
                self.expected = dict(_hydra_leaves(self.reference.load_configuration(PRIMARY, self.typed, run_mode)))
            composed = super().load_configuration(
                config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )
        except UserError:
            raise
        except Exception as error:  # of third-party code that does nothing but read words and files
            raise ConfigError([_said(error)]) from error
        if self.expected is not None:
            self._compare(dict(_hydra_leaves(composed)), self.expected, len(overrides))
        return composed

    def _compare(self, found: dict[str, Any], expected: dict[str, Any], n_words: int) -> None:
        words = {"hydra.overrides.task", *(f"hydra.overrides.task.{index}" for index in range(n_words))}
        changed = {key for key in {*found, *expected} if found.get(key) != expected.get(key)} - words
        for key in sorted(changed, key=len, reverse=True):
            if not _is_harmless(key, found.get(key)):
                raise ConfigError([f"a file below {self.config_dir} changes {key}: {WAY_OUT}"])


def _hydra_leaves(composed: DictConfig) -> Iterator[tuple[str, Any]]:
    plain = OmegaConf.to_container(composed.hydra, resolve=False, throw_on_missing=False)
    return ((key, value) for key, value in _leaves(plain, "hydra") if not BY_HYDRA.fullmatch(key))


def _said(error: BaseException) -> str:
    """Hydra's message without its link to a page about its grammar, and the cause where it keeps that to itself."""
    if isinstance(error, RecursionError):
        return "words or files are nested too deeply, or refer to themselves"
    text = str(error).strip() or str(error.__cause__ or "").strip() or type(error).__name__
    return "\n".join(line for line in text.splitlines() if not line.startswith("See https://hydra.cc"))


# --- what is done with it -----------------------------------------------------------------------------------------


def compose(config_dir: Path | None, words: Prepared) -> DictConfig:
    """One configuration from words, the part about Hydra left out.

    Raises:
        ConfigError, UserError: words that cannot be composed, files that are refused.
    """
    composed = CheckedLoader(config_dir, words.hydra).load_configuration(
        PRIMARY, words.overrides, RunMode.RUN, from_shell=False
    )
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


@contextlib.contextmanager
def _log_restored() -> Iterator[None]:
    """Leave the log of the process as it was: Hydra sets it up for --info and hydra.verbose."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@_log_restored()
def show(job: str, flags: Flags, words: Prepared) -> None:
    """Print what ``--cfg`` or ``--info`` asks for; nothing is run."""
    hydra = Hydra(task_name=job, config_loader=CheckedLoader(flags.folder, words.hydra))
    try:
        if flags.cfg is not None:
            hydra.show_cfg(PRIMARY, words.overrides, cfg_type=flags.cfg, package=flags.package, resolve=flags.resolve)
        else:
            hydra.show_info(flags.info or "all", PRIMARY, words.overrides)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            [f"{_said(error)}" if str(error) != "1" else f"--package={flags.package} is unknown"]
        ) from None


@_log_restored()
def run(job: str, config_dir: Path | None, words: Prepared, task: Callable[[Any], None], *, several: bool) -> None:
    """Run ``task`` on the configuration, or on each of a sweep.

    Raises:
        ConfigError, UserError: as :func:`compose`; also a launcher or sweeper that fails.
    """
    with tempfile.TemporaryDirectory() as litter:
        overrides, typed = list(words.overrides), list(words.hydra)
        if several and not any(re.match(r"\+*hydra\.sweep\.dir=", word) for word in typed):
            for listed in (overrides, typed):  # a sweep leaves a multirun.yaml
                listed.append(f"hydra.sweep.dir={quote(litter)}")
        hydra = Hydra(task_name=job, config_loader=CheckedLoader(config_dir, typed))
        try:
            (hydra.multirun if several else hydra.run)(PRIMARY, task, overrides)
        except (UserError, OSError):
            raise
        except Exception as error:  # of Hydra and its plugins: those of the task do not come here
            raise ConfigError([_said(error)]) from error
