#!/bin/sh
# Check CITATION.cff against its schema with cffconvert: `make citation`.
# In a throw-away environment, because cffconvert needs a jsonschema older than Jupyter Book's.
set -eu
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch"
"$scratch/bin/python" -m pip install --disable-pip-version-check --quiet cffconvert==2.0.0
"$scratch/bin/cffconvert" --validate --infile CITATION.cff
