"""Stages that people improve a model with: outcomes to look up, labelled sentences, settings."""
