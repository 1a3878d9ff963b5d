-- Requests of one length that differ in their target and in one header field.

local count = 0
local middle

function init(arguments)
  middle = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\nX-Request-ID: "
end

function request()
  count = count + 1
  local number = string.format("%09d", count)
  return "GET /?n=" .. number .. middle .. number .. "\r\n\r\n"
end
