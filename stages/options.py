"""The options of the command line, for `main.py`: what `--help` shows."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from conversations.split import SPLIT_WAYS
from modelling.names import MODEL_NAMES
from scoring.job import FORMATS
from stages.job import UNITS
from stages.sync import CRM_NAMES

_EPILOG = """\
modes:
  all             generate, split, train, evaluate and deploy, skipping what is up to date
  generate        synthetic conversations, to try things out
  read            shows how --data is understood, and trains nothing
  train           learns from the closed deals of --data, or from generated ones
  evaluate        the trained models beside baselines, on the test split or on --data
  deploy          serves the trained models: open /app in a browser
  agents          tools for agents over standard input and output, which a running service answers
  transcribe      what is said in the recordings of --data, and by whom, to --output FILE.jsonl
  score           probabilities for the open deals of --data
  add             closed deals of --data that similar ones are found among, without training
  feedback        how predicted deals ended, from the table --data
  retrain         learns from what ended since; served only if it is not worse on the most recent
  try             one --model: trains it if need be, and shows what it says of a few deals
  learning-curve  how good the models are with less to learn from
  cache           how much is kept of the encoder's work
  purge           deletes stored predictions that are too old
  forget          deletes the conversation --conversation-id everywhere, and says what still holds it
  suggest         which outcome to look up next, and which recorded one contradicts what the models say
  labels          the sentences that people labelled, for Label Studio or Argilla
  tune            searches the models' settings, and keeps the defaults unless unseen data say otherwise
  sync            scores the deals of --crm that changed, and writes the scores back

python main.py --mode train --data closed.csv
python main.py --mode evaluate
python main.py --mode score --data open.csv --output scores.csv --rank
"""


def options_parser(modes: Iterable[str]) -> argparse.ArgumentParser:
    """The parser of `main.py`'s options; modes: the names that `--mode` takes. What is left out is None, False or a default."""
    parser = argparse.ArgumentParser(
        description="Learns from past sales conversations which open ones will convert, and serves the best model.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mode", choices=modes, default="all", metavar="MODE", help="one of those below; default: all")
    _add_data_options(parser)
    _add_model_options(parser)
    _add_learning_options(parser)
    _add_bulk_options(parser)
    _add_retrain_options(parser)
    _add_sync_options(parser)
    _add_service_options(parser)
    return parser


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="your conversations: an export, a transcript, a folder of them"
    )
    parser.add_argument(
        "--outcomes", type=Path, metavar="FILE", help="a table that says how the conversations of --data ended"
    )
    parser.add_argument(
        "--column", action="append", default=[], metavar="FIELD=COLUMN", help="e.g. transcript=Notes; may be repeated"
    )
    for meaning in ("won", "lost"):
        parser.add_argument(
            f"--{meaning}",
            action="append",
            default=[],
            metavar="VALUE",
            help=f"what the data say of a {meaning} deal, where it is not understood; may be repeated",
        )
    parser.add_argument(
        "--split", choices=SPLIT_WAYS, default="group", help="by group (default), or by time: test on the most recent"
    )
    parser.add_argument(
        "--by",
        choices=UNITS,
        default="conversation",
        help="train, evaluate, score: each conversation (default), or each deal, its conversations in order of date",
    )
    parser.add_argument(
        "--speech-model", type=Path, metavar="DIR", help="for recordings: another Whisper, in CTranslate2's form"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="generate, read, transcribe, score, labels, tune: where to write"
    )


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--artifacts", type=Path, metavar="DIR", help="default: artifacts")
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        help="sales (default), bundled, multilingual, a DistilBERT on the hub, or a folder",
    )
    parser.add_argument(
        "--model", choices=(*MODEL_NAMES, "auto", "all"), help="default: all to train and evaluate, auto to score"
    )
    parser.add_argument("--seed", type=int, default=42, help="default: 42")
    parser.add_argument("--force", action="store_true", help="run a stage even if nothing changed since its last run")
    parser.add_argument("--resume", action="store_true", help="train: go on after the last epoch of a stopped run")
    parser.add_argument("--clear", action="store_true", help="cache: empty it")
    parser.add_argument("--conversation-id", metavar="ID", help="forget: the conversation, as its sender named it")
    parser.add_argument("--count", type=int, default=200, help="generate: number of conversations (default 200)")
    parser.add_argument("--noise", type=float, help="generate: share of unpredictable outcomes (default: as judged)")
    parser.add_argument("--rank", action="store_true", help="score: likeliest deals first")
    parser.add_argument(
        "--per-turn", action="store_true", help="score: a row for each turn, of a note for each sentence"
    )


def _add_service_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="retrain, sync: say what would be done, and change nothing"
    )
    parser.add_argument("--host", help="deploy: address to listen on; agents: to ask (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="deploy, agents: port (default 8000)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes: deploy, those that answer (default 1); score --engine (one a core)",
    )


def _add_learning_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--settings", type=Path, metavar="FILE", help="train: settings that --mode tune wrote")
    parser.add_argument("--trials", type=int, metavar="N", help="tune: settings that a search tries (20, the most)")
    parser.add_argument("--top", type=int, metavar="N", help="suggest: how long its lists are (10)")
    parser.add_argument("--format", metavar="NAME", help="labels: label-studio or argilla, whose import takes the file")


def _add_bulk_options(parser: argparse.ArgumentParser) -> None:
    bulk = parser.add_argument_group("score in bulk: --data is a path, folder or pattern, --output a folder")
    bulk.add_argument("--engine", choices=("local", "ray"), help="the cores of this machine, or a Ray cluster")
    bulk.add_argument("--ray-address", metavar="ADDRESS", help="HOST:PORT or auto (default: a Ray on this machine)")
    bulk.add_argument("--on-error", choices=("fail", "skip"), help="at data that can't be read (default: fail)")
    bulk.add_argument("--output-format", choices=FORMATS, help="default: jsonl; parquet needs requirements/scale.txt")
    bulk.add_argument("--shard-rows", type=int, metavar="N", help="rows a shard (default 5000)")
    bulk.add_argument("--stall-timeout", type=float, metavar="SECONDS", help="give up without progress (default 600)")


def _add_retrain_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("retrain: what starts it; without any of these it is tried at once")
    options.add_argument("--after", type=int, metavar="N", help="new outcomes since the last try")
    options.add_argument("--older-than", type=float, metavar="DAYS", help="since the served version was trained")
    options.add_argument("--on-drift", action="store_true", help="what is scored has changed much")


def _add_sync_options(parser: argparse.ArgumentParser) -> None:
    sync_options = parser.add_argument_group("sync with a CRM, whose tokens are taken from the environment")
    sync_options.add_argument("--crm", choices=CRM_NAMES, help="whose deals are scored")
    sync_options.add_argument("--queued", action="store_true", help="only the deals that webhooks named")
