"""`python -m surefoot` is the command `surefoot`."""

from surefoot.commands import entry

entry()
