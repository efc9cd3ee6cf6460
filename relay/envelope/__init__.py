"""The shape of edXML: tolerant reader, strict writer, schema, agency codes, statuses."""
