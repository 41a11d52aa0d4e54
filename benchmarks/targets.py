"""What load is sent to: the upstream itself, nginx before it, and Puna's gateway before it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from benchmarks.nginx import is_installed, nginx
from benchmarks.processes import upstream
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.target import MODELS, Target


@contextmanager
def all_targets(*models: str) -> Generator[tuple[Target, Target | None, Target]]:
    """The upstream, nginx where it is installed, and Puna with these models, all running.

    The upstream lists the first of them.
    """
    with ExitStack() as stack:
        pid, port = stack.enter_context(upstream(model=(*models, MODELS[0])[0]))
        direct = Target("direct", pid, port)
        proxy = stack.enter_context(nginx(port)) if is_installed() else None
        setup = usual_setup(base_url_of(port), (*MODELS, *models))
        yield direct, proxy, stack.enter_context(serving(setup))
