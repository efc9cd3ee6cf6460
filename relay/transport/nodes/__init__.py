"""The inside: what nodes say to each other over mutual TLS 1.3 (/axis/v1)."""
