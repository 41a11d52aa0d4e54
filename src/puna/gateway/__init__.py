"""The gateway: authenticate, admit, the same engine as the SDK's, settle, reply."""
