"""The bot's own messages coming back."""

from __future__ import annotations

from bot.app import Services
from bot.echoes import confirm_echo
from bot.routing import Context, Outcome


async def echoes(context: Context[Services]) -> Outcome | None:
    """Takes every message of the bot's own, so that no other handler ever sees one."""
    if not context.message.is_self:
        return None
    settings = context.services.settings
    confirmed = await confirm_echo(context.session, settings, context.group, context.message, context.now)
    return Outcome("echo", changed=("deliveries", "reach") if confirmed else ())
