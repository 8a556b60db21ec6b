"""The picture of which signals go with success: conversion rates with and without each, with 95 % Wilson intervals.

It shows what goes together in the evaluated conversations, not what causes what. Costs one encoder pass over their
sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from evaluation.pictures.style import NEUTRAL, OUTCOME_COLOURS, new_figure, notice, panels, save_figure
from probability.confidence import wilson_interval
from signals.finder import Signal
from signals.outcomes import SignalRate, signal_rates, signal_title

_ABSENT_COLOUR = "#a3a9b2"


def plot_signals_by_outcome(signals: Sequence[Sequence[Signal]], labels: NDArray[np.int64], path: Path) -> None:
    """One panel for signals that speak for the deal, one for those against it; draws a notice where none was found."""
    rates = signal_rates(signals, labels)
    title = f"Which signals go with success: {len(labels)} conversations, with 95 % Wilson intervals"
    figure = new_figure(title, 14, 7.5)
    axes = panels(figure, 1, 2)
    headings = (("positive", "Signals for the deal", "successful"), ("negative", "Signals against it", "failed"))
    for ax, (polarity, heading, outcome) in zip(axes, headings, strict=True):
        own = [rate for rate in rates if rate.polarity == polarity and rate.given]
        if not own:
            notice(ax, "No conversation gives such a signal.")
            continue
        _draw_rates(ax, own, OUTCOME_COLOURS[outcome])
        ax.axvline(float(np.mean(labels)), color=NEUTRAL, linestyle=":", linewidth=1.2)
        ax.set_title(heading, fontsize=10)
    save_figure(figure, path)


def _draw_rates(ax: Axes, rates: Sequence[SignalRate], colour: str) -> None:
    ranked = sorted(rates, key=lambda rate: rate.successes / rate.given, reverse=True)
    for place, rate in enumerate(ranked):
        _draw_share(ax, place - 0.14, rate.successes, rate.given, colour, "with the signal" if not place else None)
        other = "without it" if not place else None
        _draw_share(ax, place + 0.2, rate.other_successes, rate.other_count, _ABSENT_COLOUR, other)
        ax.annotate(f"{rate.successes} of {rate.given}", (1.02, place), va="center", fontsize=8)
    ax.set_yticks(range(len(ranked)), [signal_title(rate) for rate in ranked])
    ax.set_ylim(len(ranked) - 0.4, -0.6)
    ax.set_xlim(0, 1.17)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.set_xlabel("share of successful conversations (dotted: of all)")
    ax.legend(fontsize=9, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def _draw_share(ax: Axes, place: float, count: int, n: int, colour: str, name: str | None) -> None:
    if not n:
        return
    low, high = wilson_interval(count, n)
    ax.plot([low, high], [place, place], color=colour, linewidth=2.2, alpha=0.6, solid_capstyle="round")
    ax.plot(count / n, place, "o", color=colour, markersize=6, label=name)
