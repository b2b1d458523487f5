#!/usr/bin/env bash
# All stages of a run on the nodes of a SLURM job, through Ray (docs/how-to/use-a-cluster.md).
#
# usage: sbatch [OPTION OF SBATCH …] run_on_slurm.sh CONFIG [OPTION OF src/run.py …]
#   sbatch --nodes=4 --gpus-per-node=2 run_on_slurm.sh configs/mine.yaml
#   sbatch --nodes=2 run_on_slurm.sh configs/mine.yaml --set run.job_cores=16
#SBATCH --job-name=maskfold
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?start this script with sbatch, in the folder of maskfold}"
config=${1:?name a config: sbatch run_on_slurm.sh configs/mine.yaml}
shift
source .venv/bin/activate

# Ray starts on every node, the stages on the first; Ray ends with them. Start it again to continue.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
srun ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
  python src/run.py --config "$config" "$@" --set run.engine=ray
