-- One credential per request, each request formatted once and before the clock runs.
--
--   wrk ... -s wrk.lua URL -- FILE FIRST COUNT PREFIX BODY HEADER... : lines FIRST to FIRST+COUNT-1 of FILE, in turn
--
-- PREFIX is what stands before the credential: "Authorization: Bearer " and the like. FILE "-" sends no credential.
-- BODY is a file to POST; "-" makes it a GET.
-- Prints name=value pairs; `wrapped` tells that the credentials ran out and were sent again.

local requests, sent, body = {}, 0, nil
wrapped = 0
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

local function format(fixed, header)
   local headers = {}
   for name, value in pairs(fixed) do headers[name] = value end
   if header then
      local name, value = header:match("^([^:]+): (.*)$")
      headers[name] = value
   end
   if body then return wrk.format("POST", nil, headers, body) end
   return wrk.format("GET", nil, headers)
end

function init(arguments)
   local file, first, count, prefix = arguments[1], tonumber(arguments[2]), tonumber(arguments[3]), arguments[4]
   local fixed = {}
   if arguments[5] ~= "-" then
      local posted = assert(io.open(arguments[5], "rb"))
      body = posted:read("*all")
      posted:close()
   end
   for index = 6, #arguments do
      local name, value = arguments[index]:match("^([^:]+): (.*)$")
      fixed[name] = value
   end
   if file == "-" then
      requests[1] = format(fixed)
      return
   end
   local number = 0
   for line in io.lines(file) do
      if number >= first + count then break end
      if number >= first then requests[#requests + 1] = format(fixed, prefix .. line) end
      number = number + 1
   end
end

function request()
   sent = sent + 1
   if sent > #requests then sent, wrapped = 1, wrapped + 1 end
   return requests[sent]
end

function done(summary, latency)
   local errors = summary.errors
   local broken = errors.connect + errors.read + errors.write + errors.timeout
   io.write(string.format(
      "requests=%d duration_us=%d p50_us=%d p99_us=%d refused=%d broken=%d wrapped=%d\n",
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, broken, threads[1]:get("wrapped")))
end
