"""Barge-in: how soon the agent falls silent at the listener, and whether it ignores backchannels."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from audio.pcm import silence
from bench.callers.browser import RATE, Call, Sides, chromium, open_page
from bench.callers.caller import AUDIBLE
from bench.callers.page import begin_of
from bench.corpus import Recording
from bench.report import BAD, GOOD, LINE, in_a_line, number, percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("backchannel", "barge_in")

_REQUEST = "Tell me everything that you know about the sea."
_SPEAKING = "document.querySelectorAll('li.agent.speaking .played').length > 2"
_AFTER_S = 2.0
"""How long the call continues after the interruption."""
_ALONG_S = 0.2
"""How much earlier than the event that announces it an answer may be heard: one comes by RTP, the other by SCTP."""
_MOMENTS_S = (0.0, 0.7, 0.3, 1.1, 0.5)
"""Waits before the interruption, which vary its place in the sentence."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Speech over an answer. Times are milliseconds from its first sample."""

    name: str
    kind: str
    ducked_ms: float | None
    """When the page was asked to duck the voice."""
    silent_ms: float | None
    """When the last audible sample of the answer was played; None: the answer continued."""
    stopped: bool

    @property
    def right(self) -> bool:
        return self.stopped == (self.kind == "barge_in")


@dataclass(frozen=True, slots=True)
class Report:
    """All attempts to interrupt."""

    tries: list[Attempt]

    def as_data(self) -> dict[str, object]:
        return {**asdict(self), "summary": self.summary()}

    def summary(self) -> dict[str, float | int | None]:
        barge_ins = [one for one in self.tries if one.kind == "barge_in"]
        backchannels = [one for one in self.tries if one.kind == "backchannel"]
        silent = [one.silent_ms for one in barge_ins if one.silent_ms is not None]
        ducked = [one.ducked_ms for one in self.tries if one.ducked_ms is not None]
        return {
            "barge_ins": len(barge_ins),
            "barge_ins_that_stopped_it": sum(one.stopped for one in barge_ins),
            "backchannels": len(backchannels),
            "backchannels_that_let_it_go_on": sum(not one.stopped for one in backchannels),
            "silent_p50_ms": percentile(silent, 50),
            "silent_p90_ms": percentile(silent, 90),
            "ducked_p50_ms": percentile(ducked, 50),
            "ducked_p90_ms": percentile(ducked, 90),
        }

    def as_table(self) -> RenderableType:
        table = Table("try", "kind", "ducked", "silent", "", box=None, pad_edge=False)
        for one in self.tries:
            times = (f"{number(ms)} ms" for ms in (one.ducked_ms, one.silent_ms))
            table.add_row(one.name, one.kind, *times, "stopped" if one.stopped else "continued")
        return Group(table, in_a_line(self.summary()))

    def draw(self, figure: "Figure") -> None:
        names = sorted({one.name for one in self.tries if one.kind == "barge_in"}, reverse=True)
        figure.set_size_inches(8, 0.25 * len(names) + 1.2)
        axes = figure.subplots()
        for one in self.tries:
            if one.kind == "barge_in" and one.silent_ms is not None:
                axes.plot(one.silent_ms, names.index(one.name), "o", color=GOOD if one.right else BAD)
        at = self.summary()["silent_p90_ms"]
        if at is not None:
            axes.axvline(at, color=LINE, linestyle="--", linewidth=1, label=f"p90 {at:.0f} ms")
            axes.legend()
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("ms from the first sample of the barge-in to the last of the answer, in the page")
        axes.set_title("Barge-in")


async def measure(
    url: str,
    api_key: str,
    corpus: Sequence[Recording],
    repeats: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Speak each recording of `corpus`, at 48 kHz, over an answer in the page at `url`, in a new call."""
    tries: list[Attempt] = []
    async with chromium(silence(RATE)) as browser:
        for spoken in [spoken for _ in range(repeats) for spoken in corpus]:
            call = await open_page(browser, url, {"connection": "webrtc"}, api_key, scripted=True)
            tries.append(await _break_in(call, spoken, _MOMENTS_S[len(tries) % len(_MOMENTS_S)]))
            await call.page.context.close()
            progress(f"{len(tries)} tries: {spoken.name} {number(tries[-1].silent_ms)} ms")
    return Report(sorted(tries, key=lambda one: (one.kind, one.name)))


async def _break_in(call: Call, spoken: Recording, moment_s: float) -> Attempt:
    await call.start()
    await call.page.fill("#text", _REQUEST)
    await call.page.keyboard.press("Enter")
    await call.until(_SPEAKING)
    await asyncio.sleep(moment_s)
    await call.say(spoken.pcm)
    await asyncio.sleep(_AFTER_S)
    await call.hang_up()
    return try_of(spoken, await call.sides(), await call.events())


def try_of(spoken: Recording, sides: Sides, events: Sequence[Mapping[str, Any]]) -> Attempt:
    """The effect of `spoken`, at 48 kHz, from recordings of both sides and the server's events."""
    onset_s = begin_of(spoken.pcm, sides.microphone) / RATE + spoken.speech_start_s
    after = [event for event in events if event["at_s"] > onset_s]
    ducked_s = next((event["at_s"] for event in after if event.get("state") == "ducked"), None)
    stopped = any(_is_cut(event) for event in after)
    next_answer_s = next((event["at_s"] for event in after if event["type"] == "response.created"), None)
    return Attempt(
        name=spoken.name,
        kind=spoken.kind,
        ducked_ms=None if ducked_s is None else (ducked_s - onset_s) * 1000,
        silent_ms=_silent_ms(sides, onset_s, next_answer_s) if stopped else None,
        stopped=stopped,
    )


def _is_cut(event: Mapping[str, Any]) -> bool:
    """Whether the event cuts the answer off."""
    kind = event["type"]
    cancelled = kind == "response.done" and event["response"]["status"] == "cancelled"
    return bool(cancelled) or kind in ("conversation.item.truncated", "output_audio_buffer.cleared")


def _silent_ms(sides: Sides, onset_s: float, next_answer_s: float | None) -> float:
    """Milliseconds from the onset to the last audible sample before the next answer."""
    onset = round(onset_s * RATE)
    end = None if next_answer_s is None else round((next_answer_s - _ALONG_S) * RATE)
    (audible,) = np.nonzero(np.abs(sides.loudspeaker[onset:end]) > AUDIBLE)
    return float(audible[-1] + 1) / RATE * 1000 if audible.size else 0.0
