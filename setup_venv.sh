# Sourced by run_all.sh and run_tests.sh: makes .venv and installs pinned requirements, only when they changed.
# Everything a user can meet here ends in one clear sentence.

requirements=requirements.txt # requirements.lock: the same packages and what they need, each file by its hash

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

installer() { # prints how packages are installed into .venv: uv where there is one and pip is not pointed elsewhere
  local mirrors="${PIP_INDEX_URL:-}${PIP_EXTRA_INDEX_URL:-}${PIP_FIND_LINKS:-}"
  if command -v uv >/dev/null && [ -z "$mirrors" ] &&
    ! .venv/bin/python -m pip config list 2>/dev/null | grep -qE 'index-url|find-links'; then
    printf 'uv pip install --quiet --python .venv/bin/python'
  else
    printf '.venv/bin/python -m pip install --disable-pip-version-check'
  fi
}

has_nvidia_gpu() {
  [ -e /proc/driver/nvidia/version ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }
}

install_torch_for_cpu() { # the pinned torch and torchvision without CUDA, both or neither
  local pair log=.venv/install-torch-cpu.log
  pair=$(sed -nE 's/^(torch|torchvision)==([^ ]+).*/\1==\2+cpu/p' requirements.txt | tr '\n' ' ')
  printf "set-up: no NVIDIA GPU is used: taking %sfrom PyTorch's CPU index (0.2 GB to download; --gpu takes CUDA's) …\n" "$pair"
  # shellcheck disable=SC2046,SC2086
  if ! $(installer) --index-url "${TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}" --no-deps $pair >"$log" 2>&1; then
    printf "set-up: PyTorch's CPU index has no such pair or cannot be reached; taking the pinned one with CUDA's libraries\n"
    printf 'set-up: (details in %s)\n' "$PWD/$log"
    return 1
  fi
}

install_requirements() { # FILE NEEDED_GIB: installs FILE into .venv unless that very file was installed before; a .lock with hashes
  local file=$1 needed_gib=$2 stamp free_kib log hashes
  stamp=.venv/installed-$(basename "$file").sha256
  if [ -f "$stamp" ] && sha256sum --check --status "$stamp"; then
    return
  fi
  if [ "$file" = requirements.txt ] && wants_cpu_build && install_torch_for_cpu; then
    needed_gib=3
  fi
  free_kib=$(df -Pk . | awk 'NR == 2 {print $4}')
  if [ "$free_kib" -lt $((needed_gib * 1024 * 1024)) ]; then
    stop "installing $file needs about $needed_gib GiB free on this disk, found $((free_kib / 1024 / 1024)) GiB in $PWD; free some space and start again"
  fi
  log=.venv/install-$(basename "$file" .txt).log
  hashes=()
  [ "${file##*.}" != lock ] || hashes=(--require-hashes)
  printf 'set-up: installing %s into .venv (once; about %s GB on the disk, a few minutes) …\n' "$file" "$needed_gib"
  # shellcheck disable=SC2046
  if ! $(installer) "${hashes[@]}" --requirement "$file" >"$log" 2>&1; then
    if grep -qiE 'NewConnectionError|Name or service not known|Temporary failure in name resolution|Network is unreachable|Max retries|ConnectTimeout|Could not fetch URL|dns error|error sending request' "$log"; then
      stop "could not reach the package index to install $file: connect to the network, or point pip at a mirror or a wheel folder (PIP_INDEX_URL, PIP_FIND_LINKS); details in $PWD/$log"
    elif grep -qiE 'DO NOT MATCH THE HASHES|hash mismatch' "$log"; then
      stop "$(grep -iE -A1 'DO NOT MATCH THE HASHES|hash mismatch' "$log" | grep -m1 -oE '[A-Za-z0-9._-]+==[^ `]+') is another file here than the one that $file names by its hash, so it was not installed: the index or a mirror changed it; details in $PWD/$log"
    elif grep -qi 'No space left on device' "$log"; then
      stop "the disk filled up while installing $file; free about $needed_gib GiB in $PWD and start again"
    fi
    stop "installing $file failed: $(grep -m1 -i '^error' "$log" || tail -n 1 "$log"); details in $PWD/$log"
  fi
  sha256sum "$file" >"$stamp"
}

wants_cpu_build() { # as TORCH_BUILD says (cpu, gpu), else where no NVIDIA GPU is found; macOS has one build only
  [ "$(uname)" = Linux ] || return 1
  case ${TORCH_BUILD:-auto} in
    cpu) return 0 ;;
    gpu) return 1 ;;
    *) ! has_nvidia_gpu ;;
  esac
}

make_venv() {
  local python
  python=$(find_python python3.12 python3.11 python3 python) || exit 2
  if [ -f .venv/torch-build ] && [ "${TORCH_BUILD:-auto}" != auto ] && [ "$TORCH_BUILD" != "$(cat .venv/torch-build)" ]; then
    printf 'set-up: .venv was made with --%s; making it again\n' "$(cat .venv/torch-build)"
    rm -rf .venv
  fi
  if [ -f .venv/installed-requirements.lock.sha256 ]; then
    requirements=requirements.lock # stays so, until .venv is removed
  elif [ $requirements = requirements.lock ] && [ -d .venv ]; then
    printf 'set-up: .venv was made without --locked; making it again\n' # installed packages are not compared with hashes
    rm -rf .venv
  fi
  if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    rm -rf .venv
    "$python" -m venv .venv || stop "$python could not make .venv in $PWD; on Debian and Ubuntu install python3-venv"
  fi
  [ "${TORCH_BUILD:-auto}" = auto ] || printf '%s' "$TORCH_BUILD" >.venv/torch-build
  install_requirements "$requirements" 8
}
