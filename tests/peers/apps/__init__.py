"""The same small application, once in each framework.

Each module has ``app``. What it answers:

=============================== ==================================================================
``GET /items/{id}?tag=a&tag=b`` JSON of the number and the list; other ids are an error
``POST /json``                  the JSON that was sent, in an object
``POST /form``                  JSON of the field ``name``, and name and size of the file ``file``
``GET /stream``                 ten lines, piece by piece
``GET /cookies``                JSON of the cookie ``a``; sets the cookies ``b`` and ``c``
``GET /error``                  an exception that nobody catches
``GET /alive``                  what the lifespan has set
``/ws``                         sends text and bytes back; closes with 4001 after ``"close"``
=============================== ==================================================================
"""
