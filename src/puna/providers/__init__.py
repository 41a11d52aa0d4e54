"""Who answers: each provider is a row of facts, and nothing else knows its name."""
