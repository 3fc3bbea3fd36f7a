#!/usr/bin/env bash
# The peers that benchmarks/run.sh measures beside Cogent, from PyPI, into benchmarks/peers/.venv: about
# 7 GB, once. Neither the set-up of the program nor its tests need it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
packages=(torch==2.11.0 transformers==5.23.0 trl==1.16.0)

stamp=.venv/stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "${packages[*]}" ]; then
  exit 0
fi
python3 -m venv .venv || {
  echo "peers/setup.sh: python3 -m venv failed; on Debian: apt-get install python3-venv" >&2
  exit 3
}
.venv/bin/python -m pip install --disable-pip-version-check --retries 5 "${packages[@]}" || {
  echo "peers/setup.sh: pip install ${packages[*]} failed, see above; is PyPI reachable, and are 8 GB free?" >&2
  exit 3
}
echo "${packages[*]}" >"$stamp"
