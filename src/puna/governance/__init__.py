"""Who may do what: keys now, budgets and limits as they come."""
