"""Antiphon's extensions: timelines, thoughts, playback states and reasoning effort."""

from dataclasses import replace
from typing import Literal

import pytest

from pipeline import commands as do
from pipeline import events as on
from pipeline.runtime.timeline import Timeline
from realtime.protocol.extensions import Extensions
from realtime.protocol.session import Session
from tests.support.protocol_session import OFFER, as_json, report, send, start_answer, update


def test_the_timeline_goes_only_to_clients_that_ask() -> None:
    timeline = Timeline(speech_ended=10.0, turn_decided=10.5, first_packet=10.75025)
    for wanted, expected in [
        (True, {"a": "b", "timeline": '{"speech_ended":0.0,"turn_decided":500.0,"first_packet":750.2}'}),
        (False, {"a": "b"}),
    ]:
        session = Session(OFFER, "x", max_event_bytes=1_000, extensions=Extensions(timeline=wanted))
        start_answer(session)
        [event] = session.report(
            on.ResponseDone("resp_1", "completed", None, None, (), on.Usage(), timeline, {"a": "b"})
        )
        [done] = as_json([session.seal(event, timeline)])  # type: ignore[arg-type]
        assert done["response"]["metadata"] == expected


def thinking_session(**extensions: bool) -> Session:
    offer = replace(OFFER, thinks=True)
    session = Session(offer, "x", max_event_bytes=100_000, extensions=Extensions(**extensions))
    session.open()
    return session


@pytest.mark.parametrize(
    ("effort", "mode"), [("minimal", "off"), ("low", "speak_first"), ("medium", "think_first"), ("high", "before")]
)
def test_the_effort_says_how_it_thinks(effort: str, mode: str) -> None:
    session = thinking_session()
    (command,) = update(session, reasoning={"effort": effort}).commands
    assert isinstance(command, do.Update)
    assert command.settings.thinking == mode
    (updated,) = report(session, on.Updated(command.settings, command.token))
    assert updated["session"]["reasoning"] == {"effort": effort}
    (command,) = send(session, "response.create", response={"reasoning": {"effort": effort}}).commands
    assert isinstance(command, do.Respond)
    assert command.thinking == mode


def test_thoughts_go_only_to_clients_that_ask() -> None:
    assert report(thinking_session(), on.Thoughts("resp_1", "Six times seven")) == []
    (delta,) = report(thinking_session(thoughts=True), on.Thoughts("resp_1", "Six times seven"))
    assert delta["type"] == "antiphon.thoughts.delta"
    assert (delta["response_id"], delta["delta"]) == ("resp_1", "Six times seven")


@pytest.mark.parametrize("state", ["full", "ducked", "paused"])
def test_playback_events_go_only_to_clients_that_ask(state: Literal["full", "ducked", "paused"]) -> None:
    assert report(thinking_session(), on.Playback(state)) == []
    (event,) = report(thinking_session(playback=True), on.Playback(state))
    assert (event["type"], event["state"]) == ("antiphon.playback", state)
    assert "item_id" not in event


def test_words_over_an_answer_go_only_to_clients_that_follow_it() -> None:
    assert report(thinking_session(), on.HeardOverAnswer("Hang on")) == []
    (event,) = report(thinking_session(playback=True), on.HeardOverAnswer("Hang on"))
    assert (event["type"], event["text"]) == ("antiphon.overheard", "Hang on")


def test_a_client_learns_where_the_words_are_that_a_pause_broke_off() -> None:
    resumed = on.ResumedAnswer("resp_1", "item_1", 8_000, ((0, 800), (1_000, 1_600)))
    (event,) = report(thinking_session(playback=True), on.Playback("full", resumed))
    assert (event["item_id"], event["words_ms"]) == ("item_1", [[0, 100], [125, 200]])
