# CPU:  docker build -t sivae-translate .
#       docker run --rm -v "$PWD":/work sivae-translate train --domains emoji
# CUDA: docker build -t sivae-translate:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 .
#       docker run --rm --gpus all --shm-size 8g -v "$PWD":/work sivae-translate:cuda train --domains emoji
# `--user "$(id -u):$(id -g)"` makes the outputs yours. The image is large, as pip takes the CUDA build of torch;
# for a small CPU image add `--build-arg PIP_EXTRA="--index-url INDEX"`, INDEX as in the README.
ARG BASE=python:3.12-slim
FROM ${BASE}

ARG PIP_EXTRA=
# A base without Python is taken for one with a GPU: Triton compiles its launchers with gcc and Python's headers.
RUN command -v python3 || (apt-get update \
    && apt-get install -y --no-install-recommends gcc python3 python3-dev python3-venv && rm -rf /var/lib/apt/lists/*)
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir torch torchvision ${PIP_EXTRA}
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp
COPY pyproject.toml README.md LICENSE /src/
COPY recipes /src/recipes
COPY sivae_translate /src/sivae_translate
RUN pip install --no-cache-dir /src && rm -r /src

WORKDIR /work
ENTRYPOINT ["sivae-translate"]
CMD ["--help"]
