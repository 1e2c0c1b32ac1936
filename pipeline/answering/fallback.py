"""What the agent says when the decoder fails. A caller cannot see an error message, and silence explains nothing."""

from collections.abc import AsyncGenerator, Callable

from audio.errors import first_error
from pipeline.decoders.decoder import DecoderError, DoesNotFit, Generated, Token, UpstreamError, UpstreamRefusal
from pipeline.events import Fault
from pipeline.settings import AgentSettings
from tts.frontend.sentences import SENTENCE_STOPS
from tts.synthesizer import SpeechFailed


def refusal_code(error: DecoderError | None) -> str | None:
    """The code for clients of an error that would come again; None for any other."""
    match error:
        case UpstreamRefusal():
            return error.reason.code
        case DoesNotFit():
            return "context_length_exceeded"
        case _:
            return None


class Outage:
    """A lasting reason why a conversation gets no answers. It is said once, and again only after an answer came."""

    def __init__(self) -> None:
        self._said: str | None = None

    def words(self, error: DecoderError, agent: AgentSettings) -> str:
        """What to say of `error`; "": nothing (more)."""
        code = refusal_code(error)
        if code is None:
            return agent.apology
        return "" if code == self._said else agent.refusal

    def heard(self, code: str) -> None:
        """The person has heard of a lasting reason."""
        self._said = code

    def over(self) -> None:
        """The decoder has answered."""
        self._said = None


class Apologetic:
    """Passes on what a decoder writes; where it fails, an apology follows."""

    def __init__(self, written: AsyncGenerator[Generated], words: Callable[[DecoderError], str]) -> None:
        """`words` returns what to say of an error; "": nothing, and the error is raised."""
        self._written = written
        self._words = words
        self.error: DecoderError | None = None
        """The failure, once an apology has followed it."""

    async def parts(self) -> AsyncGenerator[Generated]:
        said = ""
        try:
            async for part in self._written:
                said = part.text.strip() or said if isinstance(part, Token) else said
                yield part
        except DecoderError as error:
            if not (words := self._words(error)):
                raise
            self.error = error
            # A sentence that broke off must not run into the apology.
            yield Token(f"{'...' if said and not said.endswith(SENTENCE_STOPS) else ''} {words}")
        finally:
            await self._written.aclose()


def fault_of(error: BaseException) -> Fault:
    """What failed an answer."""
    match first_error(error):
        case DecoderError():
            return "decoder"
        case SpeechFailed():
            return "voice"
        case _:
            return "agent"


def explained(error: BaseException) -> str:
    """What a client may know of an error: the message of one of our own.

    Another program's words, its address and the keys that it may quote stay in the log, and so does what another
    exception says.
    """
    match first_error(error):
        case UpstreamRefusal() as refusal:
            return refusal.reason.sentence
        case UpstreamError():
            return "The decoder's server gave no answer; the log of this server says why."
        case DecoderError() as ours:
            return str(ours)
        case SpeechFailed():
            return "The answer could not be spoken; the log of this server says why."
        case other:
            return f"internal error: {type(other).__name__}"
