# make demo    a project with the default answers, running
# make test    every test
# make nightly  the whole matrix, and 2,000 examples of the fuzz
# make docs    the documents as a site, in docs/_build
# make figures PEERS="…"  every figure of docs/performance.md anew, beside templates of yours
# make examples  rendered projects to read, in examples/
# make release VERSION=x.y.z  the checks of a release, and its tag

PYTHON ?= python3

.PHONY: demo test nightly lint docs figures examples release clean

demo: .venv/ready
	.venv/bin/python tests/demo.py

test: .venv/ready lint
	.venv/bin/pytest -n 2 -q --durations 10 -m "not nightly"

nightly: .venv/ready
	NIGHTLY=1 FUZZ_EXAMPLES=2000 .venv/bin/pytest -n 2 -q tests/test_project.py tests/test_fuzz.py
	.venv/bin/pytest -q -m nightly

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

docs: .venv/ready
	.venv/bin/python docs/reference.py
	.venv/bin/python docs/performance.py
	.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build
	@echo "Open docs/_build/index.html"

figures: .venv/ready
	.venv/bin/python benchmarks/all.py --json docs/performance.json $(PEERS)
	.venv/bin/python docs/performance.py

examples: .venv/ready
	.venv/bin/python docs/gallery.py examples

release: .venv/ready
	.venv/bin/python tests/release.py $(VERSION)

# The tests of images leave mounts behind, which Linux does not let rm remove.
clean:
	@[ ! -r /proc/mounts ] || awk -v at="$(CURDIR)/.cache/" 'index($$2, at) == 1 { print $$2 }' \
		/proc/mounts | sort -r | xargs -r umount 2>/dev/null || true
	rm -rf .venv .cache demo docs/_build examples

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade pip
	.venv/bin/pip install --quiet --group test --constraint constraints.txt
	touch $@
