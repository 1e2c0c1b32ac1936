"""The agent's settings, their bounds and defaults. config.toml shows every one with its unit and reason."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pipeline.decoders.thought_formats import FORMATS

Seconds = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A table of config.toml. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(Section):
    """Settings of the model store."""

    cache: Path | None = None
    """Folder for weights; None: the user's cache folder."""
    offline: bool = False
    """Whether nothing may be downloaded."""


class VadSettings(Section):
    """The voice activity detector."""

    model: str = "silero-vad"


class EncoderSettings(Section):
    """The speech recognizer."""

    backend: Literal["whisper", "http"] = "whisper"
    model: str = "whisper-tiny.en"
    """whisper: a name from `antiphon models`, or a folder with a CTranslate2 Whisper model. http: the model's name on
    the server."""
    compute_type: Literal["int8", "float32"] = "int8"
    threads: int = Field(default=1, ge=1, le=64)
    url: str = ""
    """http: base URL of the server, with its /v1."""
    api_key: SecretStr = SecretStr("")
    language: str = ""
    """http: code of the language that is spoken; "": the server finds out."""
    timeout_s: float = Field(default=20, gt=0)
    """http: seconds to wait for an answer."""

    @property
    def remote(self) -> bool:
        """Whether the model runs in a server at `url`."""
        return self.backend == "http"

    @model_validator(mode="after")
    def _has_a_server(self) -> Self:
        if self.remote and not self.url.startswith(("http://", "https://")):
            raise ValueError('the backend "http" needs encoder.url, as in "http://127.0.0.1:8000/v1"')
        return self


