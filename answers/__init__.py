"""One request, one answer, whoever asks: over HTTP or through LangChain."""
