#!/usr/bin/env bash
# Installs what the tests need of the system: a browser, a sound server without a sound card, reverse proxies, Prometheus,
# and Node.js for the checks of the JavaScript. On Debian and its relatives, as root, it installs what is missing; elsewhere it says what to install.
set -euo pipefail

packages=(chromium fonts-dejavu-core pulseaudio pulseaudio-utils libportaudio2 libasound2-plugins nginx-light caddy prometheus)
# Debian's packages of Node.js conflict with others': they are installed only where there is none.
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)

missing() {
	for program in chromium pulseaudio pactl nginx caddy promtool node npm; do
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
		echo "The tests need a browser, a sound server, proxies, Prometheus and Node.js, and this machine lacks:"
		missing | sed 's/^/  /'
		echo "On Debian and its relatives, install them like this; elsewhere, install the packages that contain them:"
		echo "  sudo apt-get install ${packages[*]}"
	} >&2
	exit 1
fi
