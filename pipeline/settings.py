"""The agent's settings, their bounds and defaults. config.toml shows every one with its unit and reason."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.decoders.thoughts import FORMATS

Seconds = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A table of config.toml. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Section):
    """Where weights are kept."""

    cache: Path | None = None
    """Folder; None: the user's cache folder."""
    offline: bool = False


class VadSettings(Section):
    model: str = "silero-vad"


class EncoderSettings(Section):
    backend: Literal["whisper"] = "whisper"
    model: str = "whisper-tiny.en"
    """A name from `antiphon models`, or a folder with a CTranslate2 Whisper model."""
    compute_type: Literal["int8", "float32"] = "int8"
    threads: int = Field(default=1, ge=1, le=64)


class DecoderSettings(Section):
    backend: Literal["llama", "llama-server", "openai", "torch"] = "llama"
    model: str = "smollm2-135m-instruct"
    """llama: a name from `antiphon models` or a .gguf file. torch: a name, or the folder of a transformers model.
    openai: the model's name on the server."""
    hears: bool = False
    """openai: whether the model takes sound, and is to get it in the place of words."""
    device: str = "auto"
    """torch: where it runs; "auto" is a GPU if there is one."""
    url: str = ""
    """Base URL of the llama-server or OpenAI-compatible server."""
    api_key: SecretStr = SecretStr("")
    context_tokens: int = Field(default=2048, ge=256)
    """Tokens that one conversation's prompt and answer may take."""
    slots: int = Field(default=4, ge=1, le=64)
    """KV caches that conversations share."""
    threads: int = Field(default=1, ge=1, le=64)
    """More are quicker on idle cores, and far slower on busy ones: llama.cpp's threads wait for each other spinning."""
    temperature: float = Field(default=0.3, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    max_tokens: int = Field(default=160, ge=1)
    """Longest answer, unless the client asks for less."""
    timeout_s: float = Field(default=20, gt=0)
    """Longest wait for a server's next token."""

    @property
    def remote(self) -> bool:
        """Whether a server at `url` does the work."""
        return self.backend in ("llama-server", "openai")

    thoughts: str = ""
    """Name of the way in which the model writes its thoughts; "": as its chat template or its name says."""

    @field_validator("thoughts")
    @classmethod
    def _is_a_way_to_think(cls, name: str) -> str:
        if name and name not in FORMATS:
            raise ValueError(f"there is no such way to think; there are {', '.join(FORMATS)}")
        return name

    @model_validator(mode="after")
    def _has_a_server(self) -> Self:
        if self.remote and not self.url.startswith(("http://", "https://")):
            raise ValueError(f'the backend "{self.backend}" needs decoder.url, as in "http://127.0.0.1:8080/v1"')
        return self


class VoiceSettings(Section):
    backend: Literal["piper", "kokoro", "http", "xtts", "pocket"] = "piper"
    name: str = "en_US-joe-medium"
    """The one that speaks unless a client asks for another; xtts and pocket also take a recording to speak like."""
    speed: float = Field(default=1.0, ge=0.5, le=2)
    gain_db: float = Field(default=0.0, ge=-40, le=40)
    """What makes it as loud as the others; those of the table of models are already."""
    threads: int = Field(default=1, ge=1, le=64)
    model: str = ""
    """http: the model's name on the server. xtts: a coqui-tts model's folder. pocket: a language, or a .yaml file."""
    language: str = "en"
    """http, xtts: what it speaks."""
    url: str = ""
    """http: base URL of the server, with its /v1."""
    api_key: SecretStr = SecretStr("")
    timeout_s: float = Field(default=20, gt=0)
    """http, xtts: longest wait for the next sound."""
    python: str = ""
    """xtts: interpreter that has coqui-tts; "": this one."""
    accept_licence: bool = False
    """xtts: whether the terms of weights that are not free were agreed to."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.backend == "http" and not self.url.startswith(("http://", "https://")):
            raise ValueError('the backend "http" needs voice.url, as in "http://127.0.0.1:8880/v1"')
        if self.backend == "xtts" and not self.model:
            raise ValueError('the backend "xtts" needs voice.model, the folder of a coqui-tts model')
        return self


class TurnSettings(Section):
    detection: Literal["semantic_vad", "server_vad"] = "semantic_vad"
    """What a session begins with; its client may change it."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Speech probability from which a frame counts as speech."""
    hysteresis: float = Field(default=0.05, ge=0, lt=1)
    """How far below `threshold` the probability must fall to count as silence again."""
    min_speech_s: Seconds = 0.064
    """Speech shorter than this is a click or a breath."""
    prefix_padding_s: Seconds = 0.3
    """Audio kept from before the speech was noticed."""
    pause_s: Seconds = 0.064
    """Silence after which the tail is encoded and an answer begun, to be held."""
    silence_s: Seconds = 0.5
    """Silence that ends a turn."""
    speculate: bool = True
    """Whether an answer is begun at a pause, before it is certain that the turn is over."""
    complete_s: Seconds = 0.3
    """`semantic_vad`: silence that ends a turn whose words are complete."""
    incomplete_s: Seconds = 1.6
    """`semantic_vad`: silence that ends a turn whose words are not."""
    complete_probability: float = Field(default=0.04, gt=0, lt=1)
    """End-of-turn probability from which words are complete; the decoder's, of the sentence ending here."""
    incomplete_probability: float = Field(default=0.01, gt=0, lt=1)
    """The same below which they are not. In between the wait is in between."""
    second_opinion: str = ""
    """Model that judges by the sound whether a turn is over, beside the decoder's words; "": none."""
    eager_factor: float = Field(default=0.7, gt=0, le=1)
    """Multiplies the waits of `semantic_vad` for the eagerness high."""
    patient_factor: float = Field(default=1.5, ge=1)
    """... and for the eagerness low."""
    duck_s: Seconds = 0.032
    """Speech over the agent's voice until it is lowered."""
    hold_s: Seconds = 0.096
    """... until it waits."""
    overhear_s: float = Field(default=0.4, gt=0)
    """Speech over the agent's voice between two looks at its words."""
    interrupt_s: Seconds = 1.4
    """Speech over the agent's voice that stops it, whatever the words are."""
    lift_s: Seconds = 0.25
    """Silence after which the agent goes on, if the words did not mean to stop it."""
    backchannels: tuple[str, ...] = (
        *("yeah", "yes", "yep", "yup", "right", "all right", "alright", "ok", "okay", "sure", "of course", "oh", "ah"),
        *("wow", "really", "great", "cool", "nice", "good", "fine", "true", "exactly", "indeed", "absolutely"),
        *("totally", "definitely", "interesting", "perfect", "amazing", "awesome", "wonderful", "lovely", "brilliant"),
        *(
            "i see",
            "i know",
            "i understand",
            "i get it",
            "i agree",
            "understand",
            "understood",
            "got it",
            "gotcha",
            "for sure",
        ),
        *("go on", "please go on", "keep going", "go ahead", "makes sense", "sounds good", "fair enough", "no way"),
        *("no kidding", "you're right", "that's", "that", "so", "very"),
    )
    """What people say to one who speaks so that he goes on, beside hums; lower case. They may follow each other."""
    interruptions: tuple[str, ...] = (
        *("stop", "wait", "no", "hold on", "hang on", "what", "but", "actually", "excuse me", "sorry", "hey"),
        *("one moment", "one second", "just a", "never mind", "enough", "be quiet", "shut up", "pause", "listen"),
        *("how", "why", "when", "where", "who", "what's", "how's", "where's", "who's", "can you", "could you", "can i"),
        *("do you", "are you", "is it", "is there", "i have", "i want", "i need", "i mean", "i don't", "i'd like"),
        *("let me", "tell me", "give me", "not", "don't", "cancel", "help", "quiet", "next", "skip", "repeat", "again"),
        *("forget it", "please"),
    )
    """How people begin who want the floor; what else they say must be unlike any hum; lower case."""
    max_turn_s: float = Field(default=120, ge=5)
    """A turn that goes on longer is cut here, so that memory is bounded."""


class AgentSettings(Section):
    instructions: str = (
        "You are Antiphon, a friendly voice assistant. Answer in one or two short spoken sentences, "
        "in plain words, without lists or markup."
    )
    max_items: int = Field(default=200, ge=4)
    """Messages kept of one conversation; the oldest go first."""
    apology: str = "Sorry, I have trouble answering just now. Please say that again."
    """What is said when the decoder or the voice fails; "": nothing."""
    thinking: Literal["off", "before", "think_first", "speak_first"] = "off"
    """How a decoder that can think does so, until the client asks for another way."""
    think_tokens: int = Field(default=80, ge=1)
    """A segment of thoughts."""
    speak_tokens: int = Field(default=20, ge=1)
    """A segment of speech; it goes on to the end of its clause."""
    thought_budget: int = Field(default=800, ge=1)
    """Tokens of thought for one answer."""
    prosody_note: bool = False
    """Whether a decoder that reads is told how a turn was said, where anything stands out."""
    streams: Literal[1, 2] = 1
    """KV caches that think and speak: in turn on one, or side by side on two."""


class WorkerSettings(Section):
    threads: int = Field(default=2, ge=1, le=64)


class PipelineSettings(Section):
    models: ModelSettings = ModelSettings()
    vad: VadSettings = VadSettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    voice: VoiceSettings = VoiceSettings()
    turn: TurnSettings = TurnSettings()
    agent: AgentSettings = AgentSettings()
    workers: WorkerSettings = WorkerSettings()
