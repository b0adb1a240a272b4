"""Writes the golden transcripts anew: `python -m tests.wire`."""

from gevent import monkey

monkey.patch_all()

from tests.wire.scenarios import HERE, SCENARIOS, written  # noqa: E402

for name in SCENARIOS:
    (HERE / f"{name}.json").write_text(written(name))
    print(name)
