"""Models that lie in files: GGUF, config.json, safetensors. Headers are read, weights never."""
