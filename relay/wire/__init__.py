"""The XML documents that nodes exchange: transfer headers, receipts, containers of receipts."""
