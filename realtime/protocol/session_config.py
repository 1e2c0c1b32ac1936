"""Session objects: converted from a client's request to settings, and back for `session.updated`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from openai.types.realtime import (
    AudioTranscription,
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeAudioConfigOutput,
    RealtimeAudioFormats,
    RealtimeAudioInputTurnDetection,
    RealtimeFunctionTool,
    RealtimeReasoning,
    RealtimeResponseCreateParams,
    RealtimeSessionCreateRequest,
    RealtimeToolChoiceConfig,
)
from openai.types.realtime import realtime_audio_input_turn_detection as wire_vad
from openai.types.realtime.realtime_audio_formats import AudioPCM, AudioPCMA, AudioPCMU
from openai.types.responses import ToolChoiceFunction
from pydantic import BaseModel

from pipeline.commands import Modality, SemanticVad, ServerVad, SessionSettings, TurnDetection
from pipeline.decoders.decoder import Tool, ToolChoice
from pipeline.thinking.schedule import MODE_OF_EFFORT, Mode
from realtime.protocol.audio_format import PCM_RATES, AudioFormat
from realtime.protocol.parsing import Invalid
from tts.synthesizer import VoiceInfo

FIRST_FORMAT = AudioFormat()
"""Audio format of a session, in both directions, unless the client asks for another."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The capabilities of a server, and the settings with which its sessions begin."""

    settings: SessionSettings
    voices: tuple[str, ...]
    """Names of the available voices."""
    transcriber: str
    """Name of the model that transcribes."""
    language: str
    """Language that it transcribes, in ISO 639-1."""
    thinks: bool = False
    """Whether the decoder can think."""
    loaded_voices: tuple[str, ...] = ()
    """Voices that are loaded."""
    described_voices: tuple[VoiceInfo, ...] = ()
    """The available voices with what people choose them by."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Known voices that are not available here, and for each what to do."""
    max_characters: int = 2**20
    """Longest text of one event, audio aside. A security limit, and the most that a prompt can hold."""
    longest_clip_s: float = 120.0
    """Longest audio of an item that a client creates, in seconds. A security limit."""


@dataclass(frozen=True, slots=True)
class Config:
    """Configuration of one session: the agent's settings, and what concerns only the wire."""

    settings: SessionSettings
    model: str
    """The client's name for the agent; any name is accepted."""
    transcription_model: str
    input: AudioFormat = FIRST_FORMAT
    output: AudioFormat = FIRST_FORMAT


def first_config(offer: Offer, model: str) -> Config:
    settings = replace(offer.settings, output_rate=FIRST_FORMAT.rate)
    return Config(settings, model, offer.transcriber)


