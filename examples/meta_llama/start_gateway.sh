#!/bin/sh
# Serve config.yaml on http://localhost:4000.
exec litellm --config config.yaml
