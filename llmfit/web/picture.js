// Quality against speed: one mark a row of the table, on a logarithmic axis of speed.

import { at, h, svg } from "./dom.js";
import { LEVELS, icon, mark } from "./fit.js";
import * as format from "./format.js";
import { say } from "./words.js";

const MARGIN = { top: 34, right: 20, bottom: 40, left: 44 };
const REACH = 28; // px: how near the pointer must come to a mark
const LABELS = 7, WIDE = 640; // names beside marks, at most; fewer where the picture is narrower (px)
let points = [], chosen = null, frame, tip;

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const short = name => name.split("/").at(-1);

/** 1, 2, 5, 10, 20 ... within a range; more of them where it is short. */
function ticks(low, high) {
  const found = [], digits = high / low > 12 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of digits) found.push(digit * 10 ** power);
  return found.filter(value => value >= low * 0.999 && value <= high * 1.001);
}

/** The rows that no other row beats in both: by falling speed, rising quality. */
function frontier() {
  let best = -Infinity;
  return [...points].sort((a, b) => b.speed - a.speed || b.quality - a.quality).filter(point => point.quality > best && ((best = point.quality), true));
}

function draw() {
  const width = at("picture").clientWidth, height = clamp(width * 0.36, 260, 400);
  if (!width) return;
  frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
  frame.setAttribute("height", height);
  frame.replaceChildren();
  if (!points.length) return;
  const speeds = points.map(point => point.speed), qualities = points.map(point => point.quality);
  const [slow, fast] = [Math.min(...speeds) / 1.15, Math.max(...speeds) * 1.15];
  const [bad, good] = [Math.floor(Math.min(...qualities) / 5 - 0.2) * 5, Math.ceil(Math.max(...qualities) / 5 + 0.2) * 5];
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
  const x = speed => left + ((Math.log(speed) - Math.log(slow)) / (Math.log(fast) - Math.log(slow))) * (right - left);
  const y = quality => bottom - ((quality - bad) / (good - bad)) * (bottom - top);
  for (const point of points) [point.x, point.y] = [x(point.speed), y(point.quality)];

  const step = good - bad > 40 ? 20 : good - bad > 20 ? 10 : 5;
  for (let value = Math.ceil(bad / step) * step; value <= good; value += step)
    frame.append(svg("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }), svg("text", { class: "tick", x: left - 10, y: y(value) + 4, "text-anchor": "end" }, format.count(value)));
  for (const value of ticks(slow, fast))
    frame.append(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: top, y2: bottom }), svg("text", { class: "tick", x: x(value), y: bottom + 18, "text-anchor": "middle" }, format.tick(value)));
  frame.append(
    svg("text", { class: "axis", x: right, y: height - 4, "text-anchor": "end" }, `${say(points[0].reads ? "axis_prefill" : "axis_speed")} →`),
    svg("text", { class: "axis", x: left - 30, y: 14 }, `↑ ${say("axis_quality")}`),
  );
  const edge = frontier();
  frame.append(svg("path", { class: "frontier", d: edge.map((point, index) => (index ? `V${point.y}H${point.x}` : `M${point.x} ${point.y}`)).join("") }));
  for (const point of [...points].reverse()) {
    point.node = svg("g", { class: point.best ? "point best" : "point", transform: `translate(${point.x} ${point.y})`, "data-name": point.name },
      svg("circle", { class: "halo", r: 11 }), mark(point.level, width < WIDE ? { transform: "scale(0.8)" } : {}));
    frame.append(point.node);
  }
  name([...points.filter(point => point.best), ...edge], left, right, bottom);
  light(chosen);
}

