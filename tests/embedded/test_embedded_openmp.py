from __future__ import annotations

import sys
from pathlib import Path

import pytest

from puna.embedded.openmp import LIBRARY, find_openmp, with_openmp
from puna.embedded.supervisor import Supervisor
from puna.errors import ServiceUnavailableError


def test_the_library_that_comes_along_is_an_elf_file_with_the_symbols_of_gomp() -> None:
    library = find_openmp()
    assert library is not None
    content = library.read_bytes()
    assert content[:4] == b"\x7fELF"
    assert b"GOMP_4.5" in content


def test_without_the_package_the_systems_library_is_left_to_be_found(tmp_path: Path) -> None:
    assert find_openmp(find_package=lambda _name: None) is None
    assert find_openmp(find_package=lambda _name: tmp_path / "pykdtree") is None
    assert with_openmp({"A": "b"}, tmp_path, None) == {"A": "b"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("known", "after"), [(None, ""), ("/opt/lib", ":/opt/lib")])
def test_the_child_finds_the_library_before_any_other(
    known: str | None, after: str, tmp_path: Path
) -> None:
    library = tmp_path / "libgomp-870cb1d0.so.1.0.0"
    library.write_bytes(b"gomp")
    folder = tmp_path / "links"
    folder.mkdir()

    environ = with_openmp({"LD_LIBRARY_PATH": known} if known else {}, folder, library)

    assert environ["LD_LIBRARY_PATH"] == f"{folder}{after}"
    assert (folder / LIBRARY).read_bytes() == b"gomp"


def test_a_child_that_lacks_the_library_says_what_to_install() -> None:
    program = f"import sys; sys.stdin.readline(); sys.exit('{LIBRARY}: cannot open shared object')"
    supervisor = Supervisor(command=(sys.executable, "-c", program), check=lambda: None)
    with pytest.raises(ServiceUnavailableError, match="apt-get install libgomp1"):
        supervisor.ensure_running()
