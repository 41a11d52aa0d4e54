#!/bin/sh
# Serve config.yaml on http://localhost:4000.
litellm --config config.yaml
