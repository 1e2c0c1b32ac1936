#!/usr/bin/env bash
# What the tests need of the system: a browser, and a sound server with no sound card behind it. Installs what is missing
# where it may (Debian and its kin, as root); says what to install elsewhere. Quick when all is there.
set -euo pipefail

packages=(chromium fonts-dejavu-core pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins)

missing() {
	for program in chromium pulseaudio pactl; do
		command -v "$program" >/dev/null || echo "$program"
	done
	library libportaudio.so.2 || echo "PortAudio"
	library alsa-lib/libasound_module_pcm_pulse.so || echo "ALSA's plug-in for PulseAudio"
}

library() {
	compgen -G "/usr/lib*/$1" >/dev/null || compgen -G "/usr/lib*/*/$1" >/dev/null
}

[[ -z "$(missing)" ]] && exit

if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
	echo "Installing what the tests need of the system: ${packages[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

if [[ -n "$(missing)" ]]; then
	{
		echo "The tests drive a real browser and a real sound server, and this machine lacks:"
		missing | sed 's/^/  /'
		echo "On Debian and its kin, install them so; elsewhere, install the packages that hold them:"
		echo "  sudo apt-get install ${packages[*]}"
	} >&2
	exit 1
fi
