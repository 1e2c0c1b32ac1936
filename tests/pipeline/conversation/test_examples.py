"""Examples of answers, which the decoder reads before a conversation with the agent's own instructions."""

from dataclasses import replace

import pytest

from pipeline.settings import AgentSettings, PipelineSettings
from tests.support.scripted import ScriptedDecoder
from tests.support.talk import SETTINGS, answered, talk

EXEMPLARY = PipelineSettings(
    agent=AgentSettings(instructions="Be brief.", examples=(("Is it far?", "A mile."), ("Is it old?", "A year.")))
)


@pytest.mark.parametrize(
    ("instructions", "read"),
    [
        ("Be brief.", ["Is it far?", "A mile.", "Is it old?", "A year.", "Is it late?"]),
        ("Be kind.", ["Is it late?"]),
    ],
)
async def test_examples_come_with_the_agents_own_instructions_and_with_no_others(
    instructions: str, read: list[str]
) -> None:
    session = replace(SETTINGS, instructions=instructions)
    async with talk(["Is it late?"], ["Noon."], settings=EXEMPLARY, session=session) as conversation:
        await conversation.ask()
        await answered(conversation)
        assert conversation.prompt(0) == read


async def test_examples_are_the_first_to_make_room_for_a_conversation_that_grows() -> None:
    words = " ".join(["word"] * 60)
    decoder = ScriptedDecoder(["Yes."] * 3, capacity=EXEMPLARY.decoder.max_tokens + 150)
    async with talk([words] * 3, settings=EXEMPLARY, decoder=decoder) as conversation:
        for _ in range(3):
            await conversation.ask()
            await answered(conversation)
        assert conversation.prompt(1)[:2] == ["Is it far?", "A mile."]
        assert "A mile." not in conversation.prompt(2)
        assert conversation.prompt(2)[-1] == words
