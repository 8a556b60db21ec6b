"""Text to vector: DistilBERT in PyTorch for training, in ONNX for everything after."""
