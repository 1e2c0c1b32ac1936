"""Recordings as token ids, so that trainers of text models train one that hears.

The encoder is frozen while the decoder learns, so its output can be computed once and kept in a table. Each row is what
the adaptor's convolution sees for one of its 12.5 outputs a second: three of the encoder's vectors at 25 Hz. A token id
from `vocabulary` on names such a row. The adaptor itself is trained: it runs on the rows of each batch.
"""

import torch
from torch import nn
from torch.nn import functional

from audio.pcm import Pcm
from pipeline.decoders.torch_models.step_audio import StepAudioModules
from pipeline.encoders.embedding.embedding_stream import ready
from pipeline.encoders.embedding.features import floor_of, scaled
from pipeline.encoders.embedding.qwen_audio import StepAdaptor, attended


class RowAdaptor(StepAdaptor):
    """The adaptor on rows, shape (rows, width, 3), each by itself: equal to `StepAdaptor` on the sequence."""

    def __init__(self, width: int, output: int, hidden: int) -> None:
        super().__init__(width, output, hidden)
        # A module and not the function: DeepSpeed brings the weights of a module together when it is called.
        convolution = nn.utils.skip_init(nn.Conv1d, width, width, kernel_size=3)  # type: ignore[no-untyped-call]
        self.conv: nn.Conv1d = convolution

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        halved = functional.gelu(self.conv(rows)).squeeze(2)
        projected: torch.Tensor = self.linear2(functional.relu(self.linear1(halved)))
        return projected


class SoundTable:
    """The rows of all recordings, shape (rows, width, 3)."""

    def __init__(self, width: int) -> None:
        self.rows = torch.empty(0, width, 3)

    def add(self, rows: torch.Tensor) -> range:
        """Keep the rows of a recording; returns their numbers."""
        first = len(self.rows)
        self.rows = torch.cat((self.rows, rows))
        return range(first, len(self.rows))


class SoundEmbedding(nn.Module):
    """Embeddings of token ids: below `vocabulary` those of words, from there on those of the rows of a table."""

    def __init__(self, words: nn.Embedding, adaptor: StepAdaptor, table: SoundTable | None = None) -> None:
        """`table`: that of another one, to be shared; None begins an empty one."""
        super().__init__()
        self.words = words
        self.vocabulary = words.num_embeddings
        self.adaptor = RowAdaptor(adaptor.conv.in_channels, adaptor.linear2.out_features, adaptor.linear1.out_features)
        self.adaptor.load_state_dict(adaptor.state_dict())
        self._table = table or SoundTable(adaptor.conv.in_channels)

    def twin(self) -> "SoundEmbedding":
        """The same words and table, with an adaptor of its own: it stays whole while trainers spread this module."""
        words = nn.Embedding.from_pretrained(self.words.weight.detach())  # type: ignore[no-untyped-call]
        return SoundEmbedding(words, self.adaptor, self._table)

    @property
    def weight(self) -> torch.Tensor:
        """The embeddings of words, as trainers look for them."""
        return self.words.weight

    def add(self, rows: torch.Tensor) -> list[int]:
        """Keep the rows of a recording, shape (rows, width, 3), and return their ids."""
        return [self.vocabulary + number for number in self._table.add(rows)]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        is_sound = ids >= self.vocabulary
        vectors: torch.Tensor = self.words(ids.masked_fill(is_sound, 0))
        # Without a sound as well: processes that train together add up gradients of the same weights, zeros included.
        rows = self._table.rows.to(vectors.device)[ids[is_sound] - self.vocabulary]
        return vectors.masked_scatter(is_sound[..., None], self.adaptor(rows).to(vectors.dtype))


class Hearing:
    """The frozen half of the model: recordings in, rows for the adaptor out."""

    def __init__(self, modules: StepAudioModules) -> None:
        self._tower = ready(modules.tower)
        self._stream = modules.audio_encoder()

    @torch.inference_mode()
    def vectors(self, pcm: Pcm) -> torch.Tensor:
        """The encoder's output at 25 Hz, shape (time, width), as the agent computes it. At most 25 s."""
        features = self.features(pcm)
        return attended(self._tower, features, (features.shape[1] - 1) // 2 + 1).clone()

    def features(self, pcm: Pcm) -> torch.Tensor:
        """The encoder's input, shape (n_mels, frames)."""
        mel = self._stream.front.open()
        mel.push(pcm)
        log_mels = mel.unscaled(self._stream.frames(len(pcm)))
        return scaled(log_mels, floor_of(float(log_mels.max())))


def rows_of(vectors: torch.Tensor) -> torch.Tensor:
    """What the adaptor's convolution (kernel 3, stride 2, padding 1) sees: (time, width) to (time / 2, width, 3)."""
    padded = functional.pad(vectors.T, (1, 1))
    return padded.unfold(1, 3, 2).transpose(0, 1).contiguous()
