"""The picture of the data that a run learns from: outcomes, forms, lengths, industries and company sizes by split.

Drawn by the split stage, before any model exists. Costs under a second for thousands of conversations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from conversations.conversation import Conversation
from conversations.split import DataSplits
from evaluation.pictures.kinds import UNKNOWN, context_kinds, form, in_number_order, length_in_words, length_kinds
from evaluation.pictures.style import OUTCOME_COLOURS, histogram, label, new_figure, notice, panels, save_figure

_SPLITS = ("train", "validation", "test")
_LONGEST_SHOWN = 99  # percentile: one transcript of a million words must not squeeze the others into one bar


def plot_dataset_distribution(splits: DataSplits, path: Path) -> None:
    """Six panels over all splits; a context field that no conversation has is said to be absent."""
    parts = {name: splits.part(name) for name in _SPLITS}
    everyone = [conversation for part in parts.values() for conversation in part]
    groups = len({conversation.group_key for conversation in everyone})
    figure = new_figure(f"The data: n = {len(everyone)} labelled conversations in {groups} groups", 14, 8)
    axes = panels(figure, 2, 3)
    _draw_outcomes(axes[0], [name for name, part in parts.items() for _ in part], everyone, "Outcome by split", _SPLITS)
    _draw_outcomes(axes[1], [form(c) for c in everyone], everyone, "Outcome by form", ("dialogue", "note"))
    _draw_lengths(axes[2], everyone)
    lengths = length_kinds(everyone)
    _draw_outcomes(axes[3], lengths, everyone, "Outcome by length in words", in_number_order(lengths))
    for ax, field in zip(axes[4:], ("industry", "company_size"), strict=True):
        values, name = context_kinds(everyone, field), field.replace("_", " ")
        if set(values) <= {UNKNOWN}:
            notice(ax, f"No conversation names its {name}.")
        else:
            _draw_outcomes(ax, values, everyone, f"Outcome by {name}", [v for v, _ in Counter(values).most_common()])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)


def _draw_outcomes(
    ax: Axes, kinds: Sequence[str], conversations: Sequence[Conversation], title: str, order: Sequence[str]
) -> None:
    """Stacked bars of counts, the share of successes written beside each."""
    counts = Counter((kind, str(c.outcome)) for kind, c in zip(kinds, conversations, strict=True))
    shown = [kind for kind in order if kind in set(kinds)]
    won, lost = ([counts[kind, outcome] for kind in shown] for outcome in ("successful", "failed"))
    places = range(len(shown))
    ax.barh(places, won, color=OUTCOME_COLOURS["successful"], label="successful", height=0.65)
    ax.barh(places, lost, left=won, color=OUTCOME_COLOURS["failed"], label="failed", height=0.65)
    totals = [w + f for w, f in zip(won, lost, strict=True)]
    for place, (wins, total) in enumerate(zip(won, totals, strict=True)):
        text = f"{total}, {wins / total:.0%} successful"
        ax.annotate(text, (total, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(shown)), [label(kind) for kind in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, max(totals, default=1) * 1.5)
    ax.set_xlabel("conversations")
    ax.set_title(title, fontsize=10)


def _draw_lengths(ax: Axes, conversations: Sequence[Conversation]) -> None:
    words = [length_in_words(c) for c in conversations]
    top = float(np.percentile(words, _LONGEST_SHOWN))
    bins = np.linspace(min(words), max(top, min(words) + 1), 25).tolist()
    histogram(ax, words, [str(c.outcome) for c in conversations], OUTCOME_COLOURS, bins)
    beyond = sum(n > bins[-1] for n in words)
    ax.set_xlabel("words" + (f" ({beyond} longer not shown)" if beyond else ""))
    ax.set_title("Length", fontsize=10)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
