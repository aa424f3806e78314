"""Engines carry work items to workers and bring results back."""
