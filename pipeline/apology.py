"""What is said when the decoder fails: who speaks to a machine hears no error message, and silence says nothing."""

from collections.abc import AsyncGenerator

from pipeline.decoders.decoder import DecoderError, Token, Written

_SENTENCE_STOPS = (".", "?", "!")


class Apologetic:
    """What a decoder writes, up to where it fails; from there on an apology."""

    def __init__(self, written: AsyncGenerator[Written], apology: str) -> None:
        self._written = written
        self._apology = apology
        self.error: DecoderError | None = None
        """Why the answer ends with the apology; None: it does not."""

    async def parts(self) -> AsyncGenerator[Written]:
        said = ""
        try:
            async for part in self._written:
                said = part.text.strip() or said if isinstance(part, Token) else said
                yield part
        except DecoderError as error:
            if not self._apology:
                raise
            self.error = error
            # A sentence that broke off must not run into the apology.
            yield Token(f"{'...' if said and not said.endswith(_SENTENCE_STOPS) else ''} {self._apology}")
        finally:
            await self._written.aclose()
