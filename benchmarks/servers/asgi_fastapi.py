"""A FastAPI application: what hosting a framework costs."""

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    """Answer with 13 bytes of text."""
    return "Hello, world!"


@app.get("/user/{user_id}")
async def user(user_id: int) -> dict[str, object]:
    """Answer with a small JSON object about the user that the path names."""
    return {"id": user_id, "name": f"user {user_id}"}
