"""A LiveKit agent that uses Antiphon as its realtime model, with a tool and barge-in.

    antiphon serve
    pip install livekit-agents livekit-plugins-openai sounddevice
    python examples/livekit_agent.py console

`console` talks at this machine's microphone and loudspeaker. `dev` and `start` serve the rooms of the LiveKit server in
LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
"""

import os
from datetime import datetime

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, function_tool
from livekit.plugins import openai

URL = os.environ.get("ANTIPHON_URL", "http://localhost:8000/v1")
KEY = os.environ.get("ANTIPHON_KEY", "none")

server = AgentServer()


class Assistant(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Answer in one or two short sentences.")

    @function_tool
    async def get_time(self) -> str:
        """The local time."""
        return f"{datetime.now():%H:%M}"


@server.rtc_session()
async def talk(job: JobContext) -> None:
    model = openai.realtime.RealtimeModel(base_url=URL, api_key=KEY)
    session: AgentSession[None] = AgentSession(llm=model)
    session.on("user_input_transcribed", lambda event: event.is_final and print(f"You:   {event.transcript}"))
    session.on("conversation_item_added", lambda event: show(event.item))
    await session.start(Assistant(), room=job.room)
    await session.generate_reply(instructions="Say hello.")


def show(item: object) -> None:
    """Print what the agent said; `interrupted` says whether the user broke in."""
    if getattr(item, "role", "") == "assistant":
        print(f"Agent: {item.text_content}{' (interrupted)' if item.interrupted else ''}")


if __name__ == "__main__":
    cli.run_app(server)
