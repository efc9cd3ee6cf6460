"""Without a link: transfers, answers and receipts in a file that goes by hand."""
