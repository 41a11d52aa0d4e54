"""The configuration as frozen values, and the adapter that reads LiteLLM's `config.yaml` into them.

`schema` and `matching` hold plain values and pure functions and load no YAML; `litellm_yaml` reads
the file. Nothing here looks at the process environment: it is an argument.
"""
