"""Pages and bodies as bytes: encoded answers, answers to POST bodies, and saved answers computed again."""
