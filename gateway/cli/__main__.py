"""`python -m gateway.cli`: how processes of ours start each other."""

from gateway.cli import main

main(prog_name="tollbridge")
