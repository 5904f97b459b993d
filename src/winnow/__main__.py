"""`python -m winnow`."""

from winnow.cli.main import main

main()
