"""The version that this distribution reports: LiteLLM's, with ours after the plus sign."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from litellm.released import getattr_of

try:
    version = installed_version("litellm")
except PackageNotFoundError:  # run from a source tree
    version = "1.106.2+puna"

__getattr__ = getattr_of(__name__)
