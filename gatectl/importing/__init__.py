"""What others wrote → a spec to start from: data in, a spec and notes out; pure.

Nothing is dropped silently: what a spec cannot say, or what had to be decided, is a note with its place. When in doubt
the import refuses: no route becomes public unless the document says so in so many words.
"""
