"""HTTP: axis face, native face, node-to-node, TLS."""
