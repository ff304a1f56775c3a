#!/usr/bin/env bash
# Check in one call of under eight minutes what this package does on the GPU of this machine.
#   tools/gpu_check.sh --output FOLDER             needs Python with torch, numpy, safetensors, PyYAML
#   tools/gpu_check.sh --output FOLDER --pretend   the same on a pretended GPU, tiny and short
# PYTHON names the Python; docs/tuning.md says what comes out.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python3)}
export PYTHONUNBUFFERED=1 PYTHONPATH="$root:$root/tools:$root/test${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m gpu_check "$@"
