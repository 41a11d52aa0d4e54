"""Loads the vocabularies of Llama 3 and Llama 4 from the `llama-models` package, if installed.

The package's files are found and read; nothing of it is imported, so its dependencies need not be
installed. The vocabularies are under the Llama community licences, not under Puna's. `tiktoken`
does the merging; it gets the whole vocabulary and so never downloads one.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from puna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tiktoken import Encoding

Family = Literal["llama3", "llama4"]

VOCABULARY_PACKAGE = "llama_models"

# A `3` or `4` that is a generation: not the start of 30B or 405B, and not the size of a 3B model.
_OPENAI_NAME = re.compile(r"(?:^|/)(?:chat)?(?:gpt-[0-9]|gpt-oss|o[1-9](?:-|$))", re.IGNORECASE)
_FAMILY_NAME = re.compile(r"llama[-_ ]?(?:guard[-_ ]?)?v?([34])(?![0-9]|b)", re.IGNORECASE)

_BASE_SIZES = {"llama3": 128_000, "llama4": 200_000}

# How each family cuts text into pieces before merging. Both are published by their makers as part
# of the vocabulary: another pattern would give other tokens.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_LEAD = r"[^\r\n\p{L}\p{N}]?"
_NUMBERS = r"\p{N}{1,3}"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_PATTERNS = {
    "llama3": "|".join(
        (_CONTRACTION, _LEAD + r"\p{L}+", _NUMBERS, r" ?[^\s\p{L}\p{N}]+[\r\n]*", _SPACES)
    ),
    "llama4": "|".join(
        (
            f"{_LEAD}{_UPPER}*{_LOWER}+{_CONTRACTION}?",
            f"{_LEAD}{_UPPER}+{_LOWER}*{_CONTRACTION}?",
            _NUMBERS,
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            _SPACES,
        )
    ),
}

# tiktoken panics on longer texts, and its pattern engine slows down on longer runs. The reference
# tokenizer cuts at the same places, so the tokens are the same.
_LONGEST_TEXT = 400_000
_LONGEST_RUN = 25_000
_RUN = re.compile(r"\s+|\S+")


def family_of(model: str) -> Family | None:
    """The vocabulary family of a model name, or None.

    Any provider's spelling works: `Llama-3.3-8B-Instruct`, `meta-llama/Llama-4-Scout…`,
    `llama-v3p1-8b`, `llama3.2:1b`. Llama 2 and other models have other vocabularies: None.
    """
    found = _FAMILY_NAME.search(model)
    if found is None:
        return None
    return "llama3" if found.group(1) == "3" else "llama4"


def is_openais(model: str) -> bool:
    """Whether a model name is one of OpenAI's: `gpt-4o`, `openai/o3-mini`, `chatgpt-4o-latest`."""
    return _OPENAI_NAME.search(model) is not None


@cache
def load_encoding(family: Family, package: str = VOCABULARY_PACKAGE) -> Encoding | None:
    """The encoding of a family, or None when `tiktoken` or the package's file is not there.

    Loads once in a process, in about half a second. Raises `ConfigError` when the file is there and
    broken.
    """
    path = _find_file(family, package)
    if path is None or find_spec("tiktoken") is None:
        return None
    from tiktoken import Encoding

    ranks = _read_ranks(path, _BASE_SIZES[family])
    names = _LLAMA3_SPECIAL if family == "llama3" else _LLAMA4_SPECIAL
    return Encoding(
        name=family,
        pat_str=_PATTERNS[family],
        mergeable_ranks=ranks,
        special_tokens={name: len(ranks) + place for place, name in enumerate(names)},
    )


def cut_text(text: str) -> Iterator[str]:
    """Split `text` into pieces that tiktoken handles safely; joined they are `text` again."""
    for start in range(0, len(text), _LONGEST_TEXT):
        block = text[start : start + _LONGEST_TEXT]
        if len(block) <= _LONGEST_RUN:
            yield block
            continue
        begin = 0
        for run in _RUN.finditer(block):
            for end in range(run.start() + _LONGEST_RUN, run.end(), _LONGEST_RUN):
                yield block[begin:end]
                begin = end
        yield block[begin:]


def _find_file(family: Family, package: str) -> Path | None:
    from pathlib import Path

    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / family / "tokenizer.model"
        if path.is_file():
            return path
    return None


def _read_ranks(path: Path, size: int) -> dict[bytes, int]:
    """Parse lines of base64 and a number into token bytes -> rank.

    Each rank below `size` must occur.
    """
    try:
        pairs = (line.split() for line in path.read_bytes().splitlines() if line)
        ranks = {a2b_base64(token): int(rank) for token, rank in pairs}
    except ValueError as problem:
        raise _broken(path) from problem
    if len(ranks) != size or set(ranks.values()) != set(range(size)):
        raise _broken(path)
    return ranks


def _broken(path: Path) -> ConfigError:
    return ConfigError(
        f"The vocabulary `{path}` is broken. Reinstall it with "
        "`pip install --force-reinstall --no-deps llama-models`."
    )


def _reserved(prefix: str, first: int, past: int) -> list[str]:
    """The names of reserved special tokens, numbered from `first` to before `past`."""
    return [f"<|{prefix}reserved_special_token_{number}|>" for number in range(first, past)]


def _named(*names: str) -> list[str]:
    """The special tokens with these names, in their brackets."""
    return [f"<|{name}|>" for name in names]


# Special tokens in the order of their ids, which begin after the last rank.
_LLAMA3_SPECIAL = (
    *_named("begin_of_text", "end_of_text"),
    *_reserved("", 0, 2),
    *_named("finetune_right_pad_id", "step_id", "start_header_id", "end_header_id"),
    *_named("eom_id", "eot_id", "python_tag", "image"),
    *_reserved("", 2, 246),
)
_LLAMA4_SPECIAL = (
    *_named("begin_of_text", "end_of_text", "fim_prefix", "fim_middle", "fim_suffix"),
    *_named("header_start", "header_end", "eom", "eot", "step"),
    *_reserved("text_post_train_", 0, 6),
    *_named("python_start", "python_end", "finetune_right_pad"),
    *_reserved("text_post_train_", 8, 69),
    *_named("image_start", "image_end"),
    *_reserved("vision_", 0, 2),
    *_named("tile_x_separator", "tile_y_separator"),
    *_reserved("vision_", 2, 6),
    *_named("image"),
    *_reserved("vision_", 6, 7),
    *_named("patch"),
    *_reserved("vision_", 7, 1_048),
    *_reserved("reasoning_", 0, 8),
    *_named("reasoning_thinking_start", "reasoning_thinking_end"),
    *_reserved("", 0, 904),
)

__all__ = [
    "VOCABULARY_PACKAGE",
    "Family",
    "cut_text",
    "family_of",
    "load_encoding",
]
