"""How messages travel: one module per channel, all behind the protocol of `base`."""
