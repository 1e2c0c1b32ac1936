"""Fits tts/engines/kokoro_norms.npz, the statistics of each Kokoro voice that its windows need."""

from pathlib import Path

from bench.speech.synthesis import TEXTS, clause, read_texts
from pipeline.weights.store import ModelStore
from tts.engines.kokoro import NORMS, read_styles, silence, styled
from tts.engines.kokoro_graph import KokoroGraph, Norms, save_norms
from tts.engines.kokoro_phonemes import token_ids
from tts.frontend.english.phonemes import EnglishPhonemizer

SHORT = (
    *("Yes,", "Yes.", "No,", "No.", "Sure,", "Sure.", "Okay.", "Hello!", "Hi!", "Goodbye!", "Thanks.", "Sorry,"),
    *("Great!", "Right.", "Well,", "Oh,", "Of course,", "Exactly.", "Thank you.", "Two.", "Seven.", "Paris."),
    *("A,", "I,", "S.", "X,"),
)
"""Clauses that are silence for the most part. A line through sentences alone leads to deviations of nothing there: in
some voices "Yes," was forty times too loud, and "Sure," no number."""


def main() -> None:
    """Synthesize the benchmark's sentences and short clauses whole in every voice, and fit the norms to them."""
    store = ModelStore()
    graph = KokoroGraph(store.resolve("kokoro-82m"), threads=1)
    voices = store.resolve("kokoro-voices").glob("*.bin")
    save_norms(NORMS, {voice.stem: fit(graph, voice) for voice in sorted(voices)})


def fit(graph: KokoroGraph, voice: Path) -> Norms:
    phonemize = EnglishPhonemizer()
    styles = read_styles(voice)
    shares, clauses = [], []
    for text in (*read_texts(TEXTS), *SHORT):
        spoken = clause(text)
        sounds = phonemize([word.spoken for word in spoken.words], spoken.stop)
        ids, _ = token_ids(sounds, spoken.stop, british=voice.stem.startswith("b"))
        clauses.append(graph.latents(ids, styled(styles, ids), speed=1.0))
        shares.append(silence(ids, clauses[-1]))
    return Norms.fitted(shares, [layers for _, layers in graph.rendered(clauses)])


if __name__ == "__main__":
    main()
