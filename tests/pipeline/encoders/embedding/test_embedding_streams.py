"""Every family's encoder, streamed, against transformers' own forward pass over the whole sound."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audio.pcm import Pcm
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.embedding.qwen_audio import CUT_SHARE, ITEM_SAMPLES, STEP_PADDING, ItemStream
from pipeline.encoders.encoder import EncoderStream, Heard
from tests.support import towers
from tests.support.towers import RATE, Family

MAKERS: dict[str, Callable[[], Family]] = {
    "qwen2.5-omni": towers.qwen25_omni,
    "qwen3-omni": towers.qwen3_omni,
    "qwen3-asr": towers.qwen3_asr,
    "voxtral": towers.voxtral,
    "gemma": towers.gemma,
    "qwen2-audio": towers.qwen2_audio,
    "step-audio": towers.step_audio,
}
CAUSAL = ("voxtral", "gemma")
WHOLE = ("qwen2-audio", "step-audio")
BLOCKWISE = tuple(name for name in MAKERS if name not in CAUSAL + WHOLE)
TAIL_SAMPLES = {
    "qwen2.5-omni": 2 * RATE + 200,  # a block, and the half window after its last frame
    "qwen3-omni": 2 * RATE + 200,
    "qwen3-asr": 2 * RATE + 200,
    "voxtral": 1280 + 200,
    "gemma": 640 + 161,
    "qwen2-audio": ITEM_SAMPLES,
    "step-audio": ITEM_SAMPLES,
}
"""Sound that may be uncommitted at most, here where Qwen3's blocks are of 2 s."""
TOLERANCE = 1e-4
ROUNDING = 1e-5


