"""The predictor as components of LangChain."""
