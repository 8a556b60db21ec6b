"""The picture of which conversations the recommended model gets wrong: by outcome, form, length, industry, certainty.

Reads predictions only; explaining a single one is `answers.analysis`. Costs under a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import seaborn
from matplotlib.axes import Axes
from numpy.typing import NDArray

from conversations.conversation import Conversation
from evaluation.pictures.kinds import UNKNOWN, context_kinds, form, in_number_order, length_kinds
from evaluation.pictures.style import NEUTRAL, OUTCOMES, histogram, label, new_figure, notice, panels, save_figure
from evaluation.results import Evaluation
from probability.confidence import wilson_interval
from probability.metrics import THRESHOLD

_RIGHT, _WRONG = "#7aa6c2", "#b3261e"
_MOST_MISTAKES = 8
_WIDTHS = (0.52, 0.19, 0.14, 0.15)  # of the columns of mistakes: an id may have 26 characters


def plot_error_analysis(evaluation: Evaluation, path: Path) -> None:
    """Error rates with 95 % Wilson intervals by kind of conversation, and how sure the model was of its mistakes."""
    name = str(evaluation.report["recommended_model"])
    probabilities = evaluation.probabilities[name]
    wrong = (probabilities >= THRESHOLD) != (evaluation.labels == 1)
    conversations = evaluation.conversations
    title = f"Where {evaluation.titles[name]} errs: {wrong.sum()} of {len(wrong)} conversations wrong"
    figure = new_figure(title, 14, 8)
    axes = panels(figure, 2, 3)
    _draw_rates(axes[0], [OUTCOMES[y] for y in evaluation.labels], wrong, "By true outcome")
    _draw_rates(axes[1], [form(c) for c in conversations], wrong, "By form")
    _draw_rates(axes[2], length_kinds(conversations), wrong, "By length in words")
    industries = context_kinds(conversations, "industry")
    if set(industries) == {UNKNOWN}:
        notice(axes[3], "The data name no industries.")
    else:
        _draw_rates(axes[3], industries, wrong, "By industry")
    _draw_certainty(axes[4], probabilities, wrong)
    _list_mistakes(axes[5], conversations, probabilities, wrong)
    save_figure(figure, path)


def _draw_rates(ax: Axes, kinds: Sequence[str], wrong: NDArray[np.bool_], title: str) -> None:
    names = in_number_order(kinds)
    for place, name in enumerate(names):
        members = np.array([kind == name for kind in kinds])
        mistakes, n = int(wrong[members].sum()), int(members.sum())
        low, high = wilson_interval(mistakes, n)
        ax.barh(place, mistakes / n, color=_WRONG, alpha=0.75, height=0.6)
        ax.plot([low, high], [place, place], color="#333333", linewidth=1.2)
        ax.annotate(f"{mistakes} of {n}", (high, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), [label(name) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, 1.15)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_xlabel("error rate, with 95 % interval")
    ax.set_title(title, fontsize=10)


def _draw_certainty(ax: Axes, probabilities: NDArray[np.float64], wrong: NDArray[np.bool_]) -> None:
    bins = np.linspace(0, 1, 21).tolist()
    right, mistaken = f"right ({(~wrong).sum()})", f"wrong ({wrong.sum()})"
    kinds = [mistaken if one else right for one in wrong]
    histogram(ax, probabilities, kinds, {right: _RIGHT, mistaken: _WRONG}, bins, legend=True)
    ax.axvline(THRESHOLD, color=NEUTRAL, linestyle=":", linewidth=1.2)
    ax.set_xlabel("predicted P(successful)")
    ax.set_title("How sure it was", fontsize=10)
    ax.margins(y=0.3)  # room for the legend
    seaborn.move_legend(ax, "upper center", fontsize=9, frameon=False, ncols=2)


def _list_mistakes(
    ax: Axes, conversations: Sequence[Conversation], probabilities: NDArray[np.float64], wrong: NDArray[np.bool_]
) -> None:
    surest = [n for n in np.argsort(-np.abs(probabilities - THRESHOLD), kind="stable") if wrong[n]][:_MOST_MISTAKES]
    if not surest:
        notice(ax, "No conversation is wrong.")
        return
    ax.set_axis_off()
    ax.set_title("The surest mistakes", fontsize=10)
    rows = [
        [label(conversations[n].conversation_id), str(conversations[n].outcome), f"{probabilities[n]:.2f}",
         form(conversations[n])]
        for n in surest
    ]  # fmt: skip
    headings = ["conversation", "was", "P(succ.)", "form"]
    table = ax.table(
        rows, colLabels=headings, colWidths=_WIDTHS, cellLoc="center", loc="upper center", edges="horizontal"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.4)
