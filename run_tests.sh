#!/usr/bin/env bash
# Set-up (.venv with the development tools), then lint, types, the import contracts and tests. Further arguments go to pytest.
#
# usage: bash run_tests.sh [--quick] [PYTEST ARGUMENT …]
#   bash run_tests.sh              everything: about 10 minutes on two cores
#   bash run_tests.sh --quick      without the tests that train, export or drive a browser: under 2 minutes
#   bash run_tests.sh tests/rules  one folder
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_venv.sh

selection=()
case ${1:-} in
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' run_tests.sh; exit ;;
  --quick) shift; selection=(-m "not slow") ;;
esac

make_venv
install_requirements requirements-dev.txt 1
install_requirements requirements-onnx.txt 1

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
PYTHONPATH=src .venv/bin/lint-imports

# One thread a process, a process a core: OpenMP's threads of two processes on two cores wait for each other.
export OMP_NUM_THREADS=1
cores=$(.venv/bin/python -c 'import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))')
.venv/bin/python -m pytest --numprocesses "$cores" "${selection[@]}" "$@"
