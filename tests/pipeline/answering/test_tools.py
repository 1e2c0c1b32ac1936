"""Tools in a conversation: calls, results that come late or twice, and people who go on talking meanwhile."""

from pipeline.commands import AddItem, Respond
from pipeline.conversation.items import FunctionCall, FunctionOutput, Message
from pipeline.conversation.rendering import STILL_RUNNING
from pipeline.decoders.decoder import ToolCall
from pipeline.events import Refused, ResponseDone
from tests.support.scripted import ScriptedAnswer
from tests.support.talk import answered, talk

CLOCK, DATE = ToolCall("clock", "{}"), ToolCall("date", "{}")


def calls(done: ResponseDone) -> list[FunctionCall]:
    return [item for item in done.outputs if isinstance(item, FunctionCall)]


async def test_two_calls_of_one_answer_are_one_message() -> None:
    async with talk(["How late is it?"], [("Let me see.", CLOCK, DATE), "Noon, on Monday."]) as conversation:
        await conversation.ask()
        clock, date = calls(await answered(conversation))
        await conversation.do(
            AddItem(FunctionOutput("b", date.call_id, "Monday")),
            AddItem(FunctionOutput("a", clock.call_id, "noon")),
            Respond(),
        )
        assert (await answered(conversation)).status == "completed"
        assert [(message["role"], message["content"]) for message in conversation.messages(1)] == [
            ("system", "Be brief."),
            ("user", "How late is it?"),
            ("assistant", "Let me see."),
            ("tool", "noon"),
            ("tool", "Monday"),
        ]
        assert [call["id"] for call in conversation.messages(1)[2]["tool_calls"]] == [clock.call_id, date.call_id]


async def test_a_person_who_speaks_while_a_tool_runs_is_answered_and_hears_the_result() -> None:
    answers: list[ScriptedAnswer] = [CLOCK, "I am still looking.", "It is noon."]
    async with talk(["How late is it?", "Are you there?"], answers) as conversation:
        await conversation.ask()
        [clock] = calls(await answered(conversation))
        await conversation.ask()
        assert (await answered(conversation)).status == "completed"
        assert [message["content"] for message in conversation.messages(1)][-2:] == [STILL_RUNNING, "Are you there?"]
        await conversation.be_silent(3)
        await conversation.do(AddItem(FunctionOutput("a", clock.call_id, "noon")), Respond())
        done = await answered(conversation)
        assert isinstance(done.outputs[0], Message)
        assert done.outputs[0].text == "It is noon."
        *_, result, question, answer, cue = conversation.messages(2)
        assert (result["content"], question["content"]) == ("noon", "Are you there?")
        assert answer == {"role": "assistant", "content": "I am still looking."}
        assert cue["role"] == "user"
        assert "noon" in cue["content"]


async def test_unknown_and_answered_calls_are_refused_at_the_door() -> None:
    async with talk(["How late is it?"], [CLOCK, "Noon."]) as conversation:
        await conversation.ask()
        [clock] = calls(await answered(conversation))
        await conversation.do(
            AddItem(FunctionOutput("a", "call_unknown", "noon"), event_id="e1"),
            AddItem(FunctionOutput("b", clock.call_id, "noon")),
            AddItem(FunctionOutput("c", clock.call_id, "midnight"), event_id="e2"),
            AddItem(FunctionCall("d", clock.call_id, "clock", "{}"), event_id="e3"),
            Respond(input=(FunctionOutput("f", "call_unknown", "noon"),), into_conversation=False, event_id="e4"),
            Respond(),
        )
        assert (await answered(conversation)).status == "completed"
        refused = [(event.code, event.param, event.event_id) for event in conversation.all(Refused)]
        code = "invalid_tool_call_id"
        assert refused[:3] == [(code, "item.call_id", "e1"), (code, "item.call_id", "e2"), (code, "item.call_id", "e3")]
        assert refused[3:] == [(code, "response.input", "e4")]
        assert conversation.messages(1)[-1]["content"] == "noon"
