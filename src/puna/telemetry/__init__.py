"""Events about calls, for hooks and meters. They observe a call and cannot break it."""
