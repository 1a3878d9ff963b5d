"""In Django, as WSGI: without a lifespan and WebSockets."""

import json
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    ALLOWED_HOSTS=["*"], DEBUG=False, ROOT_URLCONF=__name__, SECRET_KEY="x", USE_TZ=True
)
django.setup()


def item(request: HttpRequest, id: int) -> Any:
    return JsonResponse({"id": id, "tags": request.GET.getlist("tag")})


@csrf_exempt
def take_json(request: HttpRequest) -> Any:
    return JsonResponse({"sent": json.loads(request.body)})


@csrf_exempt
def form(request: HttpRequest) -> Any:
    file = request.FILES["file"]
    return JsonResponse({"name": request.POST["name"], "file": file.name, "size": file.size})


def stream(request: HttpRequest) -> Any:
    def lines() -> Iterator[bytes]:
        for number in range(10):
            yield b"%d\n" % number

    return StreamingHttpResponse(lines(), content_type="text/plain")


def cookies(request: HttpRequest) -> Any:
    response = JsonResponse({"a": request.COOKIES.get("a")})
    response.set_cookie("b", "1")
    response.set_cookie("c", "2", httponly=True)
    return response


def error(request: HttpRequest) -> Any:
    raise LookupError("broken")


urlpatterns = [
    path("items/<int:id>", item),
    path("json", take_json),
    path("form", form),
    path("stream", stream),
    path("cookies", cookies),
    path("error", error),
]
app = WSGIHandler()
