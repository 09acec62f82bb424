-- Sells requests of several budgets, or of none. KEYS names the budgets, and ARGV holds eight numbers for each.
-- A time is the number of requests that come back in it, and a rest in microseconds and ticks of one, which is less than one
-- request takes. A double holds each of the three exactly, but not their sum.

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local held = redis.call('MGET', unpack(KEYS))
local budgets, refused = {}, 0
-- No limit allows more requests at once.
local most = 2 ^ 31

-- The requests that come back in so many microseconds, and the rest.
local function split(budget, micros)
  local requests = math.floor(micros / (budget.micros + budget.ticks / budget.unit))
  if requests > most then
    return most, 0, 0
  end
  local part = requests * budget.ticks
  local whole = math.floor(part / budget.unit)
  local rest, ticks = micros - requests * budget.micros - whole, whole * budget.unit - part
  -- The quotient of doubles is at most one off.
  if ticks < 0 then
    rest, ticks = rest - 1, ticks + budget.unit
  end
  if rest < 0 then
    requests, rest, ticks = requests - 1, rest + budget.micros, ticks + budget.ticks
  elseif rest > budget.micros or (rest == budget.micros and ticks >= budget.ticks) then
    requests, rest, ticks = requests + 1, rest - budget.micros, ticks - budget.ticks
  end
  if ticks < 0 then
    rest, ticks = rest - 1, ticks + budget.unit
  elseif ticks >= budget.unit then
    rest, ticks = rest + 1, ticks - budget.unit
  end
  return requests, rest, ticks
end

-- The difference of two times, at least nothing.
local function minus(budget, requests, rest, ticks, other_requests, other_rest, other_ticks)
  requests, rest, ticks = requests - other_requests, rest - other_rest, ticks - other_ticks
  if ticks < 0 then
    rest, ticks = rest - 1, ticks + budget.unit
  end
  if rest < 0 then
    requests, rest, ticks = requests - 1, rest + budget.micros, ticks + budget.ticks
    if ticks >= budget.unit then
      rest, ticks = rest + 1, ticks - budget.unit
    end
  end
  if requests < 0 then
    return 0, 0, 0
  end
  return requests, rest, ticks
end

for index = 1, #KEYS do
  local given = {}
  for place = 1, 8 do
    given[place] = tonumber(ARGV[(index - 1) * 8 + place])
  end
  local budget = { unit = given[1], micros = given[2], ticks = given[3], need = given[5], want = given[6] }
  local burst, back, back_at = given[4], given[7], given[8]
  -- The time until the budget is full.
  local requests, rest, ticks = 0, 0, 0
  if held[index] then
    local at, one, two, three = string.match(held[index], '^(%d+) (%d+) (%d+) (%d+)$')
    if not at then
      return redis.error_reply('ERR the key ' .. KEYS[index] .. ' holds a value of another program')
    end
    -- A clock that went back gives nothing back until it runs again.
    requests, rest, ticks = tonumber(one), tonumber(two), tonumber(three)
    requests, rest, ticks = minus(budget, requests, rest, ticks, split(budget, math.max(now - at, 0)))
    if back > 0 and back_at <= now then
      -- The part that has come back by itself since then may belong to others by now.
      requests, rest, ticks = minus(budget, requests, rest, ticks, minus(budget, back, 0, 0, split(budget, now - back_at)))
    end
  end
  budget.spent, budget.rest, budget.rest_ticks = requests, rest, ticks
  budget.available = burst - requests
  if rest > 0 or ticks > 0 then
    budget.available = budget.available - 1
  end
  if refused == 0 and budget.need > budget.available then
    refused = index
  end
  budgets[index] = budget
end

local answer = { now, refused }
for index, budget in ipairs(budgets) do
  local sold = 0
  if refused == 0 then
    sold = math.min(budget.want, budget.available)
  end
  local spent = budget.spent + sold
  -- A refusal writes too: a replica must fail, because what it knows may be old.
  if spent > 0 or budget.rest > 0 or budget.rest_ticks > 0 then
    local value = string.format('%.0f %.0f %.0f %.0f', now, spent, budget.rest, budget.rest_ticks)
    local micros = spent * (budget.micros + budget.ticks / budget.unit) + budget.rest
    redis.call('SET', KEYS[index], value, 'PX', string.format('%.0f', math.floor(micros / 1000) + 2))
  elseif held[index] then
    redis.call('DEL', KEYS[index])
  end
  for _, number in ipairs({ sold, spent, budget.rest, budget.rest_ticks }) do
    answer[#answer + 1] = number
  end
end
return answer
