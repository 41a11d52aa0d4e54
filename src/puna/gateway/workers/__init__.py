"""The processes of a gateway: settings, start, workers, restarts."""
