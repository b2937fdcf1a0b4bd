"""This is where what lies on the disk is taken for what was moved, because a person says so."""

from __future__ import annotations

from hygge.fingerprint import Signature, content_hash
from hygge.plan import Decision
from hygge.prepared import Prepared
from hygge.receipt import Output, ReadSource, Receipt


def adopt(prepared: Prepared, decision: Decision) -> tuple[Receipt | None, str]:
    """Make a receipt for what lies at the partition's sources and outputs now, right or wrong.

    Returns:
        The receipt and an empty string, or None and the file that can't be read.
    """
    partition = decision.partition
    if partition is None:
        return None, decision.task
    root = prepared.root
    sources, outputs = [], []
    path = ""
    try:
        for source in (*partition.sources, *prepared.input_sources):
            path = source.path
            signature = Signature.of((root / path).stat())
            sources.append(ReadSource(path, content_hash(root / path), signature))
        settled = prepared.store.outputs(partition) or prepared.store.found(partition)
        for path in dict.fromkeys((*settled, *prepared.found(partition))):
            signature = Signature.of((root / path).lstat())
            outputs.append(Output(path, content_hash(root / path), None, signature))
    except OSError:
        return None, path
    digest = prepared.config_hash
    count = len(partition.sources)
    receipt = Receipt(
        config=digest,
        sources=tuple(sources[:count]),
        outputs=tuple(outputs),
        run="reset-dep",
        seconds=0.0,
        values=partition.values,
        inputs=tuple(sources[count:]),
    )
    return receipt, ""
