"""``python -m gatectl``."""

from gatectl.cli import main

if __name__ == "__main__":
    main()
