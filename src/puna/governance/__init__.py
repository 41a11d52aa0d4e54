"""Who may do what: the gateway's keys, budgets and stored responses."""
