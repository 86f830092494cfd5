"""Training: the LightningModule, optimizer groups, precision; ``train(config)`` leaves a run folder."""

from __future__ import annotations

import os
import sys

# In processes of our own. Lightning imports all of torchmetrics, which imports these where they are installed, for
# metrics of texts, sounds and plots that nothing here uses: two to three seconds of every start.
NEEDLESS = ("transformers", "matplotlib", "scipy")


def _import_torchmetrics() -> None:
    from lightning_utilities.core import imports

    of_requirement, of_package = imports.RequirementCache._check_requirement, imports.package_available

    def check(self: imports.RequirementCache) -> None:
        if self.requirement and self.requirement.startswith(NEEDLESS):
            self.available, self.message = False, f"{self.requirement} is left out by adaptact"
        else:
            of_requirement(self)

    imports.RequirementCache._check_requirement = check  # type: ignore[method-assign]
    imports.package_available = lambda name: name not in NEEDLESS and of_package(name)  # type: ignore
    try:
        import torchmetrics  # noqa: F401
    finally:
        imports.RequirementCache._check_requirement = of_requirement  # type: ignore[method-assign]
        imports.package_available = of_package


if os.environ.get("ADAPTACT_JOB") and "torchmetrics" not in sys.modules:
    _import_torchmetrics()
