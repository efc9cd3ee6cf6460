"""Keys and proof: seals, signatures of transfers and receipts, trust, the development PKI."""
