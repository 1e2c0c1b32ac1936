"""Large models from a server that speaks the hub's protocol, and whether a machine can hold them."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.errors import PlainError
from pipeline.backends import DECODERS
from pipeline.decoders.decoder import DecoderError
from pipeline.settings import DecoderSettings, PipelineSettings
from pipeline.weights.memory_fit import TooLarge, check_fits
from pipeline.weights.snapshots import SnapshotSource
from pipeline.weights.store import Model, ModelError, ModelStore, known_models
from tests.support.hub import Hub, large

COMMIT, OTHER = "a" * 40, "b" * 40
CONTENTS = {"model.safetensors": bytes(1000), "config.json": b'{"model_type": "large"}', "tokenizer.json": b"{}"}
UNWANTED = {"README.md": b"# Large", "original/model.safetensors": bytes(10)}

PROGRAM = """
import sys
from pathlib import Path
from pipeline.weights.store import ModelStore
from tests.support.hub import large

store = ModelStore(Path(sys.argv[1]), models={"large": large()})
print(store.resolve(sys.argv[2]))
store.verify(sys.argv[2])
"""


def sibling(name: str, data: bytes) -> dict[str, object]:
    """A file in the hub's listing: of a large one it tells the SHA-256."""
    listed: dict[str, object] = {"rfilename": name, "size": len(data), "blobId": "0" * 40}
    if name.endswith(".safetensors"):
        listed["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return listed


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({}) as server:
        for commit in (COMMIT, OTHER):
            siblings = [sibling(name, data) for name, data in (CONTENTS | UNWANTED).items()]
            listing = {"id": "me/large", "sha": commit, "siblings": siblings}
            server.files[f"/api/models/me/large/revision/{commit}?blobs=true"] = json.dumps(listing).encode()
            server.files |= {f"/me/large/resolve/{commit}/{name}": data for name, data in CONTENTS.items()}
        server.broken = set(server.files)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def pull(cache: Path, endpoint: str, name: str) -> subprocess.CompletedProcess[str]:
    # In a process of its own: the hub's client reads its address from the environment when it is imported.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache / "hf"), "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", PROGRAM, str(cache), name]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["large", f"large@{OTHER}"])
def test_the_weights_and_what_belongs_to_them_are_fetched(name: str, tmp_path: Path, hub: Hub) -> None:
    run = pull(tmp_path, hub.url, name)
    assert run.returncode == 0, run.stderr
    folder = Path(run.stdout.strip())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS
    asked = len(hub.asked)
    assert pull(tmp_path, hub.url, name).returncode == 0
    assert len(hub.asked) == asked, "what is here is not asked for again"
    store = ModelStore(tmp_path, models={"large": large()})
    assert store.state(name) == "ready"
    (folder / "config.json").write_bytes(b'{"model_type": "other"}')
    assert store.state(name) == "damaged"
    assert store.remove_all() > 0
    assert not store.folder.exists()


def test_weights_that_are_not_those_of_the_list_are_refused(tmp_path: Path, hub: Hub) -> None:
    hub.files[f"/me/large/resolve/{COMMIT}/model.safetensors"] = bytes(999) + b"x"
    run = pull(tmp_path, hub.url, "large")
    assert run.returncode != 0
    assert "is not the expected file" in run.stderr
    assert ModelStore(tmp_path, models={"large": large()}).state("large") == "missing"


def test_without_a_commit_the_user_is_asked_for_one(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, models={"large": large(revision="")})
    with pytest.raises(ModelError, match=r'no commit of me/large is pinned for large: .* "large@COMMIT"'):
        store.resolve("large")
    assert large(revision="").size == 5_000


@pytest.mark.parametrize("revision", ["", "main", "../..", "a" * 7, "A" * 40, "g" * 40, "a" * 41])
@pytest.mark.parametrize("pinned", ["", COMMIT])
def test_what_is_no_whole_commit_is_refused(revision: str, pinned: str, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, models={"large": large(pinned)})
    for ask in (store.resolve, store.verify, store.state):
        with pytest.raises(
            ModelError, match=r'is not a commit: choose one at https://\S+ and say model = "large@COMMIT"'
        ):
            ask(f"large@{revision}")


def test_every_known_snapshot_is_pinned_or_asks_for_it() -> None:
    for name, model in known_models().items():
        for source in model.sources:
            if isinstance(source, SnapshotSource):
                assert len(bytes.fromhex(source.revision)) == 20 or name == "step-audio-r1"
                assert model.parameters > 1e9
                assert source.bytes >= 2 * model.parameters
                assert model.cached_per_token > 0


async def test_a_machine_that_can_not_hold_a_model_is_told_before_the_download(tmp_path: Path) -> None:
    decoder = DecoderSettings(backend="torch", model="huge", device="cpu")
    store = ModelStore(tmp_path, models={"huge": Model("decoder", "", "", (), large().sources, parameters=1e15)})
    with pytest.raises(TooLarge, match=r"takes [\d,]+ GB of memory on the CPU, in float32, and cpu has [\d,]+ GB"):
        await DECODERS["torch"].open(PipelineSettings(decoder=decoder), store)
    assert store.state("huge") == "missing"


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
async def test_a_device_that_is_not_there_is_named_before_the_download(device: str, tmp_path: Path) -> None:
    decoder = DecoderSettings(backend="torch", model="large", device=device)
    store = ModelStore(tmp_path, models={"large": large()})
    with pytest.raises(DecoderError, match=f"decoder.device = '{device}' is not a device of this machine"):
        await DECODERS["torch"].open(PipelineSettings(decoder=decoder), store)


async def test_a_model_that_llama_can_not_read_is_refused_before_the_download(tmp_path: Path) -> None:
    decoder = DecoderSettings(backend="llama", model="qwen2.5-omni-3b")
    with pytest.raises(PlainError, match=r'qwen2\.5-omni-3b .* set decoder\.backend = "torch"'):
        await DECODERS["llama"].open(PipelineSettings(decoder=decoder), ModelStore(tmp_path))


def test_a_hub_that_can_not_be_reached_is_named(tmp_path: Path) -> None:
    run = pull(tmp_path, "http://127.0.0.1:9", "large")
    assert run.returncode != 0
    assert "ModelError: can't get the model large (about 0 MB): hub me/large@aaaaaaaa: " in run.stderr


def test_what_fits_fits() -> None:
    check_fits("tiny", 1e6, "cpu")
