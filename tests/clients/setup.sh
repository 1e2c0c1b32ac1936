#!/usr/bin/env bash
# The stock clients that the tests drive, each in a Python environment or a folder of Node modules under the folder that
# is given. Everything is pinned, dependencies too, and what a client imports only for other purposes is left out.
# Quick when nothing has changed.
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

made() { # NAME FILES...: whether that client was set up from these files
	local name=$1 && shift
	sum=$(cat "$@" | sha256sum)
	[[ -f "$folder/$name/.made" && "$(cat "$folder/$name/.made")" == "$sum" ]]
}

# Pipecat's sound card is PyAudio, which the package index has as source code only.
portaudio() {
	echo "#include <portaudio.h>" | cc -E - >/dev/null 2>&1
}
if ! made pipecat_service "$here/requirements/pipecat_service.txt" && ! portaudio; then
	if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
		echo "PyAudio needs a C compiler and PortAudio's headers (Debian: apt install gcc portaudio19-dev)." >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends gcc libc6-dev portaudio19-dev >/dev/null
fi

mkdir -p "$folder"
for requirements in "$here"/requirements/*.txt; do
	name=$(basename "$requirements" .txt)
	made "$name" "$requirements" && continue
	echo "Setting up the client $name"
	"$python" -m venv --clear "$folder/$name"
	"$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements"
	echo "$sum" >"$folder/$name/.made"
done

modules() { # NAME FILES...: a folder of Node modules, from these package files
	local name=$1 && shift
	made "$name" "$@" && return
	if ! command -v npm >/dev/null; then
		echo "The JavaScript clients need Node.js 20 or newer with npm (Debian: apt install nodejs npm)." >&2
		exit 1
	fi
	echo "Setting up the client $name"
	mkdir -p "$folder/$name"
	cp "$@" "$folder/$name"
	# Inside the folder: with --prefix, npm takes one that is named after a package for that package.
	(cd "$folder/$name" && npm ci --silent --no-audit --no-fund --ignore-scripts)
	echo "$sum" >"$folder/$name/.made"
}

modules node "$here"/node/*.json
modules react "$here"/../../examples/react/*.json
