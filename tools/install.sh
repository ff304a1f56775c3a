#!/usr/bin/env bash
# Make .venv hold what one Makefile target needs:  tools/install.sh demo|test
#
# Nothing is installed, and no network is used, when the stamp of an earlier run still fits.
# PYTHON=python3.12 chooses the Python; pip's own variables and settings (PIP_*) are respected.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

level=${1:-}
log=.venv/install.log

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "make: $1"
  shift
  for line in "$@"; do say "  -> $line"; done
  exit 1
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

environment() {
  if [[ -n ${ROS_DISTRO:-} ]]; then echo "ROS 2 $ROS_DISTRO"; else echo 'ROS 2 wheels'; fi
}

# What an installation depends on; a stamp that holds another key is out of date.
current_key() {
  { cat setup.py constraints.txt tools/install.sh
    printf '%s\n' "$(environment)" "$PWD" "${PYTHON:-}"; } | checksum | cut -d ' ' -f 1
}

# The test level includes the demo level.
is_installed() {
  local stamp
  for stamp in "$level" test; do
    if [[ -x .venv/bin/python && $(cat ".venv/stamp.$stamp" 2>/dev/null) == "$key" ]]; then
      return 0
    fi
  done
  return 1
}

is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

can_make_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

brings_ros() { [[ -z ${ROS_DISTRO:-} ]] || "$1" -c 'import rclpy' 2>/dev/null; }

# A sourced ROS 2 is built for the system's python3; the wheels serve every version.
candidates() {
  if [[ -n ${PYTHON:-} ]]; then
    echo "$PYTHON"
  elif [[ -n ${ROS_DISTRO:-} ]]; then
    echo /usr/bin/python3 python3 python3.12 python3.11 python3.10
  else
    echo python3.11 python3.12 python3.10 python3
  fi
}

find_python() {
  local candidate seen='' without_venv=''
  for candidate in $(candidates); do
    is_supported "$candidate" || continue
    seen=$candidate
    brings_ros "$candidate" || continue
    can_make_environments "$candidate" || { without_venv=$candidate; continue; }
    echo "$candidate"
    return
  done
  [[ -n $seen ]] || fail "no Python 3.10, 3.11 or 3.12 found (tried: $(candidates))" \
    'install one, or name it: make demo PYTHON=/path/to/python3.11'
  [[ -z $without_venv ]] || fail "$without_venv cannot make virtual environments" \
    "install its venv module, for example: sudo apt install python3-venv" \
    'or name another Python: make demo PYTHON=/path/to/python3.11'
  fail "ROS 2 $ROS_DISTRO is sourced, but rclpy cannot be imported (tried: $(candidates))" \
    "install it: sudo apt install ros-$ROS_DISTRO-ros-base, and source its setup.bash" \
    'or open a shell where no ROS is sourced, to use the ROS 2 wheels'
}

require_wheels_for_this_machine() {
  [[ -z ${ROS_DISTRO:-} && $(uname -s)-$(uname -m) != Linux-x86_64 ]] || return 0
  fail "no ROS 2 is sourced, and its wheels exist for Linux x86_64 only (this is $(uname -sm))" \
    'install ROS 2 Humble, Jazzy or Kilted with the system packages (apt on Ubuntu)' \
    'then: source /opt/ros/<distro>/setup.bash, and run make again'
}

system_packages_wanted() { if [[ -n ${ROS_DISTRO:-} ]]; then echo true; else echo false; fi; }

# An environment is kept where it works, was made here, and sees what it should see.
is_usable() {
  [[ -x .venv/bin/pip ]] && .venv/bin/python -m pip --version >/dev/null 2>&1 &&
    is_supported .venv/bin/python && [[ $(cat .venv/made_in 2>/dev/null || pwd) == "$PWD" ]] &&
    grep -q "^include-system-site-packages = $(system_packages_wanted)" .venv/pyvenv.cfg &&
    [[ -z ${PYTHON:-} || $(version_of "$PYTHON") == "$(version_of .venv/bin/python)" ]]
}

