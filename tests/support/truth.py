"""The mirror against the simulated world, record by record.

Public: differences.
"""

from tests.support.mirror import Lab


def differences(lab: Lab, stream: str) -> list[str]:
    """What the mirror shows otherwise than the world, in words; empty when they agree."""
    provider = lab.provider
    with lab.world.lock:
        expected = provider.expected(lab.world, stream)
    records = lab.records(stream)
    found = {provider.key(record): record for record in records if provider.counts(lab.world, record)}
    out = [f"{stream}: missing {key}" for key in sorted(expected.keys() - found.keys())]
    out += [f"{stream}: should be gone: {key}" for key in sorted(found.keys() - expected.keys())]
    for key in sorted(expected.keys() & found.keys()):
        out += [f"{stream}: {key} {text}" for text in provider.item_differences(stream, expected[key], found[key])]
    return out
