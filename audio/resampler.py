"""Streaming conversion between sample rates."""

from audio.pcm import Pcm


class Resampler:
    """Converts a stream of samples from one rate to another, without seams between blocks.

    soxr's variable-rate filter delays audio by a constant 10 ms from 24 kHz and 30 ms from 8 kHz. Its fixed-rate
    filters work in blocks of their own and delay it by up to 37 and 118 ms, which every turn and answer would wait for.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        import soxr  # here, because audio-native models should need no more than torch and transformers

        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", vr=True)
        )

    def push(self, pcm: Pcm, last: bool = False) -> Pcm:
        """Resample the next block; `last` flushes the filter and begins a new stream."""
        if self._stream is None or not (len(pcm) or last):
            return pcm
        resampled: Pcm = self._stream.resample_chunk(pcm, last=last)
        if last:
            self._stream.clear()
        return resampled
