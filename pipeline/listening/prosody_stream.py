"""An encoder stream that also listens to how things are said."""

from dataclasses import replace

from audio.pcm import Pcm
from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.listening.prosody import TurnProsody


class ProsodyStream:
    """Passes everything on to the words' stream; its `finish` also says how the turn was said."""

    def __init__(self, stream: EncoderStream, manner: TurnProsody) -> None:
        self._stream = stream
        self._manner = manner

    @property
    def waits(self) -> bool:
        return self._stream.waits

    def push(self, pcm: Pcm) -> Heard:
        self._manner.push(pcm)
        return self._stream.push(pcm)

    def finish(self) -> Heard:
        note = self._manner.note()
        return replace(self._stream.finish(), manner="" if note is None else note.text)
