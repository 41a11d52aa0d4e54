"""NVIDIA NIM, hosted.

Which parameters are taken differs from model to model, so nothing is refused on its behalf. Source:
variables and address as in LiteLLM 1.106.2, read 2026-11-26.
"""

from __future__ import annotations

from puna.providers.base import Provider

PROVIDER = Provider(
    name="nvidia_nim",
    base_url="https://integrate.api.nvidia.com/v1",
    docs_url="https://docs.api.nvidia.com/nim/reference",
    base_url_variables=("NVIDIA_NIM_API_BASE",),
    key_variables=("NVIDIA_NIM_API_KEY",),
    is_key_bound_to_host=True,
)
