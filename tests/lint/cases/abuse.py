"""What one address may cost."""

from tests.lint.cases.parts import BASE, Case

LIMITED = "abuse: {requests_per_address: 200/second}\n"

CASES: dict[str, Case] = {
    "GL095": Case(
        (BASE.replace(LIMITED, "").replace("listener", "§listener"),),
        ("abuse: {requests_per_address: 1/hour}",),
    ),
    "GL096": Case(
        (
            "abuse: {exempt: [§0.0.0.0/0]}",
            'abuse: {exempt: [10.0.0.0/8, §8.0.0.0/8, §"2600::/12"]}',
        ),
        ('abuse: {exempt: [10.0.0.0/8, 127.0.0.0/8, 8.8.0.0/16, "2600:1::/32", "fc00::/7"]}', "abuse: {exempt: []}"),
    ),
}
