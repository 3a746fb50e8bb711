"""The HTTP server: Sanic workers over the query layer. Nothing here is imported before ``llmfit serve`` needs it."""

import sys

# Sanic imports trustme where it is installed, and with it cryptography: 10 MB for certificates that nobody asks for.
_left_out = {name: None for name in ("trustme",) if name not in sys.modules}
sys.modules.update(_left_out)  # type: ignore[arg-type]
try:
    import sanic as sanic
finally:
    for _name in _left_out:
        del sys.modules[_name]
