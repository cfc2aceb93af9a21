# `make help` lists the targets. Everything runs in .venv, which `setup` creates; nothing else is needed but Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train world_model test test-slow lint typecheck bench sweep tokenizer local_tokenizer report clean

help: ## Show this list
	@grep -hE '^[a-z_-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	@touch $@

setup: $(VENV)/.installed ## Create .venv and install the project into it

train: setup ## Record, encode and train the GRU baseline (ARGS="trainer.max_epochs=3" to override)
	$(BIN)/python train.py experiment=gru_baseline $(ARGS)

tokenizer: setup ## Record the tokenizer's data set and train the VQ-VAE that comes with the package
	$(BIN)/python train.py experiment=vqvae recording.seed=1 recording.episodes=100 \
		recording.output=outputs/episodes/tokenizer $(ARGS)

local_tokenizer: setup ## Record 100 episodes and train the local VQ-VAE that comes with the package
	$(BIN)/python train.py experiment=vqvae_local $(ARGS)

world_model: setup ## Train the first stage of the attention world model that comes with the package
	$(BIN)/python train.py experiment=attention $(ARGS)

report: setup ## Measure a run again (RUN=outputs/train/<name>/<time>)
	$(BIN)/python evaluate.py run=$(RUN) $(ARGS)

test: setup ## Run the fast tests, two at a time
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-slow: setup ## Run the slow end-to-end tests
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: setup ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: setup ## Check types
	$(BIN)/mypy

bench: setup ## Measure speeds, as ratios within one run
	$(BIN)/python bench.py $(ARGS)

sweep: setup ## Train the baseline at several hidden sizes and learning rates
	$(BIN)/python train.py sweep=hidden_size_x_lr $(ARGS)

clean: ## Remove the virtual environment and caches, never outputs/
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache src/*.egg-info
