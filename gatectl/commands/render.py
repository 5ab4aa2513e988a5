"""gatectl render."""

from pathlib import Path
from typing import Annotated

import typer

from gatectl.commands.options import DEFAULT_FILES, Files, OutputOption
from gatectl.views import view


def run(
    files: Files = DEFAULT_FILES,
    directory: Annotated[
        Path | None, typer.Option("--to", help="Directory to write the files to; it must be new or empty.")
    ] = None,
    output: OutputOption = "human",
) -> None:
    """Show or write the files that a spec becomes: Envoy's and the policies of both services.

    Without --to, one JSON document that maps each file's name to its content goes to stdout. The same spec gives the
    same bytes, wherever it is rendered.

    Examples:

      gatectl render -f gateway.yaml --to rendered/

      gatectl render -f gateway.yaml > rendered.json
    """
    import json

    from gatectl.render.bundle import canonical
    from gatectl.rollout.candidate import read
    from gatectl.rollout.store import export

    bundle = read(files).bundle
    if directory is None:
        documents = {name: json.loads(content) for name, content in bundle.files.items()}
        view("human").result("text", canonical(documents))
        return
    written = export(bundle, directory)
    data = {"revision": bundle.revision, "directory": str(directory), "files": written}
    view(output).result("rendered", data)
