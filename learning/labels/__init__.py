"""Sentences that people labelled: "this signal is wrong"."""
