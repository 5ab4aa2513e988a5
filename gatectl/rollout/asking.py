"""Ask everybody at the same time, and wait for nobody too long."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What somebody said; ``late`` is True when nothing came in time."""

    value: T | None
    late: bool = False


class Round(Generic[T]):
    """Puts questions by name. Who still owes an answer is not asked again: a frozen process gets one question, not one
    for every time that somebody looks.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """How long one round may take."""
        self._asked: dict[str, Future[T]] = {}

    def ask(self, questions: Mapping[str, Callable[[], T]]) -> dict[str, Answer[T]]:
        """The answers, by name. What a question raises is raised here."""
        deadline = time.monotonic() + self.seconds
        for name, question in questions.items():
            if name not in self._asked:
                self._asked[name] = _ask(question)
        asked = {name: self._asked[name] for name in questions}
        wait(asked.values(), max(0, deadline - time.monotonic()))
        answers: dict[str, Answer[T]] = {}
        for name, future in asked.items():
            if future.done():
                del self._asked[name]
                answers[name] = Answer(future.result())
            else:
                answers[name] = Answer(None, late=True)
        return answers


def _ask(question: Callable[[], T]) -> Future[T]:
    """In a daemon thread: the program may end while somebody still waits for an answer."""
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(question())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is wanted
            future.set_exception(error)

    threading.Thread(target=answer, daemon=True).start()
    return future
