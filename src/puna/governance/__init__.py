"""Who may do what: the gateway's keys and stored responses; budgets and limits as they come."""
