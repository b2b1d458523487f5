# The command `maskfold` in a container; it works in /work, where you mount a folder of yours.
#   docker build --tag maskfold .                          PyTorch without CUDA, about 3 GB
#   docker build --tag maskfold --build-arg TORCH=gpu .    with CUDA's libraries, about 9 GB; run it with --gpus all
#   docker run --rm --user "$(id -u):$(id -g)" --shm-size 2g -v "$PWD:/work" maskfold             the demo
#   docker run --rm --user "$(id -u):$(id -g)" --shm-size 8g -v "$PWD:/work" -v /data/steel:/data:ro maskfold \
#       run --data /data --minutes 60 --metric dice
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/maskfold
COPY run_all.sh setup_venv.sh requirements.txt ./
RUN bash run_all.sh --setup-only --${TORCH}
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY configs configs
RUN .venv/bin/pip install --no-deps .
# Any user may run it: what libraries keep for themselves goes to /tmp.
ENV PATH=/opt/maskfold/.venv/bin:$PATH HOME=/tmp
WORKDIR /work
ENTRYPOINT ["maskfold"]
CMD ["run", "demo"]
