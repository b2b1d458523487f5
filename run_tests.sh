#!/usr/bin/env bash
# Set-up (.venv with the development tools), then lint, types, the import contracts and the tests.
#
# usage: bash run_tests.sh [--quick] [--strict-skips] [PYTEST ARGUMENT …]
#   bash run_tests.sh              everything: about 20 minutes on two cores
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

get_browser() { # for the tests of the pages: what is installed, else Debian's or Ubuntu's package, else Playwright's download
  if .venv/bin/python tests/support/browser.py >/dev/null 2>&1; then
    return
  fi
  local log=.venv/install-browser.log
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf 'set-up: installing the package chromium for the tests of the pages (once; a minute) …\n'
    { apt-get update && apt-get install --yes --no-install-recommends chromium; } >"$log" 2>&1 || true
  fi
  if ! .venv/bin/python tests/support/browser.py >/dev/null 2>&1; then
    printf "set-up: downloading Playwright's Chromium for the tests of the pages (once; 150 MB) …\n"
    timeout 300 .venv/bin/playwright install chromium >>"$log" 2>&1 || true
  fi
  .venv/bin/python tests/support/browser.py >/dev/null 2>&1 ||
    printf 'set-up: no browser could be installed, so that the tests of the pages will be skipped; details in %s\n' "$PWD/$log"
}

make_venv
install_requirements requirements-dev.txt 1
install_requirements requirements-onnx.txt 1
[ "${#selection[@]}" -gt 0 ] || get_browser

# The allocator that training runs with.
export $(PYTHONPATH=src .venv/bin/python -c '
from maskfold.execution.processes import ALLOCATOR
print(*(f"{name}={value}" for name, value in ALLOCATOR.items()))')

# Types are checked while the tests run: on two cores that saves half a minute.
.venv/bin/ruff check .
.venv/bin/ruff format --check .
imports=$(PYTHONPATH=src .venv/bin/lint-imports --no-cache) || { printf '%s\n' "$imports" >&2; exit 1; }
printf '%s\n' "$imports" | tail -n 1
types_log=$(mktemp)
.venv/bin/mypy >"$types_log" 2>&1 &
types=$!

# One thread a process, a process a core: OpenMP's threads of two processes on two cores wait for each other.
export OMP_NUM_THREADS=1
cores=$(.venv/bin/python -c 'import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))')
tests_failed=0
.venv/bin/python -m pytest --numprocesses "$cores" "${selection[@]}" "$@" || tests_failed=$?
if ! wait "$types"; then
  cat "$types_log" >&2
  printf 'error: mypy found the problems above\n' >&2
  exit 1
fi
tail -n 1 "$types_log"
exit "$tests_failed"
