"""The way of a document: intake, carrying, settling, the inbox, receipts back."""