/** Names beside the first marks of a list, where no other name or mark is in the way. */
function name(list, left, right, bottom) {
  const taken = points.map(point => [point.x - 6, point.y - 6, point.x + 6, point.y + 6]);
  let written = right - left < WIDE ? 4 : 0;
  for (const point of new Set(list)) {
    if (written === LABELS) break;
    const text = svg("text", { class: point.best ? "label best" : "label" }, short(point.name));
    frame.append(text);
    const long = text.getComputedTextLength(), side = point.best ? 16 : 10, middle = clamp(point.x - long / 2, left, right - long);
    const spots = [[point.x + side, point.y + 4], [point.x - side - long, point.y + 4], [middle, point.y - side - 1], [middle, point.y + side + 10]];
    const spot = spots.find(([x, y]) => x >= left && x + long <= right && y > MARGIN.top - 8 && y < bottom - 2 && !taken.some(([a, b, c, d]) => x < c && x + long > a && y - 11 < d && y + 3 > b));
    if (!spot) {
      text.remove();
      continue;
    }
    taken.push([spot[0], spot[1] - 11, spot[0] + long, spot[1] + 3]);
    text.setAttribute("x", spot[0]);
    text.setAttribute("y", spot[1]);
    written += 1;
  }
}

function near(event) {
  const box = frame.getBoundingClientRect(), [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let found = null, least = REACH ** 2;
  for (const point of points) {
    const away = (point.x - px) ** 2 + (point.y - py) ** 2;
    if (away < least) [found, least] = [point, away];
  }
  return found;
}

function explain(point) {
  tip.hidden = !point;
  if (!point) return;
  tip.replaceChildren(
    h("b", {}, short(point.name)),
    h("span", { class: "muted" }, `${point.row.provider} · ${point.row.parameter_count} · ${point.row.best_quant ?? ""}`),
    h("span", {}, icon(point.level), ` ${say(`fit_${point.level}`)} · ${say("gib", { value: format.gib(point.row.total_memory_gb) })}`),
    h("span", {}, `${say("quality")} ${format.score(point.quality)} · ${format.speed(point.speed)} ${say("tps_unit")}`),
  );
  const room = at("picture").clientWidth, wide = tip.offsetWidth;
  tip.style.left = `${clamp(point.x + 16 + wide > room ? point.x - 16 - wide : point.x + 16, 0, Math.max(0, room - wide))}px`;
  tip.style.top = `${Math.max(0, point.y - tip.offsetHeight - 8)}px`;
}

export function build({ open, hover }) {
  frame = svg("svg", { role: "img", width: "100%", tabindex: -1 });
  tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  at("picture").append(frame, tip);
  frame.addEventListener("pointermove", event => hover(near(event)?.name ?? null, true));
  frame.addEventListener("pointerleave", () => hover(null, true));
  frame.addEventListener("click", event => { const point = near(event); if (point) open(point.name); });
  new ResizeObserver(draw).observe(at("picture"));
}

/** Draw the rows; a ring marks the one of the name `best`, if it is among them. */
export function show({ models }, best = "") {
  const reads = models.length > 0 && models.every(row => row.category === "Embedding" && row.prefill_tps);
  points = models.map(row => ({
    row, reads, best: row.name === best, name: row.name, level: row.fit_level, quality: row.score_components.quality, speed: reads ? row.prefill_tps : row.estimated_tps,
  })).filter(point => point.speed > 0);
  frame.setAttribute("aria-label", say("picture_label", { n: points.length, best }));
  const levels = new Set(points.map(point => point.level));
  at("legend").replaceChildren(...LEVELS.filter(level => levels.has(level)).map(level => h("li", {}, icon(level), say(`fit_${level}`))),
    h("li", {}, h("span", { class: "dashes" }), say("frontier")));
  explain(null);
  draw();
}

/** Make one mark stand out; `tell` shows what it is. */
export function light(name, tell = false) {
  chosen = name;
  let found = null;
  for (const point of points) {
    point.node?.classList.toggle("lit", point.name === name);
    if (point.name === name) found = point;
  }
  frame.classList.toggle("chosen", found !== null);
  if (found?.node) frame.querySelector(".point:last-of-type")?.after(found.node);
  explain(tell || found ? found : null);
}