version_of() { "$1" -c 'import platform; print(platform.python_version())'; }

make_environment() {
  local python options=(--clear)
  python=$(find_python)
  [[ $(system_packages_wanted) == false ]] || options+=(--system-site-packages)
  "$python" -m venv "${options[@]}" .venv || fail "$python -m venv .venv failed" \
    'install its venv module, for example: sudo apt install python3-venv' \
    'or remove .venv by hand and run make again'
  echo "$PWD" > .venv/made_in
}

# The torch that comes with the system (a Jetson's) fits its GPU: it is kept.
write_constraints() {
  local keep='cat'
  if .venv/bin/python -c 'from importlib.metadata import version; version("torch")' 2>/dev/null
  then
    [[ $(system_packages_wanted) == false ]] || keep='grep -v ^torch=='
  fi
  $keep constraints.txt > .venv/constraints.txt
}

requirements() {
  local extras='rooms,cli,dashboard,video,real'
  [[ -n ${ROS_DISTRO:-} ]] || extras+=',ros'
  [[ $level != test ]] || extras+=',train,test'
  echo ".[$extras]"
}

install_packages() {
  .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
    --use-pep517 --constraint .venv/constraints.txt --editable "$(requirements)" > "$log" 2>&1 ||
    explain_failure
}

explain_failure() {
  local advice='see the log, mend the cause and run make again: it goes on where it stopped'
  if grep -q 'No space left' "$log"; then
    advice='the disk is full: 2 GB are needed, 3 for the tests (more where torch brings CUDA)'
  elif grep -qE 'connection broken|ConnectionError|timed out|SSLError' "$log"; then
    advice='the package index was not reached: check the network, the proxy and pip config list'
  elif grep -q 'No matching distribution' "$log"; then
    advice='a package has no version for this Python: try make demo PYTHON=python3.11'
  fi
  tail -n 12 "$log" | sed -E 's#[a-z+]+://[^ ,]+#<address>#g' >&2
  fail "pip could not install $(requirements) into .venv; its last lines are above" \
    "$advice" "the whole log is in $log"
}

# An editable installation brings no data files: links make the ament index complete.
link_into_ament_index() {
  local share=.venv/share/mtshare_ros index=.venv/share/ament_index/resource_index/packages name
  rm -rf "$share"
  mkdir -p "$share/launch" "$index" .venv/lib/mtshare_ros
  ln -sfn "$PWD/resource/mtshare_ros" "$index/mtshare_ros"
  for name in package.xml config models; do ln -sfn "$PWD/$name" "$share/$name"; done
  # `ros2 launch` does not follow links to folders.
  for name in launch/*.launch.py; do ln -sfn "$PWD/$name" "$share/$name"; done
  for name in tools/executables/*; do
    ln -sfn "../../bin/${name##*/}" ".venv/lib/mtshare_ros/${name##*/}"
  done
}

check_imports() {
  .venv/bin/python -c 'import mtshare_ros, rclpy, torch' 2>> "$log" && return
  tail -n 3 "$log" >&2
  fail 'the packages were installed, but cannot be imported; the error is above' \
    'if two ROS environments are mixed, open a fresh shell; then: rm -rf .venv and run make again'
}

install() {
  local started=$SECONDS
  is_usable || { require_wheels_for_this_machine; make_environment; }
  say "installing into .venv ($(environment), Python $(version_of .venv/bin/python));" \
    "this takes some minutes, the log is $log"
  rm -f .venv/stamp.*
  write_constraints
  install_packages
  link_into_ament_index
  check_imports
  echo "$key" > ".venv/stamp.$level"
  say "installed in $((SECONDS - started)) s"
}

[[ $level == demo || $level == test ]] || fail "tools/install.sh: unknown level '$level'" \
  'allowed are: demo, test'
key=$(current_key)
is_installed && exit
# Two calls at once: the second one waits, and then finds everything installed.
if command -v flock >/dev/null; then exec 9< tools/install.sh && flock 9; fi
is_installed || install
