"""How every picture looks, and how it gets to disk: colours, axes, labels, notices, one atomic PNG.

Figures are made through matplotlib's object API with the Agg canvas, so no window, display or global state is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from atomic_files import write_atomically

OUTCOME_COLOURS = {"successful": "#1b7f79", "failed": "#d1603d"}
OUTCOMES = ("failed", "successful")  # by label: 0, 1
BAYES_COLOUR = "#111111"
NEUTRAL = "#8a8f98"
_DPI = 120
# Okabe and Ito's palette for colour-blind readers; models get it in the order they come, baselines get greys.
_MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_BASELINE_COLOURS = ("#c3c7cd", "#a3a9b2", "#6d7580", "#464c55")
_LONGEST_LABEL = 26


def colours(models: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
    """One colour for each name, the same in every picture."""
    chosen = {name: _MODEL_COLOURS[n % len(_MODEL_COLOURS)] for n, name in enumerate(models)}
    return chosen | {name: _BASELINE_COLOURS[n % len(_BASELINE_COLOURS)] for n, name in enumerate(baselines)}


def new_figure(title: str, width: float, height: float) -> Figure:
    """An empty figure of width × height inches with a title that says what the picture shows."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    return figure


def panels(figure: Figure, rows: int, columns: int, **options: Any) -> list[Axes]:
    """rows × columns axes, row by row, without box and with a light grid behind the data."""
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, color="#e6e8eb", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.tick_params(labelsize=9)
    return axes


def notice(ax: Axes, text: str) -> None:
    """Says in place of a panel why there is nothing to draw."""
    ax.clear()
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=10, color="#555555", wrap=True, transform=ax.transAxes)


def label(text: str) -> str:
    """Text from data, cut to 26 characters; a dollar sign would otherwise start a formula."""
    short = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
    return short.replace("$", r"\$")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG atomically. Raises InputError where the folder can't be written to."""
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=_DPI, facecolor="white"))
