"""The disk: the durable store of messages, deliveries, transfers, receipts, payloads, entries."""
