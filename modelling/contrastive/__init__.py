"""The network, losses and training loop of the contrastive model."""
