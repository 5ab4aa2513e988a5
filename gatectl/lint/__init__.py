"""What is valid, and still a bad idea: rules over a whole spec, a score, and what is ignored on purpose. Pure."""
