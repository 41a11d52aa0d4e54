"""Adapts the messages of a conversation to what the next host accepts.

A conversation that began at one host may continue at another, after a fallback or because somebody
switched models. `rules` describes as data what a host accepts, `fit` applies it. All functions are
pure. The rules, in tables: docs/concepts/histories.md.
"""
