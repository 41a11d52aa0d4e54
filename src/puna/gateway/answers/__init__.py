"""What clients get: whole replies, streams of events, errors."""
