"""The encoder that knows other languages: multilingual-e5-small, read from a package and made a DistilBERT folder."""
