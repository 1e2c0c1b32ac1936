"""The command `doctor`: what works on this machine, what does not, why, and what to do about it."""

import importlib
import importlib.metadata
import json
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from rich.table import Table
from rich.text import Text

from audio.errors import PlainError
from pipeline.backends import DECODERS, ENCODERS, SYNTHESIZERS, Backend, check_held
from pipeline.profiles import ProfileName
from pipeline.settings import VoiceSettings
from pipeline.weights.machine import system_memory, usable_cores
from pipeline.weights.store import ModelError, ModelStore, needed_models
from realtime.access.api_keys import KeyProblem, KeyRing, keys_file
from realtime.cli.console import output
from realtime.sessions.guard import is_loopback
from realtime.settings import Settings, SettingsError, chosen_profile, load_settings
from realtime.terminal.echo_guard import Canceller, NoCanceller
from tts.engines.coqui import LicenceNotAccepted, accepted, check_installed, install_command
from tts.synthesizer import SpeechFailed

_PACKAGES = {
    "torch": "torch",
    "transformers": "transformers",
    "ctranslate2": "ctranslate2",
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "xllamacpp": "xllamacpp",
    "soxr": "soxr",
    "num2words": "num2words",
    "python-crfsuite": "pycrfsuite",
    "aiortc": "aiortc",
    "openai": "openai",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "websockets": "websockets",
}
"""Distributions that the agent requires, and the module that each provides."""

_LITTLE_MEMORY = 2 * 1024**3

