// Plots on a canvas: ten thousand points are drawn in milliseconds, which as elements take seconds.

const style = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A canvas as large as it is shown, sharp on any screen: [context, width, height] in CSS pixels. */
function sheet(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  return [context, width, height];
}

/** Round numbers from low to high, about `count` of them. */
function ticks(low, high, count, log) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const digit of [1, 2, 5]) found.push(digit * 10 ** power);
    const inside = found.filter(value => value >= low && value <= high);
    if (inside.length >= 3) return inside.length > count ? inside.filter(value => /^1/.test(String(value / 10 ** Math.floor(Math.log10(value) + 1e-9)))) : inside;
  }
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(digit => digit * power).find(size => size >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(+value.toPrecision(12));
  return found;
}

/** Axes in a canvas; the scales that place a value. */
function axes(canvas, { x, y, xTitle, yTitle, log = false, whole = false }) {
  const [context, width, height] = sheet(canvas), [left, right, top, bottom] = [58, 14, 12, 42];
  const at = log ? Math.log : value => value;
  const across = value => left + (width - left - right) * (at(value) - at(x[0])) / (at(x[1]) - at(x[0]) || 1);
  const up = value => height - bottom - (height - top - bottom) * (value - y[0]) / (y[1] - y[0] || 1);
  context.strokeStyle = style("line");
  context.fillStyle = style("soft");
  context.lineWidth = 1;
  context.textAlign = "center";
  for (const value of ticks(x[0], x[1], Math.max(3, width / 110), log).filter(one => !whole || Number.isInteger(one))) {
    line(context, [[across(value), top], [across(value), height - bottom]]);
    context.fillText(shorten(value), across(value), height - bottom + 16);
  }
  context.fillText(xTitle, (left + width - right) / 2, height - 8);
  context.textAlign = "right";
  for (const value of ticks(y[0], y[1], Math.max(3, height / 60))) {
    line(context, [[left, up(value)], [width - right, up(value)]]);
    context.fillText(`${+value.toPrecision(5)}`, left - 6, up(value) + 4);
  }
  context.save();
  context.translate(14, (top + height - bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(yTitle, 0, 0);
  context.restore();
  context.beginPath();
  context.rect(left, top, width - left - right, height - top - bottom);
  context.clip();
  return { context, across, up };
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], n) => n ? context.lineTo(x, y) : context.moveTo(x, y));
  context.stroke();
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

const MANY = 2000;

/** In place of a dot where there are many: a quarter of the time, without a graphics card. */
function square(context, x, y, radius) {
  context.fillRect(x - 0.85 * radius, y - 0.85 * radius, 1.7 * radius, 1.7 * radius);
}

/** [lowest, highest] of values with a little air; the worst tenth of many does not press all others together. */
function range(values, air = 0.05, cut = 0) {
  const ranked = values.filter(Number.isFinite).sort((one, other) => one - other);
  if (!ranked.length) return [0, 1];
  let low = ranked[0], high = ranked.at(-1);
  if (cut > 0) low = Math.max(low, ranked[Math.floor(cut * ranked.length)] - 0.3 * (high - ranked[Math.floor(cut * ranked.length)]));
  if (cut < 0) high = Math.min(high, ranked[Math.ceil((1 + cut) * ranked.length) - 1] + 0.3 * (ranked[Math.ceil((1 + cut) * ranked.length) - 1] - low));
  const width = high - low || Math.abs(high) || 1;
  return [low - air * width, high + air * width];
}

