"""Listeners of calls."""

from __future__ import annotations

from litellm.released import getattr_of

__getattr__ = getattr_of(__name__)
