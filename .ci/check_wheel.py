"""Check that a wheel carries what the jobs need: python .ci/check_wheel.py <wheel>."""

import sys
import zipfile

names = set(zipfile.ZipFile(sys.argv[1]).namelist())
needed = {"conf/train.yaml", "conf/activation/sgblend.yaml", "schemas/result.json", "sample/machines.csv"}
needed = {f"adaptact/{name}" for name in {*needed, "py.typed"}}
assert needed <= names, f"the wheel lacks {needed - names}"
assert not [name for name in names if name.startswith(("runs", "data/", "tests"))]
print(f"{sys.argv[1]}: {len(names)} files")