class Merge:
    """Merges one `session.update` into a session's configuration.

    An invalid value raises `Invalid`, and nothing of the update takes effect. What is refused by itself is added to
    `complaints`, and the rest of the update takes effect. A hint that this server cannot follow is no error: the
    session object shows that it is not in force.
    """

    def __init__(self, config: Config, offer: Offer, voice_is_fixed: bool) -> None:
        self.config = config
        self.complaints: list[Invalid] = []
        self._offer = offer
        self._voice_is_fixed = voice_is_fixed

    def session(self, update: RealtimeSessionCreateRequest) -> None:
        given, default = update.model_fields_set, self._offer.settings
        self.complaints += unsupported(update, "session")
        if "instructions" in given:
            self._set(instructions=default.instructions if update.instructions is None else update.instructions)
        if "output_modalities" in given:
            self._set(modality=modality(update.output_modalities, "session") or default.modality)
        if "max_output_tokens" in given:
            self._set(max_output_tokens=max_tokens(update.max_output_tokens, "session"))
        if "tools" in given:
            self._set(tools=tools(update.tools or (), "session"))
        if "tool_choice" in given or "tools" in given:
            settings = self.config.settings
            wanted = update.tool_choice if "tool_choice" in given else _wire_tool_choice(settings.tool_choice)
            self._set(tool_choice=tool_choice(wanted or "auto", settings.tools, "session"))
        if self._offer.thinks and "reasoning" in given:
            self._set(thinking=thinking(update.reasoning) or default.thinking)
        if update.model is not None:
            self.config = replace(self.config, model=update.model)
        if update.audio is not None:
            self._input(update.audio.input)
            self._output(update.audio.output)

    def _input(self, update: RealtimeAudioConfigInput | None) -> None:
        if update is None:
            return
        given, at = update.model_fields_set, "session.audio.input"
        if "format" in given:
            self.config = replace(self.config, input=audio_format(update.format, f"{at}.format"))
        if "transcription" in given:
            self._set(transcribe=update.transcription is not None)
            if update.transcription is not None:
                model = update.transcription.model or self._offer.transcriber
                self.config = replace(self.config, transcription_model=model)
        if "turn_detection" in given:
            current = self.config.settings.turn_detection
            self._set(turn_detection=_turn_detection(update.turn_detection, current, f"{at}.turn_detection"))

    def _output(self, update: RealtimeAudioConfigOutput | None) -> None:
        if update is None:
            return
        given, at = update.model_fields_set, "session.audio.output"
        if "format" in given:
            output = audio_format(update.format, f"{at}.format")
            self.config = replace(self.config, output=output)
            self._set(output_rate=output.rate)
        if "speed" in given:
            speed = _between(1.0 if update.speed is None else update.speed, *SPEEDS, f"{at}.speed")
            self._set(speed=speed)
        if "voice" in given:
            self._voice(update.voice, f"{at}.voice")

    def _voice(self, wanted: object, at: str) -> None:
        try:
            voice = voice_name(wanted, self._offer, at) or self._offer.settings.voice
        except Invalid as complaint:
            self.complaints.append(complaint)
            return
        if voice != self.config.settings.voice and self._voice_is_fixed:
            message = "Cannot update a conversation's voice if assistant audio is present."
            self.complaints.append(Invalid("cannot_update_voice", message, at))
            return
        self._set(voice=voice)

    def _set(self, **changes: object) -> None:
        self.config = replace(self.config, settings=replace(self.config.settings, **changes))  # type: ignore[arg-type]


def session_object(config: Config, session_id: str, offer: Offer) -> RealtimeSessionCreateRequest:
    """All that is in force."""
    settings = config.settings
    session = RealtimeSessionCreateRequest(
        type="realtime",
        model=config.model,
        output_modalities=[settings.modality],
        instructions=settings.instructions,
        tools=[_wire_tool(tool) for tool in settings.tools],
        tool_choice=_wire_tool_choice(settings.tool_choice),
        max_output_tokens=settings.max_output_tokens or "inf",
        parallel_tool_calls=True,
        tracing=None,
        truncation="auto",
        prompt=None,
        include=None,
        audio=RealtimeAudioConfig(
            input=RealtimeAudioConfigInput(
                format=wire_format(config.input),
                transcription=(
                    AudioTranscription(model=config.transcription_model, language=offer.language)
                    if settings.transcribe
                    else None
                ),
                noise_reduction=None,
                turn_detection=_wire_turn_detection(settings.turn_detection),
            ),
            output=RealtimeAudioConfigOutput(
                format=wire_format(config.output), voice=settings.voice, speed=settings.speed
            ),
        ),
    )
    if offer.thinks:
        session.reasoning = _wire_reasoning(settings.thinking)
    # The package's type lacks these two fields, which the official server sends and clients read.
    return session.model_copy(update={"id": session_id, "object": "realtime.session"})


def thinking(wanted: RealtimeReasoning | None) -> Mode | None:
    """None: the request does not mention it."""
    return MODE_OF_EFFORT[wanted.effort] if wanted is not None and wanted.effort is not None else None


def _wire_reasoning(mode: Mode) -> RealtimeReasoning:
    return RealtimeReasoning(effort=next(effort for effort, of in MODE_OF_EFFORT.items() if of == mode))


def wire_format(audio: AudioFormat) -> RealtimeAudioFormats:
    match audio.encoding:
        case "audio/pcm":
            pcm = AudioPCM(type="audio/pcm")
            pcm.rate = audio.rate  # type: ignore[assignment]  # wider than the package's type: our extension
            return pcm
        case "audio/pcmu":
            return AudioPCMU(type="audio/pcmu")
        case "audio/pcma":
            return AudioPCMA(type="audio/pcma")


