"""In Flask, which is WSGI: without a lifespan and WebSockets."""

from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/items/<int:id>")
def item(id: int) -> Any:
    return jsonify({"id": id, "tags": request.args.getlist("tag")})


@app.post("/json")
def take_json() -> Any:
    return jsonify({"sent": request.get_json()})


@app.post("/form")
def form() -> Any:
    file = request.files["file"]
    return jsonify({"name": request.form["name"], "file": file.filename, "size": len(file.read())})


@app.get("/stream")
def stream() -> Any:
    def lines() -> Iterator[bytes]:
        for number in range(10):
            yield b"%d\n" % number

    return Response(lines(), content_type="text/plain")


@app.get("/cookies")
def cookies() -> Any:
    response = jsonify({"a": request.cookies.get("a")})
    response.set_cookie("b", "1")
    response.set_cookie("c", "2", httponly=True)
    return response


@app.get("/error")
def error() -> Any:
    raise LookupError("broken")
