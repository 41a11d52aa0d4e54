"""The messages of a conversation, fitted to what the next host takes of them.

A conversation that began at one host goes on at another: after a fallback, or because somebody
switched models. `rules` says as data what a host takes, `fit` applies it. All are pure functions of
chat messages. Rules, in tables: docs/concepts/histories.md.
"""
