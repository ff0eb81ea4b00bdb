"""心防 Xinfang: entry point only. `python bot.py --help` lists the commands."""

from handlers.cli.main import main

if __name__ == "__main__":
    main()
