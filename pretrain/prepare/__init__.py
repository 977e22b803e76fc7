"""From folders and archives of pictures to a prepared set: faces found, cropped, compared, written in shards.

    sources ── Item ──> faces ──> crop ── Made ──> duplicates, leaks ──> shards, index, manifest
                   └────────────────── Rejected ──────────────────────> rejected.jsonl

What cannot be used is never fatal: it is counted, and named with its reason. `pretrain.prepare.run` is the whole of it.
"""
