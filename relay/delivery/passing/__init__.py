"""What a node tells back of messages that waited on their way through it."""
