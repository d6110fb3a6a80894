"""`python -m bot` is what `experiment-bot` and `python app.py` are."""

from bot.cli import main

if __name__ == "__main__":
    main()
