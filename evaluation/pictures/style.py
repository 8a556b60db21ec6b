"""How every picture looks, and how it gets to disk: colours, axes, labels, notices, one atomic PNG.

Figures are made through matplotlib's object API with the Agg canvas, so no window, display or global state is touched.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.text import Text
from numpy.typing import NDArray

from foundations.atomic_files import write_atomically

OUTCOME_COLOURS = {"successful": "#1b7f79", "failed": "#d1603d"}
OUTCOMES = ("failed", "successful")  # by label: 0, 1
BAYES_COLOUR = "#111111"
NEUTRAL = "#8a8f98"
_DPI = 120
# Okabe and Ito's palette for colour-blind readers; models get it in the order they come, baselines get greys.
_MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_BASELINE_COLOURS = ("#c3c7cd", "#a3a9b2", "#858c97", "#5f6772", "#3a4048")
_BASELINE_DASHES = (
    (0, (1, 2)),
    (0, (2, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (4, 1.5)),
    (0, (8, 2)),
)  # as greys alone are near
_LONGEST_LABEL = 26
_TITLE_LETTER = 0.62  # widths of a bold letter by its height, on average and with room at both ends
# Tried in this order where the first lacks a letter: of Chinese, Japanese, Korean. Those that are not installed are left out.
_FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "WenQuanYi Zen Hei")


def colours(models: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
    """One colour for each name, the same in every picture."""
    chosen = {name: _MODEL_COLOURS[n % len(_MODEL_COLOURS)] for n, name in enumerate(models)}
    return chosen | {name: _BASELINE_COLOURS[n % len(_BASELINE_COLOURS)] for n, name in enumerate(baselines)}


def line_styles(models: Iterable[str], baselines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """How each name's curve is drawn: models as thick lines, baselines as thin ones, each broken in a way of its own."""
    models, baselines = list(models), list(baselines)
    colour = colours(models, baselines)
    thick = {name: {"color": colour[name], "linewidth": 2.2, "linestyle": "-", "zorder": 3} for name in models}
    dashes = {name: _BASELINE_DASHES[n % len(_BASELINE_DASHES)] for n, name in enumerate(baselines)}
    thin = {
        name: {"color": colour[name], "linewidth": 1.4, "linestyle": dashes[name], "zorder": 2} for name in baselines
    }
    return thick | thin


def new_figure(title: str, width: float, height: float) -> Figure:
    """An empty figure of width × height inches with a title that says what the picture shows."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    fitting = 72 * width / (_TITLE_LETTER * len(title))  # a narrow figure has a smaller title, so that none is cut
    figure.suptitle(title, fontsize=min(13.0, fitting), fontweight="bold")
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


def histogram(
    ax: Axes,
    values: Sequence[float] | NDArray[np.float64],
    kinds: Sequence[str],
    colour: dict[str, str],
    bins: list[float],
    legend: bool = False,
) -> None:
    """How many conversations have each value, the kinds on top of each other; the first of `colour` lies at the bottom."""
    order = list(colour)[::-1]  # seaborn stacks from the last one up
    looks = {"palette": colour, "alpha": 1, "edgecolor": "white", "linewidth": 0.5, "legend": legend}
    seaborn.histplot(x=values, hue=kinds, hue_order=order, multiple="stack", bins=bins, ax=ax, **looks)
    ax.set_ylabel("conversations")


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
    installed = set(get_font_names())
    for text in figure.findobj(Text):
        text.set_fontfamily([name for name in _FONTS if name in installed])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+")  # no font has it: it shows as a box
        write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=_DPI, facecolor="white"))
