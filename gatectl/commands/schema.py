"""gatectl schema."""

from gatectl.views import view


def run() -> None:
    """Print the JSON Schema of the spec, for editors.

    Put `# yaml-language-server: $schema=gateway.schema.json` on top of a spec and the editor completes and checks it.

    Examples:

      gatectl schema > gateway.schema.json
    """
    import json

    from gatectl.spec.model import Spec

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}
    view("human").result("text", json.dumps(schema, indent=2) + "\n")
