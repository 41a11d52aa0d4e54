"""The configured deployments, resolved against providers and the environment."""
