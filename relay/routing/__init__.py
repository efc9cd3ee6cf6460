"""Pure: an agency code and the directory give the next hop."""
