"""`python -m facebench` is the console script `facebench`."""

from facebench.cli import main

main()
