"""The leaderboard as a folder of pages that any browser opens from the disk, without a server or a network.

`entries` says what stands on the pages, `pages` what each page is made of, `plots` where the lines of its pictures
run, `words` what its short words mean; `build` fills the templates. Names come from records, which anybody may have
written: they reach a page through the templates' escaping alone, and the pages allow no script but their own files.
"""
