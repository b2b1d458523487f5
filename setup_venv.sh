# Sourced by run_all.sh and run_tests.sh: makes .venv and installs pinned requirements, only when they changed.
# Everything a user can meet here ends in one clear sentence.

stop() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

find_python() { # NAME …: prints the first Python that is new enough, $PYTHON before those names
  local candidate
  for candidate in "${PYTHON:-}" "$@"; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  stop "maskfold needs Python 3.11 or newer, found $(python3 --version 2>/dev/null || echo no python3); install one, or name it: PYTHON=/path/to/python3.12 bash run_all.sh"
}

install_requirements() { # FILE NEEDED_GIB: installs FILE into .venv unless that very file was installed before
  local file=$1 needed_gib=$2 stamp free_kib log
  stamp=.venv/installed-$(basename "$file").sha256
  if [ -f "$stamp" ] && sha256sum --check --status "$stamp"; then
    return
  fi
  free_kib=$(df -Pk . | awk 'NR == 2 {print $4}')
  if [ "$free_kib" -lt $((needed_gib * 1024 * 1024)) ]; then
    stop "installing $file needs about $needed_gib GiB free on this disk, found $((free_kib / 1024 / 1024)) GiB in $PWD; free some space and start again"
  fi
  log=.venv/install-$(basename "$file" .txt).log
  printf 'set-up: installing %s into .venv (once; a few minutes) …\n' "$file"
  if ! .venv/bin/python -m pip install --disable-pip-version-check --requirement "$file" >"$log" 2>&1; then
    if grep -qiE 'NewConnectionError|Name or service not known|Temporary failure in name resolution|Network is unreachable|Max retries|ConnectTimeout|Could not fetch URL' "$log"; then
      stop "could not reach the package index to install $file: connect to the network, or point pip at a mirror or a wheel folder (PIP_INDEX_URL, PIP_FIND_LINKS); details in $PWD/$log"
    elif grep -qi 'No space left on device' "$log"; then
      stop "the disk filled up while installing $file; free about $needed_gib GiB in $PWD and start again"
    fi
    stop "installing $file failed: $(grep -m1 -i '^error' "$log" || tail -n 1 "$log"); details in $PWD/$log"
  fi
  sha256sum "$file" >"$stamp"
}

make_venv() {
  local python
  python=$(find_python python3.12 python3.11 python3 python) || exit 2
  if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv || stop "$python could not make .venv in $PWD; on Debian and Ubuntu install python3-venv"
  fi
  install_requirements requirements.txt 8
}
