"""What a benchmark takes."""

from __future__ import annotations

from dataclasses import dataclass

from adaptact.errors import did_you_mean
from adaptact.schema import option

GROUPS = ("kernels", "step", "loop", "startup", "inference", "scaling")
DEVICES = ("auto", "cpu", "cuda")


@dataclass
class Benchmark:
    """Everything that `benchmark` takes."""

    groups: list[str] = option(list(GROUPS), "kernels, step, loop, startup, inference, scaling")
    rounds: int = option(15, "interleaved repeats, of which intervals are taken", ge=3)
    threads: int | None = option(None, "of torch; null: as many as torch takes", ge=1)
    device: str = option("auto", "cpu, cuda or auto: a GPU where there is one")
    tiny: bool = option(False, "small sizes and three rounds: shows that it works, its figures say nothing")
    output_dir: str = option("runs/benchmark", "relative to the project")
    debug: bool = option(False, "show the traceback of an error")

    def problems(self) -> list[str]:
        """Describe each group that is unknown."""
        found = [
            f"groups={name} is unknown. {did_you_mean(name, GROUPS)}" for name in self.groups if name not in GROUPS
        ]
        if self.device not in DEVICES:
            found.append(f"device={self.device} is unknown. {did_you_mean(self.device, DEVICES)}")
        if not self.groups:
            found.append(f"groups is empty: name one of {', '.join(GROUPS)}")
        return found
