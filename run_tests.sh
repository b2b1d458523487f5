#!/usr/bin/env bash
# Set-up (.venv with the development tools), then lint, types and tests. Further arguments go to pytest.
#
# usage: bash run_tests.sh [PYTEST ARGUMENT …]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_venv.sh

make_venv
install_requirements requirements-dev.txt 1
install_requirements requirements-onnx.txt 1

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