_MARKS = {"ok": Text("✓", "green"), "note": Text("!", "yellow"), "fail": Text("✗", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. A note is worth knowing; with a failure the agent cannot run."""

    name: str
    mark: Literal["ok", "note", "fail"]
    finding: str
    remedy: str = ""


def doctor(
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")] = None,
    profile: Annotated[
        ProfileName | None, typer.Option(help="The set of settings to look at.", show_default="able")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check what works on this machine and what does not, and why. Exit code 1: the agent cannot run."""
    findings = list(examine(config, profile))
    well = all(finding.mark != "fail" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": well, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings, well)
    raise typer.Exit(0 if well else 1)


def examine(config: Path | None, profile: ProfileName | None = None) -> Iterator[Finding]:
    """Run all checks, with the settings in `config`."""
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield from _packages()
    yield _cores()
    yield _memory()
    yield _gpu()
    try:
        settings = load_settings(config, {"profile": profile} if profile else None)
    except SettingsError as error:
        yield Finding("settings", "fail", str(error), "correct them; the checks below use the defaults")
        settings = Settings()
    else:
        yield Finding("settings", "ok", "all are known and within their bounds")
    yield _profile(settings)
    yield from _backends(settings)
    yield from _models(settings)
    if settings.encoder.remote:
        yield _server("encoder", settings.encoder.url)
    if settings.decoder.remote:
        yield _server("decoder", settings.decoder.url)
    yield from _voice(settings.voice)
    yield _port(settings.server.host, settings.server.port)
    yield _access(settings)
    yield _sound()
    yield _echo()


def _packages() -> Iterator[Finding]:
    versions = []
    for package, module in _PACKAGES.items():
        try:
            importlib.import_module(module)
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except Exception as error:  # a broken native library may raise anything at import
            remedy = f"{sys.executable} -m pip install --force-reinstall {package}"
            yield Finding(package, "fail", f"can't be imported: {error}", remedy)
    yield Finding("packages", "ok", ", ".join(versions))


def _cores() -> Finding:
    cores = usable_cores()
    finding = f"{cores} {platform.machine()}"
    if cores < 2:
        return Finding("cpu cores", "note", finding, "answers will be slow: two cores or more are recommended")
    return Finding("cpu cores", "ok", finding)


def _memory() -> Finding:
    total = system_memory()
    finding = f"{total / 1024**3:.1f} GiB"
    if total < _LITTLE_MEMORY:
        return Finding("memory", "note", finding, "2 GiB or more are recommended")
    return Finding("memory", "ok", finding)


def _profile(settings: Settings) -> Finding:
    """The profile that this machine can hold, and what follows from it."""
    choice = chosen_profile(settings)
    sessions = settings.server.max_sessions
    follows = f"{settings.decoder.model}, {sessions} conversation{'s' if sessions > 1 else ''} at once"
    if choice.fell_back:
        return Finding("profile", "note", f"{choice.name}, because {choice.reason}: {follows}")
    return Finding("profile", "ok", f"{choice.name}, because it fits ({choice.reason}): {follows}")


def _gpu() -> Finding:
    try:
        import torch
    except Exception as error:  # already reported among the packages
        return Finding("gpu", "note", f"unknown, because torch can't be imported: {error}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", ", ".join(names))
    return Finding("gpu", "ok", "no GPU that torch can use; the default models need none")


def _backends(settings: Settings) -> Iterator[Finding]:
    """The chosen backends whose optional packages are missing."""
    chosen: dict[str, Backend[Any]] = {
        "encoder": ENCODERS[settings.encoder.backend],
        "decoder": DECODERS[settings.decoder.backend],
        "voice": SYNTHESIZERS[settings.voice.backend],
    }
    for role, backend in chosen.items():
        if backend.missing:
            finding, _, remedy = backend.missing.partition(": ")
            yield Finding(role, "fail", finding, remedy)


def _models(settings: Settings) -> Iterator[Finding]:
    store = ModelStore(settings.models.cache, settings.models.offline)
    for name in needed_models(settings):
        try:
            state = store.state(name)
        except ModelError as error:
            yield Finding(name, "fail", str(error), "correct the settings")
            continue
        if state == "ready":
            yield Finding(name, "ok", str(store.resolve(name)))
        else:
            yield Finding(name, "fail", f"{state} in the cache", f"antiphon models pull {name}")
    if settings.decoder.backend == "torch":
        try:
            check_held(settings.decoder.model, settings.decoder.device, store)
        except PlainError as error:
            yield Finding("decoder", "fail", str(error))
        except (ImportError, OSError):  # already reported among the packages
            pass


def _server(role: str, url: str) -> Finding:
    try:
        httpx.get(url, timeout=3)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(f"{role} server", "fail", f"{url!r} does not answer: {error}", f"start it, or set [{role}] url")
    return Finding(f"{role} server", "ok", f"{url} answers")


def _voice(voice: VoiceSettings) -> Iterator[Finding]:
    """Voices that need a server or a process of their own."""
    if voice.backend == "http":
        yield _server("voice", voice.url)
    if voice.backend == "xtts":
        try:
            accepted(voice.model, voice.accept_licence)
        except LicenceNotAccepted as error:
            yield Finding("voice", "fail", str(error))
        try:
            check_installed(voice.python)
        except SpeechFailed as error:
            remedy = f"{install_command(voice.python)}, or name an interpreter that has it: [voice] python"
            yield Finding("voice", "fail", str(error), remedy)


def _port(host: str, port: int) -> Finding:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0], address[1]) as probe:
            # As servers do: a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
    except OSError as error:
        remedy = "unless that is a running antiphon, choose another: antiphon serve --port 8001"
        return Finding("port", "note", f"can't listen on {host}:{port}: {error.strerror}", remedy)
    return Finding("port", "ok", f"{host}:{port} is free")


def _access(settings: Settings) -> Finding:
    server = settings.server
    try:
        keys = KeyRing(server.api_key.get_secret_value(), keys_file(server.keys_file))
    except KeyProblem as problem:
        return Finding("access", "fail", str(problem))
    if keys.required:
        return Finding("access", "ok", "with an API key only")
    if is_loopback(server.host):
        return Finding("access", "ok", "from this machine only, without an API key")
    if server.keyless:
        return Finding("access", "note", f"anyone who can reach {server.host} may use this server, as keyless allows")
    remedy = "antiphon keys add NAME, or set ANTIPHON_SERVER__API_KEY, or server.keyless = true"
    return Finding("access", "fail", f"{server.host} is open to the network, and there is no API key", remedy)


def _sound() -> Finding:
    only = "only antiphon talk needs it"
    try:
        import sounddevice
    except ImportError as error:
        return Finding("sound", "note", f"sounddevice can't be imported: {error}", only)
    except OSError:
        remedy = f"{only}: apt install libportaudio2, or your system's equivalent"
        return Finding("sound", "note", "the PortAudio library is missing", remedy)
    try:
        devices = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        return Finding("sound", "note", f"PortAudio can't list the devices: {error}", only)
    inputs = sum(device["max_input_channels"] > 0 for device in devices)
    outputs = sum(device["max_output_channels"] > 0 for device in devices)
    finding = f"{inputs} microphones, {outputs} loudspeakers"
    if not inputs or not outputs:
        return Finding("sound", "note", finding, only)
    return Finding("sound", "ok", finding)


def _echo() -> Finding:
    try:
        Canceller()
    except NoCanceller as error:
        return Finding("echo", "note", str(error), "antiphon talk turns the microphone off while the agent speaks")
    return Finding("echo", "ok", "antiphon talk removes the agent's voice from the microphone")


def _print(findings: list[Finding], well: bool) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        text = Text(finding.finding, overflow="fold")
        if finding.remedy:
            text.append(f" → {finding.remedy}", "bold" if finding.mark == "fail" else "dim")
        table.add_row(_MARKS[finding.mark], Text(finding.name), text)
    console = output()
    console.print(table)
    console.print("The agent can run." if well else "The agent can't run yet.")
