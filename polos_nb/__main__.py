"""`python -m polos_nb`: the same as `polos-nb`."""

from polos_nb.cli import main

main()
