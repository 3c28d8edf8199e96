"""`python -m chainrule` is the command."""

from chainrule.cli import main

main()
