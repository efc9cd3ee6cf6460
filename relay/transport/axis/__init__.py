"""The axis face: the HTTP dialect existing document-management systems speak, as server and client."""
