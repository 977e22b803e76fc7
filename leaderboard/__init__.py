"""The leaderboard: records in, ranked tables out.

It knows results by their records alone (`facebench.record`), so it runs where torch, the data and the backbones are
not. `rank` says what may be compared with what, `table` makes a plain model of it, `render` writes the model down.
"""
