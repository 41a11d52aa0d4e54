"""What Puna costs, as ratios against controls measured in the same run (`make bench`).

A measurement is one file here with a `MEASUREMENT`; `__main__.py` lists them. Load goes to
127.0.0.1 only, is bounded, and ends by itself.
"""
