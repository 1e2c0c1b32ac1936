"""Prometheus metrics of a server, from its sessions' events and Timelines."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.events import Event, ItemTruncated, ResponseDone
from pipeline.runtime.timeline import Timeline
from realtime.sessions.observer import Client, Observer

CUT_IN_S = 1.0
"""A user who breaks in within this much of an answer's first packet had not finished: the agent cut in."""

_TURN_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_SESSION_BUCKETS = (1, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_LAG_PERIOD_S = 0.25


class Metrics(Observer):
    """Counts, in a registry of its own."""

    def __init__(
        self,
        sessions: Callable[[], int],
        max_sessions: int,
        refusals: Callable[[], Mapping[str, int]],
        queues: Mapping[str, Callable[[], int]],
    ) -> None:
        """The callables are asked at every scrape. `queues`: the length of each, by name."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        registry.register(_Scraped(refusals, queues))
        open_now = Gauge("antiphon_sessions", "Sessions that are open.", registry=registry)
        open_now.set_function(sessions)
        Gauge("antiphon_max_sessions", "Sessions that may be open.", registry=registry).set(max_sessions)
        self._begun = Counter("antiphon_sessions_begun", "Sessions that began.", ["transport"], registry=registry)
        self._ended = Counter("antiphon_sessions_ended", "Sessions that ended.", ["reason"], registry=registry)
        self._lasted = Histogram(
            "antiphon_session_seconds", "Length of a session.", buckets=_SESSION_BUCKETS, registry=registry
        )
        self._stages = Histogram(
            "antiphon_stage_seconds",
            "From the end of the user's speech to each stage of the answer.",
            ["stage"],
            buckets=_TURN_BUCKETS,
            registry=registry,
        )
        self._first_packet = Histogram(
            "antiphon_first_packet_seconds",
            "From the end of the user's speech to the first audio of the answer that left, in turns that were heard.",
            ["transport"],
            buckets=_TURN_BUCKETS,
            registry=registry,
        )
        self._responses = Counter("antiphon_responses", "Responses that ended.", ["status"], registry=registry)
        self._broken = Counter(
            "antiphon_interruptions",
            f"Answers that the user broke: a cut_in within {CUT_IN_S:g} s of their first packet, else a barge_in.",
            ["kind"],
            registry=registry,
        )
        self._tokens = Counter("antiphon_tokens", "Tokens read and written.", ["kind"], registry=registry)
        self._spoken = Counter("antiphon_output_audio_seconds", "Audio that was sent.", registry=registry)
        self._faults = Counter(
            "antiphon_upstream_errors", "Answers that a decoder or a voice failed.", ["role"], registry=registry
        )
        self._lag = Histogram(
            "antiphon_loop_lag_seconds",
            "Time that the event loop was late.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def text(self) -> bytes:
        """All metrics, in Prometheus's text format."""
        return generate_latest(self.registry)

    async def watch_loop(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            self._lag.observe(max(0.0, loop.time() - due))

    def began(self, client: Client) -> None:
        self._begun.labels(client.transport).inc()

    def saw(self, client: Client, event: Event) -> None:
        match event:
            case ResponseDone():
                self._responses.labels(event.status).inc()
                self._tokens.labels("input").inc(event.usage.input_tokens)
                self._tokens.labels("cached").inc(event.usage.cached_tokens)
                self._tokens.labels("output").inc(event.usage.output_tokens)
                self._tokens.labels("thought").inc(event.timeline.thought_tokens or 0)
                self._spoken.inc(event.usage.output_audio_s)
                if event.fault in ("decoder", "voice"):
                    self._faults.labels(event.fault).inc()
                if event.reason == "turn_detected" and (heard_s := _heard_s(event.timeline)) is not None:
                    self._break(heard_s)
            case ItemTruncated(unasked=True):
                self._break(event.heard_s)

    def delivered(self, client: Client, timeline: Timeline) -> None:
        stages = timeline.since_speech_ended()
        for stage, seconds in stages.items():
            self._stages.labels(stage).observe(seconds)
        if timeline.speech_ended is not None and "first_packet" in stages:
            self._first_packet.labels(client.transport).observe(stages["first_packet"])

    def ended(self, client: Client, reason: str, seconds: float) -> None:
        self._ended.labels(reason).inc()
        self._lasted.observe(seconds)

    def _break(self, heard_s: float) -> None:
        self._broken.labels("cut_in" if heard_s < CUT_IN_S else "barge_in").inc()


def _heard_s(timeline: Timeline) -> float | None:
    """Seconds of the answer before it was interrupted; None if nothing of it had left."""
    if timeline.first_packet is None or timeline.interrupted is None:
        return None
    return timeline.interrupted - timeline.first_packet


class _Scraped(Collector):
    """What is counted elsewhere, and read at every scrape."""

    def __init__(self, refusals: Callable[[], Mapping[str, int]], queues: Mapping[str, Callable[[], int]]) -> None:
        self._refusals = refusals
        self._queues = queues

    def collect(self) -> Iterator[Metric]:
        refused = CounterMetricFamily(
            "antiphon_refusals", "Requests and sessions that were refused.", labels=["reason"]
        )
        for reason, count in self._refusals().items():
            refused.add_metric([reason], count)
        yield refused
        depth = GaugeMetricFamily("antiphon_queue_depth", "Entries that wait in a queue.", labels=["queue"])
        for name, length in self._queues.items():
            depth.add_metric([name], length())
        yield depth
