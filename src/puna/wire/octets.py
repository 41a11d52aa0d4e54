r"""Single bytes to look for in bytes.

`LF in data` takes as long as `memchr`. For `b"\n" in data` CPython 3.11 first tries to read the
left side as a number, and the failure costs 1,800 instructions; `data.find(...) >= 0` does not.
"""

from __future__ import annotations

from typing import Final

LF: Final = 0x0A
CR: Final = 0x0D
PERCENT: Final = 0x25
QUOTE: Final = 0x22
LIST: Final = 0x5B
BACKSLASH: Final = 0x5C
