"""What two parties believe was sent and received in a period, side by side."""
