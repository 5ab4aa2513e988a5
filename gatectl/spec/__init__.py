"""What the user writes: text → Spec, with the place of every node kept for error messages."""
