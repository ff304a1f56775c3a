#!/usr/bin/env bash
# Make sure that there is a browser for the tests of the dashboard: chromium and chromedriver.
#
# Nothing is installed where both are there. Otherwise Debian's packages are, as root or with sudo.
# Ubuntu has them as a snap only: install that by hand (snap install chromium).
set -euo pipefail

has_browser() { command -v chromium >/dev/null && command -v chromedriver >/dev/null; }

fail() {
  printf '%s\n' "tools/install_browser.sh: $1" \
    '  -> install chromium and chromedriver in any way that puts both on the PATH' >&2
  exit 1
}

has_browser && exit
command -v apt-get >/dev/null || fail 'there is no apt-get here'
as_root=()
if [[ $(id -u) != 0 ]]; then
  command -v sudo >/dev/null || fail 'installing packages needs root or sudo'
  as_root=(sudo)
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo 'installing chromium for the tests of the dashboard' >&2
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core; } \
  > "$log" 2>&1 < /dev/null; then
  tail -n 12 "$log" >&2
  fail 'apt-get could not install chromium; its last lines are above'
fi
has_browser || fail 'apt-get installed chromium, but the commands are not on the PATH'
