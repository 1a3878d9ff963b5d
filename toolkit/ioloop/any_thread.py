"""The event loop policy of programs that ask for a loop in every thread."""

import asyncio
import functools
import warnings


@functools.cache
def any_thread_event_loop_policy() -> type[asyncio.AbstractEventLoopPolicy]:
    """Return the class `AnyThreadEventLoopPolicy`, made once.

    Python 3.14 warns of policies when they are looked at, and so this module does not.
    """

    class AnyThreadEventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        """A policy that makes a loop for any thread which asks `asyncio.get_event_loop`.

        asyncio's own does so in the main thread alone. Deprecated: use `asyncio.run`, or
        `toolkit.run`, in each thread that wants a loop.

        Example::

            asyncio.set_event_loop_policy(AnyThreadEventLoopPolicy())
        """

        def __init__(self) -> None:
            super().__init__()
            warnings.warn(
                "AnyThreadEventLoopPolicy is deprecated, use asyncio.run "
                "or asyncio.new_event_loop instead",
                DeprecationWarning,
                stacklevel=2,
            )

        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            """Return the loop that is set for this thread, or a new one that now is."""
            try:
                return super().get_event_loop()
            except RuntimeError:
                loop = self.new_event_loop()
                self.set_event_loop(loop)
                return loop

    return AnyThreadEventLoopPolicy
