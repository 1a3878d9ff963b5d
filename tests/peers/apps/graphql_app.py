"""GraphQL in Strawberry: an ASGI application with a query and a subscription."""

from collections.abc import AsyncIterator

import strawberry
from strawberry.asgi import GraphQL


@strawberry.type
class Query:
    """What may be asked."""

    @strawberry.field
    def hello(self, name: str) -> str:
        return f"hello {name}"


@strawberry.type
class Subscription:
    """What may be listened to."""

    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number


app = GraphQL(strawberry.Schema(query=Query, subscription=Subscription))
