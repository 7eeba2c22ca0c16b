#!/usr/bin/env bash
# Builds the wheel, installs it with what it declares in an empty environment, and uses it from
# another directory. PYTHON: an interpreter that has the package `build`.
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$PYTHON" -m build --wheel --outdir "$scratch/dist" . >"$scratch/build.log" || { cat "$scratch/build.log"; exit 1; }
"$PYTHON" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet "$scratch"/dist/lrstudy-*.whl

cd "$scratch"
venv/bin/python - <<'PY'
from importlib.resources import files

for package in ("search_spaces", "study", "analysis", "lrstudy"):
    assert (files(package) / "py.typed").is_file(), f"{package} lacks py.typed"
assert (files("analysis.page") / "templates" / "report.html.j2").is_file(), "the template is missing"
PY
venv/bin/lrstudy --version
venv/bin/lrstudy spaces >spaces.txt
grep -q 'How long should warmup last?' spaces.txt
venv/bin/lrstudy plot cosine:base=0.3,final=0.01,horizon=20,warmup=5 --epochs 30 --out rates.png
test -s rates.png

# Beside a user's folder and module that have the names of packages of ours.
mkdir -p notebook/analysis
touch notebook/analysis/__init__.py notebook/study.py
(cd notebook && ../venv/bin/python -c 'import inspect, lrstudy; assert "site-packages" in inspect.getfile(lrstudy.load)')
(cd notebook && ../venv/bin/python -m lrstudy spaces | cmp - ../spaces.txt)
echo "the wheel works"
