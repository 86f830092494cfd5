# make <job> name=value ...   Words reach the job unharmed: it reads them from the environment, no shell in between.
.DEFAULT_GOAL := help
.SUFFIXES:
SHELL := /bin/sh

# Words typed after `make <job>` are make variables too; make would expand $(...) in them to hand them to the recipe.
$(foreach v,$(.VARIABLES),$(if $(filter command line,$(origin $v)),$(eval unexport $v)))

# Set-up, to be set in the environment or as a word:
#   PYTHON       interpreter for the virtual environment (3.11 to 3.13)
#   EXTRAS       extras to install
#   TORCH_INDEX  package index to take torch from, e.g. https://download.pytorch.org/whl/cpu on a laptop without a GPU
PYTHON ?= python3
EXTRAS ?= dev
TORCH_INDEX ?=
VENV := .venv
comma := ,
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
RUN := $(VENV)/bin/python -m adaptact --make

.PHONY: help setup train compare report tune backtest check-data inspect predict export shadow abtest monitor benchmark tensorboard test lint

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{printf "%-22s %s\n", $$1, $$2}'

setup: $(STAMP) ## make the virtual environment (.venv) and install everything, once

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: adaptact needs Python 3.11 to 3.13, and $(PYTHON) is another version: make setup PYTHON=python3.12" >&2; exit 2; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@if [ -n "$(TORCH_INDEX)" ]; then $(VENV)/bin/pip install -c constraints.txt --index-url "$(TORCH_INDEX)" torch; fi
	$(VENV)/bin/pip install -c constraints.txt -e ".[$(EXTRAS)]"
	@$(VENV)/bin/python -c "from adaptact.activations.cpu import kernels; kernels.main()"
	@touch $@

train: $(STAMP) ## train one network: make train activation=sgblend
	@$(RUN) train

compare: $(STAMP) ## is it better? make compare activations=gelu,silu,sgblend seeds=8
	@$(RUN) compare

report: $(STAMP) ## write a comparison's report again: make report name=... report.language=ja
	@$(RUN) report

tune: $(STAMP) ## equal tuning first: make tune activations=gelu,sgblend trials=20 (EXTRAS=dev,tune)
	@$(RUN) tune

backtest: $(STAMP) ## how fast does it age? make backtest data=table data.path=my.csv data.target=... data.time=date
	@$(RUN) backtest

check-data: $(STAMP) ## look at a table first: make check-data data=table data.path=my.csv data.target=churn
	@$(RUN) check-data

inspect: $(STAMP) ## look into a network: make inspect model=vit activation=sgblend
	@$(RUN) inspect

predict: $(STAMP) ## score a new file: make predict run=runs/train/... input=new.csv
	@$(RUN) predict

export: $(STAMP) ## ONNX and torch.export, checked: make export run=runs/train/... (EXTRAS=dev,export)
	@$(RUN) export

shadow: $(STAMP) ## two runs on the same new rows: make shadow runs=<a>,<b> input=batch.csv target=...
	@$(RUN) shadow

abtest: $(STAMP) ## a test on a limited line: make abtest step=plan|assign|analyse ...
	@$(RUN) abtest

monitor: $(STAMP) ## ok, watch or retrain? make monitor run=<run> input=batch.csv
	@$(RUN) monitor

benchmark: $(STAMP) ## what an adaptive activation costs here: make benchmark groups=kernels,step,loop
	@$(RUN) benchmark

tensorboard: $(STAMP) ## open the dashboards of all runs, on this machine only
	@$(RUN) tensorboard

test: $(STAMP) ## run the tests (offline, under five minutes)
	@$(VENV)/bin/python -m pytest -n auto -rs -m "not slow and not gpu"

lint: $(STAMP) ## check style, types and the direction of imports
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy && $(VENV)/bin/lint-imports
