// Candidates: reading rows, numbers for people, the best within limits and what ties with it.

const data = JSON.parse(document.getElementById("data").textContent);
const sign = data.metric.sign;

/** 450000 -> "450k", as nars writes quantities. */
function shorten(number) {
  for (const [limit, suffix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(number) >= limit) return `${+(number / limit).toPrecision(4)}${suffix}`;
  return `${+number.toPrecision(4)}`;
}

/** "450k", "1.2M", "12ms" -> number; NaN where it is none. Small m, g and b are refused, as nars refuses them: m may be milli. */
function quantity(text) {
  const found = /^\s*((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(k|K|M|G|B|ms|s)?\s*$/.exec(text);
  return found ? +(found[1] * ({ k: 1e3, K: 1e3, M: 1e6, G: 1e9, B: 1e9, s: 1e3 }[found[2]] ?? 1)).toPrecision(15) : NaN;
}

const figure = value => data.metric.unit === "%" ? value.toFixed(2) : `${+value.toPrecision(4)}`;
const unit = data.metric.unit ? ` ${data.metric.unit}` : "";
const spell = (value, std) => `${figure(value)}${std === undefined ? "" : ` ± ${figure(std)}`}${unit}`;
const title = name => name.replace(/_/g, " ");

/** The settings of a row by name. */
function record(row) {
  return Object.fromEntries(data.settings.map(([name, values, column]) => [name, values[column === null ? 0 : row[column]]]));
}

/** The settings that anything reads in this candidate. */
function used(row) {
  const all = record(row);
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => {
    const [by, words] = data.reads[name] ?? [];
    return value !== null && (!(by in all) || words.includes(all[by]));
  }));
}

const same = (one, other) => one.row.join() === other.row.join();

/** Candidates of the front, those of the family and those that a search has found: {row, value, std, costs, at}. */
const candidates = [];
if (data.front) data.front.rows.forEach((row, at) => candidates.push({
  row, at, value: data.front.value[at], std: data.front.std[at],
  costs: Object.fromEntries(data.costs.map(({ name }) => [name, data.front.costs[name][at]])),
}));
for (const member of data.family) add({ ...member, from: `the run's ${member.name}` });

/** Keep a candidate; the one that is known already where it is. */
function add(candidate) {
  const known = candidates.find(one => same(one, candidate));
  if (!known) { candidates.push(candidate); return candidate; }
  return Object.assign(known, candidate);
}

/** Whether it keeps {cost: upper limit}, up to rounding, as nars has it. */
const within = (candidate, limits) => Object.entries(limits).every(([name, limit]) => candidate.costs[name] <= limit + 1e-12 * Math.abs(limit));

/** The candidate predicted best within {cost: upper limit}; undefined where nothing keeps them. */
function best(limits, counts = () => true) {
  let found;
  for (const one of candidates)
    if (counts(one) && one.value !== undefined && within(one, limits) && (!found || sign * one.value > sign * found.value)) found = one;
  return found;
}

/** P(standard normal > z), to 1e-7 (Abramowitz & Stegun 26.2.17). */
function tail(z) {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const p = Math.exp(-z * z / 2) * 0.3989422804 * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z >= 0 ? p : 1 - p;
}

/** Candidates of the front within the limits with 10 % chance or more to be better than its best, likeliest first. */
function ties(limits) {
  const top = best(limits, one => one.at !== undefined), found = [];
  if (!top) return [];
  const { factor, rest } = data.front;
  for (const one of candidates) {
    if (one === top || one.at === undefined || !within(one, limits)) continue;
    let variance = rest[one.at] + rest[top.at];
    for (let k = 0; k < factor[0].length; k++) variance += (factor[one.at][k] - factor[top.at][k]) ** 2;
    const better = tail(sign * (top.value - one.value) / Math.sqrt(Math.max(variance, 1e-12)));
    if (better >= 0.1) found.push({ candidate: one, better });
  }
  return found.sort((one, other) => other.better - one.better);
}

/** The command that asks the same. */
function command(limits) {
  const word = text => /^[\w./=+-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
  const bounds = Object.entries(limits).map(([name, limit]) => `${name}=${limit}`).join("+");
  return `nars search --predictor ${word(data.asked)}${bounds ? ` --budgets ${bounds}` : data.costs.length ? ` --pareto ${data.costs[0].name}` : ""}`;
}
