"""Models of the Hugging Face Hub, by ``huggingface_hub`` (the extra `hub`): what it says of them, no weights."""
