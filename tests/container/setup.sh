#!/usr/bin/env bash
# Installs what builds and runs the image (Debian, as root), and makes its base: a Debian with Python, from Debian's own
# packages, so that no registry of images is needed. $1: the folder for the base, which is kept.
set -euo pipefail

packages=(buildah podman runc mmdebstrap)
installed() { for program in "${packages[@]}"; do command -v "$program" >/dev/null || return 1; done; }
if ! installed; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
mkdir -p "$1"
[[ -f "$1/base.tar" ]] && exit
mmdebstrap --quiet --format=tar --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$1/base.tar.part"
mv "$1/base.tar.part" "$1/base.tar"
