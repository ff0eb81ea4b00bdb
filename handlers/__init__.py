"""The ways in: chat, web, command line. Thin: translate, call the engine, translate back."""
