# The front door: `make help` lists what it makes. PY=python3 uses your own environment instead of .venv.
SCALE ?= demo
PYTHON ?= python3
VENV ?= .venv
RUNS ?= runs
OUT ?= out

ifdef PY
READY :=
READY_DEV :=
else
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
endif

# All that make itself computes (the demo, tables, figures, tests) is too small for two threads to help: they spin while
# they wait, and starve each other.
export OMP_NUM_THREADS ?= 1

TABLES := table1 table2 table3 table4 table8 ece_ew ece_debias ece_sweep_ew ece_sweep_em error_bars scores posthoc \
	ablation_bins ablation_gamma_max ablation_switch ablation_lambda calfocal
FIGURES := fig1 fig2 fig3 fig4 fig5 fig6 fig7 fig8 fig9 fig10 fig11 fig12 fig13 reliability shift
OOD := table8 fig6 shift

.DEFAULT_GOAL := help
.PHONY: help all report $(TABLES) $(FIGURES) notebooks status scripts documents gammas bench test test-slow lint format clean

help: ## list the targets
	@echo "SCALE=demo|small|quick|paper (now $(SCALE)); records under $(RUNS)/, output under $(OUT)/$(SCALE)/"
	@grep -hE '^[a-zA-Z0-9 $$()_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/; s/\$$\(TABLES\) \$$\(FIGURES\)/<table or figure>/' | expand -t 24
	@echo "tables:"; echo "$(TABLES)" | fold -s -w 100 | sed 's/^/    /'
	@echo "figures:"; echo "$(FIGURES)" | fold -s -w 100 | sed 's/^/    /'

$(TABLES) $(FIGURES): $(READY) ## from run records; at SCALE=demo what is missing is trained first
	@$(PY) -m experiments.run --for $@ --scale $(SCALE) --runs $(RUNS) --if-tables-train
	@$(if $(filter $@,$(OOD)),$(PY) -m experiments.ood --for $@ --scale $(SCALE) --runs $(RUNS) --if-tables-train)
	@$(PY) -m figures $@ --scale $(SCALE) --runs $(RUNS) --out $(OUT)

report: $(READY) ## every table and figure of a scale, and one page with all of them
	@$(PY) -m experiments.run --for all --scale $(SCALE) --runs $(RUNS) --if-tables-train
	@for name in $(filter-out fig6,$(OOD)); do \
		$(PY) -m experiments.ood --for $$name --scale $(SCALE) --runs $(RUNS) --if-tables-train || exit; done
	@$(PY) -m figures.report --scale $(SCALE) --runs $(RUNS) --out $(OUT)

all: report ## the same

notebooks: $(READY_DEV) ## run the notebooks on the demo's records, and leave them as they are
	@$(PY) -m experiments.run --for table1 --scale demo --runs $(RUNS)
	@ADAFOCAL_RUNS=$(abspath $(RUNS)) $(PY) -m pytest --nbmake notebooks

status: $(READY) ## how far the runs of all tables and figures are
	@$(PY) -m experiments.status --for all --scale $(SCALE) --runs $(RUNS)

scripts: $(READY) ## write the cluster's scripts anew, after a change of experiments/scripts/cluster.sh or the grid
	@$(PY) -m experiments.cluster

documents: $(READY) ## the measured parts of README.md, and RESULTS.md, from the published records
	@$(PY) -m figures.documents

gammas: $(READY) ## the final gammas of every run of AdaFocal, in one CSV
	@$(PY) -m figures.gammas --runs $(RUNS) --out $(OUT)

bench: $(READY_DEV) ## time losses, scores, calibrators and training: ratios, beside what is allowed
	@OMP_NUM_THREADS=1 $(PY) -m experiments.bench --out $(OUT)

test: $(READY_DEV) ## the tests, on all cores, in a few minutes
	@$(PY) -m pytest -n auto --dist worksteal -m "not slow"

test-slow: $(READY_DEV) ## also the long ones
	@$(PY) -m pytest -n auto --dist worksteal

lint: $(READY_DEV) ## ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(READY_DEV) ## let ruff mend what it can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean: ## remove the output; the runs and the environment stay
	rm -rf $(OUT)

$(VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) from requirements.txt: torch is large, this takes some minutes"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
