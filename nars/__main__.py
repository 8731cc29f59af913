"""`python -m nars`, which is also what torchrun starts."""

from nars.cli import main

if __name__ == "__main__":
    main()
