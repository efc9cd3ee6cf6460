"""One timeline of a message over all tiers, and how much of it is proven."""
