"""From a name that a driver prints or a person types to a record of the accelerator table."""
