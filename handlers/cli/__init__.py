"""The commands of ``bot.py``, one module per noun."""
