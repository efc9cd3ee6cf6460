"""Too much: the gate before every body, quotas of what waits, and refusals counted, never without bound."""
