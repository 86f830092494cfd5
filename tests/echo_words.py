"""A stand-in for a job: what arrives after make, the launcher and Hydra, as JSON on stdout."""

import dataclasses
import json
import os
import sys

from adaptact import launcher
from adaptact.words import words_from_make

if __name__ == "__main__":
    words = sys.argv[3:] + words_from_make(os.environ)
    if os.environ.get("ECHO") == "words":
        print(json.dumps(words))
    else:
        launcher.run_job("train", words, lambda settings: print(json.dumps(dataclasses.asdict(settings))))
