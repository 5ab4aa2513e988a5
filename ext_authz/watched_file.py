"""A file that may be replaced at any time: is it still the one that was read?"""

from pathlib import Path


class WatchedFile:
    """Tells two files of one name apart by their times, size and inode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Whether it is another one than when this was last asked, or gone; the first time, True. Never raises."""
        try:
            stat = self.path.stat()
            seen: tuple[int, ...] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            seen = ()
        changed, self._seen = seen != self._seen, seen
        return changed
