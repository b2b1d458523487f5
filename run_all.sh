#!/usr/bin/env bash
# From a config to a submission and a report: set-up (.venv), then every stage. Starting it again skips what is fresh.
#
# usage: bash run_all.sh [CONFIG] [--set KEY=VALUE …] [--on-bad-image strict|empty] [--setup-only]
#        bash run_all.sh --data FOLDER --minutes M [--metric NAME] [--name NAME] [--weights PATH] …
#   bash run_all.sh                                                  the demo
#   bash run_all.sh configs/severstal.yaml --set data.root=/data/severstal
#   bash run_all.sh --data /data/salt --minutes 60 --metric tgs_precision   plan the config, and be done in an hour
#   bash run_all.sh --keep configs/mine.yaml --minutes 60             plan what the config leaves out
#   bash run_all.sh --setup-only                                     only make .venv
#   bash run_all.sh --setup-only --cpu                               without the libraries of CUDA; --gpu: with them
#   bash run_all.sh --setup-only --locked                            exactly the files that requirements.lock names by hash
#   bash run_all.sh --system-python …                                no .venv: the packages that are installed
set -euo pipefail

called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup_venv.sh

# The path of a file or folder as the caller means it.
as_called() {
  case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s' "$called_from/$1" ;;
  esac
}

config=configs/demo.yaml
planned=()
planned_now=false
arguments=()
setup_only=false
system_python=false
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' run_all.sh; exit ;;
    --setup-only) setup_only=true ;;
    --system-python) system_python=true ;;
    --locked) requirements=requirements.lock ;;
    --cpu | --gpu) TORCH_BUILD=${1#--} ;;
    --set)
      [[ ${2:-} == *=* ]] || stop "--set needs KEY=VALUE, for example --set train.epochs=3"
      arguments+=("$1")
      ;;
    --data | --weights | --keep)
      [ -n "${2:-}" ] || stop "$1 needs a path; see bash run_all.sh --help"
      [ "$1" = --weights ] || planned_now=true
      planned+=("$1" "$(as_called "$2")")
      shift
      ;;
    --minutes | --metric | --name | --cores)
      [ -n "${2:-}" ] || stop "$1 needs a value; see bash run_all.sh --help"
      planned+=("$1" "$2")
      shift
      ;;
    --explain) planned+=("$1") ;;
    --accept-code-changes) arguments+=("$1") ;;
    --on-bad-image)
      [[ ${2:-} == strict || ${2:-} == empty ]] || stop "--on-bad-image needs strict or empty"
      arguments+=("$1" "$2")
      shift
      ;;
    -*) stop "unknown option $1; see bash run_all.sh --help" ;;
    *=*) arguments+=("$1") ;;
    /*) config=$1 ;;
    *) if [ -f "$called_from/$1" ]; then config=$called_from/$1; else config=$1; fi ;;
  esac
  shift
done

if [ $requirements = requirements.lock ] && { $system_python || [ "${TORCH_BUILD:-auto}" = cpu ]; }; then
  stop "--locked installs the very files that requirements.lock names, torch with CUDA among them; leave out --cpu and --system-python"
fi
if $system_python; then
  python=$(find_python python3 python) || exit 2 # of the environment that is active, or the system's
  PYTHONPATH=src "$python" -m maskfold.requirements || exit 2
else
  make_venv
  python=.venv/bin/python
fi
if $setup_only; then
  if $system_python; then
    printf 'set-up: %s has all that is needed\n' "$python"
  else
    printf 'set-up: .venv is ready; enter it with: source %q/.venv/bin/activate\n' "$PWD"
  fi
  exit
fi

if [ ${#planned[@]} -gt 0 ]; then
  $planned_now || planned+=(--config "$config")
  exec "$python" src/run.py "${planned[@]}" "${arguments[@]}"
fi

exec "$python" src/run.py "$config" "${arguments[@]}"
