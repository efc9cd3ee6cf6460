"""One neighbour: its channel and lanes, when to try again, what goes together, what its word is worth."""
