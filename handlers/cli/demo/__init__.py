"""`demo`: the whole story on real input. Only the people are played; everything else is the product."""

from handlers.cli.demo.command import run_demo

__all__ = ["run_demo"]
