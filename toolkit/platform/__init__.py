"""Tornado's place for what depends on the platform; today the door `toolkit.platform.asyncio`."""
