"""Chat is the hub: other request shapes become chat requests, answers become theirs."""