class DecoderSettings(Section):
    """The language model."""

    backend: Literal["llama", "llama-server", "openai", "torch"] = "llama"
    model: str = "qwen2.5-coder-1.5b-instruct"
    """llama: a name from `antiphon models` or a .gguf file. torch: a name, or the folder of a transformers model.
    openai: the model's name on the server."""
    hears: bool = False
    """openai: whether the model reads audio, which it gets instead of the transcript."""
    device: str = "auto"
    """torch: where it runs; "auto" is a GPU if there is one."""
    url: str = ""
    """Base URL of the llama-server or OpenAI-compatible server."""
    api_key: SecretStr = SecretStr("")
    context_tokens: int = Field(default=4096, ge=256)
    """Tokens that one conversation's prompt and answer may take."""
    slots: int = Field(default=2, ge=1, le=64)
    """Number of KV caches, which conversations share."""
    threads: int = Field(default=2, ge=1, le=64)
    """More are faster on idle cores, and slower on busy ones, where they wait for each other."""
    temperature: float = Field(default=0.1, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    max_tokens: int = Field(default=160, ge=1)
    """Longest answer, unless the client asks for less."""
    timeout_s: float = Field(default=20, gt=0)
    """Seconds to wait for a server's next token."""

    @property
    def remote(self) -> bool:
        """Whether the model runs in a server at `url`."""
        return self.backend in ("llama-server", "openai")

    thoughts: str = ""
    """Format of the model's thoughts; "": the one of its chat template or its name."""

    @field_validator("thoughts")
    @classmethod
    def _is_a_format_of_thoughts(cls, name: str) -> str:
        if name and name not in FORMATS:
            raise ValueError(f"unknown format of thoughts; there are {', '.join(FORMATS)}")
        return name

    @model_validator(mode="after")
    def _has_room_for_an_answer(self) -> Self:
        if self.max_tokens >= self.context_tokens:
            raise ValueError(
                f"decoder.max_tokens = {self.max_tokens} leaves no room for a question in "
                f"decoder.context_tokens = {self.context_tokens}"
            )
        return self

    @model_validator(mode="after")
    def _has_a_server(self) -> Self:
        if self.remote and not self.url.startswith(("http://", "https://")):
            raise ValueError(f'the backend "{self.backend}" needs decoder.url, as in "http://127.0.0.1:8080/v1"')
        return self


class VoiceSettings(Section):
    """The synthesizer and its voice."""

    backend: Literal["piper", "kokoro", "http", "xtts", "pocket"] = "piper"
    name: str = "en_US-joe-medium"
    """The voice that speaks unless a client asks for another; xtts and pocket also take a recording to imitate."""
    speed: float = Field(default=1.0, ge=0.5, le=2)
    gain_db: float = Field(default=0.0, ge=-40, le=40)
    """Gain that makes it as loud as the others; voices of the model table are already."""
    threads: int = Field(default=1, ge=1, le=64)
    model: str = ""
    """http: the model's name on the server. xtts: a coqui-tts model's folder. pocket: a language, or a .yaml file."""
    language: str = "en"
    """http, xtts: language of the voice."""
    url: str = ""
    """http: base URL of the server, with its /v1."""
    api_key: SecretStr = SecretStr("")
    timeout_s: float = Field(default=20, gt=0)
    """http, xtts: seconds to wait for the next audio."""
    python: str = ""
    """xtts: Python interpreter with coqui-tts; "": this one."""
    accept_licence: bool = False
    """xtts: whether the terms of non-free weights were accepted."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.backend == "http" and not self.url.startswith(("http://", "https://")):
            raise ValueError('the backend "http" needs voice.url, as in "http://127.0.0.1:8880/v1"')
        if self.backend == "xtts" and not self.model:
            raise ValueError('the backend "xtts" needs voice.model, the folder of a coqui-tts model')
        return self


class TurnSettings(Section):
    """Turn taking: endpointing, barge-in and backchannels."""

    detection: Literal["semantic_vad", "server_vad"] = "semantic_vad"
    """How a session detects turns until its client chooses another way."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Speech probability from which a frame counts as speech."""
    hysteresis: float = Field(default=0.05, ge=0, lt=1)
    """How far below `threshold` the probability must fall to count as silence again."""
    min_speech_s: Seconds = 0.064
    """Speech shorter than this is a click or a breath."""
    softer_db: float = Field(default=9.0, ge=0, le=40)
    """Speech softer than the caller's by more than this begins no turn, unless it's their voice; 0: all speech does."""
    speaker_encoder: str = "ge2e-speaker"
    """Model that knows the caller's voice in softer speech; "": none."""
    prefix_padding_s: Seconds = 0.3
    """Audio kept from before speech was detected."""
    pause_s: Seconds = 0.064
    """Silence after which the tail is encoded and an answer begins, held back."""
    silence_s: Seconds = 0.5
    """Silence that ends a turn."""
    speculate: bool = True
    """Whether an answer begins before the turn is decided: at a pause, or to words that are probably all."""
    complete_s: Seconds = 0.3
    """`semantic_vad`: silence that ends a turn whose words are complete."""
    incomplete_s: Seconds = 1.6
    """`semantic_vad`: silence that ends a turn whose words are incomplete."""
    complete_probability: float = Field(default=0.88, gt=0, lt=1)
    """Probability that the turn is over, by words and sound, from which it counts as complete."""
    incomplete_probability: float = Field(default=0.3, gt=0, lt=1)
    """The probability below which it counts as incomplete. In between, the wait is interpolated."""
    second_opinion: str = "smart-turn-v3.2"
    """Model that judges from the audio whether a turn is over, in addition to the decoder; "": none."""
    eager_factor: float = Field(default=0.7, gt=0, le=1)
    """Multiplies the waits of `semantic_vad` for the eagerness high."""
    patient_factor: float = Field(default=1.5, ge=1)
    """Multiplies the waits of `semantic_vad` for the eagerness low."""
    duck_s: Seconds = 0.032
    """Speech over the agent's voice after which the voice is ducked."""
    hold_s: Seconds = 0.096
    """Speech over the agent's voice after which it pauses."""
    overhear_s: float = Field(default=0.4, gt=0)
    """Speech over the agent's voice between two recognitions of its words."""
    interrupt_s: Seconds = 1.4
    """Speech over the agent's voice that stops it, whatever the words are."""
    held_s: Seconds = 0.5
    """Longest pause of the voice while no words are recognized; then it speaks on, ducked."""
    lift_s: Seconds = 0.16
    """Silence after which the agent resumes, if the words were not a barge-in."""
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
    """Backchannels: phrases, besides hums, with which listeners encourage a speaker to continue. Lower case; several
    may follow one another."""
    interruptions: tuple[str, ...] = (
        *("stop", "wait", "no", "hold on", "hang on", "what", "but", "actually", "excuse me", "sorry", "hey"),
        *("one moment", "one second", "just a", "never mind", "enough", "be quiet", "shut up", "pause", "listen"),
        *("how", "why", "when", "where", "who", "what's", "how's", "where's", "who's", "can you", "could you", "can i"),
        *("do you", "are you", "is it", "is there", "i have", "i want", "i need", "i mean", "i don't", "i'd like"),
        *("let me", "tell me", "give me", "not", "don't", "cancel", "help", "quiet", "next", "skip", "repeat", "again"),
        *("forget it", "please"),
    )
    """Beginnings of a barge-in, in lower case."""
    stops: tuple[str, ...] = (
        *("stop", "stopped", "enough", "be quiet", "quiet", "silence", "shut up", "hush", "hold on", "hang on", "wait"),
        *("pause", "that will do", "no more"),
    )
    """Phrases that stop the agent wherever they stand in a short utterance; lower case."""
    max_turn_s: float = Field(default=120, ge=5)
    """Longest turn: a longer one is cut, so that memory is bounded."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Each of these pairs is an order in time or in probability; reversed, turns would end in the wrong cases."""
        orders = (
            ("complete_s", "incomplete_s", "complete words wait less than incomplete ones"),
            ("incomplete_probability", "complete_probability", "incomplete words are the less likely end"),
            ("hysteresis", "threshold", "silence would never be detected"),
            ("duck_s", "hold_s", "the voice is ducked before it pauses"),
            ("hold_s", "interrupt_s", "the voice pauses before it stops"),
        )
        for less, more, why in orders:
            if getattr(self, less) > getattr(self, more):
                raise ValueError(
                    f"turn.{less} = {getattr(self, less)} is over turn.{more} = {getattr(self, more)}: {why}"
                )
        return self


class AgentSettings(Section):
    """What the agent says, and how it thinks."""

    instructions: str = (
        "You are Antiphon, a friendly voice assistant. Answer in one or two short spoken sentences, "
        "in plain words, without lists or markup."
    )
    max_items: int = Field(default=200, ge=4)
    """Messages kept of one conversation; the oldest go first."""
    apology: str = "Sorry, I have trouble answering just now. Please say that again."
    """What the agent says when the decoder or the voice fails; "": nothing."""
    not_understood: str = "Sorry, I did not understand that. I speak English."
    """What the agent says to speech of which no words are recognized; "": nothing."""
    refusal: str = "Sorry, I can't answer that. Something is set up wrongly on my side, and asking again won't help."
    """What the agent says, once, when the decoder refuses for good; "": nothing."""
    thinking: Literal["off", "before", "think_first", "speak_first"] = "think_first"
    """When a decoder that can think does so, unless the client chooses another mode."""
    think_about: Literal["everything", "hard"] = "hard"
    """Whether questions that ask for nothing to be worked out are answered at once in every mode."""
    think_tokens: int = Field(default=80, ge=1)
    """Tokens of a segment of thoughts."""
    speak_tokens: int = Field(default=20, ge=1)
    """Tokens of a segment of speech, which continues to the end of its clause."""
    thought_budget: int = Field(default=240, ge=1)
    """Tokens of thought for one answer."""
    prosody_note: bool = False
    """Whether a decoder that reads text gets a note on how a turn was said, if anything stands out."""
    streams: Literal[1, 2] = 1
    """KV caches for thoughts and speech: alternating on one, or concurrent on two."""


class StopgapSettings(Section):
    """What the agent says while a tool runs or a slow model writes, so that nobody waits in silence."""

    tool_s: Seconds = 0.4
    """Silence after a tool call until it is acknowledged; 0: never."""
    model_s: Seconds = 2.0
    """Silence before the first words of an answer until it is announced; 0: never."""
    thought_s: Seconds = 0.1
    """The same of an answer for which the model thinks before it speaks; 0: never."""
    again_s: float = Field(default=8.0, gt=0)
    """Silence until each further sign of life."""
    looking_up: str = "Let me look that up."
    """Acknowledges a tool whose name says that it looks something up."""
    acting: str = "One moment, I am on it."
    """Acknowledges any other tool."""
    thinking: str = "One moment, please."
    """Announces an answer that takes long."""
    thoughtful: str = "Let me think about that."
    """Announces an answer for which the model thinks before it speaks."""
    think_aloud: bool = True
    """Whether sentences of the thoughts follow it until the answer is written, if they are plain ones."""
    concluding: str = "So:"
    """Parts what was thought aloud from the answer; "": nothing does."""
    again: tuple[str, ...] = ("I am still on it.", "This takes a little longer.", "I am still waiting, sorry.")
    """The signs of life, in turn. After the last one the agent is silent."""


class WorkerSettings(Section):
    """The threads that run models."""

    threads: int = Field(default=2, ge=1, le=64)


class PipelineSettings(Section):
    """All settings of the agent."""

    models: ModelSettings = ModelSettings()
    vad: VadSettings = VadSettings()
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    voice: VoiceSettings = VoiceSettings()
    turn: TurnSettings = TurnSettings()
    agent: AgentSettings = AgentSettings()
    stopgaps: StopgapSettings = StopgapSettings()
    workers: WorkerSettings = WorkerSettings()
