"""After a restore: what a node asks of its neighbours, and what it reminds a restored one of."""
