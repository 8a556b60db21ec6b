"""InfoNCE and triplet loss over a batch of labelled, L2-normalised embeddings.

Both read similarity as the dot product, which for normalised rows is the cosine in [−1, 1]. Cost is the square of the
batch size for InfoNCE and its cube for the triplets: nothing for the batches of a few dozen used here.
"""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Label-aware InfoNCE: with two classes, half of a batch shares the anchor's label and must count as positive.

    L = mean over anchors i of −1/|P(i)| Σ_{p ∈ P(i)} log( exp(s_ip/τ) / Σ_{a ≠ i} exp(s_ia/τ) ), where P(i) are the
    other items with i's label: Khosla et al. 2020, "Supervised Contrastive Learning", equation 2 (L_out). With exactly
    one positive this is the InfoNCE of van den Oord et al. 2018.

    embeddings: (n, d), labels: (n,). Anchors without a positive are left out; a batch without any gives 0.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = (labels[:, None] == labels[None, :]) & ~itself
    similarity = (embeddings @ embeddings.T / temperature).masked_fill(itself, float("-inf"))
    log_share = similarity - torch.logsumexp(similarity, dim=1, keepdim=True)
    counts = positive.sum(dim=1)
    per_anchor = -log_share.masked_fill(~positive, 0.0).sum(dim=1) / counts.clamp(min=1)
    anchors = counts > 0
    return per_anchor[anchors].mean() if bool(anchors.any()) else embeddings.sum() * 0.0


def triplet_loss(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean over anchor-positive pairs of max(0, margin − sim(a, p) + sim(a, n)), n the pair's semi-hard negative.

    Semi-hard (Schroff et al. 2015, "FaceNet", section 3.2): the most similar negative that is less similar than the
    positive. Where every negative is at least as similar as the positive, the least similar of them is taken, as the
    hardest ones lead to collapse early on. embeddings: (n, d), labels: (n,); 0 without any pair and negative.
    """
    same = labels[:, None] == labels[None, :]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if not bool(positive.any()) or bool(same.all()):
        return embeddings.sum() * 0.0
    similarity = embeddings @ embeddings.T
    anchors, positives = positive.nonzero(as_tuple=True)
    to_positive = similarity[anchors, positives]  # (pairs,)
    negatives = similarity[anchors].masked_fill(same[anchors], float("nan"))  # (pairs, n), NaN where not a negative
    semi_hard = negatives.masked_fill(~(negatives < to_positive[:, None]), float("-inf")).amax(dim=1)
    easiest = negatives.nan_to_num(nan=float("inf")).amin(dim=1)
    to_negative = torch.where(semi_hard.isfinite(), semi_hard, easiest)
    has_negative = to_negative.isfinite()
    return torch.relu(margin - to_positive + to_negative)[has_negative].mean()
