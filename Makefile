# make demo    a project with the default answers, running
# make test    every test

PYTHON ?= python3

.PHONY: demo test lint clean

demo: .venv/ready
	.venv/bin/python tests/demo.py

test: .venv/ready lint
	.venv/bin/pytest -n 2 -q --durations 10

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

clean:
	rm -rf .venv .cache demo

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade pip
	.venv/bin/pip install --quiet --group test --constraint constraints.txt
	touch $@
