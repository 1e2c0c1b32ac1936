"""OpenTelemetry traces: a span a session, in it one for each turn, in that one for each stage of its Timeline."""

import time
from typing import TYPE_CHECKING

from pipeline.backends import MissingPackage, not_installed
from pipeline.events import Event
from pipeline.runtime.timeline import Timeline
from realtime.sessions.observer import Client, Observer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span


def exporting_to(endpoint: str) -> "TracerProvider":
    """A provider whose spans go to an OTLP collector over HTTP, at `endpoint` (its URL, with /v1/traces).

    Raises `MissingPackage`.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingPackage(not_installed("opentelemetry", "antiphon[otel]")) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "antiphon"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return provider


class Traces(Observer):
    """Makes spans. Each stage's span begins where the stage before it was reached."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("antiphon")
        self._sessions: dict[str, Span] = {}

    def began(self, client: Client) -> None:
        attributes = {
            "session.id": client.session_id,
            "network.transport": client.transport,
            "client.address": client.peer,
            "antiphon.key": client.key,
        }
        self._sessions[client.session_id] = self._tracer.start_span("session", attributes=attributes)

    def saw(self, client: Client, event: Event) -> None:
        """Spans are made of Timelines, which are complete only when their answers have left."""

    def delivered(self, client: Client, timeline: Timeline) -> None:
        from opentelemetry.trace import set_span_in_context

        stages = timeline.since_speech_ended()
        zero = timeline.speech_ended if timeline.speech_ended is not None else timeline.turn_decided
        if zero is None:
            return
        begin_ns = time.time_ns() - round((time.perf_counter() - zero) * 1e9)
        at_ns = {stage: begin_ns + round(seconds * 1e9) for stage, seconds in stages.items()}
        session = self._sessions.get(client.session_id)
        context = set_span_in_context(session) if session is not None else None
        attributes = {f"antiphon.{stage}_s": seconds for stage, seconds in stages.items()}
        turn = self._tracer.start_span("turn", context, attributes=attributes, start_time=begin_ns)
        last_ns = begin_ns
        for stage, reached_ns in sorted(at_ns.items(), key=lambda reached: reached[1]):
            span = self._tracer.start_span(stage, set_span_in_context(turn), start_time=last_ns)
            span.end(reached_ns)
            last_ns = reached_ns
        turn.end(last_ns)

    def ended(self, client: Client, reason: str, seconds: float) -> None:
        span = self._sessions.pop(client.session_id)
        span.set_attribute("antiphon.reason", reason)
        span.end()

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()
