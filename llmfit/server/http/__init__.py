"""One request before and after its route: connection, access, hosts, forms, compression, errors, headers."""
