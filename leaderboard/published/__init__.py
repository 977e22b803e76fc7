"""Published results with their provenance: facts and where they were read, one number a row.

`results.csv` holds the numbers, `papers.csv` and `sources.csv` what its ids stand for. `read` gives them as rows,
`placed` ranks those of one key that are fit for it. What a number is worth depends on who says it and how it was read:

    tier        rescored     from the authors' predictions, by this project's metrics
                reproduced   a run of somebody else
                claimed      printed by its authors, or by others about them
    read        first-hand (the authors' own files), second-hand (somebody else's table), aggregator (a results site)
    selection   who chose the epoch: last, val, test, unknown
    unfit       why the row is never ranked; nothing where it may be

Unit traps are resolved in the keys: AFLW-19 over the box diagonal is `nme-diag`, over its side `nme-box`; COFW and 300W
say `ioc` or `ipupil`; what a results site calls "skin accuracy" is the F1 of skin. A published AUC at the thresholds
0.05 and 0.07 has one bin too many (the Simpson family), so it stands beside our `-simpson` variant (`compatible`).
"""

from __future__ import annotations

from leaderboard.published.rows import PublishedRow, placed, read

__all__ = ["PublishedRow", "placed", "read"]
