"""How many accounts a sender should hold, so that they are spread evenly. Pure: every sender reckons the same."""

from __future__ import annotations

from collections.abc import Mapping


def quota(owner: str, held: Mapping[str, int], accounts: int) -> int:
    """Of `accounts` to be shared; `held` says how many each living sender has, `owner` among them. Who has most keeps
    the odd ones, so that no more accounts change hands than must."""
    order = sorted(held, key=lambda one: (-held[one], one))
    each, odd = divmod(accounts, len(order))
    return each + (order.index(owner) < odd)