def audio_format(wanted: RealtimeAudioFormats | None, at: str) -> AudioFormat:
    match wanted:
        case None:
            return FIRST_FORMAT
        case AudioPCMU(type="audio/pcmu"):
            return AudioFormat("audio/pcmu", 8_000)
        case AudioPCMA(type="audio/pcma"):
            return AudioFormat("audio/pcma", 8_000)
        case AudioPCM(type="audio/pcm"):
            return AudioFormat("audio/pcm", wanted.rate or PCM_RATES[0])
    raise Invalid("missing_required_parameter", f"Missing required parameter: '{at}.type'.", f"{at}.type")


def modality(wanted: Sequence[Modality] | None, at: str) -> Modality | None:
    if wanted is None:
        return None
    if len(wanted) != 1:
        message = f"Invalid modalities: {list(wanted)}. Supported combinations are: ['text'] and ['audio']."
        raise Invalid("invalid_value", message, f"{at}.output_modalities")
    return wanted[0]


def max_tokens(wanted: int | Literal["inf"] | None, at: str) -> int | None:
    if wanted is None or wanted == "inf":
        return None
    return round(_between(wanted, 1, 4096, f"{at}.max_output_tokens"))


def tools(wanted: Sequence[BaseModel], at: str) -> tuple[Tool, ...]:
    found: dict[str, Tool] = {}
    for number, tool in enumerate(wanted):
        place = f"{at}.tools[{number}]"
        if not isinstance(tool, RealtimeFunctionTool) or tool.type != "function":
            message = "Only tools of type 'function' are supported; connect MCP servers in the client."
            raise Invalid("unsupported_tool", message, f"{place}.type")
        if not tool.name:
            raise Invalid("missing_required_parameter", f"Missing required parameter: '{place}.name'.", f"{place}.name")
        if tool.name in found:
            raise Invalid("invalid_value", f"There are two tools of the name '{tool.name}'.", f"{place}.name")
        parameters = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
        if not isinstance(parameters, dict):
            raise Invalid("invalid_type", "A tool's parameters are a JSON Schema object.", f"{place}.parameters")
        found[tool.name] = Tool(tool.name, tool.description or "", parameters)
    return tuple(found.values())


def tool_choice(wanted: RealtimeToolChoiceConfig, offered: Sequence[Tool], at: str) -> ToolChoice:
    if isinstance(wanted, str):
        return wanted
    place = f"{at}.tool_choice"
    if not isinstance(wanted, ToolChoiceFunction):
        raise Invalid("unsupported_tool", "Only tools of type 'function' are supported.", f"{place}.type")
    for tool in offered:
        if tool.name == wanted.name:
            return tool
    raise Invalid("invalid_value", f"There is no tool of the name '{wanted.name}'.", f"{place}.name")


def voice_name(wanted: object, offer: Offer, at: str) -> str | None:
    name = getattr(wanted, "id", wanted)
    if name is None:
        return None
    if isinstance(name, str) and (remedy := offer.absent.get(name)):
        raise Invalid("invalid_value", f"The voice '{name}' is not on this server: {remedy}.", at)
    if isinstance(name, str) and name not in offer.voices:
        name = _voice_like(name, offer)
    if not isinstance(name, str) or name not in offer.voices:
        known = ", ".join(f"'{voice}'" for voice in offer.voices)
        message = f"Invalid value: '{str(name)[:80]}'. Supported values are: {known}."
        raise Invalid("invalid_value", message, at)
    return name


def _voice_like(name: str, offer: Offer) -> str:
    """The voice to speak for one of OpenAI's: the server's usual one if it is alike. Another name stays as it is."""
    alike = OPENAI_VOICES.get(name)
    if alike is None or offer.settings.voice in alike:
        return name if alike is None else offer.settings.voice
    return next((voice for voice in alike if voice in offer.voices), offer.settings.voice)


def unsupported(update: RealtimeSessionCreateRequest | RealtimeResponseCreateParams, at: str) -> Iterator[Invalid]:
    """A complaint about a prompt that its author keeps elsewhere: an answer without it would be another one."""
    if update.prompt is not None:
        message = f"'{at}.prompt' names a prompt that is not on this server: send its text as 'instructions'."
        yield Invalid("unsupported_parameter", message, f"{at}.prompt")


