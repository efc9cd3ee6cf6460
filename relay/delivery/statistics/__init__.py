"""Statistics of the exchange for an agency's or province's report."""