/** Samples, front, family, the chosen with error bars and near-ties against one cost; returns what hovering looks at. */
function drawPlot(canvas, { cost, samples, chosen, tied, family, limit }) {
  const x = one => cost ? one.costs[cost] : 0, front = candidates.filter(one => one.at !== undefined);
  const good = samples.filter(one => one.measured != null && Number.isFinite(x(one)));
  const xs = [...front, ...good, ...family.map(one => one.candidate)].map(x), [least, most] = range(xs, 0);
  const log = least > 0 && most / least > 20;
  const values = [...good.map(one => one.measured), ...family.map(one => one.candidate.value)];
  const seen = front.map(one => one.value);
  const y = range([...values, ...(seen.length < values.length || !values.length ? seen : range(seen, 0))], 0.06, good.length > 9 ? sign * 0.1 : 0);
  const unitOf = cost && data.costs.find(one => one.name === cost).unit;
  const { context, across, up } = axes(canvas, { x: log ? [least / 1.08, most * 1.08] : range(xs), y, log,
    xTitle: cost ? title(cost) + (unitOf === cost ? "" : ` (${unitOf})`) : "", yTitle: data.metric.title });
  const bar = one => {
    if (one.std === undefined) return;
    const middle = across(x(one)), [low, high] = [up(one.value - one.std), up(one.value + one.std)];
    line(context, [[middle, low], [middle, high]]);
    for (const end of [low, high]) line(context, [[middle - 4, end], [middle + 4, end]]);
  };
  const spots = [];
  const small = good.length + front.length > MANY ? square : dot;
  const draw = (one, value, radius, kind) => { (radius > 3 ? dot : small)(context, across(x(one)), up(value), radius); spots.push({ one, kind, x: across(x(one)), y: up(value), value }); };
  const last = Math.max(1, ...good.map(one => one.round));
  context.fillStyle = style("gray");
  for (const one of good) { context.globalAlpha = 0.35 + 0.55 * one.round / last; draw(one, one.measured, 3, "trained"); }
  context.fillStyle = style("blue");
  context.globalAlpha = 0.45;
  for (const one of front) draw(one, one.value, 2, "predicted");
  context.globalAlpha = 1;
  if (limit !== undefined) { context.strokeStyle = style("soft"); context.setLineDash([4, 4]); line(context, [[across(limit), 0], [across(limit), canvas.clientHeight]]); context.setLineDash([]); }
  context.fillStyle = context.strokeStyle = style("orange");
  for (const { candidate } of tied.slice(0, 40)) draw(candidate, candidate.value, 3.5, "near-tie");
  context.fillStyle = context.strokeStyle = style("red");
  const members = family.map(one => one.candidate).sort((one, other) => x(one) - x(other));
  context.globalAlpha = 0.7;
  line(context, members.map(one => [across(x(one)), up(one.value)]));
  context.globalAlpha = 1;
  for (const one of members) { bar(one); draw(one, one.value, 5, "the family"); }
  if (chosen) {
    const value = chosen.value ?? chosen.measured;
    context.fillStyle = context.strokeStyle = style("text");
    if (chosen.value !== undefined) bar(chosen);
    context.lineWidth = 2;
    context.beginPath();
    context.arc(across(x(chosen)), up(value), 8, 0, 2 * Math.PI);
    context.stroke();
  }
  return spots;
}

/** The spot nearest to a place, within a few pixels; of those on one place the one drawn last. */
function nearest(spots, x, y) {
  let found, distance = 12 ** 2;
  for (const spot of spots) {
    const away = (spot.x - x) ** 2 + (spot.y - y) ** 2;
    if (away <= distance) { distance = away; found = spot; }
  }
  return found;
}

/** Learning curves: those found, faint, and one of them. */
function drawCurves(canvas, found, one) {
  const shown = found.filter(sample => sample.curve.length > 1).slice(0, 150);
  const all = one && one.curve.length > 1 ? [...shown, one] : shown;
  const { context, across, up } = axes(canvas, { xTitle: "epoch", whole: true, yTitle: data.metric.title,
    x: [1, Math.max(2, ...all.map(sample => sample.curve.length))], y: range(all.flatMap(sample => sample.curve)) });
  const draw = sample => line(context, sample.curve.map((value, epoch) => [across(epoch + 1), up(value)]));
  context.strokeStyle = style("gray");
  context.globalAlpha = Math.max(0.12, Math.min(0.7, 12 / all.length));
  shown.forEach(draw);
  context.globalAlpha = 1;
  if (one && one.curve.length > 1) { context.strokeStyle = style("red"); context.lineWidth = 2.5; draw(one); }
}
