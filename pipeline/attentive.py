"""An encoder stream that also listens to how things are said."""

from dataclasses import replace

from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.prosody import Manner
from tts.synthesizer import Pcm


class Attentive:
    """What it finishes with says how the turn was said, where anything stands out."""

    def __init__(self, stream: EncoderStream, manner: Manner) -> None:
        self._stream = stream
        self._manner = manner

    def push(self, pcm: Pcm) -> Heard:
        self._manner.push(pcm)
        return self._stream.push(pcm)

    def finish(self) -> Heard:
        note = self._manner.note()
        return replace(self._stream.finish(), manner="" if note is None else note.text)
