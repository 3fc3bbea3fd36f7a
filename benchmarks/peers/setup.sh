#!/usr/bin/env bash
# The peers, from PyPI. Neither the set-up of the program nor its tests need them.
#
#   setup.sh             what benchmarks/run.sh measures beside Cogent, into .venv here: about 7 GB, once
#   setup.sh --oracles   what tests/oracles/*.py run to make fixtures, into .venv-oracles: about 6 GB
#
# verl asks for older transformers and tensordict than stand here; the parts of it that are run (advantages, losses, KL,
# rollout correction) do not use them, so it is installed without its dependencies, and those it imports are named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "peers/setup.sh: $1" >&2
  exit 3
}

environment=.venv
packages=(torch==2.11.0 transformers==5.23.0 trl==1.16.0)
bare=()
if [ "${1:-}" = --oracles ]; then
  environment=.venv-oracles
  packages+=(accelerate==1.15.0 peft==0.21.2 numpy==2.4.6 scipy==1.17.1 datasets==5.2.0 tensordict==0.15.3 omegaconf==2.3.1 hydra-core==1.3.8
    ray==2.49.0 codetiming==1.4.0 torchdata==0.11.0 dill==0.4.1 pandas==3.1.1 pyarrow==26.0.1 pybind11==3.1.0 orjson==3.13.0 pillow==13.0.0
    cachetools==8.0.2 uvicorn==0.54.0 fastapi==0.165.0 psutil rich)
  bare=(verl==0.9.1)
elif [ $# -gt 0 ]; then
  echo "peers/setup.sh: unknown option '$1'; known: --oracles" >&2
  exit 2
fi

stamp=$environment/stamp
wanted="${bare[*]} ${packages[*]}"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi
python3 -m venv "$environment" || fail "python3 -m venv failed; on Debian: apt-get install python3-venv"
install() {
  "$environment/bin/python" -m pip install --disable-pip-version-check --retries 5 "$@" ||
    fail "pip install $* failed, see above; is PyPI reachable, and are 8 GB free?"
}
install "${packages[@]}"
[ ${#bare[@]} -eq 0 ] || install --no-deps "${bare[@]}"
echo "$wanted" >"$stamp"
