"""Figures of several runs and a picture of how they learned: `python -m training.report runs/0 runs/1 runs/2`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from training.evaluation import interval

_COLD, _REWARDED = "1-cold-start", "3-verified-rewards"
_STAGES = "2-distillation-*", _REWARDED
_COLOURS = {"3-verified-rewards": "#2a6f97", "without-format-reward": "#c1121f", "without-middle-difficulty": "#6c757d"}
_ABLATED = {
    "3-verified-rewards": "rewards",
    "without-format-reward": "no format\nreward",
    "without-middle-difficulty": "any\ndifficulty",
    "1-cold-start": "cold\nstart",
    "without-sound": "tran-\nscripts",
}
_SMOOTHED = 5
"""Steps of reinforcement learning that a point of its curve is the mean of."""

console = Console(width=110)


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs with different seeds.")],
    picture: Annotated[Path | None, typer.Option(help="Draw the curves into this .svg or .png file.")] = None,
) -> None:
    """Print what each stage gets right on held-out acoustic questions, and what the last ones add to the first."""
    stages = sorted({file.parent.name for run in runs for file in run.glob("*/answers.jsonl")})
    table = Table("stage", "right, by seed", "mean", "spread", "all seeds, 95 %", "reasons", "words of thought")
    for stage in stages:
        figures = [_held_out(run / stage) for run in runs if (run / stage / "answers.jsonl").exists()]
        right = [float(one["acoustic_right"]) for one in figures]
        pooled = [bool(one["right"]) for run in runs for one in _answers(run / stage)]
        low, high = interval(pooled)
        table.add_row(
            stage,
            " ".join(f"{share:.1%}" for share in right),
            f"{mean(right):.1%}",
            f"{_spread(right):.1%}",
            f"{low:.1%} to {high:.1%}",
            f"{mean(one['reasons'] for one in figures):.0%}",
            f"{mean(one['thought_words'] for one in figures):.1f}",
        )
    console.print(table)
    for stage in stages:
        if any(Path(stage).match(pattern) for pattern in _STAGES):
            console.print(f"Gain of {stage} over {_COLD}: {gain(runs, stage)}")
    if picture is not None:
        figure = Figure(figsize=(13, 3.4), layout="constrained")
        draw(figure, runs, stages)
        figure.savefig(picture)


def gain(runs: Sequence[Path], stage: str) -> dict[str, object]:
    """What `stage` adds to the cold start by seed, and the questions that changed with any seed."""
    pairs = [
        list(zip(_answers(run / _COLD), _answers(run / stage), strict=True))
        for run in runs
        if (run / stage / "answers.jsonl").exists()
    ]
    gains = [mean(after["right"] - before["right"] for before, after in run) for run in pairs]
    every = [(before["right"], after["right"]) for run in pairs for before, after in run]
    return {
        "by_seed": [round(one, 3) for one in gains],
        "mean": round(mean(gains), 3) if gains else None,
        "spread": round(_spread(gains), 3),
        "became_right": every.count((False, True)),
        "became_wrong": every.count((True, False)),
        "of": len(every),
    }


def draw(figure: Figure, runs: Sequence[Path], stages: Sequence[str]) -> None:
    """Right answers by stage; reward and length of answers by step of reinforcement learning; the ablations."""
    by_stage, reward, length, ablated = figure.subplots(1, 4)
    names = [stage for stage in stages if stage[0].isdigit()]
    for run in runs:
        shares = [_held_out(run / name)["acoustic_right"] for name in names if (run / name / "answers.jsonl").exists()]
        by_stage.plot(range(len(shares)), shares, "o-", color="#2a6f97", alpha=0.6)
    by_stage.axhline(_held_out(runs[0] / names[0])["acoustic_chance"], color="#6c757d", linestyle=":", label="guessing")
    by_stage.set_xticks(range(len(names)), [name[2:].replace("-", "\n") for name in names], fontsize=8)
    by_stage.set(title="Held-out questions about sound", ylabel="right", ylim=(0.3, 1))
    by_stage.legend(frameon=False)
    for stage, colour in _COLOURS.items():
        for axes, key in ((reward, "rewards/right/mean"), (length, "completions/mean_length")):
            curves = [curve for run in runs if (curve := _curve(run / stage, key))]
            if curves:
                _band(axes, curves, colour, stage.removeprefix("3-").replace("-", " "))
    reward.set(title="Right while sampling", xlabel="step")
    length.set(title="Tokens of an answer", xlabel="step")
    reward.legend(frameon=False, fontsize=8)
    names = [name for name in _ABLATED if name in stages]
    shares = [_shares(runs, name) for name in names]
    ablated.bar(range(len(names)), [mean(one) for one in shares], color="#a9c9dd")
    for at, values in enumerate(shares):
        ablated.plot([at] * len(values), values, "o", color="#2a6f97", alpha=0.6)
    ablated.set_xticks(range(len(names)), [_ABLATED[name] for name in names], fontsize=7)
    ablated.set(title="Without its parts", ylim=(0.2, 1))


def _shares(runs: Sequence[Path], stage: str) -> list[float]:
    """Share of right answers about sound with each seed."""
    return [_held_out(run / stage)["acoustic_right"] for run in runs if (run / stage / "figures.json").exists()]


def _band(axes: Any, curves: Sequence[Sequence[float]], colour: str, label: str) -> None:  # noqa: ANN401 - untyped
    """The mean of the curves, and all that lies between the lowest and the highest."""
    steps = range(min(map(len, curves)))
    values = [[curve[step] for curve in curves] for step in steps]
    axes.plot(steps, [mean(one) for one in values], color=colour, label=label)
    axes.fill_between(steps, [min(one) for one in values], [max(one) for one in values], color=colour, alpha=0.2)


def _curve(folder: Path, key: str) -> list[float]:
    file = folder / "curve.json"
    logged = [one[key] for one in json.loads(file.read_text()) if key in one] if file.exists() else []
    return [mean(logged[max(0, at - _SMOOTHED + 1) : at + 1]) for at in range(len(logged))]


def _held_out(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((folder / "figures.json").read_text())["held_out"]
    return found


def _answers(folder: Path) -> list[dict[str, Any]]:
    """Answers to questions about sound."""
    file = folder / "answers.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [one for one in map(json.loads, lines) if one["modality"] == "audio"]


def _spread(values: Sequence[float]) -> float:
    """Standard deviation; 0 for a single value."""
    return stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    typer.run(main)
