#!/usr/bin/env bash
# Installs the Debian packages that tests need and that are missing. A test is never left out for want of a tool.
set -euo pipefail

missing=()
need() {
    command -v "$1" >/dev/null || missing+=("${@:2}")
}
need cc gcc libc6-dev
need git git
need chromium chromium
need go golang-go
need node nodejs
need npm npm
need javac default-jdk-headless
need mvn maven
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if ((${#missing[@]})); then
    as_root=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || { echo "missing, and to be installed by root: ${missing[*]}" >&2; exit 1; }
        as_root=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup" >&2; exit 1; }
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}"
done