@pytest.fixture(scope="module", params=list(MAKERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def family(name: str) -> Family:
    return MAKERS[name]()


def sound(samples: int, seed: int) -> Pcm:
    """Noise whose loudness moves over 90 dB, so that the loudest moment keeps moving, too."""
    random = np.random.default_rng(seed)
    decibels = np.interp(np.arange(samples), np.linspace(0, samples, 9), random.uniform(-100, -10, 9))
    return (random.standard_normal(samples) * 10 ** (decibels / 20)).astype(np.float32)


def vectors(heard: Heard) -> torch.Tensor:
    parts = [part.vectors for part in heard.units if isinstance(part, Embeddings)]
    return torch.cat(parts) if parts else torch.empty(0, 24)


def difference(heard: Heard, expected: torch.Tensor) -> float:
    found = vectors(heard)
    assert found.shape == expected.shape
    return float((found - expected).abs().max()) if len(found) else 0.0


def one_shot(family: Family, pcm: Pcm) -> torch.Tensor:
    with torch.inference_mode():
        return family.one_shot(pcm)


def push_all(stream: EncoderStream, pcm: Pcm, block: int = 4000) -> Heard:
    heard = Heard()
    for at in range(0, len(pcm), block):
        heard = stream.push(pcm[at : at + block])
    return heard


@settings(max_examples=12)
@given(
    samples=st.integers(300, 6 * RATE),
    blocks=st.lists(st.integers(0, RATE), max_size=20),
    pauses=st.sets(st.integers(0, 20), max_size=4),
    seed=st.integers(0, 1000),
)
def test_however_it_arrives_it_is_encoded_as_in_one_piece(
    family: Family, samples: int, blocks: list[int], pauses: set[int], seed: int
) -> None:
    """Also when the end seemed to have come, and the person went on."""
    pcm = sound(samples, seed)
    stream = family.encoder.open()
    at = 0
    for number, block in enumerate([*blocks, samples]):
        stream.push(pcm[at : at + block])
        at = min(at + block, samples)
        if number in pauses and at >= 300:
            assert difference(stream.finish(), one_shot(family, pcm[:at])) < TOLERANCE
    assert difference(stream.finish(), one_shot(family, pcm)) < TOLERANCE


def test_who_says_to_be_exact_is(family: Family, record_property: Callable[[str, object], None]) -> None:
    """To the rounding of float32, over a long turn. For those that see a sound as a whole it is said of items, which
    are cut in silence: this turn is one."""
    pcm = sound(20 * RATE + 777, seed=1)
    stream = family.encoder.open()
    push_all(stream, pcm)
    largest = difference(stream.finish(), one_shot(family, pcm))
    record_property("largest difference", largest)
    assert family.encoder.exact == (largest < ROUNDING)


@pytest.mark.parametrize("samples", [RATE, 2 * RATE - 1, 2 * RATE])
def test_a_click_in_the_last_sample_counts_as_the_extractor_counts_it(family: Family, samples: int) -> None:
    """The frame after the last one may be the loudest of all."""
    pcm = sound(samples, seed=5) * np.float32(1e-4)
    pcm[-1] = 1.0
    stream = family.encoder.open()
    push_all(stream, pcm)
    assert difference(stream.finish(), one_shot(family, pcm)) < ROUNDING


@pytest.mark.parametrize("make", [towers.qwen3_omni, towers.qwen3_asr])
def test_blocks_of_8_seconds(make: Callable[[int], Family]) -> None:
    family = make(800)
    pcm = sound(17 * RATE + 333, seed=2)
    stream = family.encoder.open()
    heard = push_all(stream, pcm)
    assert len(heard.committed_units) == 2
    assert difference(stream.finish(), one_shot(family, pcm)) < TOLERANCE


def test_what_is_committed_is_all_but_a_short_tail(family: Family, name: str) -> None:
    """... is a prefix of the one-shot encoding, and is never encoded again while the sound gets no louder."""
    pcm = sound(8 * RATE, seed=3)
    pcm[0] = 1.0
    expected = one_shot(family, pcm)
    samples_a_token = len(pcm) / len(expected)
    stream = family.encoder.open()
    committed: tuple[object, ...] = ()
    for at in range(0, len(pcm), 2000):
        heard = stream.push(pcm[at : at + 2000])
        assert heard.committed_units[: len(committed)] == committed
        committed = heard.committed_units
        count = sum(map(len, heard.committed_units))
        assert at + 2000 - count * samples_a_token <= TAIL_SAMPLES[name] + samples_a_token
    assert difference(heard, expected[: len(vectors(heard))]) < TOLERANCE
    assert stream.finish().committed_units[: len(committed)] == committed


def test_what_came_first_begins_a_sound_and_the_rest_goes_on(family: Family, name: str) -> None:
    stream = family.encoder.open()
    push_all(stream, sound(5 * RATE, seed=4))
    first, *rest = stream.finish().units
    assert not first.continues
    assert all(part.continues for part in rest)


def test_finishing_twice_costs_nothing_and_nothing_in_it_is_nothing(family: Family) -> None:
    stream = family.encoder.open()
    assert stream.push(np.empty(0, np.float32)) == Heard()
    assert stream.finish() == Heard()
    stream.push(sound(RATE, seed=5))
    assert stream.finish() is stream.finish()


@pytest.mark.parametrize("name", BLOCKWISE)
def test_only_blocks_with_quiet_frames_are_encoded_again_when_it_gets_louder(name: str) -> None:
    family = MAKERS[name]()
    noise = np.random.default_rng(6).standard_normal(6 * RATE).astype(np.float32)
    loud, hushed, louder = noise[: 2 * RATE] * 0.1, noise[2 * RATE : 4 * RATE] * 1e-6, noise[4 * RATE :] * 0.5
    stream = family.encoder.open()
    before = push_all(stream, np.concatenate((loud, hushed, louder[:400]))).committed_units
    push_all(stream, louder[400:])
    after = stream.finish().committed_units
    assert after[0] is before[0]
    assert after[1] is not before[1]
    whole = np.concatenate((loud, hushed, louder))
    assert difference(stream.finish(), one_shot(family, whole)) < TOLERANCE


@pytest.mark.parametrize("name", WHOLE)
def test_long_sounds_are_cut_in_silence_into_items_of_their_own(name: str) -> None:
    family = MAKERS[name]()
    pcm = np.random.default_rng(8).standard_normal(60 * RATE).astype(np.float32) * 0.1
    pauses = [22 * RATE, 44 * RATE]
    for pause in pauses:
        pcm[pause - 1600 : pause + 1600] = 0
    stream = family.encoder.open()
    heard = push_all(stream, pcm)
    assert len(heard.committed_units) == 2
    parts = stream.finish().units
    assert len(parts) == 3
    assert not any(part.continues for part in parts)
    for part, item in zip(parts, np.split(pcm, pauses), strict=True):
        assert difference(Heard(committed_units=(part,)), one_shot(family, item)) < TOLERANCE


def test_the_open_end_is_behind_a_mark_and_is_replaced_when_the_sound_goes_on(family: Family) -> None:
    """At a pause the decoder may read all of it; afterwards it goes back to the last vector that was certain."""
    pcm = sound(9 * RATE, seed=9)
    pcm[:400] = 1.0
    stream = family.encoder.open()
    certain = push_all(stream, pcm[: 5 * RATE])
    assert certain.tentative_units == ()
    paused = stream.finish()
    assert paused.committed_units == certain.committed_units
    assert paused.tentative_units
    assert difference(paused, one_shot(family, pcm[: 5 * RATE])) < TOLERANCE
    on = push_all(stream, pcm[5 * RATE :])
    assert on.committed_units[: len(certain.committed_units)] == certain.committed_units
    assert not set(paused.tentative_units) & set(stream.finish().units)


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_of_an_open_item_is_worked_on_before_the_finish(name: str) -> None:
    family = MAKERS[name]()
    stream = family.encoder.open()
    assert worked(lambda: push_all(stream, sound(20 * RATE, seed=9))) == 0
    assert worked(stream.finish) > 0


@pytest.mark.parametrize("make", [towers.qwen3_omni, towers.qwen3_asr])
def test_full_chunks_of_an_open_block_are_convolved_as_they_come(make: Callable[[int], Family]) -> None:
    """... once each, though attention over the block waits; also after a pause in the middle of one."""
    pcm = sound(7 * RATE, seed=14)
    pcm[:400] = 1.0

    streams = [make(800).encoder.open() for _ in range(2)]
    before = convolved(lambda: push_all(streams[0], pcm))
    after = convolved(streams[0].finish)
    assert before > 5 * after > 0
    push_all(streams[1], pcm[: 11 * RATE // 2])
    streams[1].finish()
    push_all(streams[1], pcm[11 * RATE // 2 :])
    assert convolved(streams[1].finish) == after


def test_what_louder_sound_changes_is_encoded_again_while_it_goes_on() -> None:
    """... and not again and again, however often it gets louder still."""
    family = towers.qwen25_omni()
    noise = np.random.default_rng(15).standard_normal(40 * RATE).astype(np.float32) * 1e-3
    steady, louder = noise.copy(), noise * np.geomspace(1e-2, 1e2, len(noise), dtype=np.float32)
    steady[0] = 1.0
    once = worked(lambda: push_all(family.encoder.open(), steady))
    assert once < worked(lambda: push_all(family.encoder.open(), louder)) < 10 * once


def worked(work: Callable[[], object], layers: tuple[type[nn.Module], ...] = (nn.Linear, nn.Conv1d, nn.Conv2d)) -> int:
    """How many values such layers were given meanwhile."""
    given = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: object) -> None:
        nonlocal given
        if isinstance(module, layers):
            given += inputs[0].numel()

    with nn.modules.module.register_module_forward_hook(count):
        work()
    return given


def convolved(work: Callable[[], object]) -> int:
    return worked(work, (nn.Conv2d,))


@pytest.mark.parametrize("loudest", [0, 0.5], ids=["loudest at the start", "loudest in the middle"])
def test_the_work_behind_the_last_sample_does_not_grow_with_the_turn(family: Family, name: str, loudest: float) -> None:
    if name in WHOLE:
        most = worked(lambda: push_and_finish(family, ITEM_SAMPLES - 1))
    else:
        most = worked(lambda: push_and_finish(family, TAIL_SAMPLES[name]))
    for seconds in (6.3, 12.3, 24.3):
        stream = family.encoder.open()
        pcm = sound(round(seconds * RATE), seed=10)
        at = round(loudest * len(pcm))
        pcm[at : at + 400] = 1.0
        push_all(stream, pcm)
        assert worked(stream.finish) <= most


def push_and_finish(family: Family, samples: int) -> None:
    stream = family.encoder.open()
    stream.push(sound(samples, seed=11))
    stream.finish()


def held_bytes(root: object) -> int:
    """Of all arrays and tensors that a stream keeps, those of its model left out."""
    seen: set[int] = set()
    storages: dict[int, int] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, nn.Module | type):
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, np.ndarray):
            whole = thing if thing.base is None else thing.base
            storages[id(whole)] = getattr(whole, "nbytes", thing.nbytes)
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, list | tuple):
            waiting += thing
        elif type(thing).__module__.startswith(("pipeline.", "transformers.")):
            waiting += vars(thing).values() if hasattr(thing, "__dict__") else ()
            waiting += [getattr(thing, slot) for slot in getattr(type(thing), "__slots__", ())]
    return sum(storages.values())


def test_memory_grows_with_the_sound_and_no_faster(family: Family) -> None:
    stream = family.encoder.open()
    held = []
    for seed in range(6):
        push_all(stream, sound(10 * RATE, seed))
        stream.finish()
        held.append(held_bytes(stream))
    steps = np.diff(held)
    assert max(steps) < 125_000 * 10  # bytes: log-mel takes 51,200 a second, an open item's samples 64,000
    assert held[-1] < held[0] * 8


def test_step_audio_sees_479_samples_of_silence_behind_a_sound() -> None:
    family = towers.step_audio()
    stream = family.encoder.open()
    assert isinstance(stream, ItemStream)
    stream.push(sound(RATE, seed=12))
    frames = (RATE + STEP_PADDING) // 160
    assert len(stream.finish().units[0]) == (-(-frames // 2) // 2 + 1) // 2


def test_items_are_cut_in_their_last_fifth() -> None:
    stream = MAKERS["qwen2-audio"]().encoder.open()
    heard = push_all(stream, np.random.default_rng(13).standard_normal(26 * RATE).astype(np.float32))
    assert 25 * (25 - 25 // CUT_SHARE) <= len(heard.committed_units[0]) <= 25 * 25
