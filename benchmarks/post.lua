-- POSTs of the content of a file: `-- FILE CONTENT-TYPE` behind the URL.

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*all")
  wrk.headers["Content-Type"] = arguments[2]
  file:close()
end
