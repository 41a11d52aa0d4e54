"""Finds the OpenMP library that llama.cpp's server needs and does not bring.

A system with a compiler has `libgomp.so.1`; a small one may not. The wheel of `pykdtree` contains
it under another name, so the child gets a folder with a link of the right name
(docs/decisions/0012-openmp-library.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from puna.embedded.weights import find_package

LIBRARY = "libgomp.so.1"
"""The name that the server asks for."""

PACKAGE = "pykdtree"

HOW_TO_INSTALL = (
    "The OpenMP library is missing: run `make install`, or `pip install --no-deps pykdtree`, or "
    "install your system's (Debian: `apt-get install libgomp1`)."
)

_SEARCH_PATH = "LD_LIBRARY_PATH"


def find_openmp(*, find_package: Callable[[str], Path | None] = find_package) -> Path | None:
    """The library in the installed package; None where the package is not installed."""
    folder = find_package(PACKAGE)
    if folder is None:
        return None
    return next(iter(sorted(folder.with_name(f"{PACKAGE}.libs").glob("libgomp*.so*"))), None)


def with_openmp(
    environ: Mapping[str, str], folder: Path, library: Path | None
) -> Mapping[str, str]:
    """The environment for a child that must find `library`, through links in `folder`.

    `folder` must exist and be empty. Without a library the system's is used, if there is one. The
    links may be deleted once the child runs.
    """
    if library is None:
        return environ
    (folder / LIBRARY).symlink_to(library)
    known = environ.get(_SEARCH_PATH)
    return {**environ, _SEARCH_PATH: f"{folder}:{known}" if known else str(folder)}
