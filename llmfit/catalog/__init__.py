"""What is known of models: tables of text, packed into one mapped file, and what a user lays over it."""
