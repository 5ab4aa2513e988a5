"""One tree over another: how several files become one spec."""

from gatectl.spec.tree import Node


def merge(base: Node, over: Node) -> Node:
    """``over`` on top of ``base``: mappings field by field, lists of named objects by name, all else replaced."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        fields = dict(base.value)
        for key, node in over.value.items():
            fields[key] = merge(fields[key], node) if key in fields else node
        return Node(fields, base.at, key_at=base.key_at)
    if isinstance(base.value, list) and isinstance(over.value, list):
        names = [_name(item) for item in base.value]
        if None not in names and None not in map(_name, over.value) and over.value:
            items = list(base.value)
            for item in over.value:
                name = _name(item)
                if name in names:
                    items[names.index(name)] = merge(items[names.index(name)], item)
                else:
                    items.append(item)
            return Node(items, base.at, key_at=base.key_at)
    return over


def _name(node: Node) -> str | None:
    name = node.value.get("name") if isinstance(node.value, dict) else None
    return name.value if name is not None and isinstance(name.value, str) else None
