"""One file for each command: options in, an outcome shown by a view. No logic lives here."""
