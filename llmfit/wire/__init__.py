"""What goes over the wire, and nothing else: msgspec structs by endpoint, and rows as CSV."""
