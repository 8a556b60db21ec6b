"""The settings of contrastive training, apart from its loop: serving reads them without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

from foundations.errors import InputError


@dataclass(frozen=True)
class ContrastiveSettings:
    """Hyper-parameters; an impossible one is refused where it is made."""

    epochs: int = 2
    batch_size: int = 48  # conversations
    block_learning_rate: float = 3e-5  # 0 leaves the encoder as it is and trains the head alone
    head_learning_rate: float = 2e-4
    temperature: float = 0.3  # τ of InfoNCE
    margin: float = 0.2  # of the triplet loss, in cosine
    info_nce_weight: float = 0.5
    triplet_weight: float = 0.5
    cross_entropy_weight: float = 1.0
    kept_segments: float = 0.5  # share of a conversation's segments that a training step reads
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 4:
            raise InputError(f"epochs is {self.epochs} (at least 1), batch_size is {self.batch_size} (at least 4).")
        if self.temperature <= 0 or not 0 < self.kept_segments <= 1:
            raise InputError(
                f"temperature is {self.temperature} (must be positive), kept_segments is {self.kept_segments} "
                "(must be above 0 and at most 1)."
            )