_FEMALE = ("af_heart", "af_bella", "bf_emma")
_MALE = ("am_michael", "am_fenrir", "bm_george", "en_US-joe-medium")

OPENAI_VOICES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("coral", "marin", "nova", "sage", "shimmer"), _FEMALE),
    **dict.fromkeys(("alloy", "ash", "ballad", "cedar", "echo", "fable", "onyx", "verse"), _MALE),
}
"""For each voice name of OpenAI's, our voices that are alike, the best first."""

SPEEDS = (0.25, 1.5)
"""Slowest and fastest pace of a voice, as the protocol bounds it."""

_PROTOCOL_VAD = ServerVad(threshold=0.5, prefix_padding_s=0.3, silence_s=0.5)
"""The protocol's defaults for a server_vad without parameters."""


def _turn_detection(wanted: RealtimeAudioInputTurnDetection, current: TurnDetection, at: str) -> TurnDetection:
    if wanted is None:
        return None
    vad: ServerVad | SemanticVad
    if isinstance(wanted, wire_vad.ServerVad):
        vad = _server_vad(wanted, current if isinstance(current, ServerVad) else _PROTOCOL_VAD, at)
    else:
        semantic = current if isinstance(current, SemanticVad) else SemanticVad()
        vad = semantic if wanted.eagerness is None else replace(semantic, eagerness=wanted.eagerness)
    if wanted.create_response is not None:
        vad = replace(vad, create_response=wanted.create_response)
    if wanted.interrupt_response is not None:
        vad = replace(vad, interrupt_response=wanted.interrupt_response)
    return vad


def _server_vad(wanted: wire_vad.ServerVad, vad: ServerVad, at: str) -> ServerVad:
    if wanted.threshold is not None:
        vad = replace(vad, threshold=_between(wanted.threshold, 0, 1, f"{at}.threshold"))
    if wanted.prefix_padding_ms is not None:
        padding_ms = _between(wanted.prefix_padding_ms, 0, 5_000, f"{at}.prefix_padding_ms")
        vad = replace(vad, prefix_padding_s=padding_ms / 1000)
    if wanted.silence_duration_ms is not None:
        silence_ms = _between(wanted.silence_duration_ms, 0, 10_000, f"{at}.silence_duration_ms")
        vad = replace(vad, silence_s=silence_ms / 1000)
    if "idle_timeout_ms" in wanted.model_fields_set:
        vad = replace(vad, idle_timeout_s=_idle_timeout_s(wanted.idle_timeout_ms, at))
    return vad


def _idle_timeout_s(wanted_ms: int | None, at: str) -> float | None:
    if wanted_ms is None:
        return None
    return _between(wanted_ms, 5_000, 30_000, f"{at}.idle_timeout_ms") / 1000


def _between(value: float, lowest: float, highest: float, at: str) -> float:
    if not lowest <= value <= highest:
        message = f"Invalid '{at}': expected a value from {lowest} to {highest}, but got {value} instead."
        raise Invalid("invalid_value", message, at)
    return value


def _wire_tool(tool: Tool) -> RealtimeFunctionTool:
    return RealtimeFunctionTool(
        type="function", name=tool.name, description=tool.description, parameters=tool.parameters
    )


def _wire_tool_choice(choice: ToolChoice) -> RealtimeToolChoiceConfig:
    return ToolChoiceFunction(type="function", name=choice.name) if isinstance(choice, Tool) else choice


def _wire_turn_detection(turns: TurnDetection) -> RealtimeAudioInputTurnDetection:
    match turns:
        case None:
            return None
        case ServerVad():
            return wire_vad.ServerVad(
                type="server_vad",
                threshold=turns.threshold,
                prefix_padding_ms=round(turns.prefix_padding_s * 1000),
                silence_duration_ms=round(turns.silence_s * 1000),
                idle_timeout_ms=None if turns.idle_timeout_s is None else round(turns.idle_timeout_s * 1000),
                create_response=turns.create_response,
                interrupt_response=turns.interrupt_response,
            )
        case SemanticVad():
            return wire_vad.SemanticVad(
                type="semantic_vad",
                eagerness=turns.eagerness,
                create_response=turns.create_response,
                interrupt_response=turns.interrupt_response,
            )
