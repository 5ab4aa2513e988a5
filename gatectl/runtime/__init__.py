"""`gatectl up` and `gatectl down`: a whole gateway on one machine, started, kept alive and stopped."""
