"""Contrastive fine-tuning: the last two blocks and a projection head learn an embedding in which outcomes part.

Training (`modelling.contrastive.training`, `modelling.contrastive.network`, `modelling.contrastive.losses`) minimises
InfoNCE + triplet loss on the normalised projections plus the classifier's cross entropy. Validation log loss finds the
best epoch; then it starts again and trains for as many epochs on training and validation together. What is left
afterwards is a fine-tuned encoder and a few small matrices, which this module applies without PyTorch.

A projection says little more than how the deal will end: two conversations of equal chances have a cosine of 0.99, whatever
they are about. So the embedding, in which similar conversations are looked for, is in equal parts the projection and the
conversation's vector in front of it, which knows more (Chen et al. 2020, "A Simple Framework for Contrastive Learning of
Visual Representations", section 4.2), shortened to as many numbers as a projection has. Run as a script it trains where there
is no artifact, evaluates, and shows a few test predictions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder
from foundations.long_work import Progress
from modelling.contrastive.settings import ContrastiveSettings
from modelling.conversation_vectors import ConversationSpace, Passages, spoken_passages
from modelling.conversion_model import ConversionModel, Fitted, Reading
from modelling.names import CONTRASTIVE
from modelling.processes import training_processes
from modelling.whitening import longest_directions, normalised

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder
    from modelling.contrastive.network import ContrastiveNetwork

EMBEDDING_SIZE = 128
UPPER_BLOCKS = "upper_blocks"  # the key of the fine-tuned blocks in the trained state; serving has them as ONNX


class ContrastiveModel(ConversionModel):
    """Fine-tuned embedding and a classifier on top."""

    name = CONTRASTIVE
    title = "Contrastive fine-tuning"
    artifact_file = "contrastive_sales_model.pth"
    learns_embedding = True

    space: ConversationSpace  # on the fine-tuned encoder
    layers: dict[str, NDArray[np.float32]]  # weight and bias of "first", "second" and "classifier", as in the network
    shortening: NDArray[np.float32]  # (width + 128, at most 128), from vector and projection to the embedding

    @staticmethod
    def default_settings() -> ContrastiveSettings:
        """The defaults."""
        return ContrastiveSettings()

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """Fine-tuned vectors and projections, shortened: float32 (n, 128) or less after few conversations, L2-normalised."""
        return self._read(conversations).embedding

    def embed_passages(self, conversations: Sequence[Conversation]) -> Passages:
        """See ConversionModel; centred and whitened as for `embed`."""
        return spoken_passages(self.space.encoder, conversations, self.space.whitening.apply)

    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        from encoder.torch_encoder import pretrained
        from modelling.contrastive.training import ContrastiveTrainer  # needs PyTorch, which serving doesn't
        from modelling.embedding_quality import embedding_quality

        learned_from = [*train, *validation]
        encoder = pretrained(self.encoder)
        processes = training_processes()
        known = self._known_spaces()
        space = processes.first_alone(
            lambda: ConversationSpace.fit(encoder, learned_from, self.seed, known, self.knows_sales).state()
        )
        frozen = ConversationSpace.from_state(encoder, space)
        trainer = ContrastiveTrainer(encoder, frozen, self.settings, self.seed, processes, self.checkpoints)
        history = trainer.train(train, validation, lambda share: progress(share / 2))
        self._take(trainer.network, encoder, frozen, train)
        history.notes = embedding_quality(self.embed(validation), labels_of(validation))
        trainer = ContrastiveTrainer(encoder, frozen, self.settings, self.seed, processes, self.checkpoints)
        trainer.train_for(history.best, learned_from, lambda share: progress((1 + share) / 2))
        self._take(trainer.network, encoder, frozen, learned_from)
        return Fitted(history, self._out_of_fold(encoder, frozen, learned_from, history.best))

    def _take(
        self,
        network: ContrastiveNetwork,
        encoder: SalesEncoder,
        frozen: ConversationSpace,
        learned_from: Sequence[Conversation],
    ) -> None:
        from encoder.torch_encoder import TunedEncoder

        self.layers = network.head_layers()
        self.encoder = TunedEncoder(encoder, network.upper_blocks)
        self.space = ConversationSpace(self.encoder, frozen.whitening, frozen.scaling, frozen.starter)
        vectors = self.space.vectors(learned_from)
        both = _in_equal_parts(vectors, self._projections(vectors))
        self.shortening = longest_directions(both, EMBEDDING_SIZE)

    def _out_of_fold(
        self, encoder: SalesEncoder, space: ConversationSpace, conversations: Sequence[Conversation], epochs: int
    ) -> NDArray[np.float64]:
        """(n,): each conversation by a head trained for as many epochs on the other folds.

        On the encoder as it was before: tuning its blocks once for each fold would cost five times the whole training.
        Several processes take a fold each, in turns.
        """
        from conversations.folds import group_folds
        from modelling.contrastive.training import ContrastiveTrainer

        settings = replace(self.settings, block_learning_rate=0.0)
        processes = training_processes()
        found = []
        for kept, held in list(group_folds(conversations, self.seed))[processes.rank :: processes.size]:
            trainer = ContrastiveTrainer(encoder, space, settings, self.seed)
            trainer.train_for(epochs, [conversations[index] for index in kept])
            logits = trainer.logits([conversations[index] for index in held])
            found.append((held, logits.numpy().astype(np.float64)))
        log_odds = np.zeros(len(conversations))
        for held, of_held in itertools.chain(*processes.gathered(found)):
            log_odds[held] = of_held[:, 1] - of_held[:, 0]
        return log_odds

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        vectors, spoken = self.space.read(conversations)
        projections = self._projections(vectors)
        logits = self._linear("classifier", projections).astype(np.float64)
        embedding = normalised(_in_equal_parts(vectors, projections) @ self.shortening)
        return Reading(logits[:, 1] - logits[:, 0], embedding, spoken)

    def _projections(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """second · relu(first · x) of each conversation vector x: (n, 128), which the classifier reads."""
        return self._linear("second", np.maximum(self._linear("first", vectors), 0))

    def _linear(self, layer: str, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(inputs @ self.layers[f"{layer}.weight"].T + self.layers[f"{layer}.bias"], dtype=np.float32)

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return self._read(conversations).log_odds

    def _state(self) -> dict[str, Any]:
        from encoder.torch_encoder import upper_block_arrays

        return {**self._serving_state(), UPPER_BLOCKS: upper_block_arrays(self.encoder)}

    def _serving_state(self) -> dict[str, Any]:
        return {"space": self.space.state(), "layers": self.layers, "shortening": self.shortening}

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None:
        if UPPER_BLOCKS in state:
            from encoder.torch_encoder import TunedEncoder, pretrained

            self.encoder = TunedEncoder.from_arrays(pretrained(self.encoder), state[UPPER_BLOCKS])
        self.space = ConversationSpace.from_state(self.encoder, state["space"])
        self.layers = state["layers"]
        self.shortening = state["shortening"]


def _in_equal_parts(vectors: NDArray[np.float32], projections: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, width + 128), whose products are the sum of the two cosines."""
    return np.column_stack([normalised(vectors), normalised(projections)])


if __name__ == "__main__":  # as a script it is a command of main.py, and imports nothing from above
    import runpy
    import sys

    sys.argv[1:1] = ["--mode", "try", "--model", CONTRASTIVE]
    runpy.run_module("main", run_name="__main__", alter_sys=True)
