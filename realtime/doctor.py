"""antiphon doctor: what works on this machine, what does not, why, and what to do about it."""

import importlib
import importlib.metadata
import json
import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import PlainError
from pipeline.models import ModelError, ModelStore, needed_models
from pipeline.registry import DECODERS, ENCODERS, SYNTHESIZERS, Backend, check_held
from pipeline.settings import VoiceSettings
from realtime.auth import is_loopback
from realtime.echo import Canceller, NoCanceller
from realtime.settings import Settings, SettingsError, load_settings
from tts.synthesizer import SpeechFailed
from tts.xtts import LicenceNotAccepted, accepted, check_installed

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
"""Distributions that the agent can't run without, and the module that each brings."""

_LITTLE_MEMORY = 2 * 1024**3

_MARKS = {"ok": Text("✓", "green"), "note": Text("!", "yellow"), "fail": Text("✗", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A note is worth knowing; with a failure the agent can't run."""

    name: str
    mark: Literal["ok", "note", "fail"]
    finding: str
    remedy: str = ""


def doctor(
    config: Annotated[Path | None, typer.Option(help="Settings file.", show_default="./config.toml")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what works on this machine and what does not, and why. Exit code 1: the agent can't run."""
    findings = list(examine(config))
    well = all(finding.mark != "fail" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": well, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        _print(findings, well)
    raise typer.Exit(0 if well else 1)


def examine(config: Path | None) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield from _packages()
    yield _cores()
    yield _memory()
    yield _gpu()
    try:
        settings = load_settings(config)
    except SettingsError as error:
        yield Finding("settings", "fail", str(error), "correct them; the defaults were used for what follows")
        settings = Settings()
    else:
        yield Finding("settings", "ok", "every one is known and within its bounds")
    yield from _backends(settings)
    yield from _models(settings)
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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    finding = f"{cores} {platform.machine()}"
    if cores < 2:
        return Finding("cpu cores", "note", finding, "answers come late: two cores or more are recommended")
    return Finding("cpu cores", "ok", finding)


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    finding = f"{total / 1024**3:.1f} GiB"
    if total < _LITTLE_MEMORY:
        return Finding("memory", "note", finding, "2 GiB or more are recommended")
    return Finding("memory", "ok", finding)


def _gpu() -> Finding:
    try:
        import torch
    except Exception as error:  # already reported among the packages
        return Finding("gpu", "note", f"not known, for torch can't be imported: {error}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Finding("gpu", "ok", ", ".join(names))
    return Finding("gpu", "ok", "none that torch can use; the default models need none")


def _backends(settings: Settings) -> Iterator[Finding]:
    """Those whose packages are optional, and not there."""
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
    """One that is made elsewhere."""
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
            remedy = "pip install 'antiphon[xtts]', or name an interpreter that has it: [voice] python"
            yield Finding("voice", "fail", str(error), remedy)


def _port(host: str, port: int) -> Finding:
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(address[0], address[1]) as probe:
            # As servers do it: a port whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
    except OSError as error:
        remedy = "if that is no antiphon already running, choose another: antiphon serve --port 8001"
        return Finding("port", "note", f"can't listen on {host}:{port}: {error.strerror}", remedy)
    return Finding("port", "ok", f"{host}:{port} is free")


def _access(settings: Settings) -> Finding:
    server = settings.server
    if server.api_key.get_secret_value():
        return Finding("access", "ok", "with the API key only")
    if is_loopback(server.host):
        return Finding("access", "ok", "from this machine only, without an API key")
    remedy = "set ANTIPHON_SERVER__API_KEY"
    return Finding("access", "note", f"anyone who reaches {server.host} may talk to it", remedy)


def _sound() -> Finding:
    only = "only antiphon talk needs it"
    try:
        import sounddevice
    except ImportError as error:
        return Finding("sound", "note", f"sounddevice can't be imported: {error}", only)
    except OSError:
        remedy = f"{only}: apt install libportaudio2, or your system's like"
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
        return Finding("echo", "note", str(error), "antiphon talk turns the microphone off while it speaks")
    return Finding("echo", "ok", "antiphon talk keeps its own voice out of the microphone")


def _print(findings: list[Finding], well: bool) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        text = Text(finding.finding, overflow="fold")
        if finding.remedy:
            text.append(f" → {finding.remedy}", "bold" if finding.mark == "fail" else "dim")
        table.add_row(_MARKS[finding.mark], Text(finding.name), text)
    console = Console()
    console.print(table)
    console.print("The agent can run." if well else "The agent can't run yet.")
